//! `exec`: a launch, and the diagnostic kernel when it fails.

use std::ffi::OsString;

use clap::builder::PossibleValue;
use clap::{Args, FromArgMatches, ValueEnum};

use super::report::report;
use super::settings::Settings;
use crate::error::{Error, Result};
use crate::launch::{Launch, OnError, Request};

#[derive(Debug, Args)]
#[command(after_help = "\
In kernel.json:
  \"argv\": [\"jupyter-vault\", \"exec\", \"--config\", \"{resource_dir}/vault.toml\", \"--\",
           \"/usr/bin/python3\", \"-m\", \"ipykernel_launcher\", \"-f\", \"{connection_file}\"]

In a shell:
  export VAULT_ADDR=https://vault.example.org:8200
  jupyter-vault exec --secrets secret/users/ada -- env

Exit codes: 64 usage, 65 bad data from Vault, 66 nothing at that path, 69 Vault unreachable,
70 internal error, 71 system error, 72 malformed connection file, 73 a kernel port is in use,
75 Vault asked to retry later, 76 a client signs with a different key, 77 denied, 78 configuration,
126 command not executable, 127 command not found; otherwise the command's own.")]
pub(super) struct Exec {
    #[command(flatten)]
    settings: Settings,
    /// What to do if the secrets can't be fetched [default: diagnose if COMMAND names a connection file,
    /// otherwise exit]
    #[arg(long, value_name = "WHAT", value_enum)]
    on_error: Option<OnError>,
    /// The command to execute, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl ValueEnum for OnError {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Diagnose, Self::Exit, Self::StartWithout]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Diagnose => ("diagnose", "Show the error in the notebook and retry until the launch succeeds"),
            Self::Exit => ("exit", "Print the error and exit with its code"),
            Self::StartWithout => ("start-without", "Print the error and start the command without secrets"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

/// Parses the command line if it is a valid `exec`. `None` for any other command, for `--help` and for a usage error:
/// those need the whole command-line definition.
pub(super) fn parse(arguments: &[OsString]) -> Option<Exec> {
    let (_, own) = arguments.split_first()?;
    if own.first()? != "exec" {
        return None;
    }
    let mut command = Exec::augment_args(clap::Command::new("exec"));
    let matches = command.try_get_matches_from_mut(own);
    // The definition holds no secret. Dropping it would wipe it piece by piece, which takes time.
    std::mem::forget(command);
    Exec::from_arg_matches(&matches.ok()?).ok()
}

/// Executes the command of an `exec` without secrets; `gone` says that the program which fetches them was removed.
/// `None` if `arguments` are not those of `exec`. Unknown options are ignored: they may be those of a later version.
#[cfg(feature = "wrap")]
pub(super) fn run_without_secrets(arguments: &[OsString], gone: &Error) -> Option<Error> {
    if arguments.get(1)? != "exec" {
        return None;
    }
    let end = arguments.iter().position(|word| word == "--")?;
    let config = parse(arguments).and_then(|exec| Request::from(exec.settings).config);
    let request = Request { config, command: arguments[end + 1..].to_vec(), ..Request::default() };
    let ready = Launch::begin(&request).and_then(|launch| launch.without_secrets(gone, &mut report));
    Some(ready.map_or_else(|error| error, crate::launch::Ready::execute))
}

/// Executes the command, or the diagnostic kernel in its place; returns only with an error.
pub(super) fn run(exec: Exec) -> Result<u8> {
    let Exec { settings, on_error, command } = exec;
    let request = Request { on_error, command, ..settings.into() };
    let launch = Launch::begin(&request)?;
    match launch.attempt(&mut report) {
        Ok(ready) => {
            drop(launch);
            Err(ready.execute())
        }
        Err(error) => stand_in(launch, error),
    }
}

#[cfg(all(feature = "diagnose", target_os = "linux"))]
fn stand_in(launch: Launch<'_>, error: Error) -> Result<u8> {
    match launch.on_error() {
        OnError::Diagnose => crate::diagnose::stand_in(launch, error, &mut report),
        OnError::Exit | OnError::StartWithout => Err(error),
    }
}

#[cfg(not(all(feature = "diagnose", target_os = "linux")))]
fn stand_in(_: Launch<'_>, error: Error) -> Result<u8> {
    Err(error)
}
