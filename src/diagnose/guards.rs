//! What ends the diagnostic kernel from outside: signals, the death of Jupyter, a connection file that
//! is gone.
//!
//! All of them are descriptors that become readable, so that waiting costs no wake-up. Jupyter's process
//! is the one that `JPY_PARENT_PID` names, as ipykernel has it, and not the parent: between the two may
//! stand a script or a remote shell that ends at once.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::config::env::Environment;
use crate::sys::pidfd;
use crate::sys::readable::{FileWatch, readable};
use crate::sys::signals::Held;

/// Why it is over, or what came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// SIGINT: an interrupt, which ends a cell and nothing else. Any other signal ends the process.
    Signal(Signal),
    /// Jupyter's process has ended.
    ParentGone,
    /// The connection file has vanished.
    FileGone,
    /// Nobody connected in the time set for it.
    NobodyCame,
}

/// A descriptor of the process that `JPY_PARENT_PID` names, if it does and there is one.
#[must_use]
pub fn watched(parent: &Environment) -> Option<OwnedFd> {
    let pid: i32 = parent.bytes("JPY_PARENT_PID")?.to_str()?.parse().ok()?;
    // As in ipykernel: a parent of number 1 is a container's, and never goes away.
    if pid > 1 { pidfd::open(Pid::from_raw(pid)).ok() } else { None }
}

/// All guards together.
pub struct Guards {
    signals: AsyncFd<Held>,
    parent: Option<AsyncFd<OwnedFd>>,
    file: Option<(AsyncFd<FileWatch>, PathBuf)>,
}

impl Guards {
    /// Sets them up; must be called in a runtime.
    ///
    /// # Errors
    /// What the system says when it has no descriptor for signals. A file that can't be watched is not.
    pub fn new(parent: Option<OwnedFd>, file: &Path) -> nix::Result<Self> {
        let watch = FileWatch::new(file).ok().and_then(|watch| readable(watch).ok());
        Ok(Self {
            signals: readable(Held::new()?).map_err(|_| nix::errno::Errno::EMFILE)?,
            parent: parent.and_then(|process| readable(process).ok()),
            file: watch.map(|watch| (watch, file.to_owned())),
        })
    }

    /// Waits for the next thing to come.
    pub async fn next(&self) -> Why {
        tokio::select! {
            signal = self.signal() => Why::Signal(signal),
            () = ended(self.parent.as_ref()) => Why::ParentGone,
            () = vanished(self.file.as_ref()) => Why::FileGone,
        }
    }

    /// A signal that came while nobody looked, and that ends the process; an interrupt is over by now.
    #[must_use]
    pub fn last_word(&self) -> Option<Why> {
        let signals = std::iter::from_fn(|| self.signals.get_ref().take());
        signals.filter(|signal| *signal != Signal::SIGINT).last().map(Why::Signal)
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

async fn ended(process: Option<&AsyncFd<OwnedFd>>) {
    match process {
        Some(process) if process.readable().await.is_ok() => {}
        _ => std::future::pending().await,
    }
}

async fn vanished(file: Option<&(AsyncFd<FileWatch>, PathBuf)>) {
    let Some((watch, path)) = file else { return std::future::pending().await };
    loop {
        let read = watch.async_io(Interest::READABLE, FileWatch::take).await;
        // A file that was replaced is another one to watch.
        if read.is_err() || watch.get_ref().renew(path).is_err() {
            return;
        }
    }
}
