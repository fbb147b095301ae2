//! Sources read anew, before the leases that they gave end for good.
//!
//! A lease dies with its token, so a new login comes first where the login's credential is still there, in its file. A
//! credential that stood in a variable is gone, and a wrapped one is used up: then the token that is held reads once more, as
//! long as it lives. A token that was given reads as it is, and after its own end the one that stands in its place.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::credential::Credential;
use crate::config::env::Environment;
use crate::config::login::Login;
use crate::config::plan::Plan;
use crate::config::server::Server;
use crate::error::{Error, Kind, Result};
use crate::launch::given::Given;
use crate::launch::{self, Request, fetch};
use crate::lease::{Again, Leases};

/// What was read anew.
pub(super) struct Fresh {
    /// What the kernels get.
    pub(super) given: Given,
    /// Its leases; `None` when there are none any more.
    pub(super) leases: Option<Leases>,
    /// Whether they hang on the token that was there before.
    pub(super) has_old_token: bool,
    /// How it was read.
    pub(super) plan: Plan,
}

/// Until when a kernel can be given what is fresh.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// When what it has ends: before that it is told.
    pub(super) old_ends: Instant,
    /// When what is fresh is to be replaced in turn.
    pub(super) next: Instant,
}

/// The token that is held, and whether it is ours.
pub(super) type Token = (Option<Credential>, bool);

/// Reads the sources that gave `sources` again; `None` when `stop` came first.
pub(super) async fn read(
    again: &Again,
    sources: &BTreeSet<String>,
    token: Token,
    stop: impl Future<Output = ()>,
) -> Result<Option<Fresh>> {
    let entries = again.environment.iter().filter_map(|entry| CString::new(entry.as_str()).ok());
    let environment = Environment::from_entries(entries);
    let mut failed = None;
    futures_util::pin_mut!(stop);
    for (mut plan, has_old_token) in plans(again, &environment, token)? {
        // The next try comes later.
        plan.server.max_retries = Some(0);
        plan.sources.retain(|source| sources.contains(source.path.as_written()));
        if plan.sources.is_empty() {
            return Err(Error::new(
                Kind::Config,
                "the configuration has no source any more that gives what the kernel has",
                "restart the kernel, which then gets what is configured now",
            ));
        }
        match fetch::fetch_until(&plan, &environment, &mut stop, &mut |_| {}).await {
            Err(()) => return Ok(None),
            Ok(Ok((mut given, leases))) => {
                launch::withhold(&mut given, &plan, &environment);
                return Ok(Some(Fresh { given, leases, has_old_token, plan }));
            }
            // Another way in may be open.
            Ok(Err(error)) if is_refusal(error.kind()) => failed = failed.or(Some(error)),
            Ok(Err(error)) => return Err(error),
        }
    }
    Err(failed.unwrap_or_else(|| Error::new(Kind::Config, "no login is left", "restart the kernel")))
}

/// The ways to read, the best first, and whether each uses the token that is held.
fn plans(again: &Again, environment: &Environment, (token, is_ours): Token) -> Result<Vec<(Plan, bool)>> {
    let request = Request {
        config: again.config.clone(),
        secrets: again.secrets.clone(),
        timeout: again.timeout_ms.map(Duration::from_millis),
        allow: again.allow.clone(),
        ..Request::default()
    };
    let settings = launch::settings(&request, environment)?;
    let anew = Plan::new(&settings, environment).ok().filter(|plan| !is_used_up(&plan.login));
    let held = token.map(|token| {
        Server::new(&settings, environment)
            .map(|server| Plan::with(&settings, environment, server, Login::Token(token)))
    });
    let (anew, held) = (anew.map(|plan| (plan, false)), held.transpose()?.map(|plan| (plan, true)));
    let both = if is_ours { [anew, held] } else { [held, anew] };
    Ok(both.into_iter().flatten().collect())
}

/// Whether a login's credential serves once alone.
const fn is_used_up(login: &Login) -> bool {
    matches!(login, Login::Wrapped(_) | Login::AppRole { wrapped: true, .. })
}

/// Whether a fetch failed because of the credential that it used.
const fn is_refusal(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::BadToken
            | Kind::TokenSpent
            | Kind::PolicyDenied
            | Kind::LoginRefused
            | Kind::Credential
            | Kind::BadRequest
    )
}
