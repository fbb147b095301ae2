//! Copies of a secret that no code names: buffers grown by a library, freed and never overwritten.
//!
//! A value passes through TLS, HTTP and JSON code that allocates as it likes. With [`WIPING`] as the
//! global allocator every block is overwritten when it is freed, in any library. A program that
//! uses this crate as a library should install it too:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: jupyter_vault::alloc::Wiping = jupyter_vault::alloc::WIPING;
//! ```

use std::alloc::System;

use zeroizing_alloc::ZeroAlloc;

/// The system's allocator, with each block wiped as it is freed.
pub type Wiping = ZeroAlloc<System>;

/// The value for a `#[global_allocator]` static.
pub const WIPING: Wiping = ZeroAlloc(System);

/// Gives memory that is free back to the system: for who was busy for a moment and sleeps for long.
pub fn release_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it concerns blocks that are free alone, and takes the allocator's own locks.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
