//! `jupyter-vault inject`: plan and fetch as for a launch, while the kernel is asked what it is.

use std::cell::Cell;
use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use nix::sys::signal::Signal;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::{Options, Outcome, choose, inject, kernel_info, language};
use crate::cli::duration;
use crate::config::env::Environment;
use crate::config::plan::Plan;
use crate::error::{Error, Kind, Result};
use crate::kernel::client::Sockets;
use crate::kernel::connection::{Channel, ConnectionFile};
use crate::kernel::link::Link;
use crate::launch::fetch::{self, Form, Given};
use crate::launch::files::{self, Written};
use crate::launch::{self, Request};
use crate::record::{How, Record, origins};
use crate::secret::SecretSet;
use crate::sys::hardening::Hardening;
use crate::sys::process::with_argument;
use crate::sys::signals::{Caught, end_by, with_default_effect};

/// How often it is looked whether what was begun is over, once a signal came.
const MOMENT: Duration = Duration::from_millis(20);

/// `jupyter-vault inject`.
#[derive(Debug, Args)]
#[command(after_help = "\
The kernel's code asks for the values; they are in no code, file or output. A kernel that is busy is
waited for, never interrupted.

Exit codes, beside those of exec: 67 no such kernel, 68 the kernel has ended, 72 malformed connection
file, 74 the kernel ended meanwhile, 76 another key than the connection file's, 79 not a kernel,
80 the kernel was busy, 81 the kernel lives and does not answer, 82 the kernel failed, 83 the kernel's
environment can't be set: restart it.")]
pub struct Inject {
    /// A connection file, or the beginning of a kernel's id
    #[arg(value_name = "KERNEL")]
    pub kernel: String,
    /// Read this vault.toml first; it must exist
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Take these secrets in place of the configured sources: MOUNT/PATH, MOUNT/PATH#FIELD or
    /// MOUNT/PATH#FIELD=NAME (may be given more than once; a later one wins)
    #[arg(long, value_name = "SPEC")]
    pub secrets: Vec<String>,
    /// Time for everything that concerns Vault, in seconds or as 1m30s [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Accept a secret of this protected name, such as PYTHONPATH (may be given more than once)
    #[arg(long, value_name = "NAME")]
    pub allow: Vec<String>,
    /// How long the kernel may be busy
    #[arg(long, value_name = "SECONDS", value_parser = duration, default_value = "60")]
    pub wait: Duration,
}

/// Does it; gives the line to print.
///
/// # Errors
/// The [`Kind`] of whatever went wrong.
pub fn run(arguments: Inject, report: &mut dyn FnMut(&Error), progress: &mut dyn FnMut(&str)) -> Result<String> {
    let hardening = Hardening::apply()?;
    let parent = Environment::take();
    let outcome = attempt(arguments, &parent, report, progress);
    hardening.undo()?;
    outcome
}

fn attempt(
    arguments: Inject,
    parent: &Environment,
    report: &mut dyn FnMut(&Error),
    progress: &mut dyn FnMut(&str),
) -> Result<String> {
    let wait = arguments.wait;
    let request = Request {
        config: arguments.config,
        secrets: arguments.secrets,
        timeout: arguments.timeout,
        allow: arguments.allow,
        ..Request::default()
    };
    let plan = launch::plan(&request, parent)?;
    let runtime = plan.runtime_dir.parent().unwrap_or(&plan.runtime_dir);
    let file = ConnectionFile::read(&choose::connection_file(&arguments.kernel, runtime)?)?;
    let system = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|cause| {
        let what = format!("the system did not give what a network client needs: {}", cause.kind());
        Error::new(Kind::Os, what, "check the limits on descriptors and processes (ulimit -a)")
    })?;
    let caught = Caught::new(with_default_effect());
    let outcome = system.block_on(until_told(&caught, plan.login.is_ours(), async |holding, stop| {
        let options = Options { override_existing: plan.override_inherited, wait, holding };
        let kernel = Kernel { file, plan: &plan, parent, options };
        Box::pin(kernel.refresh(stop, report, progress)).await
    }));
    system.shutdown_background();
    drop(caught);
    outcome.unwrap_or_else(|signal| end_by(signal))
}

