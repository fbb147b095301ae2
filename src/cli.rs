//! The command line: definitions, nothing else.

#[cfg(feature = "manage")]
pub mod manage;
#[cfg(feature = "manage")]
pub mod secrets;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::value::parse_duration;

/// Secrets from HashiCorp Vault or OpenBao, in the environment of a Jupyter kernel.
#[derive(Debug, Parser)]
#[command(name = "jupyter-vault", version, disable_help_subcommand = true)]
#[command(after_help = "Configuration: vault.toml in --config FILE, $JUPYTER_CONFIG_DIR, /usr/local/etc/jupyter, \
/etc/jupyter; VAULT_ADDR, VAULT_TOKEN and the other variables of Vault's own client (BAO_* too).")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Fetch the user's secrets, then become COMMAND with them in its environment
    Exec(Exec),
    /// Fetch the user's secrets and set them in a kernel that runs
    #[cfg(feature = "inject")]
    Inject(crate::inject::command::Inject),
    /// Give secrets to every kernel that appears, again after a restart, and again when they change
    #[cfg(all(feature = "inject", target_os = "linux"))]
    Watch(crate::inject::watch::Watch),
    /// Put the launcher into kernelspecs, so that their kernels get secrets
    #[cfg(feature = "wrap")]
    Wrap(crate::kernelspec::args::Wrap),
    /// Restore kernelspecs as they were before `wrap`
    #[cfg(feature = "wrap")]
    Unwrap(crate::kernelspec::args::Unwrap),
    /// Print the completion script for a shell
    #[cfg(feature = "wrap")]
    #[command(
        after_help = "As in: jupyter-vault completions bash >~/.local/share/bash-completion/completions/jupyter-vault"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the man page, or write one for each subcommand too into a folder
    #[cfg(feature = "wrap")]
    Man {
        /// The folder.
        folder: Option<PathBuf>,
    },
    /// The commands of whoever sets it up.
    #[cfg(feature = "manage")]
    #[command(flatten)]
    Manage(manage::Manage),
    /// Keeps connections open until a kernel listens; started by the diagnostic kernel alone
    #[cfg(all(feature = "diagnose", target_os = "linux"))]
    #[command(hide = true)]
    Hold {
        /// Which step, the kernel's pid, and where it will listen.
        arguments: Vec<String>,
    },
}

/// `jupyter-vault exec`.
#[derive(Debug, Args)]
#[command(after_help = "\
In a kernel.json:
  \"argv\": [\"jupyter-vault\", \"exec\", \"--config\", \"{resource_dir}/vault.toml\", \"--\",
           \"/usr/bin/python3\", \"-m\", \"ipykernel_launcher\", \"-f\", \"{connection_file}\"]

By hand:
  export VAULT_ADDR=https://vault.example.org:8200
  jupyter-vault exec --secrets secret/users/ada -- env

Exit codes: 64 usage, 65 bad data from Vault, 66 nothing at that path, 69 Vault not reachable,
70 internal, 71 system, 72 malformed connection file, 73 a kernel's port is taken,
75 Vault said try later, 76 a client signs with another key, 77 denied, 78 configuration,
126 command not executable, 127 command not found; else the command's own.")]
pub struct Exec {
    /// Read this vault.toml first; it must exist
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Take these secrets in place of the configured sources: MOUNT/PATH, MOUNT/PATH#FIELD or
    /// MOUNT/PATH#FIELD=NAME (may be given more than once; a later one wins)
    #[arg(long, value_name = "SPEC")]
    pub secrets: Vec<String>,
    /// When secrets can't be had: stand in for the kernel, say why in the notebook and try again; or
    /// print why and exit; or start the command without them [default: diagnose, if COMMAND names a
    /// connection file; else exit]
    #[arg(long, value_name = "WHAT", value_enum)]
    pub on_error: Option<OnError>,
    /// Time for everything that concerns Vault, in seconds or as 1m30s [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Accept a secret of this protected name, such as PYTHONPATH (may be given more than once)
    #[arg(long, value_name = "NAME")]
    pub allow: Vec<String>,
    /// The command to become, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// What becomes of a launch whose secrets can't be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OnError {
    /// Print the error and answer as a kernel until the launch succeeds.
    Diagnose,
    /// Print the error and exit with its code.
    Exit,
    /// Print the error and start the command without secrets.
    StartWithout,
}

/// Reads a time on the command line.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "not a time like 10, 500ms or 1m30s, at most a day".to_owned())
}
