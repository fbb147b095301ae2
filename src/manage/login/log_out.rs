//! `logout`: the file's token is revoked, and the file removed even if Vault is unavailable.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::context::LoginContext;
use super::flags::Flags;
use super::token_file;
use crate::config::env::Environment;
use crate::config::login::Login;
use crate::config::plan::Plan;
use crate::error::{Error, Result};
use crate::launch::fetch::runtime;
use crate::manage::Outcome;
use crate::manage::report::SCHEMA;
use crate::net::deadline::Deadline;
use crate::sys::hardening::Hardening;
use crate::vault::auth;
use crate::vault::client::Client;

/// Revokes the file's token, and removes the file.
pub(crate) fn log_out(flags: &Flags) -> Result<Outcome> {
    let _hardening = Hardening::apply()?;
    let environment = Environment::take();
    let context = LoginContext::read(flags, &environment)?;
    context.check_helper("log out", "vault token revoke -self` (or `bao token revoke -self")?;
    let shown = context.file.display();
    if !token_file::is_there(&context.file) {
        let text = if flags.json {
            log_out_json(&context, false, None)
        } else {
            format!("not logged in: there is no token in {shown}\n")
        };
        return Ok(Outcome { text, code: 0 });
    }
    let token = token_file::read(&context.file)?;
    let revoked = token.map_or(Ok(()), |token| revoke(&context.plan(Login::Token(token))));
    token_file::remove(&context.file)?;
    let code = revoked.as_ref().map_or_else(|error| error.kind().exit_code(), |()| 0);
    if flags.json {
        return Ok(Outcome { text: log_out_json(&context, true, revoked.err().as_ref()), code });
    }
    let mut text = match &revoked {
        Ok(()) => format!("logged out: the token is revoked, and {shown} is removed\n"),
        Err(error) => format!(
            "removed {shown}, but the token is NOT revoked, and is valid until it expires: {}\n  {}\n",
            error.what(),
            "if others may have seen it, have an operator revoke it"
        ),
    };
    if let Ok(Login::Token(other)) = context.configured() {
        let _ = writeln!(text, "note: kernels still use the token from {}", other.origin);
    }
    Ok(Outcome { text, code })
}

fn log_out_json(context: &LoginContext<'_>, removed: bool, error: Option<&Error>) -> String {
    let object: Value = json!({
        "schema": SCHEMA,
        "file": context.file,
        "removed": removed,
        "revoked": removed && error.is_none(),
        "message": error.map(Error::what),
    });
    format!("{object:#}\n")
}

fn revoke(plan: &Plan) -> Result<()> {
    let runtime = runtime()?;
    let revoked = runtime.block_on(async {
        let mut client = Client::new(&plan.server, Deadline::after(plan.budget))?;
        auth::login(&mut client, &plan.login).await?;
        auth::revoke(&client, plan.budget).await
    });
    runtime.shutdown_background();
    revoked
}
