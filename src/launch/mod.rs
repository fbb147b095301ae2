//! One launch, from a plan to the kernel: the seven steps of the way.
//!
//! The order is the point. The process is hardened before anything secret is read; the credentials
//! leave the environment block as they are read; the command is looked up before Vault is asked, so
//! that a typing error costs no single-use token; the network, its threads' absence and its buffers are
//! over and wiped before the environment is built; and nothing runs between the last check and execve.
//!
//! Other programs may use the parts: [`fetch`] gives the secrets of a [`Plan`], [`environment::build`]
//! an environment, [`run`] does it all and becomes the command.

pub mod environment;
pub mod fetch;
pub mod files;
mod source;

use std::ffi::{CString, OsString};
use std::path::PathBuf;
use std::time::Duration;

use crate::config::env::Environment;
use crate::config::layer::{Layer, Origin};
use crate::config::locations::Locations;
use crate::config::plan::Plan;
use crate::config::source::SourceSpec;
use crate::config::value::Value;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretSet;
use crate::sys::exec::{Command, Space};
use crate::sys::hardening::Hardening;
use crate::sys::inherited;

/// What becomes of a launch whose secrets can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// Give the error back.
    #[default]
    Exit,
    /// Report the error and start the command without secrets.
    StartWithout,
}

/// What the command line (or another program) asks for.
#[derive(Debug, Default)]
pub struct Request {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--secrets`, in order.
    pub secrets: Vec<String>,
    /// `--on-error`.
    pub on_error: Option<OnError>,
    /// `--timeout`.
    pub timeout: Option<Duration>,
    /// `--allow`, added to what the configuration allows.
    pub allow: Vec<String>,
    /// The command and its arguments.
    pub command: Vec<OsString>,
}

/// Becomes the command with the user's secrets in its environment; returns only with an error.
///
/// `report` is told of what does not end the launch: the reason for a start without secrets, a token
/// that could not be revoked.
#[must_use]
pub fn run(request: &Request, report: &mut dyn FnMut(&Error)) -> Error {
    match prepare(request, report) {
        Ok(ready) => ready.execute(),
        Err(error) => error,
    }
}

/// A launch with nothing left to do but to execute. Its environment holds the secrets.
pub struct Ready {
    command: Command,
    environment: Vec<CString>,
    files: files::Written,
    hardening: Hardening,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Ready({}, {} variables)", self.command.file().display(), self.environment.len())
    }
}

/// Steps 1 to 6: everything before execve.
///
/// # Errors
/// The [`Kind`] of whatever went wrong.
pub fn prepare(request: &Request, report: &mut dyn FnMut(&Error)) -> Result<Ready> {
    let hardening = Hardening::apply()?;
    let parent = Environment::take();
    let command = Command::find(&request.command, parent.bytes("PATH"))?;
    let planned = settings(request, &parent);
    let on_error = on_error(request, planned.as_ref().ok(), &parent)?;
    let fetched = planned.and_then(|layer| Plan::new(&layer, &parent)).and_then(|plan| {
        let given = fetch::fetch(&plan, &parent, report)?;
        let (secrets, files) = files::write(given, &plan.runtime_dir)?;
        let space = Space::of_this_system();
        let environment =
            environment::build(parent.entries(), secrets, plan.override_inherited, space, command.size())?;
        Ok((environment, files))
    });
    let (environment, files) = match fetched {
        Ok(both) => both,
        Err(error) if on_error == OnError::StartWithout => {
            report(&error.remark("the command is started without secrets"));
            let space = Space::of_this_system();
            let bare = environment::build(parent.entries(), SecretSet::default(), true, space, command.size())?;
            (bare, files::Written::default())
        }
        Err(error) => return Err(error),
    };
    drop(parent);
    Ok(Ready { command, environment, files, hardening })
}

impl Ready {
    /// Step 7: gives back what was changed, and executes; returns only with an error.
    #[must_use]
    pub fn execute(self) -> Error {
        if let Err(error) = self.hardening.undo() {
            return error;
        }
        inherited::restore();
        let error = self.command.execute(&self.environment);
        // No kernel will read them: the files go, and the environment is wiped as it is freed.
        drop(self.files);
        error
    }

    /// The environment that the command would get, entry by entry.
    #[must_use]
    pub fn environment(&self) -> &[CString] {
        &self.environment
    }
}

/// Flags over variables over files.
fn settings(request: &Request, parent: &Environment) -> Result<Layer> {
    let mut flags = Layer::default();
    if let Some(timeout) = request.timeout {
        flags.set("vault.timeout", Value::Duration(timeout), Origin::Flag("--timeout"));
    }
    if !request.secrets.is_empty() {
        let specs = request.secrets.iter().map(|spec| SourceSpec::from_spec(spec, &Origin::Flag("--secrets")));
        flags.set_sources(specs.collect::<Result<_>>()?);
    }
    let merged = flags.over(parent.layer()?).over(Locations::new(request.config.as_deref(), parent).read()?);
    if request.allow.is_empty() {
        return Ok(merged);
    }
    let mut allow = Layer::default();
    let configured = merged.names("environment.allow").unwrap_or_default();
    let names = request.allow.iter().chain(configured).cloned().collect();
    allow.set("environment.allow", Value::Names(names), Origin::Flag("--allow"));
    Ok(allow.over(merged))
}

/// A configuration that can't be read has no say in this; the flag and the variable have.
fn on_error(request: &Request, layer: Option<&Layer>, parent: &Environment) -> Result<OnError> {
    if let Some(said) = request.on_error {
        return Ok(said);
    }
    let said = match layer {
        Some(layer) => layer.text("launch.on_error"),
        None => parent.text("JUPYTER_VAULT_ON_ERROR").unwrap_or(None),
    };
    match said {
        None | Some("exit") => Ok(OnError::Exit),
        Some("start-without") => Ok(OnError::StartWithout),
        Some(_) => Err(Error::new(
            Kind::Config,
            "the variable JUPYTER_VAULT_ON_ERROR is neither exit nor start-without",
            "correct it, or unset it",
        )),
    }
}
