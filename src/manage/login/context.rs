//! What `login` and `logout` work on: the settings, the server, and the file of the token.

use std::path::PathBuf;

use super::flags::Flags;
use crate::config::auth;
use crate::config::credential::token_path;
use crate::config::env::Environment;
use crate::config::layer::Layer;
use crate::config::login::Login;
use crate::config::plan::Plan;
use crate::config::server::Server;
use crate::config::stored_token::StoredToken;
use crate::error::{Error, Kind, Result};
use crate::launch::{self, Request};

/// The settings, the server, and the path of the token's file.
pub(super) struct LoginContext<'e> {
    pub(super) environment: &'e Environment,
    pub(super) layer: Layer,
    pub(super) server: Server,
    pub(super) file: PathBuf,
}

impl<'e> LoginContext<'e> {
    pub(super) fn read(flags: &Flags, environment: &'e Environment) -> Result<Self> {
        let request = Request { config: flags.config.clone(), timeout: flags.timeout, ..Request::default() };
        let layer = launch::settings(&request, environment)?;
        Self::new(layer, environment)
    }

    pub(super) fn new(layer: Layer, environment: &'e Environment) -> Result<Self> {
        let server = Server::new(&layer, environment)?;
        let file = token_path(&layer, environment).ok_or_else(|| {
            let what = "there is no home folder to store a token in";
            Error::new(Kind::Config, what, "set HOME, or `token_file` under [auth] in vault.toml")
        })?;
        Ok(Self { environment, layer, server, file })
    }

    /// Checks that launches read the token from the file, and not from a token helper.
    pub(super) fn check_helper(&self, doing: &str, instead: &str) -> Result<()> {
        match StoredToken::find(&self.layer, self.environment)? {
            Some(helper @ StoredToken::Helper { .. }) => Err(Error::new(
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
    pub(super) fn configured(&self) -> Result<Login> {
        auth::login(&self.layer, self.environment, &self.server.address)
    }

    /// A plan with this login.
    pub(super) fn plan(&self, login: Login) -> Plan {
        Plan::with(&self.layer, self.environment, self.server.clone(), login)
    }
}
