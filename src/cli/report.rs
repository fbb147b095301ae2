//! Errors and warnings on stderr.

use std::io::Write;

use crate::error::Error;

/// Prints an error on stderr in one write, so that the lines of simultaneous launches do not mix.
pub fn report(error: &Error) {
    let _ = std::io::stderr().write_all(format!("jupyter-vault: {error}\n").as_bytes());
}
