//! Checks the login: its method, the origin of its credential, and its token's policies. Never shows the token.
//!
//! A wrapped credential can be used only once, so it is looked up and left for its kernel. A token with a limited
//! number of uses is looked up, which takes one use, and not used further.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::super::login::status::SOON;
use super::super::report::{Finding, Report, Status};
use super::super::time::shown;
use crate::config::credential::{Credential, LOG_IN};
use crate::config::login::Login;
use crate::config::plan::Plan;
use crate::error::{Error, Kind, Result};
use crate::launch::{expiry, refusal};
use crate::vault::auth::{self, About, Authenticated, Identity};
use crate::vault::body::{Answer, malformed};
use crate::vault::client::{Client, Raw};
use crate::vault::error::Operation;

/// Logs in and reports; `None` if the sources can't be tried.
pub(super) async fn check(
    plan: &Plan,
    client: &mut Client,
    session: &mut Option<Authenticated>,
    report: &mut Report,
) -> Option<Identity> {
    report.section("login");
    if let Login::Wrapped(token) | Login::AppRole { secret_id: Some(token), wrapped: true, .. } = &plan.login {
        wrapped(client, token, report).await;
        return None;
    }
    let start = Instant::now();
    let outcome = match refusal::login(client, plan).await {
        Ok(new) => {
            let new = session.insert(new);
            match (new.identity.take(), new.about.take()) {
                (Some(identity), Some(about)) => Ok((identity, about)),
                _ => auth::look_up(client).await,
            }
        }
        Err(error) => Err(error),
    };
    let described = describe(&plan.login);
    match outcome {
        Ok((identity, about)) => {
            expiry::learn(plan, &about);
            let what = format!("{described}: accepted ({})", shown(start.elapsed()));
            add_login(report.add(Status::Ok, what), &plan.login);
            report_token(&identity, &about, plan, report)
        }
        // A token without the default policy may still be able to read.
        Err(error) if error.kind() == Kind::PolicyDenied && session.is_some() => {
            add_login(report.add(Status::Note, format!("{described}: the token may not look itself up")), &plan.login)
                .advise(error.advice());
            Some(Identity::default())
        }
        Err(error) => {
            add_login(report.fail(&error), &plan.login);
            report.section("sources");
            report.add(Status::Skipped, "not tried: there is no login");
            None
        }
    }
}

fn add_login<'a>(finding: &'a mut Finding, login: &Login) -> &'a mut Finding {
    let (method, mount, origin) = login.parts();
    finding.fact("method", method);
    if let Some(mount) = mount {
        finding.fact("mount", format!("auth/{mount}"));
    }
    if let Some(origin) = origin {
        finding.fact("credential", origin);
    }
    finding
}

fn describe(login: &Login) -> String {
    let (method, mount, origin) = login.parts();
    let origin = origin.unwrap_or_default();
    match (login, mount) {
        (Login::Token(_), _) => format!("the token from {origin}"),
        (Login::Password { username, .. }, Some(mount)) => {
            format!("{username} at auth/{mount}, with the password from {origin}")
        }
        (Login::Cert { .. }, Some(mount)) => format!("the client certificate at auth/{mount}"),
        (_, Some(mount)) => format!("{method} at auth/{mount}, with the credential from {origin}"),
        _ => "the token that the agent adds".to_owned(),
    }
}

/// The token's facts; `None` if a check must not use it up.
fn report_token(identity: &Identity, about: &About, plan: &Plan, report: &mut Report) -> Option<Identity> {
    let root = about.policies.iter().any(|policy| policy == "root");
    let listed = if about.policies.is_empty() { "none".to_owned() } else { about.policies.join(", ") };
    report.add(Status::Ok, format!("policies: {listed}")).fact("policies", about.policies.clone());
    let known: Vec<_> = identity.metadata.keys().map(|key| format!("{{metadata.{key}}}")).collect();
    if !known.is_empty() {
        report.add(Status::Note, format!("paths may contain {}", known.join(", "))).fact("places", known);
    }
    if root {
        report
            .add(Status::Warning, "it is a root token, which gives full control of Vault")
            .advise("use a login whose policies allow reading the user's own paths and nothing else");
    }
    lifetime(about, plan.login.makes_token(), report);
    let Some(uses) = about.uses else { return Some(identity.clone()) };
    let needed = plan.sources.len() as u64;
    if uses < needed {
        let what = format!("the token has {uses} uses left, and the sources need {needed}");
        report.fail(&Error::new(Kind::TokenSpent, what, "ask for a token with more uses, or without a limit"));
    } else {
        report.add(Status::Note, format!("the token has {uses} uses left")).fact("uses", uses);
    }
    if plan.login.makes_token() {
        return Some(identity.clone());
    }
    report.section("sources");
    report.add(Status::Skipped, "not tried: each attempt would take one of the token's uses");
    None
}

fn lifetime(about: &About, ours: bool, report: &mut Report) {
    let Some(ttl) = about.ttl else {
        report.add(Status::Ok, "it does not expire").fact("ttl_seconds", 0).fact("renewable", about.renewable);
        return;
    };
    let renewable = if about.renewable { "renewable" } else { "not renewable" };
    let soon = !ours && !about.periodic && ttl < SOON;
    let what = format!("it expires in {}, {renewable}", shown(ttl));
    let finding = report.add(if soon { Status::Warning } else { Status::Ok }, what);
    finding.fact("ttl_seconds", ttl.as_secs()).fact("renewable", about.renewable);
    if soon {
        finding.advise(format!(
            "kernels started after that fail: get a new token with {LOG_IN}, or configure a login under [auth]"
        ));
    }
}

#[derive(Deserialize)]
struct Wrapping {
    creation_ttl: u64,
    creation_time: String,
}

async fn wrapped(client: &mut Client, token: &Credential, report: &mut Report) {
    match look_up_wrapping(client, token).await {
        Ok(wrapping) => {
            let what = format!(
                "the wrapping token from {} is valid for {} from {} on; it can be used once, and is left for the kernel",
                token.origin,
                shown(Duration::from_secs(wrapping.creation_ttl)),
                wrapping.creation_time
            );
            report.add(Status::Ok, what).fact("credential", token.origin.clone()).fact("wrapped", true);
        }
        Err(error) => {
            report.fail(&error).fact("credential", token.origin.clone()).fact("wrapped", true);
        }
    }
    report.section("sources");
    report.add(Status::Skipped, "not tried: that would use up the wrapping token");
}

/// <https://openbao.org/api-docs/system/wrapping-lookup/>: needs no token, and does not use up the wrapping token.
async fn look_up_wrapping(client: &mut Client, token: &Credential) -> Result<Wrapping> {
    const WHAT: &str = "looking up the wrapping token";
    client.use_token(token)?;
    let body = zeroize::Zeroizing::new(serde_json::json!({ "token": token.text()? }).to_string());
    client.forget_token();
    let reply = client.call(&Raw::post("sys/wrapping/lookup", body.as_bytes().to_vec()), Operation::Unwrap).await;
    let reply = reply.map_err(|error| match error.kind() {
        Kind::WrappedTokenUsed => Error::new(
            Kind::WrappedTokenUsed,
            format!("the wrapping token from {} was already used, has expired or was altered", token.origin),
            error.advice(),
        ),
        _ => error,
    })?;
    let data = Answer::parse(&reply, WHAT)?.data(WHAT)?;
    serde_json::from_str(data.get()).map_err(|_| malformed(WHAT))
}
