//! Waits for descriptors of signals, processes and files (`watches`) without a thread.

use std::io;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::signals::HeldSignals;

pub(super) mod sealed {
    /// Types that own one descriptor and keep it until they are dropped.
    pub trait Owner: std::os::fd::AsRawFd {}
    impl Owner for std::os::fd::OwnedFd {}
    impl Owner for super::HeldSignals {}
}

/// Registers `owner` for reading; must be called in a runtime.
pub fn readable<T: sealed::Owner>(owner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: the sealed trait is implemented only for types that own their descriptor and give the same
    // one for as long as they live; AsyncFd owns the value and deregisters before it drops it.
    unsafe { AsyncFd::register_with_interest(owner, Interest::READABLE) }.map_err(io::Error::from)
}
