//! The login methods: one descriptor each.
//!
//! A plan takes its login from here, `setup` its questions and `doctor` the name; a test compares the table in
//! docs/configuration.md. To add a method: a row of [`METHODS`], its function below, a variant of [`Login`] if none
//! fits, and a file in `vault/auth` that sends it; the compiler names every place that matches on the variants.

use std::path::Path;

#[cfg(feature = "cloud")]
use super::cloud::{Aws, Azure, Cloud, Gcp};
use super::credential::{Credential, LOG_IN, find, find_password};
use super::env::Environment;
use super::keys::nearest;
use super::layer::Layer;
use super::login::Login;
#[cfg(feature = "manage")]
pub use super::question::ForUsers;
pub use super::question::{Ask, Wanted};
use super::stored_token::StoredToken;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;

/// Where Kubernetes puts a pod's service-account token.
pub const SERVICE_ACCOUNT_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
pub(super) const TOKENS: &[&str] = &["JUPYTER_VAULT_TOKEN", "BAO_TOKEN", "VAULT_TOKEN"];
pub(super) const WRAPPED: &[&str] = &["JUPYTER_VAULT_WRAPPED_TOKEN", "BAO_WRAPPED_TOKEN", "VAULT_WRAPPED_TOKEN"];

/// A login method.
pub struct Method {
    /// Its name in `method` under `[auth]`.
    pub name: &'static str,
    /// Its settings under `[auth]`, for the documents.
    #[cfg_attr(not(feature = "internals"), allow(dead_code, reason = "a test compares the documents with it"))]
    pub settings: &'static str,
    /// The sources of its credential, for the documents.
    #[cfg_attr(not(feature = "internals"), allow(dead_code, reason = "a test compares the documents with it"))]
    pub credential: &'static str,
    /// The questions of `setup`, in order.
    pub asks: &'static [Ask],
    /// Makes the login from the settings.
    login: fn(&'static Method, &Settings<'_>) -> Result<Login>,
}

impl std::fmt::Debug for Method {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}

const TOKEN: Wanted = Wanted { key: "token_file", what: "token", file: "vault-token", variable: "JUPYTER_VAULT_TOKEN" };
const PASSWORD: Wanted =
    Wanted { key: "password_file", what: "password", file: "vault-password", variable: "JUPYTER_VAULT_PASSWORD" };
const ROLE_ID: Wanted =
    Wanted { key: "role_id_file", what: "role id", file: "vault-role-id", variable: "JUPYTER_VAULT_ROLE_ID" };
const SECRET_ID: Wanted =
    Wanted { key: "secret_id_file", what: "secret id", file: "vault-secret-id", variable: "JUPYTER_VAULT_SECRET_ID" };

