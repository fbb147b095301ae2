//! `setup`: the first vault.toml, each answer tried on Vault as it is given.
//!
//! An answer that fails is explained and asked again; without anybody to ask, it is the error. What is
//! tried is the very text that will be written, read as a launch reads it, and a check of the whole ends
//! it. The file holds no secret: credentials are named by the files that hold them, and one that was
//! typed goes into a file of its own. It is readable by all (0644), because a kernelspec may be
//! everybody's; those files are for their user alone (0600).

mod answers;
mod login;
mod write;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use self::answers::{Answers, Chosen, path};
use super::Outcome;
use super::doctor::{ask_vault, examine, sources};
use super::report::Report;
use crate::ask::Asked;
use crate::config::auth::login;
use crate::config::env::Environment;
use crate::config::file;
use crate::config::locations::Locations;
use crate::config::login::Login;
use crate::config::origin::Origin;
use crate::config::plan::Plan;
use crate::config::server::Server;
use crate::config::source::{SourceKind, SourceSpec};
use crate::config::template::Template;
use crate::error::{Error, Kind, Result};
use crate::launch::Request;
use crate::shell::shell_word;
use crate::sys::hardening::Hardening;

/// How far a try goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Server,
    Login,
    LastSource,
    AllSources,
}

struct Setup<'a> {
    asked: Asked,
    parent: &'a mut Environment,
    output: PathBuf,
    force: bool,
    /// What is said beside the files that were written.
    notes: Vec<&'static str>,
    answers: Answers,
}

/// What flags say of a new vault.toml.
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
    /// folder with one secret a variable
    pub secrets: Vec<String>,
    /// The file to write [default: vault.toml in Jupyter's configuration folder]
    pub output: Option<PathBuf>,
    /// Whether the file is for all users of this machine: in /etc/jupyter, and locked.
    pub system: bool,
    /// Replace the file if it is there
    pub force: bool,
    /// Ask nothing
    pub yes: bool,
}

impl Flags {
    /// The file that a flag names for the setting `key`.
    pub(super) fn file(&self, key: &str) -> Option<&Path> {
        let said = match key {
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
        said.as_deref()
    }

    /// The text that a flag gives for the setting `key`.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        if key == "role" { self.role.as_deref() } else { None }
    }
}

/// Asks, tries, writes, checks.
pub fn run(flags: &Flags) -> Result<Outcome> {
    let _hardening = Hardening::apply()?;
    let mut parent = Environment::take();
    let output = output(flags, &parent)?;
    if output.exists() && !flags.force {
        return Err(write::is_there(&output));
    }
    let asked = Asked::new(flags.yes);
    let mut setup = Setup {
        asked,
        parent: &mut parent,
        output,
        force: flags.force,
        notes: Vec::new(),
        answers: Answers { locked: flags.system, ..Answers::default() },
    };
    setup.address(flags)?;
    setup.namespace(flags)?;
    setup.login(flags)?;
    setup.sources(flags)?;
    setup.write()
}

fn output(flags: &Flags, parent: &Environment) -> Result<PathBuf> {
    let usual = Locations::new(None, parent).usual;
    let place = if flags.system { usual.into_iter().next_back() } else { usual.into_iter().next() };
    let said = flags.output.clone().or(place);
    let output = said.and_then(|path| std::path::absolute(path).ok()).filter(|path| path.file_name().is_some());
    output.ok_or_else(|| Error::new(Kind::Usage, "there is no file to write", "name one with --output"))
}

