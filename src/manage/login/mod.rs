//! `login` and `logout`: a user's own token, in the file where launches find it.
//!
//! A launch uses a token that a user has stored, like Vault's own client: from the file that the settings name, else
//! from `~/.vault-token`. These commands write and remove that file. A credential is typed without echo, and is never
//! an argument. Passwords are limited like a launch's login (see [`crate::launch::refusal`]), so that attempts do not
//! lock the user out: after two refusals, the next password is sent only if the user confirms.

mod flags;
mod oidc;
mod second_factor;
pub(crate) mod standing;
mod token_file;
mod way;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

pub(crate) use self::flags::Flags;
pub(crate) use self::oidc::{Browser, PATIENCE, PORT};
use self::standing::{Standing, State};
pub(crate) use self::way::for_users;
use self::way::{Way, ask_for_password, way};
use super::Outcome;
use super::report::SCHEMA;
use crate::ask::Prompter;
use crate::config::auth;
use crate::config::credential::{LOG_IN, token_path};
use crate::config::env::Environment;
use crate::config::layer::Layer;
use crate::config::left_token::LeftToken;
use crate::config::login::Login;
use crate::config::plan::Plan;
use crate::config::server::Server;
use crate::error::{Error, Kind, Result};
use crate::launch::fetch::{REVOKE, REVOKE_WHEN_STOPPED, ending, runtime};
use crate::launch::{self, Request};
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

/// The settings, the server, and the path of the token's file.
struct Site<'e> {
    environment: &'e Environment,
    layer: Layer,
    server: Server,
    file: PathBuf,
}

impl<'e> Site<'e> {
    fn read(flags: &Flags, environment: &'e Environment) -> Result<Self> {
        let request = Request { config: flags.config.clone(), timeout: flags.timeout, ..Request::default() };
        let layer = launch::settings(&request, environment)?;
        Self::new(layer, environment)
    }

    fn new(layer: Layer, environment: &'e Environment) -> Result<Self> {
        let server = Server::new(&layer, environment)?;
        let file = token_path(&layer, environment).ok_or_else(|| {
            let what = "there is no home folder to store a token in";
            Error::new(Kind::Config, what, "set HOME, or `token_file` under [auth] in vault.toml")
        })?;
        Ok(Self { environment, layer, server, file })
    }

    /// Checks that launches read the token from the file, and not from a token helper.
    fn check_helper(&self, doing: &str, instead: &str) -> Result<()> {
        match LeftToken::find(&self.layer, self.environment)? {
            Some(helper @ LeftToken::Helper { .. }) => Err(Error::new(
                Kind::Config,
                format!("launches get the token from {helper}, which belongs to Vault's client"),
                format!(
                    "{doing} with `{instead}`), or set `token_file` under [auth]: then a launch does not ask the helper"
                ),
            )),
            _ => Ok(()),
        }
    }

    /// The configured login.
    fn configured(&self) -> Result<Login> {
        auth::login(&self.layer, self.environment, &self.server.address)
    }

    /// A plan with this login.
    fn plan(&self, login: Login) -> Plan {
        Plan::with(&self.layer, self.environment, self.server.clone(), login)
    }
}

/// Logs in, and stores the token in its file.
pub(crate) fn log_in(flags: &Flags) -> Result<Outcome> {
    let _hardening = Hardening::apply()?;
    let environment = Environment::take();
    let site = Site::read(flags, &environment)?;
    // If the token can't be stored, no credential is asked for.
    site.check_helper("log in", "vault login` (or `bao login")?;
    token_file::prepare(&site.file)?;
    let prompter = Prompter::new(false);
    let mut way = way(flags, &site.layer, site.environment, prompter)?;
    let standing = loop {
        let plan = Plan { by_user: true, ..site.plan(way.login()) };
        if let Way::Password { .. } = &way {
            may_try(&plan, flags, prompter)?;
        }
        match reach(&site, &way, flags.browser, &plan, prompter) {
            Ok(standing) => break standing,
            Err(error) if error.kind() == Kind::LoginRefused && prompter.is_there() && way.is_password() => {
                prompter.say(&format!("  {error}\n"));
                way = ask_for_password(way, prompter)?;
            }
            Err(error) => return Err(error),
        }
    };
    Ok(log_in_text(&site, &standing, flags.json))
}

