//! Jupyter's process, as `JPY_PARENT_PID` names it.
//!
//! ipykernel also exits with that process. It need not be this process's parent: there may be a short-lived script or
//! remote shell in between.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::pidfd;

/// What is known of Jupyter's process.
#[derive(Debug)]
pub enum Parent {
    /// Unknown: no variable names it, or the system does not allow watching it.
    Unknown,
    /// It runs, and this is its descriptor.
    Runs(OwnedFd),
    /// It has ended already.
    Gone,
}

impl Parent {
    /// The process whose pid is `named` (the value of `JPY_PARENT_PID`). 1 is a container's first process, which never
    /// exits. A pid without a process that is larger than this process's comes from outside of a sandbox with its own
    /// pids (bwrap, unshare): a parent is older than its child.
    pub fn of(named: Option<&OsStr>) -> Self {
        let named = named.and_then(|pid| pid.to_str()?.trim().parse().ok()).filter(|pid| *pid > 1);
        match named.map(|pid| pidfd::open(Pid::from_raw(pid))) {
            Some(Ok(process)) => Self::Runs(process),
            Some(Err(Errno::ESRCH)) if named < Some(Pid::this().as_raw()) => Self::Gone,
            _ => Self::Unknown,
        }
    }
}
