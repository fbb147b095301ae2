//! SIGINT, SIGTERM and SIGHUP while Vault is asked.
//!
//! A launch ends at once, but not before a token that it logged in for is revoked. So these signals are
//! caught while the network is used, but only where they had their default effect: one that came ignored
//! (`nohup`) stays ignored, for us and for the kernel. Dropping [`Caught`] gives the default back; execve
//! would do the same, a moment too late for a signal that comes in between.

use nix::libc;
use nix::sys::signal::{SigHandler, Signal, raise, signal};

/// The signals that end a launch.
pub const ENDING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

/// Which of [`ENDING`] have their default effect, and so may be caught.
#[must_use]
pub fn with_default_effect() -> Vec<Signal> {
    let is_default = |wanted: &Signal| {
        // SAFETY: an all-zero sigaction is a valid value to be overwritten; a null `act` changes nothing.
        unsafe {
            let mut current: libc::sigaction = std::mem::zeroed();
            libc::sigaction(*wanted as libc::c_int, std::ptr::null(), &raw mut current) == 0
                && current.sa_sigaction == libc::SIG_DFL
        }
    };
    ENDING.into_iter().filter(is_default).collect()
}

/// Signals that are caught; their default effect comes back when this is dropped.
#[derive(Debug)]
pub struct Caught(Vec<Signal>);

impl Caught {
    /// Takes note of signals that somebody is about to catch.
    #[must_use]
    pub const fn new(signals: Vec<Signal>) -> Self {
        Self(signals)
    }

    /// The signals.
    #[must_use]
    pub fn signals(&self) -> &[Signal] {
        &self.0
    }
}

impl Drop for Caught {
    fn drop(&mut self) {
        for caught in &self.0 {
            // SAFETY: the disposition becomes the default; no handler function is installed.
            let _ = unsafe { signal(*caught, SigHandler::SigDfl) };
        }
    }
}

/// Ends this process by `ending`, whose effect is the default again, so that the parent sees why.
pub fn end_by(ending: Signal) -> ! {
    let _ = raise(ending);
    // Blocked by the parent's mask: end all the same, with the code that a shell shows for it.
    std::process::exit(128 + ending as i32)
}
