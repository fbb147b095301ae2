//! The command lines of doctor, setup and kernels.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::duration;

/// The subcommands of whoever sets it up.
#[derive(Debug, Subcommand)]
pub enum Manage {
    /// Write the first vault.toml: ask for what is needed, and try each answer on Vault
    Setup(Box<Setup>),
    /// Say what is configured, whether it works, and what to ask for where it does not
    Doctor(Doctor),
    /// List the kernels that run, with what each was given, from where and since when
    Kernels(Kernels),
    /// Store, list, rename, remove, restore and import secrets
    Secrets(super::secrets::Secrets),
}

/// `jupyter-vault doctor`.
#[derive(Debug, Default, Args)]
#[command(after_help = "\
The flags are those of exec: give the ones that stand in a kernel.json, in the kernel's own user and environment.
What is not needed to know is not done: the token of a login is revoked, a wrapped token is not used up, and no
lease is made. Values are read, to see that they can be variables, and never shown.

Exit code: 0 when a launch would work (warnings do not count), else that of the first failure; see exec --help.")]
pub struct Doctor {
    /// Read this vault.toml first; it must exist
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Try these secrets in place of the configured sources (may be given more than once)
    #[arg(long, value_name = "SPEC")]
    pub secrets: Vec<String>,
    /// Time for everything that concerns Vault, in seconds or as 1m30s [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Accept a secret of this protected name (may be given more than once)
    #[arg(long, value_name = "NAME")]
    pub allow: Vec<String>,
    /// One JSON object in place of the text
    #[arg(long)]
    pub json: bool,
}

/// `jupyter-vault kernels`.
#[derive(Debug, Default, Args)]
pub struct Kernels {
    /// One JSON object in place of the text
    #[arg(long)]
    pub json: bool,
}

/// `jupyter-vault setup`.
#[derive(Debug, Default, Args)]
#[command(after_help = "\
On a terminal it asks for what no flag says, and tries each answer on Vault as it is given. Elsewhere, and with
--yes, what is missing is an error. A password or token that is typed is not shown, and goes into a file of its
own beside the vault.toml (0600) if that is wanted; the vault.toml itself holds no secret.

  jupyter-vault setup --address https://vault.example.org:8200 --auth-method userpass --username ada \\
                      --password-file ~/.config/vault-password --secrets secret/users/ada --yes")]
pub struct Setup {
    /// Vault's address: https://HOST:PORT, or unix:///SOCKET of an agent
    #[arg(long, value_name = "URL")]
    pub address: Option<String>,
    /// The namespace
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// The CA certificate that signed Vault's, in PEM form
    #[arg(long, value_name = "FILE")]
    pub ca_cert: Option<PathBuf>,
    /// The client certificate, for the login method cert
    #[arg(long, value_name = "FILE")]
    pub client_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE")]
    pub client_key: Option<PathBuf>,
    /// How to log in: token, wrapped, userpass, ldap, approle, jwt, kubernetes, cert or agent
    #[arg(long, value_name = "METHOD")]
    pub auth_method: Option<String>,
    /// Where that method is mounted, if not under its own name
    #[arg(long, value_name = "PATH")]
    pub auth_mount: Option<String>,
    /// The role (jwt, kubernetes, cert)
    #[arg(long, value_name = "NAME")]
    pub role: Option<String>,
    /// The user's name (userpass, ldap)
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// The file with the token (token)
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The file with the wrapping token, which each start of a kernel needs anew (wrapped)
    #[arg(long, value_name = "FILE")]
    pub wrapped_token_file: Option<PathBuf>,
    /// The file with the password (userpass, ldap)
    #[arg(long, value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The file with the role id (approle)
    #[arg(long, value_name = "FILE")]
    pub role_id_file: Option<PathBuf>,
    /// The file with the secret id (approle)
    #[arg(long, value_name = "FILE")]
    pub secret_id_file: Option<PathBuf>,
    /// The file with the JWT (jwt, kubernetes)
    #[arg(long, value_name = "FILE")]
    pub jwt_file: Option<PathBuf>,
    /// Where the secrets are: MOUNT/PATH, MOUNT/PATH#FIELD or MOUNT/PATH#FIELD=NAME, or MOUNT/PATH/ for a
    /// folder with one secret a variable (may be given more than once)
    #[arg(long, value_name = "SPEC")]
    pub secrets: Vec<String>,
    /// The file to write [default: vault.toml in Jupyter's configuration folder]
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    pub force: bool,
    /// Ask nothing
    #[arg(long, short)]
    pub yes: bool,
}
