//! `setup`, `doctor`, `kernels`, `login`, `logout`, `scrub`, `secrets`, `sources` and `ui`. Their
//! result is a text, so it goes to stdout.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::login::{Login, Logout};
use super::scrub::Scrub;
use super::secrets::Secrets;
use super::settings::Settings;
use super::sources::Sources;
use super::ui::Ui;
use crate::error::Result;
use crate::manage::{Outcome, doctor, kernels, setup};

#[derive(Debug, Subcommand)]
pub(super) enum Manage {
    /// Write the first vault.toml: ask for what is needed, and try each answer on Vault
    Setup(Box<Setup>),
    /// Say what is configured, whether it works, and what to ask for where it does not
    Doctor(Doctor),
    /// List the kernels that run, with what each was given, from where and since when
    Kernels(Kernels),
    /// Log in to Vault, and leave the token where kernels find it; or say who is logged in
    Login(Login),
    /// Revoke the token that `login` left, and remove it
    Logout(Logout),
    /// Take your own secrets out of saved notebooks, or say where they stand
    Scrub(Scrub),
    /// Store, list, rename, remove, restore and import secrets
    Secrets(Secrets),
    /// Store, list, try and remove databases and services that kernels connect to
    Sources(Sources),
    /// Show the Secrets section as a page of its own, for those without JupyterLab
    Ui(Ui),
}

/// Prints the command's text, and gives its code.
pub(super) fn run(command: Manage) -> Result<u8> {
    let Outcome { text, code } = match command {
        Manage::Setup(setup) => setup::run(&(*setup).into()),
        Manage::Doctor(Doctor { settings, json }) => doctor::run(&settings.into(), json),
        Manage::Kernels(Kernels { json }) => kernels::run(json),
        Manage::Login(login) => super::login::log_in(login),
        Manage::Logout(logout) => super::login::log_out(logout),
        Manage::Scrub(scrub) => super::scrub::run(scrub),
        Manage::Secrets(secrets) => super::secrets::run(secrets),
        Manage::Sources(sources) => super::sources::run(sources),
        Manage::Ui(page) => Err(super::ui::run(page)),
    }?;
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(code)
}

#[derive(Debug, Args)]
#[command(after_help = "\
The flags are those of exec: give the ones that stand in a kernel.json, in the kernel's own user and environment.
What is not needed to know is not done: the token of a login is revoked, a wrapped token is not used up, and no
lease is made. Values are read, to see that they can be variables, and never shown.

Exit code: 0 when a launch would work (warnings do not count), else that of the first failure; see exec --help.")]
pub(super) struct Doctor {
    #[command(flatten)]
    settings: Settings,
    /// One JSON object in place of the text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct Kernels {
    /// One JSON object in place of the text
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
On a terminal it asks for what no flag says, and tries each answer on Vault as it is given. Elsewhere, and with
--yes, what is missing is an error. A password or token that is typed is not shown, and goes into a file of its
own beside the vault.toml (0600) if that is wanted; the vault.toml itself holds no secret.

  jupyter-vault setup --address https://vault.example.org:8200 --auth-method userpass --username ada \\
                      --password-file ~/.config/vault-password --secrets secret/users/ada --yes")]
pub(super) struct Setup {
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
    /// How to log in: token, wrapped, userpass, ldap, oidc, approle, jwt, kubernetes, cert, aws, gcp, azure or agent
    #[arg(long, value_name = "METHOD")]
    auth_method: Option<String>,
    /// Where that method is mounted, if not under its own name
    #[arg(long, value_name = "PATH")]
    auth_mount: Option<String>,
    /// The role (jwt, kubernetes, cert, aws, gcp, azure)
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
    /// For all users of this machine: /etc/jupyter/vault.toml, which no variable changes
    #[arg(long, conflicts_with = "output")]
    system: bool,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// Ask nothing
    #[arg(long, short)]
    yes: bool,
}

impl From<Setup> for setup::Flags {
    fn from(setup: Setup) -> Self {
        let Setup {
            address,
            namespace,
            ca_cert,
            client_cert,
            client_key,
            auth_method,
            auth_mount,
            role,
            username,
            token_file,
            wrapped_token_file,
            password_file,
            role_id_file,
            secret_id_file,
            jwt_file,
            secrets,
            output,
            system,
            force,
            yes,
        } = setup;
        Self {
            address,
            namespace,
            ca_cert,
            client_cert,
            client_key,
            auth_method,
            auth_mount,
            role,
            username,
            token_file,
            wrapped_token_file,
            password_file,
            role_id_file,
            secret_id_file,
            jwt_file,
            secrets,
            output,
            system,
            force,
            yes,
        }
    }
}
