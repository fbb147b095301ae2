//! Who is logged in, with which policies, until when, and by which credential. Never the token.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::super::report::SCHEMA;
use super::super::time::shown;
use crate::config::credential::LOG_IN;
use crate::config::login::Login;
use crate::config::plan::Plan;
use crate::config::server::Server;
use crate::error::{Error, Kind, Result, one_line};
pub(crate) use crate::launch::expiry::SOON;
use crate::launch::fetch::{REVOKE, runtime};
use crate::launch::refusal;
use crate::net::deadline::Deadline;
use crate::vault::auth::{self, About, Authenticated, Identity};
use crate::vault::client::Client;

/// The state of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// A token that a user, or a service for the user, has obtained.
    Token,
    /// An agent adds the token.
    Agent,
    /// Each launch logs in.
    EachLaunch,
    /// A wrapped credential for the next launch; this command does not use it up.
    Wrapped,
    /// There is no credential.
    None,
    /// Vault does not accept the token, or no longer.
    Ended,
    /// Vault refuses the login of each launch.
    Refused,
}

impl State {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Agent => "agent",
            Self::EachLaunch => "each-launch",
            Self::Wrapped => "wrapped",
            Self::None => "none",
            Self::Ended => "ended",
            Self::Refused => "refused",
        }
    }
}

/// The facts of a working login.
#[derive(Debug)]
pub(crate) struct LoginStatus {
    state: State,
    address: String,
    namespace: Option<String>,
    /// The origin of the credential: a file or a variable.
    origin: Option<String>,
    user: Option<String>,
    /// Vault's answer about the token; `None` if the token may not look itself up.
    pub(super) about: Option<About>,
    at: SystemTime,
}

/// Asks Vault about the login of `plan`; revokes the token of its own login.
pub(crate) fn ask(plan: &Plan) -> Result<LoginStatus> {
    let runtime = runtime()?;
    let status = runtime.block_on(ask_within(plan, plan.budget));
    runtime.shutdown_background();
    status
}

/// As [`ask`], on a given runtime.
pub(crate) async fn ask_within(plan: &Plan, limit: Duration) -> Result<LoginStatus> {
    if let Login::Wrapped(token) | Login::AppRole { secret_id: Some(token), wrapped: true, .. } = &plan.login {
        return Ok(LoginStatus::new(State::Wrapped, &plan.server, Some(token.origin.clone())));
    }
    let mut client = Client::new(&plan.server, Deadline::after(limit))?;
    let mut session = refusal::login(&mut client, plan).await?;
    let status = inspect(&plan.login, &plan.server, &client, &mut session).await;
    if session.revocable {
        let _ = auth::revoke(&client, REVOKE).await;
    }
    status
}

/// Looks up the token of `session`.
pub(super) async fn inspect(
    login: &Login,
    server: &Server,
    client: &Client,
    session: &mut Authenticated,
) -> Result<LoginStatus> {
    let state = match login {
        Login::Token(_) => State::Token,
        Login::Agent => State::Agent,
        _ => State::EachLaunch,
    };
    let (_, _, origin) = login.parts();
    let status = LoginStatus::new(state, server, origin.map(str::to_owned));
    let (identity, about) = match auth::look_up(client).await {
        Ok(both) => both,
        // A token without the default policy may still read secrets; then the login's answer is used.
        Err(error) if error.kind() == Kind::PolicyDenied => {
            let user = session.identity.as_ref().and_then(Identity::user).map(str::to_owned);
            return Ok(LoginStatus { user, about: session.about.take(), ..status });
        }
        Err(error) => return Err(error),
    };
    let user = identity.user().map(str::to_owned).or_else(|| about.user());
    Ok(LoginStatus { user, about: Some(about), ..status })
}

impl LoginStatus {
    fn new(state: State, server: &Server, origin: Option<String>) -> Self {
        Self {
            state,
            address: server.address.to_string(),
            namespace: server.namespace.clone(),
            origin,
            user: None,
            about: None,
            at: SystemTime::now(),
        }
    }

