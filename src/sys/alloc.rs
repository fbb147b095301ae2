//! Wipes freed memory, so that no copy of a secret is left in buffers that a library grew and freed.
//!
//! A value passes through TLS, HTTP and JSON code with its own buffers. With [`WIPING`] as the global allocator, every
//! block is overwritten when it is freed, in any library. A program that uses this crate as a library should install
//! it too:
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

/// Returns free memory to the system, for a process that was busy for a moment and will sleep for long.
pub(crate) fn release_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: malloc_trim releases only free blocks, and takes the allocator's own locks.
    unsafe {
        nix::libc::malloc_trim(0);
    }
}
