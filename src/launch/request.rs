//! The request for a launch, from the command line or from another program.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What a launch does when it can't get the secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// Stand in for the kernel: say why, try again, and become the kernel in the end. This is the default when the
    /// command names a connection file; without one, or in a build without the diagnostic kernel, it is
    /// [`OnError::Exit`].
    Diagnose,
    /// Return the error.
    Exit,
    /// Report the error and start the command without secrets.
    StartWithout,
}

/// The request of the command line, or of another program.
#[derive(Debug, Default)]
pub struct Request {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--secrets`, in order.
    pub secrets: Vec<String>,
    /// `--on-error`.
    pub on_error: Option<OnError>,
    /// `--timeout`.
    pub timeout: Option<Duration>,
    /// `--allow`, added to the configuration's `allow`.
    pub allow: Vec<String>,
    /// The command and its arguments.
    pub command: Vec<OsString>,
}
