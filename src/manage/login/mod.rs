//! `login` and `logout`: a user's own token, in the file where launches find it.
//!
//! A launch uses a token that a user has stored, like Vault's own client: from the file that the settings name, else
//! from `~/.vault-token`. These commands write and remove that file. A credential is typed without echo, and is never
//! an argument. Passwords are limited like a launch's login (see [`crate::launch::refusal`]), so that attempts do not
//! lock the user out: after two refusals, the next password is sent only if the user confirms.

mod context;
mod flags;
mod log_out;
mod oidc;
mod second_factor;
pub(crate) mod status;
mod token_file;
mod user_login;

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use self::context::LoginContext;
pub(crate) use self::flags::Flags;
pub(crate) use self::log_out::log_out;
pub(crate) use self::oidc::{Browser, PATIENCE, PORT};
use self::status::{LoginStatus, State};
pub(crate) use self::user_login::for_users;
use self::user_login::{UserLogin, ask_for_password, user_login};
use super::Outcome;
use super::report::SCHEMA;
use crate::ask::Prompter;
use crate::config::credential::LOG_IN;
use crate::config::env::Environment;
use crate::config::layer::Layer;
use crate::config::login::Login;
use crate::config::plan::Plan;
use crate::error::{Error, Kind, Result};
use crate::launch::fetch::{REVOKE, REVOKE_WHEN_STOPPED, ending, runtime};
use crate::launch::{expiry, refusal};
use crate::net::deadline::Deadline;
use crate::secret::SecretValue;
use crate::sys::hardening::Hardening;
use crate::sys::signals::{Caught, end_by, with_default_effect};
use crate::vault::auth::mfa::SecondFactor;
use crate::vault::auth::{self as vault_auth, Authenticated};
use crate::vault::client::Client;

/// How many passcodes may be typed for one password.
const PASSCODES: u32 = 3;
/// How long to wait for a confirmation on a phone.
const ON_A_PHONE: Duration = Duration::from_secs(90);

/// The exit code of `login --status` if there is no login, or it has expired.
pub(crate) const NOT_LOGGED_IN: u8 = 77;

/// Logs in, and stores the token in its file.
pub(crate) fn log_in(flags: &Flags) -> Result<Outcome> {
    let _hardening = Hardening::apply()?;
    let environment = Environment::take();
    let context = LoginContext::read(flags, &environment)?;
    // If the token can't be stored, no credential is asked for.
    context.check_helper("log in", "vault login` (or `bao login")?;
    token_file::prepare(&context.file)?;
    let prompter = Prompter::new(false);
    let mut user_login = user_login(flags, &context.layer, context.environment, prompter)?;
    let status = loop {
        let plan = Plan { by_user: true, ..context.plan(user_login.login()) };
        if let UserLogin::Password { .. } = &user_login {
            may_try(&plan, flags, prompter)?;
        }
        match log_in_once(&context, &user_login, flags.browser, &plan, prompter) {
            Ok(status) => break status,
            Err(error) if error.kind() == Kind::LoginRefused && prompter.is_there() && user_login.is_password() => {
                prompter.say(&format!("  {error}\n"));
                user_login = ask_for_password(user_login, prompter)?;
            }
            Err(error) => return Err(error),
        }
    };
    Ok(log_in_text(&context, &status, flags.json))
}

/// Signs in with a browser, with settings that are not written yet, and stores the token in its file.
pub(in crate::manage) fn sign_in(layer: Layer, environment: &Environment) -> Result<()> {
    let context = LoginContext::new(layer, environment)?;
    context.check_helper("log in", "vault login` (or `bao login")?;
    token_file::prepare(&context.file)?;
    let flags = Flags { method: Some("oidc".to_owned()), ..Flags::default() };
    let prompter = Prompter::new(false);
    let user_login = user_login(&flags, &context.layer, environment, prompter)?;
    log_in_once(&context, &user_login, flags.browser, &context.plan(user_login.login()), prompter).map(drop)
}

