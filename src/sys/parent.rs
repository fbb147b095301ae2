//! Jupyter's process, as `JPY_PARENT_PID` names it.
//!
//! A kernel exits with that process, as ipykernel does. It is not always this process's parent: a short-lived script or
//! a remote shell may be in between.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::unistd::Pid;

use super::pidfd;

/// The state of Jupyter's process.
#[derive(Debug)]
pub enum Parent {
    /// Unknown: no variable names it, or the system does not allow watching it.
    Unknown,
    /// It runs; with its descriptor.
    Runs(OwnedFd),
    /// It has ended already.
    Gone,
}

impl Parent {
    /// The process whose pid is `named` (the value of `JPY_PARENT_PID`). Pid 1 is a container's first process, which
    /// never exits. If no process has the pid, and the pid is larger than this process's, it is from outside a sandbox
    /// with its own pids (bwrap, unshare), because a parent is older than its child.
    pub fn of(named: Option<&OsStr>) -> Self {
        let named = named.and_then(|pid| pid.to_str()?.trim().parse().ok()).filter(|pid| *pid > 1);
        match named.map(|pid| pidfd::open(Pid::from_raw(pid))) {
            Some(Ok(process)) => Self::Runs(process),
            Some(Err(Errno::ESRCH)) if named < Some(Pid::this().as_raw()) => Self::Gone,
            _ => Self::Unknown,
        }
    }
}
