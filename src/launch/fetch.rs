//! Logs in, reads every source, revokes the token.
//!
//! All of it runs on one thread, with one connection (a folder uses a few) and one deadline. SIGINT, SIGTERM and
//! SIGHUP end a launch at once, but first revoke the token of the login, since nothing else would. All network
//! buffers are freed, and so wiped, when this returns.

use std::future::{Future, pending};
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use super::given::{Given, answers};
use super::refusal;
use super::source::{self, Access};
use crate::config::env::Environment;
use crate::config::plan::Plan;
use crate::config::source::SourceKind;
use crate::error::{Error, Kind, Result};
use crate::lease::{Leases, increment};
use crate::net::deadline::Deadline;
use crate::sys::signals::{Caught, end_by, with_default_effect};
use crate::vault::auth::{self, Authenticated};
use crate::vault::client::Client;
use crate::vault::generic::Lease;

/// The time limit for revoking the token.
pub(crate) const REVOKE: Duration = Duration::from_secs(2);
/// That time limit after a signal.
pub(crate) const REVOKE_WHEN_STOPPED: Duration = Duration::from_millis(500);

/// What a launch fetched.
pub struct FetchedSecrets {
    pub given: Given,
    /// What depends on the login's token.
    pub leases: Option<Leases>,
}

/// Fetches the secrets of `plan`. `report` receives a failure to revoke the token.
///
/// On SIGINT, SIGTERM or SIGHUP this does not return: the process ends by that signal.
pub fn fetch(plan: &Plan, parent: &Environment, report: &mut dyn FnMut(&Error)) -> Result<FetchedSecrets> {
    let runtime = runtime()?;
    // Without a login there is nothing to revoke, so signals keep their default effect, which ends the process at once.
    let caught = Caught::new(if plan.login.makes_token() { with_default_effect() } else { Vec::new() });
    let outcome = runtime.block_on(fetch_until(plan, parent, ending(&caught), report));
    // A thread may still wait for a name server; it holds no secret.
    runtime.shutdown_background();
    drop(caught);
    match outcome {
        Ok(outcome) => outcome,
        Err(ending) => end_by(ending),
    }
}

/// The runtime of a network client: this thread, and a second one only during a DNS query.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|cause| {
        let what = format!("a network client can't be set up: {}", crate::error::why(cause.kind()));
        Error::new(Kind::Os, what, "check the limits on descriptors and processes (ulimit -a)")
    })
}

/// As [`fetch`], on a given runtime, and at most until `stop`, whose output is then the error. The token of the login
/// is revoked in that case too.
pub async fn fetch_until<T>(
    plan: &Plan,
    parent: &Environment,
    stop: impl Future<Output = T>,
    report: &mut dyn FnMut(&Error),
) -> Result<Result<FetchedSecrets>, T> {
    let mut client = match Client::new(&plan.server, Deadline::after(plan.budget)) {
        Ok(client) => client,
        Err(error) => return Ok(Err(error)),
    };
    let mut session = None;
    let mut held = Vec::new();
    let mut shortened = None;
    let outcome = {
        let reading = async {
            session = Some(refusal::login(&mut client, plan).await?);
            // A `database` source always makes a lease, so its token is checked first.
            if plan.sources.iter().any(|source| source.kind == SourceKind::Database) {
                can_hold(session.as_ref(), true)?;
                // From here on leases end with the window, even if this launch fails.
                shortened = shorten(&client, plan, session.as_ref()).await;
            }
            let access = Access { plan, parent, client: &client };
            source::read_all(access, session.as_mut(), &mut held, report).await
        };
        futures_util::pin_mut!(reading, stop);
        tokio::select! {
            biased;
            why = &mut stop => Err(why),
            outcome = &mut reading => Ok(outcome),
        }
    };
    let ours = session.as_ref().is_some_and(|session: &Authenticated| session.revocable);
    // The keeper needs this token for its clients as long as the kernel runs.
    let has_profiles = matches!(&outcome, Ok(Ok(given)) if !answers(given).is_empty());
    let has_leases = has_profiles || held.iter().any(|lease| !lease.id.is_empty());
    let outcome = outcome.map(|given| given.and_then(|given| can_hold(session.as_ref(), has_leases).map(|()| given)));
    if !has_leases && can_hold(session.as_ref(), true).is_err() {
        // Secrets without a lease outlive their token, and such a token is not used to read again.
        held.clear();
    }
    let keep = !held.is_empty() && matches!(outcome, Ok(Ok(_)));
    if ours && !keep {
        let limit = if outcome.is_err() { REVOKE_WHEN_STOPPED } else { REVOKE };
        let revoked = auth::revoke(&client, limit).await;
        // A launch that fails reports only its cause.
        if let (Err(error), Ok(Ok(_))) = (revoked, &outcome) {
            report(&error.remark("the token of the login could not be revoked; it is valid until its TTL ends"));
        }
    }
    let longest = held.iter().map(|lease| lease.seconds).max().filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let ttl = ttl(session.as_ref());
    let mut leases = keep.then(|| Leases { token: client.token(), is_ours: ours, ttl, left: longest, held });
    if let Some(leases) = leases.as_mut().filter(|leases| leases.is_ours) {
        // From here on the leases end with the window even if no keeper runs. A keeper shortens the token again if
        // this failed.
        if shortened.is_none() {
            shortened = shorten(&client, plan, session.as_ref()).await;
        }
        leases.left = shortened.or(ttl);
    }
    outcome.map(|given| given.map(|given| FetchedSecrets { given, leases }))
}