/// Refuses to send a password if one more refusal could lock the user out, unless the user confirms.
fn may_try(plan: &Plan, flags: &Flags, prompter: Prompter) -> Result<()> {
    let Some(stands) = refusal::too_many_refusals(plan).filter(|_| !flags.try_again) else { return Ok(()) };
    if !prompter.is_there() {
        return Err(stands);
    }
    prompter.say(&format!("  {}\n", stands.what()));
    if prompter.agrees("One more refusal may lock the user out. Send this password?", false)? {
        Ok(())
    } else {
        Err(stands)
    }
}

/// One login, with the second factor that Vault may require.
fn log_in_once(
    context: &LoginContext<'_>,
    user_login: &UserLogin,
    browser: Browser,
    plan: &Plan,
    prompter: Prompter,
) -> Result<LoginStatus> {
    let (error, second_factor) = match attempt(context, &Step::Begin(user_login, browser), plan)? {
        StepResult::Login(status) => return Ok(status),
        StepResult::SecondFactor(error, second_factor) => (error, second_factor),
    };
    if !prompter.is_there() {
        return Err(error);
    }
    let mut tries = 1..=PASSCODES;
    loop {
        tries.next();
        let passcodes = second_factor::ask(&second_factor, prompter)?;
        match attempt(context, &Step::Confirm(&second_factor, &passcodes), plan) {
            Ok(StepResult::Login(status)) => return Ok(status),
            Ok(StepResult::SecondFactor(error, _)) => return Err(error),
            // A passcode is mistyped easily, and the password need not be typed again. What was refused on a phone is
            // not sent there once more.
            Err(error) if error.kind() == Kind::LoginRefused && second_factor.has_passcode() && !tries.is_empty() => {
                prompter.say(&format!("  {error}\n"));
            }
            Err(error) => return Err(second_factor_refused(error)),
        }
    }
}

/// The error for a refused second factor: the password was right, so typing it again does not help.
fn second_factor_refused(error: Error) -> Error {
    if error.kind() != Kind::LoginRefused {
        return error;
    }
    Error::new(Kind::MfaRequired, error.what(), error.advice())
}

/// One step of a login.
enum Step<'s> {
    Begin(&'s UserLogin, Browser),
    Confirm(&'s SecondFactor, &'s [Option<SecretValue>]),
}

/// The outcome of a step.
enum StepResult {
    Login(LoginStatus),
    /// The error if the user can't be asked.
    SecondFactor(Error, SecondFactor),
}

/// Runs one step of a login; looks up and stores its token, or revokes it if it can't be stored.
fn attempt(context: &LoginContext<'_>, step: &Step<'_>, plan: &Plan) -> Result<StepResult> {
    let runtime = runtime()?;
    let makes_token = !matches!(step, Step::Begin(UserLogin::Token(..), _));
    // Confirming on a phone may take a while.
    let waits = matches!(step, Step::Confirm(second_factor, _) if !second_factor.is_typed());
    let budget = if waits { plan.budget.max(ON_A_PHONE) } else { plan.budget };
    let caught = Caught::new(if makes_token { with_default_effect() } else { Vec::new() });
    let mut client = Client::new(&plan.server, Deadline::after(budget))?;
    let mut session = None;
    let outcome = runtime.block_on(async {
        let outcome = {
            let working = async {
                let new = match step {
                    Step::Begin(UserLogin::Browser { mount, role }, browser) => {
                        let at = (mount.as_str(), role.as_deref());
                        oidc::sign_in(&mut client, context.environment, at, *browser, plan.budget).await?
                    }
                    Step::Begin(..) => refusal::login(&mut client, plan).await?,
                    Step::Confirm(second_factor, passcodes) => second_factor.confirm(&mut client, passcodes).await?,
                };
                let session = session.insert(new);
                keep(context, plan, &client, session).await
            };
            let stopping = ending(&caught);
            futures_util::pin_mut!(working, stopping);
            tokio::select! {
                biased;
                signal = &mut stopping => Err(signal),
                outcome = &mut working => Ok(outcome),
            }
        };
        if session.as_ref().is_some_and(|session: &Authenticated| session.revocable) && !matches!(outcome, Ok(Ok(_))) {
            let _ = vault_auth::revoke(&client, if outcome.is_err() { REVOKE_WHEN_STOPPED } else { REVOKE }).await;
        }
        outcome
    });
    runtime.shutdown_background();
    drop(caught);
    match outcome.unwrap_or_else(|signal| end_by(signal)) {
        Ok(status) => Ok(StepResult::Login(status)),
        Err(error) => match client.take_second_factor().and_then(|owed| SecondFactor::read(&owed)) {
            Some(second_factor) => Ok(StepResult::SecondFactor(error, second_factor)),
            None => Err(error),
        },
    }
}

