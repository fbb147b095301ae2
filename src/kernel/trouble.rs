//! The errors of a connection to a kernel: nothing listens, no reply, another program, another kernel.

use std::io::ErrorKind;

use super::connection::ConnectionFile;
use super::endpoint::{Channel, Endpoint};
use super::zmtp::Violation;
use crate::error::{Error, Kind};

/// The error if nothing listens at `endpoint`.
pub(super) fn gone(file: &ConnectionFile, channel: Channel, endpoint: &Endpoint, cause: ErrorKind) -> Error {
    let why = match cause {
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => "nothing listens there".to_owned(),
        other => other.to_string(),
    };
    let what =
        format!("the kernel of {} can't be reached at its {} {endpoint}: {why}", file.path().display(), channel.key());
    Error::new(Kind::KernelGone, what, "the kernel has exited and left its connection file: choose a running kernel")
}

/// The error if a process accepts the connection but sends nothing.
pub(super) fn silent(file: &ConnectionFile, channel: Channel, endpoint: &Endpoint) -> Error {
    let what =
        format!("the kernel of {} does not speak ZMTP at its {} {endpoint}", file.path().display(), channel.key());
    Error::new(
        Kind::KernelSilent,
        what,
        "it may be stopped (SIGSTOP, a debugger), or another program uses its port: try again, or restart it",
    )
}

/// The error if the peer speaks another protocol.
pub(super) fn violation(file: &ConnectionFile, channel: Channel, cause: &std::io::Error) -> Error {
    let why = match cause.get_ref().and_then(|cause| cause.downcast_ref::<Violation>()) {
        Some(violation) => violation.0.to_owned(),
        None => "the connection was closed".to_owned(),
    };
    let what = format!("the process at the {} of {} is not its kernel: {why}", channel.key(), file.path().display());
    Error::new(
        Kind::NotAKernel,
        what,
        "the kernel has exited and another program uses its port: choose a running kernel",
    )
}

/// The error if the peer has another key.
pub(super) fn wrong_signature(file: &ConnectionFile) -> Error {
    Error::new(
        Kind::WrongSignature,
        format!("the process at the ports of {} does not have its key", file.path().display()),
        "the connection file is old, or another kernel's: choose a running kernel, or restart the kernel",
    )
}

/// The error if the kernel closes the connection.
pub(super) fn died(file: &ConnectionFile) -> Error {
    Error::new(
        Kind::KernelDied,
        format!("the kernel of {} exited or restarted meanwhile", file.path().display()),
        "once it runs again, run the command again",
    )
}
