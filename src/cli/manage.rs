//! `setup`, `doctor`, `kernels`, `login`, `logout`, `scrub`, `secrets`, `sources` and `ui`. Their
//! result is text, which goes to stdout.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::login::{Login, Logout};
use super::names::{asked_by, one_of};
use super::output::print;
use super::scrub::Scrub;
use super::secrets::Secrets;
use super::settings::{Json, Settings};
use super::sources::Sources;
use super::ui::Ui;
use crate::config::method::METHODS;
use crate::error::Result;
use crate::manage::{Outcome, doctor, kernels, setup};

#[derive(Debug, Subcommand)]
pub(super) enum Manage {
    /// Write a vault.toml: ask for each setting and try each answer on Vault
    Setup(Box<Setup>),
    /// Check the configuration and every step of a launch, and say how to fix what fails
    Doctor(Doctor),
    /// List the running kernels, and which secrets each was given, from where and when
    Kernels(Kernels),
    /// Log in to Vault and store the token for later launches, or show who is logged in
    Login(Login),
    /// Revoke the token that `login` stored, and remove it
    Logout(Logout),
    /// Remove your secrets from saved notebooks, or report where they are
    Scrub(Scrub),
    /// Store, list, rename, remove, restore and import secrets
    Secrets(Secrets),
    /// Store, list, test, remove and restore databases and services that kernels connect to
    Sources(Sources),
    /// Open the Secrets section in a browser, without JupyterLab
    Ui(Ui),
}

/// Prints the command's text, and returns its exit code.
pub(super) fn run(command: Manage) -> Result<u8> {
    let Outcome { text, code } = match command {
        Manage::Setup(setup) => setup::run(&(*setup).into()),
        Manage::Doctor(Doctor { settings, json: Json { json } }) => doctor::run(&settings.into(), json),
        Manage::Kernels(Kernels { json: Json { json } }) => kernels::run(json),
        Manage::Login(login) => super::login::log_in(login),
        Manage::Logout(logout) => super::login::log_out(logout),
        Manage::Scrub(scrub) => super::scrub::run(scrub),
        Manage::Secrets(secrets) => super::secrets::run(secrets),
        Manage::Sources(sources) => super::sources::run(sources),
        Manage::Ui(page) => Err(super::ui::run(page)),
    }?;
    print(&text).map(|()| code)
}

#[derive(Debug, Args)]
#[command(after_help = "\
The flags are those of exec: pass those of the kernel.json, as the kernel's user and in the kernel's environment.
doctor changes nothing: it revokes the token of its login, does not use up a wrapped token, and creates no lease.
It reads values to check that they can be variables, and never shows them.

Exit code: 0 if a launch would work (warnings do not count), otherwise that of the first failure; see exec --help.")]
pub(super) struct Doctor {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Args)]
pub(super) struct Kernels {
    #[command(flatten)]
    json: Json,
}

#[derive(Debug, Args)]
#[command(after_help = "\
On a terminal, setup asks for each setting that no flag gives, and tries each answer on Vault. Elsewhere, and with
--yes, a missing setting is an error. A password or token is typed without echo and, if you agree, stored in a
separate file (0600) beside the vault.toml; the vault.toml itself holds no secret.

  jupyter-vault setup --address https://vault.example.org:8200 --auth-method userpass --username ada \\
                      --password-file ~/.config/vault-password --secrets secret/users/ada --yes")]
pub(super) struct Setup {
    /// Vault's address: https://HOST:PORT, or unix:///SOCKET of an agent
    #[arg(long, value_name = "URL")]
    address: Option<String>,
    /// The namespace
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,
    /// The CA of Vault's certificate, a PEM file
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
    #[arg(long, value_name = "FILE", help = asked_by("The client certificate", "client_cert"))]
    client_cert: Option<PathBuf>,
    #[arg(long, value_name = "FILE", help = asked_by("The client certificate's key", "client_key"))]
    client_key: Option<PathBuf>,
    #[arg(long, value_name = "METHOD", help = one_of("How to log in", METHODS.iter().map(|method| method.name)))]
    auth_method: Option<String>,
    /// The method's mount path, if it differs from the method's name
    #[arg(long, value_name = "PATH")]
    auth_mount: Option<String>,
    #[arg(long, value_name = "NAME", help = asked_by("The role", "role"))]
    role: Option<String>,
    #[arg(long, value_name = "NAME", help = asked_by("The user's name", "username"))]
    username: Option<String>,
    #[arg(long, value_name = "FILE", help = asked_by("The file with the token", "token_file"))]
    token_file: Option<PathBuf>,
    #[arg(
        long,
        value_name = "FILE",
        help = asked_by("The file with the wrapping token; each kernel start needs a new one", "wrapped_token_file")
    )]
    wrapped_token_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE", help = asked_by("The file with the password", "password_file"))]
    password_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE", help = asked_by("The file with the role id", "role_id_file"))]
    role_id_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE", help = asked_by("The file with the secret id", "secret_id_file"))]
    secret_id_file: Option<PathBuf>,
    #[arg(long, value_name = "FILE", help = asked_by("The file with the JWT", "jwt_file"))]
    jwt_file: Option<PathBuf>,
    /// The secrets to give to kernels: MOUNT/PATH, MOUNT/PATH#FIELD or MOUNT/PATH#FIELD=NAME, or MOUNT/PATH/ for
    /// a folder with one secret per variable (may be given more than once)
    #[arg(long, value_name = "SPEC")]
    secrets: Vec<String>,
    /// The file to write [default: vault.toml in Jupyter's config folder]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write /etc/jupyter/vault.toml, for all users of this machine; no variable overrides it
    #[arg(long, conflicts_with = "output")]
    system: bool,
    /// Overwrite the file if it exists
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
