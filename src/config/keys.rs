//! Every setting: its place in vault.toml, its type, and the variables that set it.
//!
//! One row per setting. The variables are in order of precedence; an empty one counts as unset.

/// The type of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Text, as it is.
    Text,
    /// One address, or several in their order; in a variable separated by commas.
    Addresses,
    /// `true` or `false`; in a variable, any form that Go's `ParseBool` accepts.
    Bool,
    /// A duration: a number of seconds, or the form of Go's `ParseDuration` (`1m30s`).
    Duration,
    /// A whole number, 0 or more.
    Count,
    /// A list of names; in a variable separated by commas.
    Names,
    /// `true`, `false` or `error`.
    BoolOrError,
}

/// One setting.
#[derive(Debug)]
pub struct Key {
    /// `table.key` in vault.toml.
    pub name: &'static str,
    /// Its type.
    pub of: Type,
    /// The variables that set it, the first one winning.
    pub variables: &'static [&'static str],
    /// Whether vault.toml may set it; otherwise only the environment or the command line may.
    pub in_file: bool,
}

const fn key(name: &'static str, of: Type, variables: &'static [&'static str]) -> Key {
    Key { name, of, variables, in_file: true }
}

/// The table.
pub const KEYS: &[Key] = &[
    key("vault.address", Type::Addresses, &["JUPYTER_VAULT_ADDRESS", "BAO_ADDR", "VAULT_ADDR"]),
    key("vault.agent_address", Type::Text, &["JUPYTER_VAULT_AGENT_ADDRESS", "BAO_AGENT_ADDR", "VAULT_AGENT_ADDR"]),
    key("vault.namespace", Type::Text, &["JUPYTER_VAULT_NAMESPACE", "BAO_NAMESPACE", "VAULT_NAMESPACE"]),
    key("vault.ca_cert", Type::Text, &["JUPYTER_VAULT_CA_CERT", "BAO_CACERT", "VAULT_CACERT"]),
    Key {
        name: "vault.ca_cert_bytes",
        of: Type::Text,
        variables: &["BAO_CACERT_BYTES", "VAULT_CACERT_BYTES"],
        in_file: false,
    },
    key("vault.ca_path", Type::Text, &["JUPYTER_VAULT_CA_PATH", "BAO_CAPATH", "VAULT_CAPATH"]),
    key("vault.client_cert", Type::Text, &["JUPYTER_VAULT_CLIENT_CERT", "BAO_CLIENT_CERT", "VAULT_CLIENT_CERT"]),
    key("vault.client_key", Type::Text, &["JUPYTER_VAULT_CLIENT_KEY", "BAO_CLIENT_KEY", "VAULT_CLIENT_KEY"]),
    key(
        "vault.tls_server_name",
        Type::Text,
        &["JUPYTER_VAULT_TLS_SERVER_NAME", "BAO_TLS_SERVER_NAME", "VAULT_TLS_SERVER_NAME"],
    ),
    key("vault.skip_verify", Type::Bool, &["JUPYTER_VAULT_SKIP_VERIFY", "BAO_SKIP_VERIFY", "VAULT_SKIP_VERIFY"]),
    key(
        "vault.proxy",
        Type::Text,
        &["JUPYTER_VAULT_PROXY", "BAO_PROXY_ADDR", "VAULT_PROXY_ADDR", "BAO_HTTP_PROXY", "VAULT_HTTP_PROXY"],
    ),
    key("vault.timeout", Type::Duration, &["JUPYTER_VAULT_TIMEOUT", "BAO_CLIENT_TIMEOUT", "VAULT_CLIENT_TIMEOUT"]),
    key("vault.max_retries", Type::Count, &["JUPYTER_VAULT_MAX_RETRIES", "BAO_MAX_RETRIES", "VAULT_MAX_RETRIES"]),
    key("vault.locked", Type::Bool, &[]),
    key("auth.method", Type::Text, &["JUPYTER_VAULT_AUTH_METHOD"]),
    key("auth.mount", Type::Text, &["JUPYTER_VAULT_AUTH_MOUNT"]),
    key("auth.role", Type::Text, &["JUPYTER_VAULT_AUTH_ROLE"]),
    key("auth.token_file", Type::Text, &["JUPYTER_VAULT_TOKEN_FILE"]),
    key("auth.wrapped_token_file", Type::Text, &["JUPYTER_VAULT_WRAPPED_TOKEN_FILE"]),
    key("auth.jwt_file", Type::Text, &["JUPYTER_VAULT_JWT_FILE"]),
    key("auth.role_id", Type::Text, &[]),
    key("auth.role_id_file", Type::Text, &["JUPYTER_VAULT_ROLE_ID_FILE"]),
    key("auth.secret_id_file", Type::Text, &["JUPYTER_VAULT_SECRET_ID_FILE"]),
    key("auth.secret_id_wrapped", Type::Bool, &["JUPYTER_VAULT_SECRET_ID_WRAPPED"]),
    key("auth.username", Type::Text, &["JUPYTER_VAULT_USERNAME"]),
    key("auth.password_file", Type::Text, &["JUPYTER_VAULT_PASSWORD_FILE"]),
    key("auth.region", Type::Text, &[]),
    key("auth.header_value", Type::Text, &[]),
    key("auth.service_account", Type::Text, &[]),
    key("auth.resource", Type::Text, &[]),
    key("auth.client_id", Type::Text, &[]),
    key("auth.from_request", Type::Bool, &[]),
    key("auth.refusal_window", Type::Duration, &[]),
    key("keeper.window", Type::Duration, &[]),
    key("keeper.grace", Type::Duration, &[]),
    key("environment.allow", Type::Names, &["JUPYTER_VAULT_ALLOW"]),
    key("environment.override", Type::BoolOrError, &["JUPYTER_VAULT_OVERRIDE"]),
    key("environment.inherit", Type::Bool, &["JUPYTER_VAULT_INHERIT"]),
    key("environment.drop", Type::Names, &["JUPYTER_VAULT_DROP"]),
];

/// The variable whose value names a configuration file, like `--config`.
pub const CONFIG_VARIABLE: &str = "JUPYTER_VAULT_CONFIG";
/// The variable that lists sources as SPECs, separated by commas or line feeds, like `--secrets`.
pub const SECRETS_VARIABLE: &str = "JUPYTER_VAULT_SECRETS";

/// The variable that says what happens on an error, like `--on-error`.
pub const ON_ERROR_VARIABLE: &str = "JUPYTER_VAULT_ON_ERROR";

/// The row of `name`.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// The candidate closest to `word`, if one is close.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.6)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, candidate)| candidate)
}
