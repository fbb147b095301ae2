//! The plan of a launch: everything that is decided before the network is touched.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::address::Address;
use super::credential::{Credential, find};
use super::env::Environment;
use super::keys::nearest;
use super::layer::Layer;
pub use super::server::{Proxy, Server, Tls};
use super::source::{KnownMount, SourceSpec};
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;

/// The time for all of Vault when none was set: below every front end's start-up time-out.
pub const DEFAULT_BUDGET: Duration = Duration::from_secs(10);
/// Where Kubernetes puts a pod's service-account token.
const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
/// The login methods by name.
const METHODS: &[&str] = &["token", "wrapped", "kubernetes", "jwt", "approle", "userpass", "ldap", "cert", "agent"];

/// How to get a token.
#[derive(Debug)]
pub enum Login {
    /// One that was given.
    Token(Credential),
    /// One that was wrapped for us.
    Wrapped(Credential),
    /// A service account's or any other JWT.
    Jwt {
        /// Under `auth/`.
        mount: String,
        /// The role, if not the mount's default.
        role: Option<String>,
        /// The JWT.
        jwt: Credential,
        /// Whether it is the Kubernetes method.
        kubernetes: bool,
    },
    /// A role id and a secret id.
    AppRole {
        /// Under `auth/`.
        mount: String,
        /// The role id.
        role_id: Credential,
        /// The secret id, if the role binds one.
        secret_id: Option<Credential>,
        /// Whether the secret id is a wrapping token.
        wrapped: bool,
    },
    /// A user's name and password.
    Password {
        /// Under `auth/`; LDAP has the same requests as userpass.
        mount: String,
        /// The name.
        username: String,
        /// The password.
        password: Credential,
    },
    /// The client certificate of the connection.
    Cert {
        /// Under `auth/`.
        mount: String,
        /// The certificate role to match.
        role: Option<String>,
    },
    /// None: the agent on the way adds it.
    Agent,
}

impl Login {
    /// Whether the token will be one that we logged in for, and so ours to revoke.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        !matches!(self, Self::Token(_) | Self::Agent)
    }
}

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
    /// The protected names that are accepted.
    pub allow: Vec<String>,
    /// Whether a secret wins over an inherited variable of its name.
    pub override_inherited: bool,
    /// The time for all of Vault.
    pub budget: Duration,
    /// Where a source's file form puts its files.
    pub runtime_dir: PathBuf,
    /// Whether `KERNEL_*` variables may fill a path: only with credentials of the same request.
    pub from_request: bool,
}

impl Plan {
    /// Works the plan out of the merged settings; reads the credential's file, and no network.
    ///
    /// # Errors
    /// [`Kind::Config`] or [`Kind::Credential`].
    pub fn new(layer: &Layer, environment: &Environment) -> Result<Self> {
        let server = Server::new(layer, environment)?;
        let login = login(layer, environment, &server.address)?;
        let plan = Self::with(layer, environment, server, login);
        if plan.sources.is_empty() { Err(no_source()) } else { Ok(plan) }
    }

    /// A plan of parts that were worked out before; it may have no source.
    #[must_use]
    pub fn with(layer: &Layer, environment: &Environment, server: Server, login: Login) -> Self {
        Self {
            server,
            login,
            mounts: layer.mounts().to_vec(),
            sources: layer.sources().unwrap_or_default().to_vec(),
            allow: layer.names("environment.allow").unwrap_or_default().to_vec(),
            override_inherited: layer.flag("environment.override").unwrap_or(true),
            budget: layer.duration("vault.timeout").unwrap_or(DEFAULT_BUDGET),
            runtime_dir: runtime_dir(environment),
            from_request: from_request(layer),
        }
    }
}

/// The error for a configuration that says nothing of where the secrets are.
#[must_use]
pub fn no_source() -> Error {
    Error::new(
        Kind::Config,
        "no source of secrets is configured",
        "add a [[source]] with kv = \"secret/users/…\" to vault.toml, or use --secrets MOUNT/PATH",
    )
}

fn from_request(layer: &Layer) -> bool {
    layer.flag("auth.from_request").unwrap_or(false)
}