/// The methods, in the order of the documents.
pub static METHODS: &[Method] = &[
    Method {
        name: "token",
        settings: "",
        credential: "`token_file`, else `BAO_TOKEN` or `VAULT_TOKEN`, else the token helper of Vault's client, else `~/.vault-token`",
        asks: &[Ask::StoredToken, Ask::Credential(&TOKEN)],
        login: token,
    },
    Method {
        name: "wrapped",
        settings: "",
        credential: "`wrapped_token_file`, else `VAULT_WRAPPED_TOKEN`; each start and restart needs a new one",
        asks: &[Ask::File { key: "wrapped_token_file", question: "The file with the wrapping token", usual: None }],
        login: wrapped,
    },
    Method {
        name: "userpass",
        settings: "`username`",
        credential: "`password_file` (`JUPYTER_VAULT_PASSWORD`), else the token that `jupyter-vault login` stored",
        asks: &[Ask::Mount, Ask::Username, Ask::Credential(&PASSWORD)],
        login: password,
    },
    Method {
        name: "ldap",
        settings: "`username`",
        credential: "`password_file` (`JUPYTER_VAULT_PASSWORD`), else the token that `jupyter-vault login` stored",
        asks: &[Ask::Mount, Ask::Username, Ask::Credential(&PASSWORD)],
        login: password,
    },
    Method {
        name: "oidc",
        settings: "`role`, unless the mount has a default",
        credential: "the token that `jupyter-vault login` stored, as for `token`",
        asks: &[
            Ask::Mount,
            Ask::Text { key: "role", question: "The role (empty: the mount's default)", usual: Some("") },
            Ask::SignIn,
        ],
        login: token,
    },
    Method {
        name: "approle",
        settings: "`role_id` or `role_id_file` (`VAULT_ROLE_ID`)",
        credential: "`secret_id_file` (`VAULT_SECRET_ID`); `secret_id_wrapped = true` if it is a wrapping token",
        asks: &[
            Ask::Mount,
            Ask::Credential(&ROLE_ID),
            Ask::CredentialIfAny(&SECRET_ID, "Does the role have a secret id?"),
        ],
        login: approle,
    },
    Method {
        name: "jwt",
        settings: "`role`, unless the mount has a default",
        credential: "`jwt_file`",
        asks: &[
            Ask::Mount,
            Ask::Text { key: "role", question: "The role (empty: the mount's default)", usual: Some("") },
            Ask::File { key: "jwt_file", question: "The file with the JWT", usual: None },
        ],
        login: jwt,
    },
    Method {
        name: "kubernetes",
        settings: "`role`",
        credential: "`jwt_file`, else the pod's service-account token",
        asks: &[
            Ask::Mount,
            Ask::Text { key: "role", question: "The role", usual: None },
            Ask::File { key: "jwt_file", question: "The file with the JWT (empty: the pod's own)", usual: Some("") },
        ],
        login: kubernetes,
    },
    Method {
        name: "cert",
        settings: "`role`",
        credential: "`client_cert` and `client_key` under `[vault]`",
        asks: &[
            Ask::Mount,
            Ask::File { key: "client_cert", question: "The file with the client certificate", usual: None },
            Ask::File { key: "client_key", question: "The file with its key", usual: None },
            Ask::Text { key: "role", question: "The certificate role (empty: any that fits)", usual: Some("") },
        ],
        login: cert,
    },
    #[cfg(feature = "cloud")]
    Method {
        name: "aws",
        settings: "`role`, if it differs from the identity's name; `region`, if Vault asks a regional STS; `header_value`",
        credential: "AWS's usual variables, a web identity (EKS), or the role of the container or machine",
        asks: &[
            Ask::Mount,
            Ask::Text { key: "role", question: "The role (empty: the name of the identity)", usual: Some("") },
        ],
        login: aws,
    },
    #[cfg(feature = "cloud")]
    Method {
        name: "gcp",
        settings: "`role`, of type gce; `service_account`, unless it is `default`",
        credential: "a token of Google Cloud's metadata service",
        asks: &[Ask::Mount, Ask::Text { key: "role", question: "The role", usual: None }],
        login: gcp,
    },
    #[cfg(feature = "cloud")]
    Method {
        name: "azure",
        settings: "`role`; `resource`, unless it is `https://management.azure.com/`; `client_id`, if there are several identities",
        credential: "a token of the managed identity",
        asks: &[Ask::Mount, Ask::Text { key: "role", question: "The role", usual: None }],
        login: azure,
    },
    Method {
        name: "agent",
        settings: "",
        credential: "none: the agent at Vault's address adds one",
        asks: &[],
        login: |_, _| Ok(Login::Agent),
    },
];

/// The methods' names, for messages.
pub fn names() -> String {
    METHODS.iter().map(|method| method.name).collect::<Vec<_>>().join(", ")
}

/// The method of that name; the error suggests a similar one.
pub fn named(name: &str) -> Result<&'static Method, String> {
    METHODS.iter().find(|method| method.name == name).ok_or_else(|| {
        let near = nearest(name, METHODS.iter().map(|method| method.name));
        near.map_or_else(|| format!("known: {}", names()), |near| format!("did you mean \"{near}\"?"))
    })
}

#[cfg(feature = "manage")]
impl Method {
    /// How `login` gets a user's token with it; `None` if only machines log in with it.
    pub fn for_users(&self) -> Option<ForUsers> {
        self.asks.iter().find_map(Ask::for_users)
    }

