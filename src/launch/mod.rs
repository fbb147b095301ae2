//! One launch, from a plan to the kernel: the seven steps of docs/architecture.md.
//!
//! The order matters. The process is hardened before it reads anything secret; credentials leave the environment
//! block as they are read; the command is located before any request to Vault, so that a typing error costs no
//! single-use token; the network is closed and its buffers wiped before the environment is built; and nothing runs
//! between the last check and execve.
//!
//! Another program launches in the same way with [`run`].

pub(crate) mod data_source;
pub(crate) mod environment;
pub(crate) mod expiry;
pub(crate) mod fetch;
pub(crate) mod files;
pub(crate) mod given;
#[cfg(target_os = "linux")]
pub(crate) mod keep;
#[cfg(feature = "wrap")]
pub(crate) mod look_up;
pub(crate) mod naming;
mod placeholders;
pub(crate) mod profiles;
pub(crate) mod refusal;
#[cfg(feature = "inject")]
mod remember;
mod request;
pub(crate) mod source;
#[cfg(feature = "inject")]
pub(crate) mod versions;

use std::ffi::CString;
use std::future::Future;

use self::fetch::FetchedSecrets;
pub use self::request::{OnError, Request};
use crate::config::env::Environment;
use crate::config::inheritance::Inheritance;
use crate::config::keys::ON_ERROR_VARIABLE;
use crate::config::layer::Layer;
use crate::config::locations::Locations;
use crate::config::lock;
use crate::config::notebook::is_withheld;
use crate::config::origin::Origin;
use crate::config::plan::Plan;
use crate::config::source::SourceSpec;
use crate::config::value::Value;
use crate::error::{Error, Kind, Result};
#[cfg(all(feature = "kernel-protocol", target_os = "linux"))]
use crate::kernel::argument;
#[cfg(target_os = "linux")]
use crate::lease::Owner;
use crate::lease::{Keeper, Leases};
use crate::secret::SecretSet;
use crate::sys::exec::{Command, Space};
use crate::sys::hardening::Hardening;
use crate::sys::inherited;
#[cfg(all(feature = "diagnose", target_os = "linux"))]
use crate::sys::parent::Parent;
#[cfg(target_os = "linux")]
use crate::sys::process;

/// Becomes the command with the user's secrets in its environment; returns only if that fails.
///
/// `report` receives problems that do not end the launch: why it starts without secrets, a token that could not be
/// revoked. The diagnostic kernel is the program's own: here [`OnError::Diagnose`] returns the error.
#[must_use]
pub fn run(request: &Request, report: &mut dyn FnMut(&Error)) -> Error {
    let launch = match Launch::begin(request) {
        Ok(launch) => launch,
        Err(error) => return error,
    };
    match launch.attempt(report) {
        Ok(ready) => {
            drop(launch);
            ready.execute()
        }
        Err(error) => error,
    }
}

/// A launch that is ready for execve. Its environment holds the secrets.
pub(crate) struct Ready {
    command: Command,
    assembled: Assembled,
    hardening: Hardening,
}

impl std::fmt::Debug for Ready {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Ready({}, {} variables)", self.command.file().display(), self.assembled.environment.len())
    }
}

/// A launch that has begun: the process is hardened, the parent's environment is taken, and the credentials are
/// separated from it. It can be attempted any number of times; each attempt reads the configuration again.
#[derive(Debug)]
pub(crate) struct Launch<'a> {
    request: &'a Request,
    hardening: Hardening,
    parent: Environment,
    on_error: OnError,
    /// Jupyter's process, kept from the beginning: its pid may be reused later.
    #[cfg(all(feature = "diagnose", target_os = "linux"))]
    watched: Option<Parent>,
}

impl<'a> Launch<'a> {
    /// Hardens the process and takes the environment: steps 1 and 2.
    pub fn begin(request: &'a Request) -> Result<Self> {
        let hardening = Hardening::apply()?;
        let parent = Environment::take();
        let on_error = on_error(request, &parent)?;
        Ok(Self {
            #[cfg(all(feature = "diagnose", target_os = "linux"))]
            watched: (on_error == OnError::Diagnose).then(|| Parent::of(parent.bytes("JPY_PARENT_PID"))),
            request,
            hardening,
            parent,
            on_error,
        })
    }

    /// The process that asked for the kernel, if it named itself.
    #[cfg(all(feature = "diagnose", target_os = "linux"))]
    pub fn watched(&mut self) -> Parent {
        self.watched.take().unwrap_or(Parent::Unknown)
    }