/// Does `work` until one of the `caught` signals comes; then it ends as soon as nothing is left half-done:
/// a token to be revoked (`revokes`), a kernel that may ask. The work gets the mark of the second, and
/// what tells it to stop.
async fn until_told(
    caught: &Caught,
    revokes: bool,
    work: impl AsyncFnOnce(&Cell<bool>, oneshot::Receiver<()>) -> Result<String>,
) -> Result<Result<String>, Signal> {
    let holding = Cell::new(revokes);
    let (stop, stopped) = oneshot::channel();
    let work = work(&holding, stopped);
    tokio::pin!(work);
    let signal = tokio::select! {
        biased;
        outcome = &mut work => return Ok(outcome),
        signal = fetch::ending(caught) => signal,
    };
    let _ = stop.send(());
    while holding.get() {
        if timeout(MOMENT, &mut work).await.is_ok() {
            break;
        }
    }
    Err(signal)
}

/// A kernel, and what it is to have.
struct Kernel<'a> {
    file: ConnectionFile,
    plan: &'a Plan,
    parent: &'a Environment,
    options: Options<'a>,
}

impl Kernel<'_> {
    async fn refresh(
        self,
        stop: oneshot::Receiver<()>,
        report: &mut dyn FnMut(&Error),
        progress: &mut dyn FnMut(&str),
    ) -> Result<String> {
        let Self { file, plan, parent, options } = self;
        let path = file.path().to_owned();
        let port = file.endpoint(Channel::Shell).port();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let before = Record::read(&plan.runtime_dir, &name);
        let (given, (mut link, info)) = {
            let asking = async {
                let mut link = Link::Sockets(Sockets::connect(file, &[Channel::Stdin, Channel::Shell]).await?);
                let info = kernel_info(&mut link, options.wait, progress).await?;
                Ok::<_, Error>((link, info))
            };
            let (unneeded, needed) = oneshot::channel::<()>();
            let fetching = async {
                let stopped = async {
                    tokio::select! { _ = stop => (), Err(_) = needed => () }
                };
                let fetched = fetch::fetch_until(plan, parent, stopped, report).await;
                options.holding.set(false);
                match fetched {
                    Ok(given) => given,
                    // Whoever told us to stop has the last word.
                    Err(()) => pending().await,
                }
            };
            tokio::pin!(asking, fetching);
            let (given, asked) = tokio::select! {
                biased;
                given = &mut fetching => (given?, None),
                asked = &mut asking => match asked {
                    Ok(asked) => (fetching.await?, Some(asked)),
                    Err(error) => {
                        drop(unneeded);
                        while options.holding.get() && timeout(MOMENT, &mut fetching).await.is_err() {}
                        return Err(error);
                    }
                }
            };
            // A busy kernel need not be waited for when it has everything.
            if before.as_ref().is_some_and(|record| record.is_up_to_date(&given)) {
                return Ok(format!("{name}: nothing to do, it has the same versions already"));
            }
            let asked = if let Some(asked) = asked { asked } else { asking.await? };
            (given, asked)
        };
        let row = language::of(&info).ok_or_else(|| cannot(&info.implementation, &info.language_info.name))?;
        let process = with_argument(&path, port);
        let mut variables = origins(&given);
        let (wanted, files) = files_of(given, plan, process)?;
        let outcome = inject(&mut link, row, &wanted, before.as_ref(), options, progress).await?;
        files.keep();
        variables.retain(|name, _| !outcome.kept.contains(name));
        if let Some(record) = process.and_then(|pid| Record::new(&path, pid, How::Inject, variables)) {
            record.write(&plan.runtime_dir, &name)?;
        }
        Ok(line(&name, &outcome))
    }
}

/// The secrets with those that are files written for the kernel's process.
fn files_of(given: Given, plan: &Plan, process: Option<u32>) -> Result<(SecretSet, Written)> {
    let has_files = given.values().any(|fetched| matches!(fetched.form, Form::File(_)));
    match process {
        Some(pid) => files::write(given, &plan.runtime_dir, pid),
        None if !has_files => files::write(given, &plan.runtime_dir, 0),
        None => Err(Error::new(
            Kind::KernelCannot,
            "a source is to be a file, and the kernel's process is not to be found on this machine",
            "give the secret as a variable, or restart the kernel through jupyter-vault",
        )),
    }
}

/// What was done, in one line.
fn line(kernel: &str, outcome: &Outcome) -> String {
    let part = |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
    let parts = [part("set", &outcome.set), part("left as they were", &outcome.kept), part("unset", &outcome.unset)];
    let done: Vec<_> = parts.into_iter().flatten().collect();
    format!("{kernel}: {}", if done.is_empty() { "nothing to set".to_owned() } else { done.join("; ") })
}

fn cannot(implementation: &str, language: &str) -> Error {
    let what = format!("there is no way to set the environment of a running {implementation} ({language}) kernel");
    Error::new(Kind::KernelCannot, what, "restart the kernel: a launch through jupyter-vault sets it before it starts")
}
