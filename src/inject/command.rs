//! `jupyter-vault inject`: plan and fetch as for a launch, while the kernel is asked what it is.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Options, Outcome, choose, inject, kernel_info, language};
use crate::cli::duration;
use crate::config::env::Environment;
use crate::error::{Error, Kind, Result};
use crate::kernel::client::Sockets;
use crate::kernel::connection::{Channel, ConnectionFile};
use crate::kernel::link::Link;
use crate::launch::{self, Request, fetch, files};
use crate::sys::hardening::Hardening;
use crate::sys::signals::{Caught, end_by, with_default_effect};

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
    let shown = file.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let system = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|cause| {
        let what = format!("the system did not give what a network client needs: {}", cause.kind());
        Error::new(Kind::Os, what, "check the limits on descriptors and processes (ulimit -a)")
    })?;
    let caught = Caught::new(with_default_effect());
    let outcome = system.block_on(async {
        let asking = async {
            let mut link = Link::Sockets(Sockets::connect(file, &[Channel::Stdin, Channel::Shell]).await?);
            let info = kernel_info(&mut link, wait, progress).await?;
            Ok::<_, Error>((link, info))
        };
        let fetching = async {
            match fetch::fetch_until(&plan, parent, fetch::ending(&caught), report).await {
                Ok(given) => given.map(Ok),
                Err(signal) => Ok(Err(signal)),
            }
        };
        let (given, (mut link, info)) = match tokio::try_join!(fetching, asking)? {
            (Ok(given), asked) => (given, asked),
            (Err(signal), _) => return Ok(Err(signal)),
        };
        let row = language::of(&info).ok_or_else(|| cannot(&info.implementation, &info.language_info.name))?;
        let (wanted, written) = files::write(given, &plan.runtime_dir, std::process::id())?;
        let options = Options { override_existing: plan.override_inherited, wait };
        let outcome = inject(&mut link, row, wanted, &[], &options, progress).await?;
        drop(written);
        Ok::<_, Error>(Ok(outcome))
    });
    system.shutdown_background();
    drop(caught);
    match outcome? {
        Ok(outcome) => Ok(line(&shown, &outcome)),
        Err(signal) => end_by(signal),
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