/// With a gateway's own credential every user would get the same secrets, so only the request's count.
fn from_the_request(layer: &Layer, environment: &Environment) -> Result<Login> {
    let given = |name: &str| find(layer, environment, None, &[name]);
    if let Some(jwt) = given("KERNEL_VAULT_JWT")? {
        let kubernetes = layer.text("auth.method") == Some("kubernetes");
        let mount = mount(layer, if kubernetes { "kubernetes" } else { "jwt" })?;
        return Ok(Login::Jwt { mount, role: role(layer), jwt, kubernetes });
    }
    if let Some(token) = given("KERNEL_VAULT_WRAPPED_TOKEN")? {
        return Ok(Login::Wrapped(token));
    }
    if let Some(token) = given("KERNEL_VAULT_TOKEN")? {
        return Ok(Login::Token(token));
    }
    Err(Error::new(
        Kind::Credential,
        "the kernel request brings no credential, and [auth] from_request takes no other",
        "set KERNEL_VAULT_TOKEN, KERNEL_VAULT_WRAPPED_TOKEN or KERNEL_VAULT_JWT in the client that asks for the kernel",
    ))
}

const TOKENS: &[&str] = &["JUPYTER_VAULT_TOKEN", "BAO_TOKEN", "VAULT_TOKEN"];
const WRAPPED: &[&str] = &["JUPYTER_VAULT_WRAPPED_TOKEN", "BAO_WRAPPED_TOKEN", "VAULT_WRAPPED_TOKEN"];

/// The part of a plan that says how to get a token; reads the credential's file. `address` is Vault's,
/// because behind a socket there is an agent that needs none.
///
/// # Errors
/// [`Kind::Config`] or [`Kind::Credential`].
pub fn login(layer: &Layer, environment: &Environment, address: &Address) -> Result<Login> {
    if from_request(layer) {
        return from_the_request(layer, environment);
    }
    let credential = |file: &str, variables: &[&str]| find(layer, environment, Some(file), variables);
    let required = |found: Option<Credential>, what: &str, advice: &str| {
        let needs =
            || Error::new(Kind::Credential, format!("the login method needs {what}, and there is none"), advice);
        found.ok_or_else(needs)
    };
    let token = || -> Result<Option<Credential>> {
        match credential("auth.token_file", TOKENS)? {
            Some(token) => Ok(Some(token)),
            None => token_of_the_cli(environment),
        }
    };
    match layer.text("auth.method") {
        Some("token") => {
            let advice = "set `token_file` under [auth] or VAULT_TOKEN, or log in with `vault login` (or `bao login`)";
            required(token()?, "a token", advice).map(Login::Token)
        }
        Some("wrapped") => {
            let found = credential("auth.wrapped_token_file", WRAPPED)?;
            required(found, "a wrapping token", "set `wrapped_token_file` under [auth]").map(Login::Wrapped)
        }
        Some(method @ ("kubernetes" | "jwt")) => {
            let kubernetes = method == "kubernetes";
            let mut jwt = credential("auth.jwt_file", &["JUPYTER_VAULT_JWT"])?;
            if jwt.is_none() && kubernetes {
                jwt = Some(Credential::read(Path::new(SERVICE_ACCOUNT_TOKEN))?);
            }
            let jwt = required(jwt, "a JWT", "set `jwt_file` under [auth]")?;
            let role = role(layer);
            if kubernetes && role.is_none() {
                return Err(missing_setting("kubernetes", "role"));
            }
            Ok(Login::Jwt { mount: mount(layer, method)?, role, jwt, kubernetes })
        }
        Some("approle") => {
            let said = layer.text("auth.role_id").map(|id| Credential {
                value: SecretValue::new(id.trim().as_bytes().to_vec()),
                origin: layer.origin("auth.role_id"),
            });
            let ids = ["JUPYTER_VAULT_ROLE_ID", "BAO_ROLE_ID", "VAULT_ROLE_ID"];
            let role_id = match said {
                Some(role_id) => Some(role_id),
                None => credential("auth.role_id_file", &ids)?,
            };
            let secret_ids = ["JUPYTER_VAULT_SECRET_ID", "BAO_SECRET_ID", "VAULT_SECRET_ID"];
            Ok(Login::AppRole {
                mount: mount(layer, "approle")?,
                role_id: required(role_id, "a role id", "set `role_id` or `role_id_file` under [auth]")?,
                secret_id: credential("auth.secret_id_file", &secret_ids)?,
                wrapped: layer.flag("auth.secret_id_wrapped").unwrap_or(false),
            })
        }
        Some(method @ ("userpass" | "ldap")) => {
            let username = layer.text("auth.username").ok_or_else(|| missing_setting(method, "username"))?;
            let password = credential("auth.password_file", &["JUPYTER_VAULT_PASSWORD"])?;
            Ok(Login::Password {
                mount: mount(layer, method)?,
                username: username.to_owned(),
                password: required(password, "a password", "set `password_file` under [auth]")?,
            })
        }
        Some("cert") => {
            if layer.get("vault.client_cert").is_none() || layer.get("vault.client_key").is_none() {
                return Err(Error::new(
                    Kind::Credential,
                    "the login method cert needs a client certificate, and there is none",
                    "set `client_cert` and `client_key` under [vault] (or VAULT_CLIENT_CERT and VAULT_CLIENT_KEY)",
                ));
            }
            Ok(Login::Cert { mount: mount(layer, "cert")?, role: role(layer) })
        }
        Some("agent") => Ok(Login::Agent),
        Some(unknown) => {
            let advice = nearest(unknown, METHODS.iter().copied())
                .map_or_else(|| format!("known: {}", METHODS.join(", ")), |near| format!("did you mean \"{near}\"?"));
            let what = format!("{} names the unknown login method \"{unknown}\"", layer.origin("auth.method"));
            Err(Error::new(Kind::Config, what, advice))
        }
        None => {
            if let Some(token) = credential("auth.token_file", TOKENS)? {
                return Ok(Login::Token(token));
            }
            if let Some(token) = credential("auth.wrapped_token_file", WRAPPED)? {
                return Ok(Login::Wrapped(token));
            }
            if matches!(address, Address::Unix(_)) || layer.get("vault.agent_address").is_some() {
                return Ok(Login::Agent);
            }
            let advice = "set [auth] in vault.toml, set VAULT_TOKEN, or log in with `vault login` (or `bao login`)";
            token_of_the_cli(environment)?
                .map(Login::Token)
                .ok_or_else(|| Error::new(Kind::Credential, "there is no credential to log in to Vault with", advice))
        }
    }
}

