//! `jupyter-vault watch`: a sidecar that gives secrets to every kernel that appears, again after a restart,
//! and again when they change in Vault.
//!
//! It sleeps until something happens: a file in the runtime folder (inotify), the end of a kernel's
//! heartbeat, an answer of a kernel that was busy. A timer is left for what tells nothing by itself: the
//! versions in Vault, and a server's list of kernels. The secrets are fetched when a kernel is free to take
//! them, and wiped when all that were free have them; between rounds there is none in memory.
//!
//! - [`kernel`]: one kernel
//! - [`vault`]: the session with Vault
//! - [`round`]: who is asked when; `give`: who gets what
//! - [`log`], [`ready`]: what others see of it

mod give;
pub mod kernel;
pub mod log;
pub mod ready;
pub mod round;
pub mod vault;

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use self::log::{Format, Log};
use self::ready::ReadyFile;
use self::round::Watcher;
use self::vault::Vault;
use super::choose::{Places, Selection};
use super::command::until_told;
use crate::cli::duration;
use crate::config::env::Environment;
use crate::error::Result;
use crate::launch::{Request, fetch};
use crate::sys::hardening::Hardening;
use crate::sys::limits::take_all_descriptors;
use crate::sys::signals::{Caught, with_default_effect};

/// `jupyter-vault watch`.
#[derive(Debug, Args)]
#[command(after_help = "\
Runs until SIGTERM, SIGINT or SIGHUP, and then exits with 0. Without --url it watches the kernels whose
connection files are in the runtime folder. What is wrong from the beginning (configuration, a refused
login, a missing path) ends it with the codes of exec; what goes wrong later is logged, and tried again.")]
pub struct Watch {
    /// Which kernels; all of them when nothing is named.
    #[command(flatten)]
    pub selection: Selection,
    /// How often Vault is asked for new versions, and a server for its kernels, give or take a tenth
    #[arg(long, value_name = "SECONDS", value_parser = duration, default_value = "60")]
    pub interval: Duration,
    /// A file that is there once the first round went well, and is touched by each one after, also when
    /// Vault or the server is not to be had
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
    /// What lines on stderr look like
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    pub log: Format,
    /// Read this vault.toml first; it must exist
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Take these secrets in place of the configured sources: MOUNT/PATH, MOUNT/PATH#FIELD or
    /// MOUNT/PATH#FIELD=NAME (may be given more than once; a later one wins)
    #[arg(long, value_name = "SPEC")]
    pub secrets: Vec<String>,
    /// Time for one round of Vault, in seconds or as 1m30s [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Accept a secret of this protected name, such as PYTHONPATH (may be given more than once)
    #[arg(long, value_name = "NAME")]
    pub allow: Vec<String>,
}

/// Watches until a signal comes. Lines go to `line`.
///
/// # Errors
/// What is wrong from the beginning.
pub fn run(arguments: Watch, line: &mut dyn FnMut(&str)) -> Result<()> {
    let hardening = Hardening::apply()?;
    let parent = Environment::take();
    let outcome = watch(arguments, &parent, line);
    hardening.undo()?;
    outcome
}

fn watch(arguments: Watch, parent: &Environment, line: &mut dyn FnMut(&str)) -> Result<()> {
    let Watch { selection, interval, ready_file, log, config, secrets, timeout, allow } = arguments;
    let interval = interval.max(Duration::from_millis(100));
    let request = Request { config, secrets, timeout, allow, ..Request::default() };
    let mut vault = Vault::new(&request, parent)?;
    let places = Places::new(&selection, parent)?;
    let mut log = Log::new(log, line);
    let ready = ReadyFile::new(ready_file);
    take_all_descriptors();
    let system = fetch::runtime()?;
    let caught = Caught::new(with_default_effect());
    let outcome = system.block_on(async {
        let stopped = until_told(&caught, async |holding: &Cell<Option<Instant>>, stop| {
            let watcher = Watcher::new(&places, &mut vault, &mut log, &ready, interval, holding, stop)?;
            Box::pin(watcher.run()).await
        })
        .await;
        vault.close().await;
        stopped
    });
    system.shutdown_background();
    drop(caught);
    match outcome {
        Ok(ended) => ended,
        Err(signal) => {
            log.note("ended", None, &format!("ended by {}", signal.as_str()));
            Ok(())
        }
    }
}
