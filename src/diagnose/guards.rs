//! Events that end the diagnostic kernel: signals, the exit of Jupyter, the removal of the connection file.
//!
//! All of them are descriptors that become readable, so that waiting costs no wake-up.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::Signal;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys::parent::Parent;
use crate::sys::readable::readable;
use crate::sys::signals::HeldSignals;
use crate::sys::watches::FileWatch;

/// An event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndCause {
    /// SIGINT: an interrupt, which ends a cell alone. Any other signal ends the process.
    Signal(Signal),
    /// Jupyter's process has ended.
    ParentGone,
    /// The connection file has vanished.
    FileGone,
    /// No client has connected in time.
    NoClient,
}

fn watch(parent: Parent) -> Watched<AsyncFd<OwnedFd>> {
    match parent {
        Parent::Runs(process) => readable(process).map_or(Watched::Not, Watched::By),
        Parent::Gone => Watched::Gone,
        Parent::Unknown => Watched::Not,
    }
}

/// A guard that may be absent, and the state after its end.
enum Watched<T> {
    By(T),
    Not,
    Gone,
}

/// All guards together.
pub struct Guards {
    signals: AsyncFd<HeldSignals>,
    parent: Watched<AsyncFd<OwnedFd>>,
    file: Watched<(AsyncFd<FileWatch>, PathBuf)>,
}

impl Guards {
    /// Sets them up; must be called in a runtime.
    pub fn new(parent: Parent, file: &Path) -> nix::Result<Self> {
        let watched = match FileWatch::new(file) {
            Ok(watch) => readable(watch).map_or(Watched::Not, |watch| Watched::By((watch, file.to_owned()))),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Watched::Gone,
            Err(_) => Watched::Not,
        };
        Ok(Self {
            signals: readable(HeldSignals::new()?).map_err(|_| Errno::EMFILE)?,
            parent: watch(parent),
            file: watched,
        })
    }

    /// Waits for the next event.
    pub async fn next(&self) -> EndCause {
        tokio::select! {
            signal = self.signal() => EndCause::Signal(signal),
            () = ended(&self.parent) => EndCause::ParentGone,
            () = vanished(&self.file) => EndCause::FileGone,
        }
    }

    /// A signal that came in between and ends the process; an interrupt is out of date by now.
    pub fn pending_end(&self) -> Option<EndCause> {
        let signals = std::iter::from_fn(|| self.signals.get_ref().take());
        signals.filter(|signal| *signal != Signal::SIGINT).last().map(EndCause::Signal)
    }

    async fn signal(&self) -> Signal {
        loop {
            let Ok(mut ready) = self.signals.readable().await else { return std::future::pending().await };
            if let Some(signal) = self.signals.get_ref().take() {
                return signal;
            }
            ready.clear_ready();
        }
    }
}

async fn ended(process: &Watched<AsyncFd<OwnedFd>>) {
    match process {
        Watched::By(process) if process.readable().await.is_ok() => {}
        Watched::Gone => {}
        _ => std::future::pending().await,
    }
}

async fn vanished(file: &Watched<(AsyncFd<FileWatch>, PathBuf)>) {
    let (watch, path) = match file {
        Watched::By(both) => both,
        Watched::Gone => return,
        Watched::Not => return std::future::pending().await,
    };
    loop {
        let read = watch.async_io(Interest::READABLE, FileWatch::take).await;
        // A replaced file is watched again.
        if read.is_err() || watch.get_ref().renew(path).is_err() {
            return;
        }
    }
}
