//! How a user logs in: from flags and settings, with questions for the rest.

use std::io::IsTerminal;

use super::flags::Flags;
use crate::ask::Prompter;
use crate::config::credential::Credential;
use crate::config::env::Environment;
use crate::config::keys::nearest;
use crate::config::layer::Layer;
use crate::config::login::Login;
use crate::config::method::{ForUsers, METHODS, mount};
use crate::config::origin::{ANSWER, PIPED};
use crate::error::{Error, Kind, Result};
use crate::manage::secrets::value::bounded;
use crate::secret::SecretValue;

/// The names of the methods for users; the other methods are for machines.
pub(crate) fn for_users() -> impl Iterator<Item = &'static str> + Clone {
    METHODS.iter().filter(|method| method.for_users().is_some()).map(|method| method.name)
}

fn names() -> String {
    for_users().collect::<Vec<_>>().join(", ")
}

/// A login method with everything that it needs.
pub(super) enum UserLogin {
    /// An existing token.
    Token(SecretValue, String),
    /// A browser.
    Browser { mount: String, role: Option<String> },
    /// A name and a password.
    Password { method: &'static str, mount: String, username: String, password: SecretValue, origin: String },
}

impl UserLogin {
    /// Whether a password can be typed again.
    pub(super) const fn is_password(&self) -> bool {
        matches!(self, Self::Password { .. })
    }

    /// The login for it.
    pub(super) fn login(&self) -> Login {
        match self {
            // The token is not known yet.
            Self::Browser { .. } => Login::Agent,
            Self::Token(value, origin) => Login::Token(Credential { value: value.duplicate(), origin: origin.clone() }),
            Self::Password { method, mount, username, password, origin } => Login::Password {
                method,
                mount: mount.clone(),
                username: username.clone(),
                password: Credential { value: password.duplicate(), origin: origin.clone() },
            },
        }
    }
}

/// Builds the login from flags and settings, and asks for the rest.
pub(super) fn user_login(
    flags: &Flags,
    layer: &Layer,
    environment: &Environment,
    prompter: Prompter,
) -> Result<UserLogin> {
    let configured = layer.text("auth.method").filter(|name| for_users().any(|known| known == *name));
    let name = match flags.method.as_deref().or(configured) {
        Some(name) => name.to_owned(),
        None if prompter.is_there() => {
            let usual = if layer.text("auth.username").is_some() { "userpass" } else { "token" };
            prompter.text(&format!("How to log in ({})", names()), Some(usual), "--method")?
        }
        // Piped input without a method is a token, as in Vault's client.
        None => "token".to_owned(),
    };
    let method = METHODS.iter().find(|method| method.name == name);
    let (method, how) =
        method.and_then(|method| Some((method.name, method.for_users()?))).ok_or_else(|| unknown(&name))?;
    let is_configured = layer.text("auth.method") == Some(method);
    if how == ForUsers::Token {
        let (value, origin) = given("token", prompter)?;
        return not_empty(UserLogin::Token(value.trimmed(), origin));
    }
    let configured = flags.mount.as_deref().or_else(|| layer.text("auth.mount").filter(|_| is_configured));
    let mount = mount(configured.unwrap_or(method), if flags.mount.is_some() { "--mount" } else { "auth.mount" })?;
    if how == ForUsers::Browser {
        let role = flags.role.as_deref().or_else(|| layer.text("auth.role").filter(|_| is_configured));
        return Ok(UserLogin::Browser { mount, role: role.map(str::to_owned) });
    }
    let username = username(flags, layer, environment, prompter)?;
    if username.is_empty() {
        return Err(Error::new(Kind::Usage, "the user's name is empty", "pass it with --username NAME"));
    }
    let (password, origin) = given(&format!("password of {username}"), prompter)?;
    if password.expose().is_empty() {
        let what = format!("there is no password for {username} on standard input");
        return Err(Error::new(Kind::Usage, what, "pipe it in, or log in on a terminal"));
    }
    Ok(UserLogin::Password { method, mount, username, password, origin })
}

fn not_empty(user_login: UserLogin) -> Result<UserLogin> {
    match &user_login {
        UserLogin::Token(value, _) if value.expose().is_empty() => {
            let what = "there is no token on standard input";
            Err(Error::new(Kind::Usage, what, "pipe one in, or log in on a terminal: --method says how"))
        }
        _ => Ok(user_login),
    }
}

fn unknown(name: &str) -> Error {
    let what = format!("users can't log in with the method {name}");
    let available = names();
    let advice = match nearest(name, for_users()) {
        Some(near) => format!("did you mean {near}? Available: {available}"),
        None => format!("available: {available}; kernels log in with the others themselves ([auth] in vault.toml)"),
    };
    Error::new(Kind::Usage, what, advice)
}

fn username(flags: &Flags, layer: &Layer, environment: &Environment, prompter: Prompter) -> Result<String> {
    let configured = flags.username.as_deref().or_else(|| layer.text("auth.username"));
    match configured {
        Some(name) => Ok(name.to_owned()),
        // This machine's user name is only used for Vault if the user confirms it.
        None if prompter.is_there() => {
            prompter.text("Your user name in Vault", environment.text("USER").ok().flatten(), "--username")
        }
        None => prompter.text("", None, "--username"),
    }
}

/// Reads from a hidden prompt on a terminal, or else from standard input; one line end is dropped.
fn given(what: &str, prompter: Prompter) -> Result<(SecretValue, String)> {
    if prompter.is_there() {
        return prompter.unseen(&format!("The {what} (not shown)")).map(|typed| (typed, ANSWER.to_owned()));
    }
    if std::io::stdin().is_terminal() {
        let advice = "run it with stderr on a terminal too, or pipe the credential in";
        return Err(Error::new(Kind::Usage, format!("there is no terminal to ask for the {what} on"), advice));
    }
    let piped = bounded(std::io::stdin(), PIPED)?;
    Ok((SecretValue::new(piped.to_vec()).without_line_end(), PIPED.to_owned()))
}

/// The same login with another password.
pub(super) fn ask_for_password(user_login: UserLogin, prompter: Prompter) -> Result<UserLogin> {
    match user_login {
        UserLogin::Password { method, mount, username, .. } => {
            let (password, origin) = given(&format!("password of {username}"), prompter)?;
            Ok(UserLogin::Password { method, mount, username, password, origin })
        }
        other @ (UserLogin::Token(..) | UserLogin::Browser { .. }) => Ok(other),
    }
}