/// Signs in with a browser, with settings that are not written yet, and stores the token in its file.
pub(in crate::manage) fn sign_in(layer: Layer, environment: &Environment) -> Result<()> {
    let site = Site::new(layer, environment)?;
    site.check_helper("log in", "vault login` (or `bao login")?;
    token_file::prepare(&site.file)?;
    let flags = Flags { method: Some("oidc".to_owned()), ..Flags::default() };
    let prompter = Prompter::new(false);
    let way = way(&flags, &site.layer, environment, prompter)?;
    reach(&site, &way, flags.browser, &site.plan(way.login()), prompter).map(drop)
}

/// Refuses to send a password if one more refusal could lock the user out, unless the user confirms.
fn may_try(plan: &Plan, flags: &Flags, prompter: Prompter) -> Result<()> {
    let Some(stands) = refusal::lately(plan).filter(|_| !flags.try_again) else { return Ok(()) };
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
fn reach(site: &Site<'_>, way: &Way, browser: Browser, plan: &Plan, prompter: Prompter) -> Result<Standing> {
    let (error, second_factor) = match attempt(site, &Step::Begin(way, browser), plan)? {
        Reached::Login(standing) => return Ok(standing),
        Reached::SecondFactor(error, second_factor) => (error, second_factor),
    };
    if !prompter.is_there() {
        return Err(error);
    }
    let mut tries = 1..=PASSCODES;
    loop {
        tries.next();
        let passcodes = second_factor::ask(&second_factor, prompter)?;
        match attempt(site, &Step::Confirm(&second_factor, &passcodes), plan) {
            Ok(Reached::Login(standing)) => return Ok(standing),
            Ok(Reached::SecondFactor(error, _)) => return Err(error),
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
    Begin(&'s Way, Browser),
    Confirm(&'s SecondFactor, &'s [Option<SecretValue>]),
}

/// The outcome of a step.
enum Reached {
    Login(Standing),
    /// The error if the user can't be asked.
    SecondFactor(Error, SecondFactor),
}

/// Runs one step of a login; looks up and stores its token, or revokes it if it can't be stored.
fn attempt(site: &Site<'_>, step: &Step<'_>, plan: &Plan) -> Result<Reached> {
    let runtime = runtime()?;
    let makes_token = !matches!(step, Step::Begin(Way::Token(..), _));
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
                    Step::Begin(Way::Browser { mount, role }, browser) => {
                        let at = (mount.as_str(), role.as_deref());
                        oidc::sign_in(&mut client, site.environment, at, *browser, plan.budget).await?
                    }
                    Step::Begin(..) => refusal::login(&mut client, plan).await?,
                    Step::Confirm(second_factor, passcodes) => second_factor.confirm(&mut client, passcodes).await?,
                };
                let session = session.insert(new);
                keep(site, plan, &client, session).await
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
        Ok(standing) => Ok(Reached::Login(standing)),
        Err(error) => match client.take_second_factor().and_then(|owed| SecondFactor::read(&owed)) {
            Some(second_factor) => Ok(Reached::SecondFactor(error, second_factor)),
            None => Err(error),
        },
    }
}

/// Writes the token to its file, once Vault has accepted it.
async fn keep(site: &Site<'_>, plan: &Plan, client: &Client, session: &mut Authenticated) -> Result<Standing> {
    let mut standing = standing::inspect(&plan.login, &plan.server, client, session).await?;
    if standing.about.as_ref().is_some_and(|about| about.uses.is_some()) {
        let what = "the token of this login has a limited number of uses, and is not stored";
        return Err(Error::new(Kind::Credential, what, "ask for a login whose tokens have token_num_uses=0"));
    }
    let token =
        client.token().ok_or_else(|| Error::new(Kind::Internal, "a login gave no token", "report this as a bug"))?;
    token_file::write(&site.file, &token.value)?;
    if let Some(about) = &standing.about {
        expiry::learn_of(&plan.runtime_dir, &token.value, about);
    }
    standing.is_kept_in(&site.file);
    Ok(standing)
}

/// The text of a login's outcome.
fn log_in_text(site: &Site<'_>, standing: &Standing, as_json: bool) -> Outcome {
    let unused = unused(site);
    if as_json {
        let mut object = standing.object();
        object["file"] = json!(site.file);
        object["used_by_kernels"] = json!(unused.is_none());
        return Outcome { text: format!("{object:#}\n"), code: 0 };
    }
    let mut text = standing.text();
    if let Some(why) = unused {
        let _ = writeln!(text, "note: kernels do not use this token: {why}");
    }
    Outcome { text, code: 0 }
}

/// Why a launch does not use the file's token, if so.
fn unused(site: &Site<'_>) -> Option<String> {
    match site.configured() {
        Ok(Login::Token(token)) if Path::new(&token.origin) == site.file => None,
        Ok(Login::Token(token)) => Some(format!("{} takes precedence", token.origin)),
        Ok(_) => Some(format!("the configuration has its own login ({})", site.layer.origin("auth.method"))),
        Err(error) => Some(error.what().to_owned()),
    }
}

/// Shows who is logged in, and until when.
pub(crate) fn status(flags: &Flags) -> Result<Outcome> {
    let _hardening = Hardening::apply()?;
    let environment = Environment::take();
    let site = Site::read(flags, &environment)?;
    let standing = match site.configured() {
        Ok(login) => standing::ask(&site.plan(login)),
        Err(error) => Err(error),
    };
    let error = match standing {
        Ok(standing) => {
            let text = if flags.json { format!("{:#}\n", standing.object()) } else { standing.text() };
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
    Ok(Outcome { text: not_logged_in(&site, state, &error, flags.json), code: NOT_LOGGED_IN })
}

fn not_logged_in(site: &Site<'_>, state: State, error: &Error, as_json: bool) -> String {
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
        "address": site.server.address.to_string(),
        "namespace": site.server.namespace,
        "message": error.what(),
        "advice": error.advice(),
        "renew": LOG_IN.trim_matches('`'),
    });
    format!("{object:#}\n")
}

/// Revokes the file's token, and removes the file.
pub(crate) fn log_out(flags: &Flags) -> Result<Outcome> {
    let _hardening = Hardening::apply()?;
    let environment = Environment::take();
    let site = Site::read(flags, &environment)?;
    site.check_helper("log out", "vault token revoke -self` (or `bao token revoke -self")?;
    let shown = site.file.display();
    if !token_file::is_there(&site.file) {
        let text = if flags.json {
            log_out_json(&site, false, None)
        } else {
            format!("not logged in: there is no token in {shown}\n")
        };
        return Ok(Outcome { text, code: 0 });
    }
    let token = token_file::read(&site.file)?;
    let revoked = token.map_or(Ok(()), |token| revoke(&site.plan(Login::Token(token))));
    token_file::remove(&site.file)?;
    let code = revoked.as_ref().map_or_else(|error| error.kind().exit_code(), |()| 0);
    if flags.json {
        return Ok(Outcome { text: log_out_json(&site, true, revoked.err().as_ref()), code });
    }
    let mut text = match &revoked {
        Ok(()) => format!("logged out: the token is revoked, and {shown} is removed\n"),
        Err(error) => format!(
            "removed {shown}, but the token is NOT revoked, and is valid until it expires: {}\n  {}\n",
            error.what(),
            "if others may have seen it, have an operator revoke it"
        ),
    };
    if let Ok(Login::Token(other)) = site.configured() {
        let _ = writeln!(text, "note: kernels still use the token from {}", other.origin);
    }
    Ok(Outcome { text, code })
}

fn log_out_json(site: &Site<'_>, removed: bool, error: Option<&Error>) -> String {
    let object: Value = json!({
        "schema": SCHEMA,
        "file": site.file,
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
        vault_auth::login(&mut client, &plan.login).await?;
        vault_auth::revoke(&client, plan.budget).await
    });
    runtime.shutdown_background();
    revoked
}
