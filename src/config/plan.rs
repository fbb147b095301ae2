//! The plan of a launch: everything that is decided before the network is used.

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

/// The default time for all requests to Vault: shorter than every front end's start-up time-out.
pub const DEFAULT_BUDGET: Duration = Duration::from_secs(10);
/// How long leases live without a keeper, by default.
const KEEPER_WINDOW: Duration = Duration::from_secs(15 * 60);
/// How long a replaced credential lives on, by default.
const KEEPER_GRACE: Duration = Duration::from_secs(120);
/// How long Vault locks a user by default.
const REFUSAL_WINDOW: Duration = Duration::from_secs(15 * 60);

/// What one launch will do.
#[derive(Debug)]
pub struct Plan {
    /// How to reach Vault.
    pub server: Server,
    /// How to get a token.
    pub login: Login,
    /// The sources; a later source takes precedence.
    pub sources: Vec<SourceSpec>,
    /// The KV mounts whose version is known.
    pub mounts: Vec<KnownMount>,
    /// The rules for single notebooks.
    pub notebooks: Vec<NotebookRule>,
    /// The protected names that are allowed.
    pub allow: Vec<String>,
    /// What the kernel inherits.
    pub inheritance: Inheritance,
    /// The time for all requests to Vault.
    pub budget: Duration,
    /// The folder for secrets that are files.
    pub runtime_dir: PathBuf,
    /// How long leases live without a keeper.
    pub keeper_window: Duration,
    /// How long a replaced credential lives on.
    pub keeper_grace: Duration,
    /// How long a refused login is not repeated automatically.
    pub refusal_window: Duration,
    /// Whether a user started this login, and not a timer or a restart.
    pub by_user: bool,
    /// Whether `KERNEL_*` variables may fill a path: only with credentials of the same request.
    pub from_request: bool,
}

impl Plan {
    /// Makes the plan from the merged settings; reads the credential's file, but uses no network.
    pub fn new(layer: &Layer, environment: &Environment) -> Result<Self> {
        let server = Server::new(layer, environment)?;
        let login = login(layer, environment, &server.address)?;
        let plan = Self::with(layer, environment, server, login);
        if plan.sources.is_empty() { Err(no_source()) } else { Ok(plan) }
    }

    /// A plan with this server and login; it may have no source.
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

/// The error for a configuration that names no secrets.
pub fn no_source() -> Error {
    Error::new(
        Kind::Config,
        "no source of secrets is configured",
        "add a [[source]] with kv = \"secret/users/…\" to vault.toml, or use --secrets MOUNT/PATH",
    )
}
