//! The command lines of `login` and `logout`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::settings::duration;
use crate::error::Result;
use crate::manage::Outcome;
use crate::manage::login::{self, Browser, PATIENCE, PORT};

#[derive(Debug, Args)]
#[command(after_help = "\
The token goes where launches look for it: into the file that `token_file` under [auth] names, else ~/.vault-token, as
Vault's own client does. Without --method it is the one under [auth], and on a terminal it is asked. What is typed is
not shown; without a terminal the password, or the token, comes from standard input.

  jupyter-vault login --method userpass --username ada     asks for the password
  jupyter-vault login --method oidc                        opens a browser, or says where to go with one
  pass vault | jupyter-vault login --method token          takes the token that is piped in
  jupyter-vault login --status                             says who is logged in, and until when

Exit code of --status: 0 when logged in, 77 when not, or when the login has ended; see docs/failures.md for the others.")]
pub(super) struct Login {
    /// How to log in: userpass, ldap, oidc or token
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,
    /// Where that method is mounted, if not under its own name
    #[arg(long, value_name = "PATH")]
    mount: Option<String>,
    /// The role (oidc) [default: the mount's own]
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// The user's name (userpass, ldap)
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// Open no browser: say where to sign in, and take the address where that ends (oidc)
    #[arg(long)]
    no_browser: bool,
    /// The port of this machine's loopback address that the browser comes back to (oidc)
    #[arg(long, value_name = "PORT", default_value_t = PORT)]
    port: u16,
    /// Time to sign in, in seconds or as 1m30s (oidc) [default: 5m]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    wait: Option<Duration>,
    /// Send the password though Vault has refused this user twice lately: one more refusal may lock the user
    #[arg(long)]
    try_again: bool,
    /// Log in to nothing: say who is logged in, with which policies, and until when
    #[arg(long, conflicts_with_all = ["method", "mount", "role", "username", "no_browser", "wait", "try_again"])]
    status: bool,
    #[command(flatten)]
    shared: Shared,
}

#[derive(Debug, Args)]
#[command(after_help = "\
The token is revoked and its file removed. Where Vault can't be reached the file goes all the same, and the exit code
says that the token still lives. A token in a variable such as VAULT_TOKEN is not touched.")]
pub(super) struct Logout {
    #[command(flatten)]
    shared: Shared,
}

/// What both take.
#[derive(Debug, Args)]
struct Shared {
    /// Read this vault.toml first; it must exist
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Time for everything that concerns Vault, in seconds or as 1m30s [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    timeout: Option<Duration>,
    /// One JSON object in place of the text
    #[arg(long)]
    json: bool,
}

/// Logs in, or says who is.
pub(super) fn log_in(login: Login) -> Result<Outcome> {
    let Login { method, mount, role, username, no_browser, port, wait, try_again, status, shared } = login;
    let browser = Browser { open: !no_browser, port, wait: wait.unwrap_or(PATIENCE), json: shared.json };
    let flags = login::Flags { method, mount, role, username, browser, try_again, ..shared.into() };
    if status { login::status(&flags) } else { login::log_in(&flags) }
}

/// Logs out.
pub(super) fn log_out(logout: Logout) -> Result<Outcome> {
    login::log_out(&logout.shared.into())
}

impl From<Shared> for login::Flags {
    fn from(shared: Shared) -> Self {
        let Shared { config, timeout, json } = shared;
        Self { config, timeout, json, ..Self::default() }
    }
}