/// The token that `vault login` and `bao login` leave in the home folder.
fn token_of_the_cli(environment: &Environment) -> Result<Option<Credential>> {
    let path = environment.home().map(|home| home.join(".vault-token")).filter(|path| path.exists());
    path.map(|path| Credential::read(&path)).transpose()
}

fn role(layer: &Layer) -> Option<String> {
    layer.text("auth.role").map(str::to_owned)
}

fn mount(layer: &Layer, usual: &str) -> Result<String> {
    let mount = layer.text("auth.mount").unwrap_or(usual).trim_matches('/');
    let mount = mount.strip_prefix("auth/").unwrap_or(mount);
    if mount.split('/').any(|segment| segment.is_empty() || segment == "." || segment == "..") {
        let what = format!("{} is not a mount's path", layer.origin("auth.mount"));
        return Err(Error::new(Kind::Config, what, "write the path below auth/, as in kubernetes or team/approle"));
    }
    Ok(mount.to_owned())
}

fn missing_setting(method: &str, key: &str) -> Error {
    Error::new(
        Kind::Config,
        format!("the login method {method} needs `{key}`, and it is not set"),
        format!("set `{key}` under [auth] in vault.toml"),
    )
}

/// Our folder in Jupyter's runtime folder; `XDG_RUNTIME_DIR` before the data folder, because it is in memory.
#[must_use]
pub fn runtime_dir(environment: &Environment) -> PathBuf {
    let below = |name: &str, rest: &str| environment.path(name).map(|folder| folder.join(rest));
    environment
        .path("JUPYTER_RUNTIME_DIR")
        .or_else(|| below("XDG_RUNTIME_DIR", "jupyter"))
        .or_else(|| below("JUPYTER_DATA_DIR", "runtime"))
        .or_else(|| below("XDG_DATA_HOME", "jupyter/runtime"))
        .or_else(|| environment.home().map(|home| home.join(".local/share/jupyter/runtime")))
        .unwrap_or_else(|| PathBuf::from("/tmp"))
        .join("jupyter-vault")
}

/// Where Jupyter itself keeps connection files and servers' files: what `jupyter --runtime-dir` says. It
/// does not follow `XDG_RUNTIME_DIR` any more, while our own folder prefers that, which lies in memory.
#[cfg(feature = "kernel-protocol")]
#[must_use]
pub fn jupyter_runtime_dir(environment: &Environment) -> PathBuf {
    const DATA: &str = if cfg!(target_os = "macos") { "Library/Jupyter" } else { ".local/share/jupyter" };
    let data = || {
        let given = environment.path("JUPYTER_DATA_DIR");
        let xdg = environment.path("XDG_DATA_HOME").filter(|_| cfg!(not(target_os = "macos")));
        let home = || environment.home().map(|home| home.join(DATA));
        given.or_else(|| xdg.map(|xdg| xdg.join("jupyter"))).or_else(home)
    };
    let runtime = environment.path("JUPYTER_RUNTIME_DIR").or_else(|| data().map(|data| data.join("runtime")));
    runtime.unwrap_or_else(|| PathBuf::from("/nonexistent"))
}
