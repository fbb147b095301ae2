//! How a plan gets a token: the login method, its settings and its credential.

use std::path::Path;

use super::credential::{Credential, find, find_password};
use super::env::Environment;
use super::keys::nearest;
use super::layer::Layer;
use crate::error::{Error, Kind, Result};
use crate::net::address::Address;
use crate::secret::SecretValue;

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
    pub const fn is_ours(&self) -> bool {
        !matches!(self, Self::Token(_) | Self::Agent)
    }
}

/// Whether the credential is the kernel request's.
pub(super) fn from_request(layer: &Layer) -> bool {
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
            let variables = ["JUPYTER_VAULT_PASSWORD"];
            let password = find_password(layer, environment, "auth.password_file", &variables)?;
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
