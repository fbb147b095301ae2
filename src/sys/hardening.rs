//! Keeps other processes from reading this one's memory while it holds secrets: no core file, no debugger of the same
//! user.
//!
//! `PR_SET_DUMPABLE=0` forbids both core files and ptrace or `/proc/PID/mem` by the same uid, and is
//! undone by execve itself. The soft core limit is lowered too, for core handlers that ignore the flag;
//! the kernel must get its limit back, so [`Hardening`] keeps it. Pages are not locked: a launch lasts
//! milliseconds, and the limit on locked memory is often too small to be relied on.

use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

use crate::error::{Error, Kind, Result};

/// The earlier limits, which [`Hardening::undo`] restores.
#[derive(Debug, Clone, Copy)]
#[must_use = "the kernel must get its core limit back"]
pub struct Hardening {
    core: Option<(rlim_t, rlim_t)>,
}

impl Hardening {
    /// Forbids core files and debuggers of the same user for this process.
    pub fn apply() -> Result<Self> {
        not_dumpable().map_err(|cause| refused("make the process not dumpable", cause))?;
        let (soft, hard) = getrlimit(Resource::RLIMIT_CORE).map_err(|cause| refused("read the core limit", cause))?;
        if soft == 0 {
            return Ok(Self { core: None });
        }
        setrlimit(Resource::RLIMIT_CORE, 0, hard).map_err(|cause| refused("lower the core limit", cause))?;
        Ok(Self { core: Some((soft, hard)) })
    }

    /// Restores the core limit. The rest ends with execve.
    pub fn undo(self) -> Result<()> {
        match self.core {
            Some((soft, hard)) => {
                setrlimit(Resource::RLIMIT_CORE, soft, hard).map_err(|cause| refused("restore the core limit", cause))
            }
            None => Ok(()),
        }
    }
}

#[cfg(target_os = "linux")]
fn not_dumpable() -> nix::Result<()> {
    nix::sys::prctl::set_dumpable(false)
}

#[cfg(not(target_os = "linux"))]
fn not_dumpable() -> nix::Result<()> {
    Ok(())
}

fn refused(what: &str, cause: nix::Error) -> Error {
    Error::new(
        Kind::Os,
        format!("the system did not allow this process to {what}: {}", cause.desc()),
        "a sandbox (seccomp) may forbid prctl or setrlimit: allow them; secrets are not fetched without them",
    )
}