    /// Everything before execve: steps 3 to 6.
    pub fn attempt(&self, report: &mut dyn FnMut(&Error)) -> Result<Ready> {
        let command = self.command()?;
        let fetched = self.plan().and_then(|plan| {
            let secrets = fetch::fetch(&plan, &self.parent, report)?;
            self.assemble(&plan, secrets, &command, report)
        });
        match fetched {
            Err(error) if self.on_error == OnError::StartWithout => self.plain(command, &error, report),
            Err(error) => Err(error),
            Ok(assembled) => Ok(Ready { command, assembled, hardening: self.hardening }),
        }
    }

    /// Prepares the command without secrets, and reports `why`.
    pub fn without_secrets(&self, why: &Error, report: &mut dyn FnMut(&Error)) -> Result<Ready> {
        self.plain(self.command()?, why, report)
    }

    fn plain(&self, command: Command, why: &Error, report: &mut dyn FnMut(&Error)) -> Result<Ready> {
        report(&why.clone().remark("the command is started without secrets"));
        let (size, space) = (command.size(), Space::of_this_system());
        // Variables that are not inherited are left out here too, if the configuration can be read.
        let settings = settings(self.request, &self.parent);
        let inheritance = settings.as_ref().map(Inheritance::of).unwrap_or_default();
        let inherited = self.parent.entries();
        let environment = environment::build(inherited, SecretSet::default(), &inheritance, space, size)?;
        let assembled = Assembled { environment, ..Assembled::default() };
        Ok(Ready { command, assembled, hardening: self.hardening })
    }

    /// As [`Launch::attempt`], on a given runtime, and until `stop` at the latest: its output then is the error. A
    /// refused login is not repeated; the caller tries again. `by_user`: a cell asked for the attempt, not a timer.
    pub async fn attempt_until<T>(
        &self,
        stop: impl Future<Output = T>,
        by_user: bool,
        report: &mut dyn FnMut(&Error),
    ) -> Result<Result<Ready>, T> {
        let prepared = self.command().and_then(|command| Ok((command, self.plan()?)));
        let (command, mut plan) = match prepared {
            Ok(both) => both,
            Err(error) => return Ok(Err(error)),
        };
        plan.server.max_retries = Some(0);
        plan.by_user = by_user;
        let secrets = match fetch::fetch_until(&plan, &self.parent, stop, report).await? {
            Ok(fetched) => fetched,
            Err(error) => return Ok(Err(error)),
        };
        let assembled = self.assemble(&plan, secrets, &command, report);
        Ok(assembled.map(|assembled| Ready { command, assembled, hardening: self.hardening }))
    }

    /// The reaction to a failure, from the flag or the variable.
    pub const fn on_error(&self) -> OnError {
        self.on_error
    }

    /// The request.
    pub const fn request(&self) -> &Request {
        self.request
    }

    /// The environment that the command would inherit.
    pub const fn parent(&self) -> &Environment {
        &self.parent
    }

    fn command(&self) -> Result<Command> {
        Command::find(&self.request.command, self.parent.bytes("PATH"))
    }

    fn plan(&self) -> Result<Plan> {
        plan(self.request, &self.parent)
    }

    fn assemble(
        &self,
        plan: &Plan,
        FetchedSecrets { mut given, leases }: FetchedSecrets,
        command: &Command,
        report: &mut dyn FnMut(&Error),
    ) -> Result<Assembled> {
        withhold(&mut given, plan, &self.parent);
        // First, so that any failure from here on ends the leases.
        #[cfg(feature = "inject")]
        let held = leases.as_ref().map_or(0, |leases| leases.held.len());
        let keeper = self.keep(plan, &given, leases)?;
        #[cfg(feature = "inject")]
        let ours = remember::ours(plan, &given, &self.parent);
        let has_profiles = profiles::has_profiles(&given);
        let (secrets, files) = files::write(given, &plan.runtime_dir, std::process::id())?;
        let space = Space::of_this_system();
        let inherited = self.parent.entries();
        let inheritance = if has_profiles {
            plan.inheritance.without(&profiles::OVERRIDING_VARIABLES)
        } else {
            plan.inheritance.clone()
        };
        let environment = environment::build(inherited, secrets, &inheritance, space, command.size())?;
        let ends = expiry::known(plan);
        ends.and_then(|ends| expiry::notice(plan, ends)).iter().for_each(report);
        #[cfg(feature = "inject")]
        remember::remember(self.request, plan, ours, (held, ends));
        Ok(Assembled { environment, files, keeper })
    }

