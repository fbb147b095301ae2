//! SIGINT, SIGTERM and SIGHUP during requests to Vault.
//!
//! A launch ends at once, but first revokes the token of its login. So these signals are caught while the network is
//! used, but only if they had their default effect: an ignored one (`nohup`) stays ignored, also for the kernel.
//! Dropping [`Caught`] restores the default; execve would do the same, but too late for a signal that comes in between.

use std::io::{PipeReader, Read, pipe};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction, signal};

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

/// Caught signals; their default effect is restored on drop.
///
/// A handler writes each signal's number into a pipe, which is read like any other input. tokio offers the same, but
/// sets it up for every signal and each runtime, even in launches that catch none: a tenth of their system calls.
#[derive(Debug)]
pub struct Caught(Vec<Signal>);

/// The descriptor that the handler writes to.
static INTO: AtomicI32 = AtomicI32::new(-1);

/// The other end. Both stay open as long as the process lives, because the handler may run at any time.
static ARRIVALS: OnceLock<Option<PipeReader>> = OnceLock::new();

extern "C" fn note(number: libc::c_int) {
    let before = Errno::last_raw();
    let byte = u8::try_from(number).unwrap_or_default();
    // SAFETY: a handler may call write; the byte is alive, and the descriptor is never closed.
    unsafe { libc::write(INTO.load(Ordering::Relaxed), (&raw const byte).cast(), 1) };
    Errno::set_raw(before);
}

/// Makes the pipe, non-blocking: neither the handler (full pipe) nor the reader (empty pipe) may wait.
fn arrivals() -> Option<PipeReader> {
    let (reader, writer) = pipe().ok()?;
    fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).ok()?;
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).ok()?;
    INTO.store(writer.into_raw_fd(), Ordering::Relaxed);
    Some(reader)
}

impl Caught {
    /// Catches `signals`. If the pipe can't be made, they keep their default effect.
    pub fn new(signals: Vec<Signal>) -> Self {
        let Some(reader) = (!signals.is_empty()).then(|| ARRIVALS.get_or_init(arrivals).as_ref()).flatten() else {
            return Self(Vec::new());
        };
        // Drops signals that arrived after an earlier `Caught` had stopped reading.
        while (&*reader).read(&mut [0; 16]).is_ok_and(|count| count > 0) {}
        let action = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: the handler calls only functions that a handler may call.
        let catch = |signal: &Signal| unsafe { sigaction(*signal, &action) }.is_ok();
        Self(signals.into_iter().filter(catch).collect())
    }

    /// The descriptor on which each signal arrives as one byte, its number; `None` if none is caught.
    pub fn arrivals(&self) -> Option<OwnedFd> {
        let reader = ARRIVALS.get().filter(|_| !self.0.is_empty())?.as_ref()?;
        reader.try_clone().ok().map(OwnedFd::from)
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

/// Ends this process with the signal `ending`, which has its default effect again, so that the parent sees the cause.
pub fn end_by(ending: Signal) -> ! {
    let _ = raise(ending);
    // If the parent's mask blocks it, exits with the code that a shell shows for the signal.
    std::process::exit(128 + ending as i32)
}

/// Signals that are held in a descriptor instead of taking effect; the mask is restored on drop. Only those of
/// [`ENDING`] that have their default effect are held.
///
/// execve keeps the mask (but no handlers), so this must be dropped before executing a program.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct HeldSignals {
    before: nix::sys::signal::SigSet,
    descriptor: nix::sys::signalfd::SignalFd,
}

#[cfg(target_os = "linux")]
impl HeldSignals {
    /// Holds the signals in this thread and in threads that it starts.
    pub fn new() -> nix::Result<Self> {
        use nix::sys::signal::{SigSet, SigmaskHow};
        use nix::sys::signalfd::{SfdFlags, SignalFd};
        let wanted: SigSet = with_default_effect().into_iter().collect();
        let descriptor = SignalFd::with_flags(&wanted, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        let before = wanted.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        Ok(Self { before, descriptor })
    }

    /// The next signal that is pending, if there is one.
    pub fn take(&self) -> Option<Signal> {
        let waiting = self.descriptor.read_signal().ok().flatten()?;
        Signal::try_from(i32::try_from(waiting.ssi_signo).ok()?).ok()
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsRawFd for HeldSignals {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        use std::os::fd::AsFd;
        self.descriptor.as_fd().as_raw_fd()
    }
}

#[cfg(target_os = "linux")]
impl std::os::fd::AsFd for HeldSignals {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[cfg(target_os = "linux")]
impl Drop for HeldSignals {
    fn drop(&mut self) {
        let _ = self.before.thread_set_mask();
    }
}
