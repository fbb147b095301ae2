//! `setup`, `doctor` and `kernels`: setting it up, and seeing that it works.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::console;
use super::secrets::Secrets;
use crate::error::Result;
use crate::manage::setup::Flags;
use crate::manage::{doctor, kernels, setup};

/// The commands for setting it up.
#[derive(Debug, Subcommand)]
pub enum Manage {
    /// Write the first vault.toml: ask for what is needed, and try each answer on Vault
    Setup(Box<Setup>),
    /// Say what is configured, whether it works, and what to ask for where it does not
    Doctor(Doctor),
    /// List the kernels that run, with what each was given, from where and since when
    Kernels(Kernels),
}

/// `jupyter-vault doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
The flags are those of exec: give the ones that stand in a kernel.json, in the kernel's own user and environment.
What is not needed to know is not done: the token of a login is revoked, a wrapped token is not used up, and no
lease is made. Values are read, to see that they can be variables, and never shown.

Exit code: 0 when a launch would work (warnings do not count), else that of the first failure; see exec --help.")]
pub struct Doctor {
    #[command(flatten)]
    secrets: Secrets,
    /// One JSON object in place of the text
    #[arg(long)]
    json: bool,
}

/// `jupyter-vault kernels`.
#[derive(Debug, Args)]
pub struct Kernels {
    /// One JSON object in place of the text
    #[arg(long)]
    json: bool,
}

/// `jupyter-vault setup`.
#[derive(Debug, Args)]
#[command(after_help = "\
On a terminal it asks for what no flag says, and tries each answer on Vault as it is given. Elsewhere, and with
--yes, what is missing is an error. A password or token that is typed is not shown, and goes into a file of its
own beside the vault.toml (0600) if that is wanted; the vault.toml itself holds no secret.

  jupyter-vault setup --address https://vault.example.org:8200 --auth-method userpass --username ada \\
                      --password-file ~/.config/vault-password --secrets secret/users/ada --yes")]
pub struct Setup {
    /// Vault's address: https://HOST:PORT, or unix:///SOCKET of an agent
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// The namespace
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// The CA certificate that signed Vault's, in PEM form
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    /// The client certificate, for the login method cert
    #[arg(long, value_name = "FILE")]
    client_cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE")]
    client_key: Option<PathBuf>,
    /// How to log in: token, wrapped, userpass, ldap, approle, jwt, kubernetes, cert or agent
    #[arg(long, value_name = "METHOD")]
    auth_method: Option<String>,
    /// Where that method is mounted, if not under its own name
    #[arg(long, value_name = "PATH")]
    auth_mount: Option<String>,
    /// The role (jwt, kubernetes, cert)
    #[arg(long, value_name = "NAME")]
    role: Option<String>,
    /// The user's name (userpass, ldap)
    #[arg(long, value_name = "NAME")]
    username: Option<String>,
    /// The file with the token (token)
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The file with the wrapping token, which each start of a kernel needs anew (wrapped)
    #[arg(long, value_name = "FILE")]
    wrapped_token_file: Option<PathBuf>,
    /// The file with the password (userpass, ldap)
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// The file with the role id (approle)
    #[arg(long, value_name = "FILE")]
    role_id_file: Option<PathBuf>,
    /// The file with the secret id (approle)
    #[arg(long, value_name = "FILE")]
    secret_id_file: Option<PathBuf>,
    /// The file with the JWT (jwt, kubernetes)
    #[arg(long, value_name = "FILE")]
    jwt_file: Option<PathBuf>,
    /// Where the secrets are: MOUNT/PATH, MOUNT/PATH#FIELD or MOUNT/PATH#FIELD=NAME, or MOUNT/PATH/ for a
    /// folder with one secret a variable (may be given more than once)
    #[arg(long, value_name = "SPEC")]
    secrets: Vec<String>,
    /// The file to write [default: vault.toml in Jupyter's configuration folder]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Ask nothing
    #[arg(long, short)]
    yes: bool,
}

impl From<Setup> for Flags {
    fn from(said: Setup) -> Self {
        Self {
            address: said.address,
            namespace: said.namespace,
            ca_cert: said.ca_cert,
            client_cert: said.client_cert,
            client_key: said.client_key,
            auth_method: said.auth_method,
            auth_mount: said.auth_mount,
            role: said.role,
            username: said.username,
            token_file: said.token_file,
            wrapped_token_file: said.wrapped_token_file,
            password_file: said.password_file,
            role_id_file: said.role_id_file,
            secret_id_file: said.secret_id_file,
            jwt_file: said.jwt_file,
            secrets: said.secrets,
            output: said.output,
            force: said.force,
            yes: said.yes,
        }
    }
}

/// Prints the command's text; its code is that of the first failure that it found.
pub fn run(command: Manage) -> Result<u8> {
    let outcome = match command {
        Manage::Setup(arguments) => setup::run(&(*arguments).into()),
        Manage::Doctor(Doctor { secrets, json }) => doctor::run(&secrets.request(), json),
        Manage::Kernels(Kernels { json }) => kernels::run(json),
    }?;
    console::to_stdout(&outcome.text);
    Ok(outcome.code)
}
