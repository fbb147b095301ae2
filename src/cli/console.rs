//! What is printed: results on stdout, errors and notes on stderr, and nowhere else in the program.

use std::io::Write;

use crate::error::Error;

/// An error, in one write, so that the lines of fifty launches at once do not mix.
pub fn error(error: &Error) {
    note(&error.to_string());
}

/// A note that is no error.
pub fn note(text: &str) {
    to_stderr(&format!("jupyter-vault: {text}\n"));
}

/// Text for stderr as it is.
pub fn to_stderr(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Text for stdout as it is.
pub fn to_stdout(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}