impl Setup<'_> {
    fn address(&mut self, flags: &Flags) -> Result<()> {
        if let Some(ca) = flags.ca_cert.clone().or_else(|| self.known("vault.ca_cert").map(PathBuf::from)) {
            Answers::set(&mut self.answers.vault, "ca_cert", &path(&ca));
        }
        let known = self.known("vault.address");
        let mut said = flags.address.clone();
        loop {
            let address = match said.take() {
                Some(address) => address,
                None => self.asked.text("Vault's address", known.as_deref(), "--address (or VAULT_ADDR)")?,
            };
            Answers::set(&mut self.answers.vault, "address", address.trim());
            let Err(error) = self.attempt(Depth::Server) else { return Ok(()) };
            let kind = error.kind();
            self.unless_asked(error)?;
            if kind == Kind::TlsUnknownIssuer {
                let file = self.asked.text(
                    "The CA certificate that signed it, a PEM file (empty: another address)",
                    Some(""),
                    "",
                )?;
                let file = if file.is_empty() { file } else { path(file.as_ref()) };
                said = Some(address).filter(|_| !file.is_empty());
                Answers::set(&mut self.answers.vault, "ca_cert", &file);
            }
        }
    }

    /// What the variables of this shell say already.
    fn known(&self, key: &str) -> Option<String> {
        self.parent.layer_leniently(&mut |_| {}).text(key).map(str::to_owned)
    }

    fn namespace(&mut self, flags: &Flags) -> Result<()> {
        let known = self.known("vault.namespace").unwrap_or_default();
        let mut said = flags.namespace.clone();
        loop {
            let namespace = match said.take() {
                Some(namespace) => namespace,
                None => self.asked.text("The namespace (empty: none)", Some(&known), "--namespace")?,
            };
            Answers::set(&mut self.answers.vault, "namespace", &namespace);
            if namespace.is_empty() {
                return Ok(());
            }
            match self.attempt(Depth::Server) {
                Ok(()) => return Ok(()),
                Err(error) => self.unless_asked(error)?,
            }
        }
    }

    fn login(&mut self, flags: &Flags) -> Result<()> {
        self.ask_for_login(flags)?;
        // The sources' try logs in as well; a secret id may have few uses.
        if !self.asked.is_there() {
            return Ok(());
        }
        while let Err(error) = self.attempt(Depth::Login) {
            self.unless_asked(error)?;
            self.ask_for_login(&Flags::default())?;
        }
        Ok(())
    }

    fn sources(&mut self, flags: &Flags) -> Result<()> {
        for spec in &flags.secrets {
            let source = source(spec)?;
            self.answers.sources.push(Chosen { source, mount: None });
        }
        if !self.answers.sources.is_empty() {
            return self.attempt(Depth::AllSources);
        }
        if !self.asked.is_there() {
            return self.asked.text("", None, "--secrets").map(drop);
        }
        loop {
            let first = self.answers.sources.is_empty();
            let question = if first {
                "Where the secrets are (MOUNT/PATH, MOUNT/PATH#FIELD=NAME, MOUNT/FOLDER/)"
            } else {
                "More secrets (empty: that is all)"
            };
            let spec = self.asked.text(question, Some("").filter(|_| !first), "--secrets")?;
            if spec.is_empty() {
                return Ok(());
            }
            let before = self.answers.sources.len();
            let outcome = source(&spec).and_then(|source| {
                self.answers.sources.push(Chosen { source, mount: None });
                self.attempt(Depth::LastSource)
            });
            if let Err(error) = outcome {
                let denied = error.kind() == Kind::PolicyDenied;
                self.unless_asked(error)?;
                if !denied || !self.asked.agrees("Keep it all the same, for when it is allowed?", false)? {
                    self.answers.sources.truncate(before);
                }
            }
        }
    }

    /// An error is for whoever is asked, who will be asked again; without anybody, it is the end.
    fn unless_asked(&self, error: Error) -> Result<()> {
        if !self.asked.is_there() {
            return Err(error);
        }
        self.asked.say(&format!("  {error}\n"));
        Ok(())
    }

    /// Tries what there is so far, as far as `depth`, and remembers the mounts.
    fn attempt(&mut self, depth: Depth) -> Result<()> {
        for typed in &self.answers.typed {
            self.parent.set_credential(typed.variable, typed.value.duplicate());
        }
        let layer = file::parse(&self.answers.text(false), &self.output)?;
        let server = Server::new(&layer, self.parent)?;
        let login = match depth {
            Depth::Server => None,
            _ => Some(login(&layer, self.parent, &server.address)?),
        };
        let works = login.is_some();
        let mut plan = Plan::with(&layer, self.parent, server, login.unwrap_or(Login::Agent));
        let first = match depth {
            Depth::Server | Depth::Login => plan.sources.len(),
            Depth::LastSource => plan.sources.len().saturating_sub(1),
            Depth::AllSources => 0,
        };
        plan.sources.drain(..first);
        let mut report = Report::default();
        let sources::Found { mounts, .. } = ask_vault(&plan, self.parent, works, &mut report)?;
        for (chosen, mount) in self.answers.sources.iter_mut().skip(first).zip(mounts) {
            chosen.mount = mount.or(chosen.mount.take());
        }
        self.asked.say(&report.progress());
        if report.has_fact("namespaces", false) {
            Answers::set(&mut self.answers.vault, "namespace", "");
            self.notes.push("this server has no namespaces: none is written");
        }
        report.into_error().map_or(Ok(()), Err)
    }

    /// Writes the files, then checks the whole as `doctor` does.
    fn write(self) -> Result<Outcome> {
        let mut text = String::new();
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        for typed in &self.answers.typed {
            let path = self.output.with_file_name(typed.file);
            write::write(&path, typed.value.expose(), 0o600, self.force)?;
            let _ = writeln!(text, "wrote {} (0600)", path.display());
        }
        write::write(&self.output, self.answers.text(true).as_bytes(), 0o644, self.force)?;
        let output = self.output.display().to_string();
        let _ = writeln!(text, "wrote {output}");
        // A file of the usual places counts without being named.
        let is_usual = Locations::new(None, self.parent).usual.contains(&self.output);
        let request = Request { config: Some(self.output), ..Request::default() };
        let checked = examine(&request, false, self.parent)?;
        if checked.code == 0 {
            text.push_str(checked.text.lines().last().unwrap_or_default());
            let config = if is_usual { String::new() } else { format!(" --config {}", shell_word(&output)) };
            let _ = writeln!(text, "\nnext: jupyter-vault wrap --all{config}");
        } else {
            text.push_str(&checked.text);
        }
        Ok(Outcome { text, code: checked.code })
    }
}

/// A SPEC as exec takes it, or a folder, which ends with a slash.
fn source(spec: &str) -> Result<SourceSpec> {
    let origin = Origin::Flag("--secrets");
    let Some(folder) = spec.strip_suffix('/') else { return SourceSpec::from_spec(spec, &origin) };
    let path = Template::parse_folder(folder).map_err(|why| {
        Error::new(Kind::Usage, format!("the folder \"{spec}\" {why}"), "write MOUNT/FOLDER/, as in secret/team/")
    })?;
    Ok(SourceSpec::new(SourceKind::KvFolder, path, origin))
}
