//! What ends the diagnostic kernel from outside: signals, the death of Jupyter, a connection file that
//! is gone.
//!
//! All of them are descriptors that become readable, so that waiting costs no wake-up. Jupyter's process
//! is the one that `JPY_PARENT_PID` names, as ipykernel has it, and not the parent: between the two may
//! stand a script or a remote shell that ends at once.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
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

/// What is known of Jupyter's process.
#[derive(Debug)]
pub enum Parent {
    /// Nothing: nobody said which one it is, or the system does not let it be watched.
    Unknown,
    /// It runs, and this is its descriptor.
    Runs(OwnedFd),
    /// It had ended before anybody looked.
    Gone,
}

impl Parent {
    /// The process that `JPY_PARENT_PID` names. A number that can't be one's is none, as is 1: that one is a
    /// container's, and never goes away. One that nobody has and that is larger than ours is from outside of a
    /// sandbox (bwrap, unshare), where the numbers begin anew: a parent is older than its child.
    #[must_use]
    pub fn of(environment: &Environment) -> Self {
        let named = environment.bytes("JPY_PARENT_PID").and_then(|pid| pid.to_str()?.trim().parse().ok());
        match named.filter(|pid| *pid > 1).map(|pid| pidfd::open(Pid::from_raw(pid))) {
            Some(Ok(process)) => Self::Runs(process),
            Some(Err(Errno::ESRCH)) if named < Some(Pid::this().as_raw()) => Self::Gone,
            _ => Self::Unknown,
        }
    }

    fn watch(self) -> Watched<AsyncFd<OwnedFd>> {
        match self {
            Self::Runs(process) => readable(process).map_or(Watched::Not, Watched::By),
            Self::Gone => Watched::Gone,
            Self::Unknown => Watched::Not,
        }
    }
}

/// Something that may be watched until it is gone.
enum Watched<T> {
    By(T),
    Not,
    Gone,
}

/// All guards together.
pub struct Guards {
    signals: AsyncFd<Held>,
    parent: Watched<AsyncFd<OwnedFd>>,
    file: Watched<(AsyncFd<FileWatch>, PathBuf)>,
}

impl Guards {
    /// Sets them up; must be called in a runtime.
    ///
    /// # Errors
    /// What the system says when it has no descriptor for signals. A file that can't be watched is not.
    pub fn new(parent: Parent, file: &Path) -> nix::Result<Self> {
        let watched = match FileWatch::new(file) {
            Ok(watch) => readable(watch).map_or(Watched::Not, |watch| Watched::By((watch, file.to_owned()))),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Watched::Gone,
            Err(_) => Watched::Not,
        };
        Ok(Self { signals: readable(Held::new()?).map_err(|_| Errno::EMFILE)?, parent: parent.watch(), file: watched })
    }

    /// Waits for the next thing to come.
    pub async fn next(&self) -> Why {
        tokio::select! {
            signal = self.signal() => Why::Signal(signal),
            () = ended(&self.parent) => Why::ParentGone,
            () = vanished(&self.file) => Why::FileGone,
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
        // A file that was replaced is another one to watch.
        if read.is_err() || watch.get_ref().renew(path).is_err() {
            return;
        }
    }
}
