//! The command line: each command's arguments, and the call that executes it.
//!
//! Each group of commands has a file. A command that becomes another program does not return; the others return an
//! exit code. No module below imports this one.

#[cfg(target_os = "linux")]
mod credential;
mod exec;
#[cfg(feature = "inject")]
mod inject;
#[cfg(feature = "manage")]
mod login;
#[cfg(feature = "manage")]
mod manage;
#[cfg(feature = "wrap")]
mod manual;
#[cfg(feature = "manage")]
mod names;
mod output;
mod report;
#[cfg(feature = "manage")]
mod scrub;
#[cfg(feature = "manage")]
mod secrets;
mod settings;
#[cfg(feature = "manage")]
mod sources;
#[cfg(feature = "manage")]
mod ui;
#[cfg(feature = "wrap")]
mod wrap;

use std::ffi::OsString;
#[cfg(feature = "wrap")]
use std::path::PathBuf;

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Parser, Subcommand};

pub use self::report::report;
use crate::config::keys::nearest;
use crate::error::{Error, Kind, Result};

/// Secrets from HashiCorp Vault or OpenBao, in the environment of a Jupyter kernel.
#[derive(Debug, Parser)]
#[command(name = "jupyter-vault", version, disable_help_subcommand = true)]
#[command(after_help = "Configuration: vault.toml in --config FILE, $JUPYTER_CONFIG_DIR, /usr/local/etc/jupyter, \
/etc/jupyter; VAULT_ADDR, VAULT_TOKEN and the other variables of Vault's own client (BAO_* too).")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetch the user's secrets, then become COMMAND with them in its environment
    Exec(exec::Exec),
    /// Fetch the user's secrets and set them in a running kernel
    #[cfg(feature = "inject")]
    Inject(inject::Inject),
    /// Give secrets to every new or restarted kernel, and update them when they change
    #[cfg(all(feature = "inject", target_os = "linux"))]
    Watch(inject::Watch),
    /// Print a profile's AWS credential; AWS clients run this
    #[cfg(target_os = "linux")]
    Credential(credential::Credential),
    /// Add the launcher to kernelspecs, so that their kernels get secrets
    #[cfg(feature = "wrap")]
    Wrap(wrap::Wrap),
    /// Restore kernelspecs as they were before `wrap`
    #[cfg(feature = "wrap")]
    Unwrap(wrap::Unwrap),
    /// Print the completion script for a shell
    #[cfg(feature = "wrap")]
    #[command(
        after_help = "Example: jupyter-vault completions bash >~/.local/share/bash-completion/completions/jupyter-vault"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page, or write it and one for each subcommand to a folder
    #[cfg(feature = "wrap")]
    Man {
        /// The folder
        folder: Option<PathBuf>,
    },
    #[cfg(feature = "manage")]
    #[command(flatten)]
    Manage(manage::Manage),
    /// Prints the names of its variables, one per line; a test launch executes this
    #[cfg(feature = "manage")]
    #[command(hide = true)]
    Names,
    /// Keeps connections open until a kernel listens; only the diagnostic kernel starts this
    #[cfg(all(feature = "diagnose", target_os = "linux"))]
    #[command(hide = true)]
    Hold {
        /// The step, the kernel's pid, and the addresses that the kernel will listen at.
        arguments: Vec<String>,
    },
}

/// Runs the command that the process's arguments name; returns the exit code.
pub fn run() -> Result<u8> {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if arguments.len() < 2 {
        // A new user sees which commands exist.
        let _ = Cli::command().print_help();
        return Err(Error::new(
            Kind::Usage,
            "no command given",
            "start with jupyter-vault setup, or choose a command from the list above",
        ));
    }
    // Only a launch starts the keeper, and waits for it. So it is not a command of the definition, which takes time to
    // build.
    #[cfg(target_os = "linux")]
    if arguments[1] == crate::lease::SUBCOMMAND {
        let words: Vec<_> = arguments[2..].iter().map(|word| word.to_string_lossy().into_owned()).collect();
        return crate::keeper::run(&words).map(|()| 0);
    }
    #[cfg(feature = "wrap")]
    if let Some(gone) = crate::kernelspec::standby::program_is_gone(&arguments)
        && let Some(error) = exec::run_without_secrets(&arguments, &gone)
    {
        return Err(error);
    }
    // A launch does not build the other commands' definitions.
    if let Some(exec) = exec::parse(&arguments) {
        return exec::run(exec);
    }
    match Cli::try_parse_from(arguments) {
        Ok(Cli { command }) => dispatch(command),
        Err(shown) if matches!(shown.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            output::print(&shown.to_string()).map(|()| 0)
        }
        Err(wrong) => Err(usage(&wrong)),
    }
}

