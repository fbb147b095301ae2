//! State that the kernel must inherit unchanged, although Rust's runtime changes it before `main`.
//!
//! Before `main`, the standard library ignores SIGPIPE and opens `/dev/null` on a standard descriptor that was
//! closed. A kernel would inherit both. A constructor in `.init_array` runs earlier and records the state;
//! [`restore`] restores it just before execve.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use nix::libc;
use nix::sys::signal::{SigHandler, Signal, signal};

/// One bit for each of descriptors 0 to 2 that was closed.
static CLOSED: AtomicU8 = AtomicU8::new(0);
/// Whether SIGPIPE was ignored.
static SIGPIPE_IGNORED: AtomicBool = AtomicBool::new(false);

#[used]
#[cfg_attr(target_os = "macos", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_os = "macos"), unsafe(link_section = ".init_array"))]
static NOTE_AT_START: extern "C" fn() = note;

extern "C" fn note() {
    for descriptor in 0..3 {
        // SAFETY: F_GETFD reads a flag of a descriptor number; any number may be asked about.
        if unsafe { libc::fcntl(descriptor, libc::F_GETFD) } == -1 {
            CLOSED.fetch_or(1 << descriptor, Ordering::Relaxed);
        }
    }
    // SAFETY: an all-zero sigaction is a valid value to be overwritten; a null `act` changes nothing.
    let ignored = unsafe {
        let mut current: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut current) == 0 && current.sa_sigaction == libc::SIG_IGN
    };
    SIGPIPE_IGNORED.store(ignored, Ordering::Relaxed);
}

/// How many of descriptors 0 to 2 were closed.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn closed() -> u32 {
    CLOSED.load(Ordering::Relaxed).count_ones()
}

/// Restores SIGPIPE's disposition, and lets execve close the descriptors that were closed.
pub fn restore() {
    let handler = if SIGPIPE_IGNORED.load(Ordering::Relaxed) { SigHandler::SigIgn } else { SigHandler::SigDfl };
    // SAFETY: the disposition becomes default or ignore; no handler function is installed.
    let _ = unsafe { signal(Signal::SIGPIPE, handler) };
    let closed = CLOSED.load(Ordering::Relaxed);
    for descriptor in (0..3).filter(|descriptor| closed & (1 << descriptor) != 0) {
        // SAFETY: sets the close-on-exec flag of a descriptor that the runtime opened on /dev/null.
        unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) };
    }
}
