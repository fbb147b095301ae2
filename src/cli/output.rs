//! A command's result on stdout, and the error if it can't be written.
//!
//! An output that is lost must not look like success: the disk that stdout leads to may be full. A command that also
//! changes something, such as `wrap`, prints while it works, and is not interrupted by that. So the first failure is
//! kept until the command has ended, and is then its error. A reader that has exited, as in `jupyter-vault kernels |
//! head -1`, is no failure.

use std::io::{self, ErrorKind, Write};

use crate::error::{Error, Kind, Result, why};

/// Stdout; a write that fails is reported by [`Output::end`].
#[derive(Debug, Default)]
pub(super) struct Output {
    failure: Option<io::Error>,
}

impl Output {
    /// The error of the first write that failed.
    pub(super) fn end(self) -> Result<()> {
        match self.failure {
            Some(cause) if cause.kind() != ErrorKind::BrokenPipe => {
                let what = format!("the output can't be written: {}", why(cause.kind()));
                Err(Error::new(Kind::Os, what, "free some space, or redirect stdout to another file"))
            }
            _ => Ok(()),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.failure.is_none() {
            let mut stdout = io::stdout().lock();
            self.failure = stdout.write_all(bytes).and_then(|()| stdout.flush()).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints the whole result of a command.
pub(super) fn print(text: &str) -> Result<()> {
    let mut output = Output::default();
    let _ = output.write_all(text.as_bytes());
    output.end()
}
