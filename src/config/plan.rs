//! The plan of a launch: everything that is decided before the network is touched.

use std::path::PathBuf;
use std::time::Duration;

use super::auth::{from_request, login};
use super::env::Environment;
use super::folders::runtime_dir;
use super::inheritance::Inheritance;
use super::layer::Layer;
use super::login::Login;
use super::notebook::NotebookRule;
use super::server::Server;
use super::source::{KnownMount, SourceSpec};
use crate::error::{Error, Kind, Result};

/// The time for all of Vault when none was set: below every front end's start-up time-out.
pub const DEFAULT_BUDGET: Duration = Duration::from_secs(10);
/// How long leases live without a keeper, where nothing else is set.
const KEEPER_WINDOW: Duration = Duration::from_secs(15 * 60);
/// How long a credential lives on that was replaced, where nothing else is set.
const KEEPER_GRACE: Duration = Duration::from_secs(120);
/// How long Vault locks a user for by default.
const REFUSAL_WINDOW: Duration = Duration::from_secs(15 * 60);

/// What one launch will do.
#[derive(Debug)]
pub struct Plan {
    /// How to reach Vault.
    pub server: Server,
    /// How to get a token.
    pub login: Login,
    /// What to read, the later ones winning.
    pub sources: Vec<SourceSpec>,
    /// The KV mounts that need not be asked about.
    pub mounts: Vec<KnownMount>,
    /// What single notebooks' kernels do not get.
    pub notebooks: Vec<NotebookRule>,
    /// The protected names that are accepted.
    pub allow: Vec<String>,
    /// What the kernel inherits.
    pub inheritance: Inheritance,
    /// The time for all of Vault.
    pub budget: Duration,
    /// Where a source's file form puts its files.
    pub runtime_dir: PathBuf,
    /// How long leases live without a keeper.
    pub keeper_window: Duration,
    /// How long a credential lives on that was replaced.
    pub keeper_grace: Duration,
    /// How long a refused login is not sent again by itself.
    pub refusal_window: Duration,
    /// Whether a user asks for this login now, and no timer or restart.
    pub by_user: bool,
    /// Whether `KERNEL_*` variables may fill a path: only with credentials of the same request.
    pub from_request: bool,
}

impl Plan {
    /// Works the plan out of the merged settings; reads the credential's file, and no network.
    pub fn new(layer: &Layer, environment: &Environment) -> Result<Self> {
        let server = Server::new(layer, environment)?;
        let login = login(layer, environment, &server.address)?;
        let plan = Self::with(layer, environment, server, login);
        if plan.sources.is_empty() { Err(no_source()) } else { Ok(plan) }
    }

    /// A plan of parts that were worked out before; it may have no source.
    pub fn with(layer: &Layer, environment: &Environment, server: Server, login: Login) -> Self {
        Self {
            server,
            login,
            mounts: layer.mounts().to_vec(),
            notebooks: layer.notebooks().to_vec(),
            sources: layer.sources().unwrap_or_default().to_vec(),
            allow: layer.names("environment.allow").unwrap_or_default().to_vec(),
            inheritance: Inheritance::of(layer),
            budget: layer.duration("vault.timeout").unwrap_or(DEFAULT_BUDGET),
            runtime_dir: runtime_dir(environment),
            keeper_window: layer.duration("keeper.window").unwrap_or(KEEPER_WINDOW),
            keeper_grace: layer.duration("keeper.grace").unwrap_or(KEEPER_GRACE),
            refusal_window: layer.duration("auth.refusal_window").unwrap_or(REFUSAL_WINDOW),
            by_user: false,
            from_request: from_request(layer),
        }
    }
}

/// The error for a configuration that says nothing of where the secrets are.
pub fn no_source() -> Error {
    Error::new(
        Kind::Config,
        "no source of secrets is configured",
        "add a [[source]] with kv = \"secret/users/…\" to vault.toml, or use --secrets MOUNT/PATH",
    )
}