    /// Whether `setup` asks for the setting `key`.
    pub fn asks_for(&self, key: &str) -> bool {
        self.asks.iter().any(|ask| ask.is_for(key))
    }
}

impl Method {
    /// The login according to the settings.
    pub(super) fn login(&'static self, settings: &Settings<'_>) -> Result<Login> {
        (self.login)(self, settings)
    }
}

/// The input from which a method makes its login.
pub(super) struct Settings<'a> {
    pub layer: &'a Layer,
    pub environment: &'a Environment,
}

impl Settings<'_> {
    pub fn credential(&self, file: &str, variables: &[&str]) -> Result<Option<Credential>> {
        find(self.layer, self.environment, Some(file), variables)
    }

    /// The token from a file or variable, or the one that `vault login` or `bao login` left.
    pub fn token(&self) -> Result<Option<Credential>> {
        match self.credential("auth.token_file", TOKENS)? {
            Some(token) => Ok(Some(token)),
            None => self.stored_token(),
        }
    }

    pub fn stored_token(&self) -> Result<Option<Credential>> {
        let left = StoredToken::find(self.layer, self.environment)?;
        left.map(|left| left.read(self.layer, self.environment)).transpose()
    }

    pub fn role(&self) -> Option<String> {
        self.layer.text("auth.role").map(str::to_owned)
    }

    pub fn mount(&self, usual: &str) -> Result<String> {
        mount(self.layer.text("auth.mount").unwrap_or(usual), &self.layer.origin("auth.mount"))
    }
}

/// The path of a login's mount, below `auth/`; `origin` is for the message.
pub fn mount(text: &str, origin: &str) -> Result<String> {
    let mount = text.trim().trim_matches('/');
    let mount = mount.strip_prefix("auth/").unwrap_or(mount);
    if mount.split('/').any(|segment| segment.is_empty() || segment == "." || segment == "..") {
        let what = format!("{origin} is not a mount's path");
        return Err(Error::new(Kind::Config, what, "write the path below auth/, such as kubernetes or team/approle"));
    }
    Ok(mount.to_owned())
}

fn required(found: Option<Credential>, what: &str, advice: &str) -> Result<Credential> {
    let needs = || Error::new(Kind::Credential, format!("the login method needs {what}, but there is none"), advice);
    found.ok_or_else(needs)
}

fn missing_setting(method: &str, key: &str) -> Error {
    Error::new(
        Kind::Config,
        format!("the login method {method} needs `{key}`, which is not set"),
        format!("set `{key}` under [auth] in vault.toml"),
    )
}

fn token(_: &'static Method, settings: &Settings<'_>) -> Result<Login> {
    let advice = format!("log in with {LOG_IN}, or set `token_file` under [auth] or VAULT_TOKEN");
    required(settings.token()?, "a token", &advice).map(Login::Token)
}

fn wrapped(_: &'static Method, settings: &Settings<'_>) -> Result<Login> {
    let found = settings.credential("auth.wrapped_token_file", WRAPPED)?;
    required(found, "a wrapping token", "set `wrapped_token_file` under [auth]").map(Login::Wrapped)
}

fn jwt(method: &'static Method, settings: &Settings<'_>) -> Result<Login> {
    let jwt = settings.credential("auth.jwt_file", &["JUPYTER_VAULT_JWT"])?;
    let jwt = required(jwt, "a JWT", "set `jwt_file` under [auth]")?;
    Ok(Login::Jwt { method: method.name, mount: settings.mount(method.name)?, role: settings.role(), jwt })
}

fn kubernetes(method: &'static Method, settings: &Settings<'_>) -> Result<Login> {
    let jwt = match settings.credential("auth.jwt_file", &["JUPYTER_VAULT_JWT"])? {
        Some(jwt) => jwt,
        None => Credential::read(Path::new(SERVICE_ACCOUNT_TOKEN))?,
    };
    let role = settings.role().ok_or_else(|| missing_setting(method.name, "role"))?;
    Ok(Login::Jwt { method: method.name, mount: settings.mount(method.name)?, role: Some(role), jwt })
}

