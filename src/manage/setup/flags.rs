//! What `setup` was told beforehand; what is missing is asked for.

use std::path::PathBuf;

/// The answers that were given as flags.
#[derive(Debug, Default)]
pub struct Flags {
    /// Vault's address: https://HOST:PORT, or unix:///SOCKET of an agent
    pub address: Option<String>,
    /// The namespace
    pub namespace: Option<String>,
    /// The CA certificate that signed Vault's, in PEM form
    pub ca_cert: Option<PathBuf>,
    /// The client certificate, for the login method cert
    pub client_cert: Option<PathBuf>,
    /// Its key
    pub client_key: Option<PathBuf>,
    /// How to log in: token, wrapped, userpass, ldap, approle, jwt, kubernetes, cert or agent
    pub auth_method: Option<String>,
    /// Where that method is mounted, if not under its own name
    pub auth_mount: Option<String>,
    /// The role (jwt, kubernetes, cert)
    pub role: Option<String>,
    /// The user's name (userpass, ldap)
    pub username: Option<String>,
    /// The file with the token (token)
    pub token_file: Option<PathBuf>,
    /// The file with the wrapping token, which each start of a kernel needs anew (wrapped)
    pub wrapped_token_file: Option<PathBuf>,
    /// The file with the password (userpass, ldap)
    pub password_file: Option<PathBuf>,
    /// The file with the role id (approle)
    pub role_id_file: Option<PathBuf>,
    /// The file with the secret id (approle)
    pub secret_id_file: Option<PathBuf>,
    /// The file with the JWT (jwt, kubernetes)
    pub jwt_file: Option<PathBuf>,
    /// Where the secrets are: MOUNT/PATH, MOUNT/PATH#FIELD or MOUNT/PATH#FIELD=NAME, or MOUNT/PATH/ for a
    /// folder with one secret a variable (may be given more than once)
    pub secrets: Vec<String>,
    /// The file to write [default: vault.toml in Jupyter's configuration folder]
    pub output: Option<PathBuf>,
    /// Replace the file if it is there
    pub force: bool,
    /// Ask nothing
    pub yes: bool,
}