    /// Sets where the token is stored: from now on it counts as the user's.
    pub(super) fn is_kept_in(&mut self, file: &Path) {
        self.state = State::Token;
        self.origin = Some(file.display().to_string());
    }

    /// The time left of a given token; `None` if it does not expire, or each launch gets its own.
    fn left(&self) -> Option<Duration> {
        self.about.as_ref().filter(|_| self.state == State::Token)?.ttl
    }

    /// When it expires.
    fn end(&self) -> Option<SystemTime> {
        self.left().map(|left| self.at + left)
    }

    /// Whether it expires within a day.
    pub(crate) fn ends_soon(&self) -> bool {
        self.left().is_some_and(|left| left < SOON)
    }

    /// The warning about a token that expires within a day, with the command for a new one.
    pub(crate) fn warning(&self) -> Option<String> {
        let left = self.left().filter(|left| *left < SOON)?;
        let origin = self.origin.as_deref().unwrap_or("the configuration");
        Some(format!("the token from {origin} expires in {}: get a new one with {LOG_IN}", shown(left)))
    }

    /// Text.
    pub(super) fn text(&self) -> String {
        let user = self.user.as_deref().unwrap_or("an unnamed user");
        let namespace = self.namespace.as_ref().map_or_else(String::new, |name| format!(", namespace {name}"));
        let mut text = format!("{} is logged in at {}{namespace}\n", one_line(user), one_line(&self.address));
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "  {name:<9} {}", one_line(value));
        };
        let origin = self.origin.as_deref().unwrap_or_default();
        match self.state {
            State::Agent => line("token", "added by the agent at that address"),
            State::EachLaunch if origin.is_empty() => line("login", "again at each launch"),
            State::EachLaunch => line("login", &format!("again at each launch, with the credential from {origin}")),
            State::Wrapped => line("login", &format!("by the next launch, with the wrapped credential from {origin}")),
            _ => line("token", &format!("in {origin}")),
        }
        let Some(about) = &self.about else {
            if self.state != State::Wrapped {
                line("more", "the token may not look itself up");
            }
            return text;
        };
        if let Some(path) = &about.path {
            line("made by", path);
        }
        line("policies", &if about.policies.is_empty() { "none".to_owned() } else { about.policies.join(", ") });
        let renewable = if about.renewable { "renewable" } else { "not renewable" };
        match (self.state, self.left(), self.end()) {
            (State::Token, Some(left), Some(end)) => {
                line("until", &format!("{}, in {}; {renewable}", instant(end), shown(left)));
            }
            (State::Token, ..) => line("until", "it does not expire"),
            _ => {}
        }
        if let Some(warning) = self.warning() {
            let _ = writeln!(text, "note: {}", one_line(&warning));
        }
        text
    }

    /// JSON.
    pub(crate) fn object(&self) -> Value {
        let about = self.about.as_ref();
        json!({
            "schema": SCHEMA,
            "logged_in": true,
            "state": self.state.name(),
            "address": self.address,
            "namespace": self.namespace,
            "user": self.user,
            "origin": self.origin,
            "made_by": about.and_then(|about| about.path.as_deref()),
            "policies": about.map(|about| &about.policies),
            "until": self.end().map(instant),
            "ttl_seconds": self.left().map(|left| left.as_secs()),
            "renewable": about.map(|about| about.renewable),
            "ends_soon": self.ends_soon(),
            "renew": LOG_IN.trim_matches('`'),
        })
    }
}

/// A time, in the text and the JSON.
fn instant(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

/// The warning about a launch's login that expires within a day or has expired; `None` also if Vault does not answer.
pub(crate) async fn expiry_warning(plan: &Plan, limit: Duration) -> Option<String> {
    if !matches!(plan.login, Login::Token(_)) {
        return None;
    }
    match ask_within(plan, limit).await {
        Ok(status) => status.warning(),
        Err(error) => has_ended(&error),
    }
}

fn has_ended(error: &Error) -> Option<String> {
    matches!(error.kind(), Kind::BadToken | Kind::TokenSpent)
        .then(|| format!("{}: get a new one with {LOG_IN}", error.what()))
}
