//! The command line of `credential`, which AWS clients run.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::error::{Error, Kind, Result};
use crate::launch::fetch::runtime;
use crate::lease;
use crate::sys::hardening::Hardening;

#[derive(Debug, Args)]
#[command(after_help = "\
AWS clients run this command; a kernel's AWS_CONFIG_FILE names a file that configures it. It asks the kernel's keeper,
the process that renews leases, and prints the JSON that AWS expects of a credential_process.")]
pub(super) struct Credential {
    /// The AWS profile
    profile: String,
    /// The keeper's socket
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
        Error::new(Kind::Os, what, "the AWS client may have exited")
    })?;
    Ok(0)
}
