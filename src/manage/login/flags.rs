//! The options of `login` and `logout`.

use std::path::PathBuf;
use std::time::Duration;

use super::oidc::Browser;

/// The options.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// The vault.toml to read first.
    pub(crate) config: Option<PathBuf>,
    /// The time limit for requests to Vault, without the time that the user takes.
    pub(crate) timeout: Option<Duration>,
    /// How to log in.
    pub(crate) method: Option<String>,
    /// The mount of that method.
    pub(crate) mount: Option<String>,
    /// The role.
    pub(crate) role: Option<String>,
    /// The user's name.
    pub(crate) username: Option<String>,
    /// How the browser is used.
    pub(crate) browser: Browser,
    /// Whether to send a password although the user was refused twice.
    pub(crate) try_again: bool,
    /// Whether to print JSON.
    pub(crate) json: bool,
}
