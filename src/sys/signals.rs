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
    /// Takes note of signals that are about to be caught.
    pub const fn new(signals: Vec<Signal>) -> Self {
        Self(signals)
    }

    /// The signals.
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

/// Signals that wait in a descriptor instead of having their effect; the mask comes back when this is
/// dropped. Only those of [`ENDING`] that have their default effect are held.
///
/// A mask is inherited by execve, a handler is not: so the holder must drop it before executing.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct Held {
    before: nix::sys::signal::SigSet,
    descriptor: nix::sys::signalfd::SignalFd,
}

#[cfg(target_os = "linux")]
impl Held {
    /// Holds the signals for this thread, and those that it starts.
    pub fn new() -> nix::Result<Self> {
        use nix::sys::signal::{SigSet, SigmaskHow};
        use nix::sys::signalfd::{SfdFlags, SignalFd};
        let wanted: SigSet = with_default_effect().into_iter().collect();
        let descriptor = SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let before = wanted.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        Ok(Self { before, descriptor })
    }

    /// The next signal that waits, if there is one.
    pub fn take(&self) -> Option<Signal> {
        let waiting = self.descriptor.read_signal().ok().flatten()?;
        Signal::try_from(i32::try_from(waiting.ssi_signo).ok()?).ok()
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsRawFd for Held {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        use std::os::fd::AsFd;
        self.descriptor.as_fd().as_raw_fd()
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsFd for Held {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(target_os = "linux")]
impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}
