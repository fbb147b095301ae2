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

use tokio::time::Instant;

use self::log::{Format, Log};
use self::ready::ReadyFile;
use self::round::Watcher;
use self::vault::Vault;
use super::choose::{Places, Selection};
use super::command::until_told;
use crate::config::env::Environment;
use crate::error::Result;
use crate::launch::{Request, fetch};
use crate::sys::hardening::Hardening;
use crate::sys::limits::take_all_descriptors;
use crate::sys::signals::{Caught, with_default_effect};

/// What to watch.
#[derive(Debug)]
pub struct Order {
    /// Which kernels; all of them when nothing is named.
    pub selection: Selection,
    /// Which secrets.
    pub request: Request,
    /// How often Vault is asked for new versions, and a server for its kernels, give or take a tenth.
    pub interval: Duration,
    /// A file that exists once the first round went well, and that each later round touches.
    pub ready_file: Option<PathBuf>,
    /// What lines look like.
    pub log: Format,
}

/// Watches until a signal comes. Lines go to `line`.
///
/// # Errors
/// What is wrong from the beginning.
pub fn run(order: Order, line: &mut dyn FnMut(&str)) -> Result<()> {
    let hardening = Hardening::apply()?;
    let parent = Environment::take();
    let outcome = watch(order, &parent, line);
    hardening.undo()?;
    outcome
}

fn watch(order: Order, parent: &Environment, line: &mut dyn FnMut(&str)) -> Result<()> {
    let Order { selection, request, interval, ready_file, log } = order;
    let interval = interval.max(Duration::from_millis(100));
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
