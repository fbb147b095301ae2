//! The launcher's side: starts the keeper, and tells it if there will be no kernel.

use std::io::{PipeWriter, Write};
use std::process::{Command, Stdio};

use super::handover::HandOver;
use super::leases::{Again, Leases, Owner, ProfileAnswer};
use super::running::SUBCOMMAND;
use crate::config::plan::Plan;
use crate::error::{Error, Kind, Result};

/// A started keeper. Dropping it reports that no kernel starts, so the keeper ends its leases; execve drops nothing.
#[derive(Debug)]
pub(crate) struct Keeper {
    pipe: PipeWriter,
}

impl Keeper {
    /// Starts a keeper for `leases`, which belong to `owners`; clients can ask it for `answers`.
    pub(crate) fn start(
        plan: &Plan,
        leases: &Leases,
        owners: Vec<Owner>,
        again: Option<Again>,
        answers: &[ProfileAnswer],
    ) -> Result<Self> {
        let pids: Vec<_> = owners.iter().map(|owner| owner.pid.to_string()).collect();
        // If the message would be too long, `again` is left out: then nothing is replaced, but everything ends in time.
        let message = match HandOver::new(plan, leases, owners.clone(), again, answers)?.message() {
            Err(_) => HandOver::new(plan, leases, owners, None, answers)?.message()?,
            Ok(message) => message,
        };
        let (reader, mut pipe) = std::io::pipe().map_err(|cause| refused(&crate::error::why(cause.kind())))?;
        // A grandchild leaves no zombie. The program is executed again, without variables.
        let mut command = Command::new("/proc/self/exe");
        command.env_clear().args([SUBCOMMAND, "first", &pids.join(",")]);
        command.stdin(reader).stdout(Stdio::null()).stderr(Stdio::null());
        let status = command.status().map_err(|cause| refused(&crate::error::why(cause.kind())))?;
        if !status.success() {
            return Err(refused("its first step failed"));
        }
        pipe.write_all(&message).map_err(|cause| refused(&crate::error::why(cause.kind())))?;
        Ok(Self { pipe })
    }

    /// Leaves the leases to the owners.
    #[cfg(feature = "inject")]
    pub(crate) fn leave(self) {
        let mut this = std::mem::ManuallyDrop::new(self);
        // One byte means that no kernel starts; the end of the pipe alone does not.
        let _ = this.pipe.flush();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // If the keeper is gone, the window ends its leases.
        let _ = self.pipe.write_all(b"x");
    }
}

fn refused(why: &str) -> Error {
    Error::new(
        Kind::Os,
        format!("the keeper of leases can't be started: {why}"),
        "check that /proc is mounted, and the limit on processes (ulimit -u)",
    )
}