fn dispatch(command: Command) -> Result<u8> {
    match command {
        Command::Exec(exec) => exec::run(exec),
        #[cfg(feature = "inject")]
        Command::Inject(inject) => inject::inject(inject),
        #[cfg(all(feature = "inject", target_os = "linux"))]
        Command::Watch(watch) => inject::watch(watch),
        #[cfg(target_os = "linux")]
        Command::Credential(credential) => credential::run(&credential),
        #[cfg(feature = "wrap")]
        Command::Wrap(wrap) => wrap::wrap(wrap),
        #[cfg(feature = "wrap")]
        Command::Unwrap(unwrap) => wrap::unwrap(unwrap),
        #[cfg(feature = "wrap")]
        Command::Completions { shell } => output::print(&manual::completions(&Cli::command(), shell)).map(|()| 0),
        #[cfg(feature = "wrap")]
        Command::Man { folder: None } => output::print(&manual::man(&Cli::command())?).map(|()| 0),
        #[cfg(feature = "wrap")]
        Command::Man { folder: Some(folder) } => manual::man_pages(&Cli::command(), &folder).map(|()| 0),
        #[cfg(feature = "manage")]
        Command::Manage(command) => manage::run(command),
        #[cfg(feature = "manage")]
        Command::Names => {
            let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned() + "\n");
            output::print(&names.collect::<String>()).map(|()| 0)
        }
        #[cfg(all(feature = "diagnose", target_os = "linux"))]
        Command::Hold { arguments } => {
            crate::diagnose::hold::hold(&arguments);
            Ok(0)
        }
    }
}

/// The error for a wrong command line: the first line of clap's message. The usage after it is in `--help`.
fn usage(wrong: &clap::Error) -> Error {
    if let Some(named) = credential_as_argument(wrong) {
        let what = format!("{named} is not accepted: other users can see a command line");
        let advice = "leave it out: values and passwords are prompted for, or read from standard input. One that you typed \
                      here is in the shell's history: replace it";
        return Error::new(Kind::Usage, what, advice);
    }
    let text = wrong.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut first = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    if first.ends_with(':') {
        first = format!("{first} {}", lines.next().unwrap_or_default());
    }
    Error::new(Kind::Usage, first, advice(wrong))
}

/// What to call a surplus argument, or an unknown option that would hold a secret. The argument may be a secret, so it
/// is not shown.
fn credential_as_argument(wrong: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(argument)) = wrong.get(ContextKind::InvalidArg) else { return None };
    match wrong.kind() {
        ErrorKind::UnknownArgument if !argument.starts_with('-') => {
            Some("the last argument (not shown, it may be a secret)".to_owned())
        }
        ErrorKind::UnknownArgument if ["--value", "--password", "--token", "--secret"].contains(&argument.as_str()) => {
            Some(argument.clone())
        }
        _ => None,
    }
}

/// Commands of other tools, and subcommands without their group, with this program's command.
const OTHERS: [(&[&str], &str); 5] = [
    (&["put", "add", "set", "write", "new", "create"], "secrets set NAME"),
    (&["get", "ls", "read", "show"], "secrets list"),
    (&["run", "start", "launch", "shell"], "exec -- COMMAND"),
    (&["delete", "remove", "rm"], "secrets rm NAME"),
    (&["whoami", "status"], "login --status"),
];

/// The command that was most likely meant.
fn advice(wrong: &clap::Error) -> String {
    let usual = "see jupyter-vault --help and jupyter-vault exec --help";
    let Some(ContextValue::String(word)) = wrong.get(ContextKind::InvalidSubcommand) else { return usual.to_owned() };
    let is_here = |command: &str| cfg!(feature = "manage") || command.starts_with("exec");
    let other = OTHERS.iter().find(|(words, command)| words.contains(&word.as_str()) && is_here(command));
    let near = match wrong.get(ContextKind::SuggestedSubcommand) {
        Some(ContextValue::Strings(near)) => nearest(word, near.iter().map(String::as_str)),
        Some(ContextValue::String(near)) => Some(near.as_str()),
        _ => None,
    };
    match other.map(|(_, command)| *command).or(near) {
        Some(command) => format!("did you mean `jupyter-vault {command}`? See jupyter-vault --help"),
        None => usual.to_owned(),
    }
}

/// The whole command-line definition, for the tests of the manual.
#[cfg(feature = "internals")]
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}
