//! The command lines of doctor, setup and kernels.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::duration;

/// The subcommands of whoever sets it up.
#[derive(Debug, Subcommand)]
pub enum Manage {
    /// Say what is configured, whether it works, and what to ask for where it does not
    Doctor(Doctor),
    /// List the kernels that run, with what each was given, from where and since when
    Kernels(Kernels),
}

/// `jupyter-vault doctor`.
#[derive(Debug, Default, Args)]
#[command(after_help = "\
The flags are those of exec: give the ones that stand in a kernel.json, in the kernel's own user and environment.
What is not needed to know is not done: the token of a login is revoked, a wrapped token is not used up, and no
lease is made. Values are read, to see that they can be variables, and never shown.

Exit code: 0 when a launch would work (warnings do not count), else that of the first failure; see exec --help.")]
pub struct Doctor {
    /// Read this vault.toml first; it must exist
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Try these secrets in place of the configured sources (may be given more than once)
    #[arg(long, value_name = "SPEC")]
    pub secrets: Vec<String>,
    /// Time for everything that concerns Vault, in seconds or as 1m30s [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Accept a secret of this protected name (may be given more than once)
    #[arg(long, value_name = "NAME")]
    pub allow: Vec<String>,
    /// One JSON object in place of the text
    #[arg(long)]
    pub json: bool,
}

/// `jupyter-vault kernels`.
#[derive(Debug, Default, Args)]
pub struct Kernels {
    /// One JSON object in place of the text
    #[arg(long)]
    pub json: bool,
}
