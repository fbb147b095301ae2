//! `doctor`: checks each step of a launch in order, from the configuration to the last name.
//!
//! A launch stops at its first failure. `doctor` reports all of them, since different people may have to fix them, and
//! asking each takes days. It leaves no trace: it revokes the token of its login, looks up a wrapped token without
//! using it, creates no lease (it looks up the token's capabilities instead), and drops values as soon as it knows
//! their length.

mod certificate;
mod configuration;
mod environment;
mod gateway;
mod kernels;
mod login;
mod permission;
mod revocation;
mod server;
pub(super) mod sources;

use std::time::Duration;

use super::Outcome;
use super::report::{Report, Status};
use crate::config::env::Environment;
use crate::config::plan::Plan;
use crate::error::{Result, one_line};
use crate::launch::Request;
use crate::launch::fetch::{REVOKE, REVOKE_WHEN_STOPPED, ending, runtime};
use crate::launch::refusal;
use crate::net::deadline::Deadline;
use crate::sys::hardening::Hardening;
use crate::sys::signals::{Caught, end_by, with_default_effect};
use crate::vault::auth::{self, Authenticated};
use crate::vault::client::Client;

/// How many names the verdict shows.
const SHOWN: usize = 10;

/// Checks everything, and reports.
pub fn run(request: &Request, json: bool) -> Result<Outcome> {
    let _hardening = Hardening::apply()?;
    examine(request, json, &Environment::take())
}

/// As [`run`], with a given environment.
pub(super) fn examine(request: &Request, json: bool, parent: &Environment) -> Result<Outcome> {
    let mut report = Report::default();
    let configured = configuration::check(request, parent, &mut report);
    let mut found = sources::Found::default();
    if let Some(plan) = &configured.plan {
        // The cause of everything that follows comes first.
        if let Some(refused) = refusal::known_refusal(plan) {
            let what = refused.what().replace(refusal::NOT_SENT, "");
            report.lead("login", Status::Warning, what).advise(refused.advice()).fact("refused_before", true);
        }
        found = ask_vault(plan, parent, configured.login_works, &mut report)?;
        environment::check(plan, parent, &found, &mut report);
    }
    gateway::check(request, parent, &configured, &mut report);
    #[cfg(feature = "wrap")]
    kernels::look_at_kernelspecs(parent, &mut report);
    kernels::check(parent, &mut report);
    let healthy = match found.names.len() {
        _ if report.count(Status::Skipped) > 0 => "the sources were not tried, see above".to_owned(),
        0 => "a new kernel gets 0 variables".to_owned(),
        number => {
            let names: Vec<_> = found.names.iter().take(SHOWN).map(|(name, _)| one_line(name.as_str())).collect();
            let more = if number > SHOWN { format!(" and {} more", number - SHOWN) } else { String::new() };
            let plural = if number == 1 { "" } else { "s" };
            format!("a new kernel gets {number} variable{plural}: {}{more}", names.join(", "))
        }
    };
    let text = if json { report.json(&healthy) } else { report.text(&healthy) };
    Ok(Outcome { text, code: report.exit_code() })
}

/// The checks that need the network. A signal stops them at once, and revokes the login's token.
pub(super) fn ask_vault(plan: &Plan, parent: &Environment, login: bool, report: &mut Report) -> Result<sources::Found> {
    let runtime = runtime()?;
    let caught = Caught::new(with_default_effect());
    let asked = runtime.block_on(ask_until(plan, parent, login, ending(&caught), report));
    runtime.shutdown_background();
    drop(caught);
    asked.map_err(|signal| end_by(signal))
}

async fn ask_until<T>(
    plan: &Plan,
    parent: &Environment,
    login: bool,
    stop: impl Future<Output = T>,
    report: &mut Report,
) -> Result<sources::Found, T> {
    let mut client = None;
    let mut session = None;
    let asked = {
        let asking = async {
            if !server::check(plan, report).await {
                report.section("login");
                report.add(Status::Skipped, "not tried: Vault can't be used");
                return sources::Found::default();
            }
            if !login {
                report.section("login");
                report.add(Status::Skipped, "not tried: it is not configured, see above");
                return sources::Found::default();
            }
            match Client::new(&plan.server, Deadline::after(plan.budget)) {
                Ok(new) => {
                    let client = client.insert(new);
                    match login::check(plan, client, &mut session, report).await {
                        Some(identity) => sources::check(plan, parent, client, identity, report).await,
                        None => sources::Found::default(),
                    }
                }
                Err(error) => {
                    report.fail(&error);
                    sources::Found::default()
                }
            }
        };
        futures_util::pin_mut!(asking, stop);
        tokio::select! {
            biased;
            why = &mut stop => Err(why),
            found = &mut asking => Ok(found),
        }
    };
    if let (Some(client), Some(session)) = (&client, &session) {
        revoke_token(client, session, asked.is_err(), report).await;
    }
    asked
}

async fn revoke_token(client: &Client, session: &Authenticated, stopped: bool, report: &mut Report) {
    report.section("traces");
    if !session.revocable {
        return;
    }
    let limit: Duration = if stopped { REVOKE_WHEN_STOPPED } else { REVOKE };
    match auth::revoke(client, limit).await {
        Ok(()) => report.add(Status::Ok, "the token of this check's login was revoked").fact("revoked", true),
        Err(error) => report
            .add(
                Status::Warning,
                "the token of this check's login could not be revoked; it is valid until its TTL ends",
            )
            .advise(error.what())
            .fact("revoked", false),
    };
}