    /// Starts the keeper, if there are leases.
    #[cfg(target_os = "linux")]
    fn keep(&self, plan: &Plan, given: &given::Given, leases: Option<Leases>) -> Result<Option<Keeper>> {
        let Some(leases) = leases else { return Ok(None) };
        let (pid, start_time) = process::own().ok_or_else(|| {
            Error::new(
                Kind::Os,
                "this process's start time can't be read, which the keeper needs to know",
                "check that /proc is mounted",
            )
        })?;
        #[cfg(feature = "kernel-protocol")]
        let file = argument::path(&self.request.command).and_then(|file| std::path::absolute(file).ok());
        #[cfg(not(feature = "kernel-protocol"))]
        let file = None;
        let owner = Owner { pid, start_time, file };
        let fetch = keep::Fetch { plan, request: self.request, parent: &self.parent, given };
        keep::keep(&fetch, &leases, vec![owner]).map(Some)
    }

    /// On other systems only a waiting thread would notice the end of a process: leases live as long as Vault allows.
    #[cfg(not(target_os = "linux"))]
    #[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "the same on each system")]
    fn keep(&self, _: &Plan, _: &given::Given, _: Option<Leases>) -> Result<Option<Keeper>> {
        Ok(None)
    }
}

/// The kernel's variables, and the files and sockets that must live until execve.
#[derive(Default)]
struct Assembled {
    environment: Vec<CString>,
    files: files::Written,
    keeper: Option<Keeper>,
}

impl Ready {
    /// Step 7: restores limits, signals and descriptors, and executes; returns only an error.
    pub fn execute(self) -> Error {
        if let Err(error) = self.hardening.undo() {
            return error;
        }
        inherited::restore();
        let Assembled { environment, files, keeper } = self.assembled;
        let error = self.command.execute(&environment);
        // No kernel comes: the files are removed, the leases end, and the environment is wiped as it is freed.
        drop((files, keeper));
        error
    }
}

/// Removes from `given` the secrets that are withheld from this notebook.
pub(crate) fn withhold(given: &mut given::Given, plan: &Plan, parent: &Environment) {
    if !plan.notebooks.is_empty() {
        let session = parent.bytes("JPY_SESSION_NAME").and_then(|name| name.to_str()).unwrap_or_default();
        given.retain(|name, _| !is_withheld(&plan.notebooks, session, name.as_str()));
    }
}

/// Step 4: the plan of a launch with this request and environment.
pub(crate) fn plan(request: &Request, parent: &Environment) -> Result<Plan> {
    Plan::new(&settings(request, parent)?, parent)
}

/// Flags take precedence over variables, variables over files.
pub(crate) fn settings(request: &Request, parent: &Environment) -> Result<Layer> {
    let mut flags = Layer::default();
    if let Some(timeout) = request.timeout {
        flags.set("vault.timeout", Value::Duration(timeout), Origin::Flag("--timeout"));
    }
    if !request.secrets.is_empty() {
        let specs = request.secrets.iter().map(|spec| SourceSpec::from_spec(spec, &Origin::Flag("--secrets")));
        flags.set_sources(specs.collect::<Result<_>>()?);
    }
    let mut layers = vec![flags, parent.layer()?];
    layers.extend(Locations::new(request.config.as_deref(), parent).read()?);
    let merged = lock::merge(layers)?;
    if request.allow.is_empty() {
        return Ok(merged);
    }
    let mut allow = Layer::default();
    let configured = merged.names("environment.allow").unwrap_or_default();
    let names = request.allow.iter().chain(configured).cloned().collect();
    allow.set("environment.allow", Value::Names(names), Origin::Flag("--allow"));
    Ok(allow.over(merged))
}

/// Only the flag and the variable decide what happens on an error, as the error may be in the file.
fn on_error(request: &Request, parent: &Environment) -> Result<OnError> {
    if let Some(chosen) = request.on_error {
        return Ok(chosen);
    }
    match parent.text(ON_ERROR_VARIABLE).unwrap_or(None) {
        None | Some("diagnose") => Ok(OnError::Diagnose),
        Some("exit") => Ok(OnError::Exit),
        Some("start-without") => Ok(OnError::StartWithout),
        Some(_) => Err(Error::new(
            Kind::Config,
            format!("the variable {ON_ERROR_VARIABLE} is not diagnose, exit or start-without"),
            "correct it, or unset it",
        )),
    }
}
