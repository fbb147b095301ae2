//! The launcher's side: starts the keeper, and tells it when there will be no kernel.

use std::io::{PipeWriter, Write};
use std::process::{Command, Stdio};

use super::handover::{HandOver, Leases};
use super::running::SUBCOMMAND;
use crate::config::plan::Plan;
use crate::error::{Error, Kind, Result};
use crate::sys::process;

/// A keeper that was started. When this is dropped, no kernel comes, and it ends what it holds; execve drops nothing.
#[derive(Debug)]
pub(crate) struct Keeper {
    pipe: PipeWriter,
}

impl Keeper {
    /// Starts one for what `leases` tells, which belongs to this process and to the kernel that it becomes.
    pub(crate) fn start(plan: &Plan, leases: &Leases) -> Result<Self> {
        let owner = process::own().ok_or_else(|| refused("the system does not tell when this process started"))?;
        let message = HandOver::new(&plan.server, leases, plan.keeper_window, owner)?.message()?;
        let (reader, mut pipe) = std::io::pipe().map_err(|cause| refused(&crate::error::why(cause.kind())))?;
        // Two steps (a child that starts a child) leave no zombie. It is executed anew, without a variable.
        let mut command = Command::new("/proc/self/exe");
        command.env_clear().args([SUBCOMMAND, "first"]);
        command.stdin(reader).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().map_err(|cause| refused(&crate::error::why(cause.kind())))?;
        if !status.success() {
            return Err(refused("its first step failed"));
        }
        pipe.write_all(&message).map_err(|cause| refused(&crate::error::why(cause.kind())))?;
        Ok(Self { pipe })
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // One that is gone has nothing to end; the window ends the rest.
        let _ = self.pipe.write_all(b"x");
    }
}

fn refused(why: &str) -> Error {
    Error::new(
        Kind::Os,
        format!("the process that holds leases can't be started: {why}"),
        "check that /proc is mounted, and the limit on processes (ulimit -u)",
    )
}
