//! `jupyter-vault watch`: a sidecar that gives secrets to every kernel that appears, again after a restart,
//! and again when they change in Vault.
//!
//! It sleeps until an event: a file appears in the runtime folder (inotify), a kernel's heartbeat closes, a busy kernel
//! answers. The versions in Vault and a server's list of kernels send no events, so a timer checks them. The secrets
//! are fetched when a kernel is idle, and wiped once all idle kernels have them, so that none is in memory between
//! rounds.
//!
//! - [`kernel`]: one kernel
//! - [`vault`]: the session with Vault
//! - [`round`]: which kernels are asked, and when; `give`: their variables
//! - [`requests`]: requests from kernels
//! - [`log`], [`ready`]: its log, and its ready file for probes

mod give;
pub mod kernel;
pub mod log;
pub mod ready;
pub mod requests;
pub mod round;
pub mod vault;

use std::path::PathBuf;
use std::time::Duration;

use self::log::{Log, LogFormat};
use self::ready::ReadyFile;
use self::round::{Resources, Watcher};
use self::vault::Vault;
use super::choose::{Places, Selection};
use super::signal::{Stopping, until_signal};
use crate::config::env::Environment;
use crate::error::Result;
use crate::launch::{Request, fetch};
use crate::sys::hardening::Hardening;
use crate::sys::limits::take_all_descriptors;
use crate::sys::signals::{Caught, with_default_effect};

/// The kernels to watch, and the variables that they get.
#[derive(Debug)]
pub struct WatchJob {
    /// The kernels to watch; all of them if none is named.
    pub selection: Selection,
    /// The secrets to give.
    pub request: Request,
    /// How often Vault and a server are asked.
    pub interval: Duration,
    /// The ready file.
    pub ready_file: Option<PathBuf>,
    /// The format of the log.
    pub format: LogFormat,
}

/// Watches until a signal arrives; `line` receives the lines of the log.
pub fn run(job: WatchJob, line: &mut dyn FnMut(&str)) -> Result<()> {
    let hardening = Hardening::apply()?;
    let parent = Environment::take();
    let outcome = watch(job, &parent, line);
    hardening.undo()?;
    outcome
}

fn watch(job: WatchJob, parent: &Environment, line: &mut dyn FnMut(&str)) -> Result<()> {
    let WatchJob { selection, request, interval, ready_file, format } = job;
    let interval = interval.max(Duration::from_millis(100));
    let mut vault = Vault::new(&request, parent)?;
    let places = Places::new(&selection, parent)?;
    let mut log = Log::new(format, line);
    let ready = ReadyFile::new(ready_file);
    take_all_descriptors();
    let system = fetch::runtime()?;
    let caught = Caught::new(with_default_effect());
    let outcome = system.block_on(async {
        let stopped = until_signal(&caught, async |stopping: Stopping<'_>| {
            let resources = Resources { places: &places, vault: &mut vault, log: &mut log, ready: &ready, interval };
            Box::pin(Watcher::new(resources, stopping)?.run()).await
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
