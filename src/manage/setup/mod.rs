//! `setup`: writes a vault.toml, and tests each answer on Vault.
//!
//! If an answer fails, setup explains why and asks again; without a terminal, that is the error. It tests the text that
//! it will write, read as a launch reads it. At the end it checks everything, and offers to wrap kernels. The
//! vault.toml contains no secret: it names the files of credentials, and a typed credential is stored in a separate
//! file. All users can read the vault.toml (0644), because a kernelspec may be for all of them; only its user can read
//! a credential's file (0600).

mod answers;
mod attempt;
mod end;
mod login;
mod server;
mod sources;
mod write;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use self::answers::Answers;
use super::Outcome;
use crate::ask::Prompter;
use crate::config::env::Environment;
use crate::config::locations::Locations;
use crate::error::{Error, Kind, Result};
use crate::sys::hardening::Hardening;

struct Setup<'a> {
    prompter: Prompter,
    flags: &'a Flags,
    parent: &'a mut Environment,
    output: PathBuf,
    force: bool,
    /// Notes to print after the list of written files.
    notes: Vec<&'static str>,
    /// The lines that a test has already printed.
    shown: BTreeSet<String>,
    answers: Answers,
}

/// The flags' answers for a new vault.toml.
#[derive(Debug, Default)]
pub struct Flags {
    /// Vault's address: https://HOST:PORT, or unix:///SOCKET of an agent
    pub address: Option<String>,
    /// The namespace
    pub namespace: Option<String>,
    /// The CA of Vault's certificate, a PEM file
    pub ca_cert: Option<PathBuf>,
    /// The client certificate
    pub client_cert: Option<PathBuf>,
    /// The client certificate's key
    pub client_key: Option<PathBuf>,
    /// The login method's name
    pub auth_method: Option<String>,
    /// The method's mount path, if it differs from the method's name
    pub auth_mount: Option<String>,
    /// The role
    pub role: Option<String>,
    /// The user's name
    pub username: Option<String>,
    /// The file with the token
    pub token_file: Option<PathBuf>,
    /// The file with the wrapping token; each kernel start needs a new one
    pub wrapped_token_file: Option<PathBuf>,
    /// The file with the password
    pub password_file: Option<PathBuf>,
    /// The file with the role id
    pub role_id_file: Option<PathBuf>,
    /// The file with the secret id
    pub secret_id_file: Option<PathBuf>,
    /// The file with the JWT
    pub jwt_file: Option<PathBuf>,
    /// Where the secrets are: MOUNT/PATH, MOUNT/PATH#FIELD or MOUNT/PATH#FIELD=NAME, or MOUNT/PATH/ for a
    /// folder with one secret a variable
    pub secrets: Vec<String>,
    /// The file to write [default: vault.toml in Jupyter's config folder]
    pub output: Option<PathBuf>,
    /// Whether the file is for all users of this machine: in /etc/jupyter, and locked.
    pub system: bool,
    /// Overwrite the file if it exists
    pub force: bool,
    /// Ask nothing
    pub yes: bool,
}

impl Flags {
    /// The file that a flag names for the setting `key`.
    pub(super) fn file(&self, key: &str) -> Option<&Path> {
        let file = match key {
            "token_file" => &self.token_file,
            "wrapped_token_file" => &self.wrapped_token_file,
            "password_file" => &self.password_file,
            "role_id_file" => &self.role_id_file,
            "secret_id_file" => &self.secret_id_file,
            "jwt_file" => &self.jwt_file,
            "client_cert" => &self.client_cert,
            "client_key" => &self.client_key,
            _ => return None,
        };
        file.as_deref()
    }

    /// The text that a flag gives for the setting `key`.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        if key == "role" { self.role.as_deref() } else { None }
    }
}

/// Asks, tests, writes, checks.
pub fn run(flags: &Flags) -> Result<Outcome> {
    let _hardening = Hardening::apply()?;
    let mut parent = Environment::take();
    let output = output(flags, &parent)?;
    if output.exists() && !flags.force {
        return Err(write::is_there(&output));
    }
    let prompter = Prompter::new(flags.yes);
    let mut setup = Setup {
        prompter,
        flags,
        parent: &mut parent,
        output,
        force: flags.force,
        notes: Vec::new(),
        shown: BTreeSet::new(),
        answers: Answers { locked: flags.system, ..Answers::default() },
    };
    setup.address()?;
    setup.namespace()?;
    setup.login(flags)?;
    setup.sources(flags)?;
    setup.end()
}

fn output(flags: &Flags, parent: &Environment) -> Result<PathBuf> {
    let usual = Locations::new(None, parent).usual;
    let place = if flags.system { usual.into_iter().next_back() } else { usual.into_iter().next() };
    let file = flags.output.clone().or(place);
    let output = file.and_then(|path| std::path::absolute(path).ok()).filter(|path| path.file_name().is_some());
    output.ok_or_else(|| Error::new(Kind::Usage, "there is no file to write", "choose one with --output"))
}

impl Setup<'_> {
    /// Shows an error on the terminal, so that the question can be asked again. Without a terminal, setup fails.
    fn retry_or_fail(&self, error: Error) -> Result<()> {
        if !self.prompter.is_there() {
            return Err(error);
        }
        self.prompter.say(&format!("  {error}\n"));
        Ok(())
    }
}