fn approle(method: &'static Method, settings: &Settings<'_>) -> Result<Login> {
    let configured = settings.layer.text("auth.role_id").map(|id| Credential {
        value: SecretValue::new(id.trim().as_bytes().to_vec()),
        origin: settings.layer.origin("auth.role_id"),
    });
    let ids = ["JUPYTER_VAULT_ROLE_ID", "BAO_ROLE_ID", "VAULT_ROLE_ID"];
    let role_id = match configured {
        Some(role_id) => Some(role_id),
        None => settings.credential("auth.role_id_file", &ids)?,
    };
    let secret_ids = ["JUPYTER_VAULT_SECRET_ID", "BAO_SECRET_ID", "VAULT_SECRET_ID"];
    Ok(Login::AppRole {
        mount: settings.mount(method.name)?,
        role_id: required(role_id, "a role id", "set `role_id` or `role_id_file` under [auth]")?,
        secret_id: settings.credential("auth.secret_id_file", &secret_ids)?,
        wrapped: settings.layer.flag("auth.secret_id_wrapped").unwrap_or(false),
    })
}

fn password(method: &'static Method, settings: &Settings<'_>) -> Result<Login> {
    let Settings { layer, environment } = *settings;
    let username = layer.text("auth.username").ok_or_else(|| missing_setting(method.name, "username"))?;
    let password = find_password(layer, environment, "auth.password_file", &["JUPYTER_VAULT_PASSWORD"])?;
    if password.is_none()
        && let Some(left) = settings.stored_token()?
    {
        // Only the user knows the password, and a login with it has left a token.
        return Ok(Login::Token(left));
    }
    let advice = format!("log in with {LOG_IN}, or set `password_file` under [auth]");
    Ok(Login::Password {
        method: method.name,
        mount: settings.mount(method.name)?,
        username: username.to_owned(),
        password: required(password, "a password", &advice)?,
    })
}

/// A login with the machine's identity in a cloud.
#[cfg(feature = "cloud")]
fn cloud(method: &'static Method, settings: &Settings<'_>, identity: Cloud) -> Result<Login> {
    let (role, origin) = (settings.role(), identity.to_string());
    Ok(Login::Cloud { method: method.name, mount: settings.mount(method.name)?, role, identity, origin })
}

#[cfg(feature = "cloud")]
fn aws(method: &'static Method, settings: &Settings<'_>) -> Result<Login> {
    let text = |key| settings.layer.text(key);
    let identity = Aws::of(settings.environment, text("auth.region"), text("auth.header_value"))?;
    cloud(method, settings, Cloud::Aws(Box::new(identity)))
}

#[cfg(feature = "cloud")]
fn gcp(method: &'static Method, settings: &Settings<'_>) -> Result<Login> {
    settings.role().ok_or_else(|| missing_setting(method.name, "role"))?;
    let identity = Gcp::of(settings.environment, settings.layer.text("auth.service_account"))?;
    cloud(method, settings, Cloud::Gcp(identity))
}

#[cfg(feature = "cloud")]
fn azure(method: &'static Method, settings: &Settings<'_>) -> Result<Login> {
    settings.role().ok_or_else(|| missing_setting(method.name, "role"))?;
    let text = |key| settings.layer.text(key);
    let identity = Azure::of(settings.environment, text("auth.resource"), text("auth.client_id"))?;
    cloud(method, settings, Cloud::Azure(identity))
}

fn cert(method: &'static Method, settings: &Settings<'_>) -> Result<Login> {
    let is_set = |key| settings.layer.get(key).is_some();
    if !is_set("vault.client_cert") || !is_set("vault.client_key") {
        return Err(Error::new(
            Kind::Credential,
            "the login method cert needs a client certificate, but there is none",
            "set `client_cert` and `client_key` under [vault] (or VAULT_CLIENT_CERT and VAULT_CLIENT_KEY)",
        ));
    }
    Ok(Login::Cert { mount: settings.mount(method.name)?, role: settings.role() })
}
