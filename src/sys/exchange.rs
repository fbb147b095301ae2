//! Exchanges two folders in one step, with renameat2(2).
//!
//! The C library has this function since 2.28. The system call is made directly, so that a wheel works on older
//! systems.

use std::ffi::CString;
use std::io::{Error, ErrorKind, Result};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::libc;

/// Exchanges two files or folders.
pub fn exchange(one: &Path, other: &Path) -> Result<()> {
    let text =
        |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::from(ErrorKind::InvalidInput));
    let (one, other) = (text(one)?, text(other)?);
    let here = libc::c_long::from(libc::AT_FDCWD);
    // SAFETY: both strings end with NUL and live until the call returns; the call writes no memory of this process.
    let done =
        unsafe { libc::syscall(libc::SYS_renameat2, here, one.as_ptr(), here, other.as_ptr(), libc::RENAME_EXCHANGE) };
    if done == 0 { Ok(()) } else { Err(Error::last_os_error()) }
}