/// The TTL of the login's token.
fn ttl(session: Option<&Authenticated>) -> Option<Duration> {
    session?.about.as_ref()?.ttl
}

/// Shortens the token of the login to the window; returns its new TTL if Vault allowed that.
async fn shorten(client: &Client, plan: &Plan, session: Option<&Authenticated>) -> Option<Duration> {
    let session = session.filter(|session| session.revocable);
    let increment = session.map(|session| increment(ttl(Some(session)), plan.keeper_window))?;
    auth::renew(client, increment, REVOKE).await.ok()
}

/// Refuses a lease that depends on a token which can't be renewed.
fn can_hold(session: Option<&Authenticated>, has_leases: bool) -> Result<()> {
    let Some(about) = session.and_then(|session| session.about.as_ref()).filter(|_| has_leases) else {
        return Ok(());
    };
    let why = match session {
        Some(Authenticated { revocable: false, .. }) => "gives batch tokens, which can't be renewed or revoked",
        _ if about.uses.is_some() => "gives tokens with a limited number of uses, none of which is left for leases",
        _ => return Ok(()),
    };
    Err(Error::new(
        Kind::Config,
        format!("the login {why}, but a source gives a lease that depends on its token"),
        "set token_type=service and token_num_uses=0 for the login's role",
    ))
}

/// Reads the sources with an existing session, as [`fetch_until`] does with its own; also returns the leases that
/// depend on the token.
pub async fn read(
    plan: &Plan,
    parent: &Environment,
    client: &Client,
    session: &Authenticated,
) -> Result<(Given, Vec<Lease>)> {
    let mut held = Vec::new();
    let mut of_read = Authenticated { identity: session.identity.clone(), about: None, revocable: session.revocable };
    let access = Access { plan, parent, client };
    let given = source::read_all(access, Some(&mut of_read), &mut held, &mut |_| {}).await?;
    let has_profiles = !answers(&given).is_empty();
    can_hold(Some(session), has_profiles || held.iter().any(|lease| !lease.id.is_empty()))?;
    if can_hold(Some(session), true).is_err() {
        held.clear();
    }
    Ok((given, held))
}

/// The part of a session that a keeper takes over: the leases `held`, and the session's token, which ends with the
/// window.
pub async fn left_by(plan: &Plan, client: &Client, session: &Authenticated, held: Vec<Lease>) -> Leases {
    let ttl = ttl(Some(session));
    let longest = held.iter().map(|lease| lease.seconds).max().filter(|seconds| *seconds > 0).map(Duration::from_secs);
    let left = if session.revocable { shorten(client, plan, Some(session)).await.or(ttl) } else { longest };
    Leases { token: client.token(), is_ours: session.revocable, ttl, left, held }
}

/// Waits for the first signal of `caught`; forever if there is none.
pub async fn ending(caught: &Caught) -> Signal {
    let Some(Ok(mut arrivals)) = caught.arrivals().map(Receiver::from_owned_fd) else { return pending().await };
    let number = arrivals.read_u8().await.map(i32::from);
    number.ok().and_then(|number| Signal::try_from(number).ok()).unwrap_or(Signal::SIGTERM)
}
