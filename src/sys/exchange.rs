//! Two folders put in each other's place in one step, by renameat2(2).
//!
//! The C library has that call since 2.28. It is made directly, so that a wheel works on older systems.

use std::ffi::CString;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::libc;

/// Puts each of two files or folders in the other's place.
pub fn exchange(one: &Path, other: &Path) -> Result<()> {
    let text =
        |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::from(ErrorKind::InvalidInput));
    let (one, other) = (text(one)?, text(other)?);
    let here = libc::c_long::from(libc::AT_FDCWD);
    // SAFETY: both are strings that end with NUL and live until the call is over; it writes to no memory of ours.
    let done =
        unsafe { libc::syscall(libc::SYS_renameat2, here, one.as_ptr(), here, other.as_ptr(), libc::RENAME_EXCHANGE) };
    if done == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}
