//! Jupyter's process, as `JPY_PARENT_PID` names it.
//!
//! ipykernel ends with that process too. It need not be our parent: a short-lived script or remote shell may stand
//! between the two.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::pidfd;

/// What is known of Jupyter's process.
#[derive(Debug)]
pub enum Parent {
    /// Nothing: no variable names it, or the system does not let us watch it.
    Unknown,
    /// It runs, and this is its descriptor.
    Runs(OwnedFd),
    /// It has ended already.
    Gone,
}

impl Parent {
    /// The process whose pid is `named` (the value of `JPY_PARENT_PID`). 1 is a container's first process, which
    /// never ends. A pid that no process has, and that is larger than ours, comes from outside of a sandbox (bwrap,
    /// unshare) with pids of its own: a parent is older than its child.
    pub fn of(named: Option<&OsStr>) -> Self {
        let named = named.and_then(|pid| pid.to_str()?.trim().parse().ok()).filter(|pid| *pid > 1);
        match named.map(|pid| pidfd::open(Pid::from_raw(pid))) {
            Some(Ok(process)) => Self::Runs(process),
            Some(Err(Errno::ESRCH)) if named < Some(Pid::this().as_raw()) => Self::Gone,
            _ => Self::Unknown,
        }
    }
}
