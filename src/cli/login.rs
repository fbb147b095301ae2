//! The command lines of `login` and `logout`.

use std::time::Duration;

use clap::Args;

use super::names::{asked_by, one_of};
use super::settings::{Config, Json, Timeout, duration};
use crate::error::Result;
use crate::manage::Outcome;
use crate::manage::login::{self, Browser, PATIENCE, PORT};

#[derive(Debug, Args)]
#[command(after_help = "\
The token is written where launches look for it: to `token_file` under [auth] if set, otherwise to ~/.vault-token, like
Vault's own client. Without --method, the method under [auth] is used; if there is none, a terminal is asked for it. The
password or token is typed without echo, or read from standard input if that is not a terminal.

  jupyter-vault login --method userpass --username ada     prompts for the password
  jupyter-vault login --method oidc                        opens a browser, or prints the address to open
  pass vault | jupyter-vault login --method token          reads the token from the pipe
  jupyter-vault login --status                             shows who is logged in, and until when

Exit code of --status: 0 if logged in, 77 if not or if the login has expired; docs/failures.md lists the others.")]
pub(super) struct Login {
    #[arg(long, value_name = "METHOD", help = one_of("How to log in", login::for_users()))]
    method: Option<String>,
    /// The method's mount path, if it differs from the method's name
    #[arg(long, value_name = "PATH")]
    mount: Option<String>,
    /// The role (oidc) [default: the mount's default role]
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    #[arg(long, value_name = "NAME", help = asked_by("The user's name", "username"))]
    username: Option<String>,
    /// Open no browser: print the address to sign in at, and ask for the address that sign-in ends at (oidc)
    #[arg(long)]
    no_browser: bool,
    /// The local port that the browser is redirected to (oidc)
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    port: u16,
    /// How long to wait for the sign-in, in seconds or as 1m30s (oidc) [default: 5m]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    wait: Option<Duration>,
    /// Send the password even if Vault refused this user twice recently; one more refusal may lock the user out
    #[arg(long)]
    try_again: bool,
    /// Do not log in: show who is logged in, with which policies, and until when
    #[arg(long, conflicts_with_all = ["method", "mount", "role", "username", "no_browser", "wait", "try_again"])]
    status: bool,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Revokes the token and removes its file. If Vault is unreachable, the file is removed anyway, and the exit code says that
the token is still valid. A token in a variable such as VAULT_TOKEN is left alone.")]
pub(super) struct Logout {
    #[command(flatten)]
    shared: Shared,
}

/// The options of both.
#[derive(Debug, Args)]
struct Shared {
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    timeout: Timeout,
    #[command(flatten)]
    json: Json,
}

/// Logs in, or shows who is logged in.
pub(super) fn log_in(login: Login) -> Result<Outcome> {
    let Login { method, mount, role, username, no_browser, port, wait, try_again, status, shared } = login;
    let browser = Browser { open: !no_browser, port, wait: wait.unwrap_or(PATIENCE), json: shared.json.json };
    let flags = login::Flags { method, mount, role, username, browser, try_again, ..shared.into() };
    if status { login::status(&flags) } else { login::log_in(&flags) }
}

/// Logs out.
pub(super) fn log_out(logout: Logout) -> Result<Outcome> {
    login::log_out(&logout.shared.into())
}

impl From<Shared> for login::Flags {
    fn from(shared: Shared) -> Self {
        let Shared { config: Config { config }, timeout: Timeout { timeout }, json: Json { json } } = shared;
        Self { config, timeout, json, ..Self::default() }
    }
}