/// Writes the token to its file, once Vault has accepted it.
async fn keep(
    context: &LoginContext<'_>,
    plan: &Plan,
    client: &Client,
    session: &mut Authenticated,
) -> Result<LoginStatus> {
    let mut status = status::inspect(&plan.login, &plan.server, client, session).await?;
    if status.about.as_ref().is_some_and(|about| about.uses.is_some()) {
        let what = "the token of this login has a limited number of uses, and is not stored";
        return Err(Error::new(Kind::Credential, what, "ask for a login whose tokens have token_num_uses=0"));
    }
    let token =
        client.token().ok_or_else(|| Error::new(Kind::Internal, "a login gave no token", "report this as a bug"))?;
    token_file::write(&context.file, &token.value)?;
    if let Some(about) = &status.about {
        expiry::learn_of(&plan.runtime_dir, &token.value, about);
    }
    status.is_kept_in(&context.file);
    Ok(status)
}

/// The text of a login's outcome.
fn log_in_text(context: &LoginContext<'_>, status: &LoginStatus, as_json: bool) -> Outcome {
    let unused = unused(context);
    if as_json {
        let mut object = status.object();
        object["file"] = json!(context.file);
        object["used_by_kernels"] = json!(unused.is_none());
        return Outcome { text: format!("{object:#}\n"), code: 0 };
    }
    let mut text = status.text();
    if let Some(why) = unused {
        let _ = writeln!(text, "note: kernels do not use this token: {why}");
    }
    Outcome { text, code: 0 }
}

/// Why a launch does not use the file's token, if so.
fn unused(context: &LoginContext<'_>) -> Option<String> {
    match context.configured() {
        Ok(Login::Token(token)) if Path::new(&token.origin) == context.file => None,
        Ok(Login::Token(token)) => Some(format!("{} takes precedence", token.origin)),
        Ok(_) => Some(format!("the configuration has its own login ({})", context.layer.origin("auth.method"))),
        Err(error) => Some(error.what().to_owned()),
    }
}

/// Shows who is logged in, and until when.
pub(crate) fn status(flags: &Flags) -> Result<Outcome> {
    let _hardening = Hardening::apply()?;
    let environment = Environment::take();
    let context = LoginContext::read(flags, &environment)?;
    let status = match context.configured() {
        Ok(login) => status::ask(&context.plan(login)),
        Err(error) => Err(error),
    };
    let error = match status {
        Ok(status) => {
            let text = if flags.json { format!("{:#}\n", status.object()) } else { status.text() };
            return Ok(Outcome { text, code: 0 });
        }
        Err(error) => error,
    };
    let state = match error.kind() {
        Kind::Credential => State::None,
        Kind::BadToken | Kind::TokenSpent | Kind::WrappedTokenUsed => State::Ended,
        Kind::LoginRefused => State::Refused,
        _ => return Err(error),
    };
    Ok(Outcome { text: not_logged_in(&context, state, &error, flags.json), code: NOT_LOGGED_IN })
}

fn not_logged_in(context: &LoginContext<'_>, state: State, error: &Error, as_json: bool) -> String {
    if !as_json {
        let first = match state {
            State::Ended => "the login has expired",
            State::Refused => "the login is refused",
            _ => "not logged in",
        };
        return format!("{first}: {error}\n");
    }
    let object = json!({
        "schema": SCHEMA,
        "logged_in": false,
        "state": state.name(),
        "address": context.server.address.to_string(),
        "namespace": context.server.namespace,
        "message": error.what(),
        "advice": error.advice(),
        "renew": LOG_IN.trim_matches('`'),
    });
    format!("{object:#}\n")
}
