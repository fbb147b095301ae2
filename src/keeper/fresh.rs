//! Reads the sources again, before their leases reach their max TTL.
//!
//! A lease ends with its token, so a new login comes first, if the login's credential is still in its file. A
//! credential from a variable is gone, and a wrapped one is used up: then the held token is used once more, while it
//! is valid. A given token is used as it is; after its expiry, the token that has replaced it in its file.

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
use crate::launch::fetch::{self, FetchedSecrets};
use crate::launch::given::Given;
use crate::launch::{self, Request};
use crate::lease::{Again, Leases};

/// The result of reading the sources again.
pub(super) struct Fresh {
    /// What the kernels get.
    pub(super) given: Given,
    /// Its leases; `None` if nothing has a lease any more.
    pub(super) leases: Option<Leases>,
    /// Whether the leases depend on the token that the keeper already held.
    pub(super) has_old_token: bool,
    /// The plan that was used.
    pub(super) plan: Plan,
}

/// The deadlines for giving a kernel new credentials.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// When the kernel's present credentials end; it is warned before.
    pub(super) old_ends: Instant,
    /// When the new credentials must be replaced.
    pub(super) next: Instant,
}

/// The keeper's token, and whether it comes from a login.
pub(super) type HeldToken = (Option<Credential>, bool);

/// Reads the sources that gave `sources` again; `None` if `stop` came first.
pub(super) async fn read(
    again: &Again,
    sources: &BTreeSet<String>,
    token: HeldToken,
    stop: impl Future<Output = ()>,
) -> Result<Option<Fresh>> {
    let entries = again.environment.iter().filter_map(|entry| CString::new(entry.as_str()).ok());
    let environment = Environment::from_entries(entries);
    let mut failed = None;
    futures_util::pin_mut!(stop);
    for (mut plan, has_old_token) in plans(again, &environment, token)? {
        // The keeper tries again later.
        plan.server.max_retries = Some(0);
        plan.sources.retain(|source| sources.contains(source.path.as_written()));
        if plan.sources.is_empty() {
            return Err(Error::new(
                Kind::Config,
                "the configuration no longer has the source of this kernel's secrets",
                "restart the kernel to apply the present configuration",
            ));
        }
        match fetch::fetch_until(&plan, &environment, &mut stop, &mut |_| {}).await {
            Err(()) => return Ok(None),
            Ok(Ok(FetchedSecrets { mut given, leases })) => {
                launch::withhold(&mut given, &plan, &environment);
                return Ok(Some(Fresh { given, leases, has_old_token, plan }));
            }
            // The next plan may work.
            Ok(Err(error)) if is_refusal(error.kind()) => failed = failed.or(Some(error)),
            Ok(Err(error)) => return Err(error),
        }
    }
    Err(failed.unwrap_or_else(|| Error::new(Kind::Config, "no login is left", "restart the kernel")))
}

/// The plans to try in order, and for each whether it uses the held token.
fn plans(again: &Again, environment: &Environment, (token, is_ours): HeldToken) -> Result<Vec<(Plan, bool)>> {
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

/// Whether a login's credential can be used only once.
const fn is_used_up(login: &Login) -> bool {
    matches!(login, Login::Wrapped(_) | Login::AppRole { wrapped: true, .. })
}

/// Whether a fetch failed because of its credential.
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
