//! `exec`: the launch.

use std::ffi::OsString;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};

use super::console;
use super::secrets::Secrets;
use crate::error::Result;
use crate::launch::{self, Ended, OnError, Request};

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
    #[command(flatten)]
    secrets: Secrets,
    /// When secrets can't be had: stand in for the kernel, say why in the notebook and try again; or
    /// print why and exit; or start the command without them [default: diagnose, if COMMAND names a
    /// connection file; else exit]
    #[arg(long, value_name = "WHAT", value_enum)]
    on_error: Option<OnError>,
    /// The command to become, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl ValueEnum for OnError {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Diagnose, Self::Exit, Self::StartWithout]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Diagnose => {
                PossibleValue::new("diagnose").help("Print the error and answer as a kernel until the launch succeeds")
            }
            Self::Exit => PossibleValue::new("exit").help("Print the error and exit with its code"),
            Self::StartWithout => {
                PossibleValue::new("start-without").help("Print the error and start the command without secrets")
            }
        })
    }
}

/// Becomes the command; gives a code where that did not happen, after the diagnostic kernel.
pub fn run(Exec { secrets, on_error, command }: Exec) -> Result<u8> {
    let request = Request { on_error, command, ..secrets.request() };
    match launch::run(&request, &mut console::error) {
        Ended::Failed(error) => Err(error),
        Ended::Diagnosed(code) => Ok(code),
    }
}
