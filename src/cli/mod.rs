//! The command line: what each command takes, and what it then does.
//!
//! One file a group of commands. Each turns its flags into the plain types of the modules below, which
//! know nothing of a command line.

pub mod console;
mod exec;
#[cfg(feature = "inject")]
mod inject;
#[cfg(feature = "manage")]
mod manage;
#[cfg(feature = "wrap")]
mod manual;
mod secrets;
#[cfg(feature = "wrap")]
mod wrap;

#[cfg(feature = "wrap")]
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};

use crate::config::value::parse_duration;
use crate::error::{Error, Kind, Result};

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
    Exec(exec::Exec),
    /// Fetch the user's secrets and set them in a kernel that runs
    #[cfg(feature = "inject")]
    Inject(inject::Inject),
    /// Give secrets to every kernel that appears, again after a restart, and again when they change
    #[cfg(all(feature = "inject", target_os = "linux"))]
    Watch(inject::Watch),
    /// Put the launcher into kernelspecs, so that their kernels get secrets
    #[cfg(feature = "wrap")]
    Wrap(wrap::Wrap),
    /// Restore kernelspecs as they were before `wrap`
    #[cfg(feature = "wrap")]
    Unwrap(wrap::Unwrap),
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
    /// The commands for setting it up.
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

/// Parses this process's command line, and does what it says; gives the exit code.
pub fn main() -> Result<u8> {
    match Cli::try_parse() {
        Ok(Cli { command }) => run(command),
        Err(shown) if matches!(shown.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let _ = shown.print();
            Ok(0)
        }
        Err(wrong) => Err(usage(&wrong)),
    }
}

fn run(command: Command) -> Result<u8> {
    match command {
        Command::Exec(arguments) => exec::run(arguments),
        #[cfg(feature = "inject")]
        Command::Inject(arguments) => inject::inject(arguments),
        #[cfg(all(feature = "inject", target_os = "linux"))]
        Command::Watch(arguments) => inject::watch(arguments),
        #[cfg(feature = "wrap")]
        Command::Wrap(arguments) => wrap::wrap(arguments),
        #[cfg(feature = "wrap")]
        Command::Unwrap(arguments) => wrap::unwrap(arguments),
        #[cfg(feature = "wrap")]
        Command::Completions { shell } => manual::completions(shell),
        #[cfg(feature = "wrap")]
        Command::Man { folder } => manual::man(folder.as_deref()),
        #[cfg(feature = "manage")]
        Command::Manage(command) => manage::run(command),
        #[cfg(all(feature = "diagnose", target_os = "linux"))]
        Command::Hold { arguments } => {
            crate::diagnose::hold::hold(&arguments);
            Ok(0)
        }
    }
}

/// The first line of clap's text says what is wrong; the usage it adds is in `--help`.
fn usage(wrong: &clap::Error) -> Error {
    let text = wrong.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut first = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    if first.ends_with(':') {
        first = format!("{first} {}", lines.next().unwrap_or_default());
    }
    Error::new(Kind::Usage, first, "see jupyter-vault --help and jupyter-vault exec --help")
}

/// Reads a time on the command line.
fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "not a time like 10, 500ms or 1m30s, at most a day".to_owned())
}

#[cfg(test)]
#[cfg(all(feature = "inject", feature = "manage", feature = "wrap"))]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn every_subcommand_option_and_value_has_a_word_of_help() {
        let whole = Cli::command();
        let shown = whole.get_subcommands().filter(|command| !command.is_hide_set());
        let mut options = 0;
        for command in shown {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                options += 1;
                let name = format!("{} {}", command.get_name(), argument.get_id());
                let help = argument.get_help().unwrap_or_else(|| panic!("{name}")).to_string();
                assert!(help.trim().len() > 5 && !help.ends_with("  "), "{name}: {help:?}");
            }
        }
        assert!(options > 50, "{options}");
    }
}
