//! The command line of `credential`, which AWS's clients run.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::error::{Error, Kind, Result};
use crate::launch::fetch::runtime;
use crate::lease;
use crate::sys::hardening::Hardening;

#[derive(Debug, Args)]
#[command(after_help = "\
AWS's clients run this: the configuration that AWS_CONFIG_FILE names in a kernel says how. It asks the process that holds
the kernel's leases, and prints what AWS calls the output of a credential_process.")]
pub(super) struct Credential {
    /// The AWS profile
    profile: String,
    /// Where that process is asked
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
}

/// Prints the credential.
pub(super) fn run(arguments: &Credential) -> Result<u8> {
    let _hardening = Hardening::apply()?;
    let runtime = runtime()?;
    let answer = runtime.block_on(lease::ask(&arguments.socket, &arguments.profile))?;
    std::io::stdout().write_all(&answer).map_err(|cause| {
        let what = format!("the credential can't be printed: {}", crate::error::why(cause.kind()));
        Error::new(Kind::Os, what, "the client that asked for it may have ended")
    })?;
    Ok(0)
}
