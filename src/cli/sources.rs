//! The command lines of `sources`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::names::one_of;
use super::settings::ManageOptions;
use crate::datasource::kinds::KINDS;
use crate::error::Result;
use crate::manage::Outcome;
use crate::manage::sources::{self, Action, New, Which};

#[derive(Debug, Args)]
#[command(after_help = "\
Data sources are databases and services. They are stored where kernels read them: in the folder that a `data_sources`
source of vault.toml names. Each becomes the variables and files that its clients read. No command shows a secret.

  jupyter-vault sources add warehouse postgres host=db.example.org database=sales user=ada
  jupyter-vault sources add warehouse postgres host=db.example.org database=sales --credentials database/creds/sales
  jupyter-vault sources add reports bigquery project=reports --file key=key.json
  jupyter-vault sources test warehouse")]
pub(super) struct Sources {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Add a data source; its secret fields are prompted for, or read from standard input
    Add {
        /// The data source's name
        name: String,
        #[arg(help = one_of("Its kind", KINDS.iter().map(|kind| kind.name)))]
        kind: String,
        /// Its fields that are not secret
        #[arg(value_name = "FIELD=VALUE")]
        fields: Vec<String>,
        /// Read a field from a file (may be given more than once)
        #[arg(long, value_name = "FIELD=FILE")]
        file: Vec<String>,
        /// Read a new user and password from this path for each kernel, such as database/creds/ROLE
        #[arg(long, value_name = "PATH")]
        credentials: Option<String>,
        /// Prefix the names of its variables with this
        #[arg(long, value_name = "PREFIX")]
        prefix: Option<String>,
        /// Also set DATABASE_URL to its URL
        #[arg(long)]
        default: bool,
        /// Replace the data source that has this name
        #[arg(long)]
        replace: bool,
        /// Store it even if nothing answers at its address
        #[arg(long)]
        unchecked: bool,
        #[command(flatten)]
        common: ManageOptions,
    },
    /// List the names, with kind and address
    List {
        #[command(flatten)]
        common: ManageOptions,
    },
    /// Connect to a data source with the client library of a kernel's Python
    Test {
        /// The name
        name: String,
        /// The kernel whose Python is used
        #[arg(long, value_name = "KERNEL", default_value = "python3")]
        kernel: String,
        /// Use this Python instead of a kernel's
        #[arg(long, value_name = "PROGRAM", conflicts_with = "kernel")]
        python: Option<PathBuf>,
        #[command(flatten)]
        common: ManageOptions,
    },
    /// Remove data sources
    Rm {
        /// The names
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        common: ManageOptions,
    },
    /// Restore a removed data source, or its state before it was replaced
    Restore {
        /// The name
        name: String,
        /// The version to restore [default: the last one that differs]
        #[arg(long, value_name = "NUMBER")]
        version: Option<u64>,
        #[command(flatten)]
        common: ManageOptions,
    },
}

/// Runs the subcommand.
pub(super) fn run(sources: Sources) -> Result<Outcome> {
    let (common, action) = match sources.command {
        Command::Add { name, kind, fields, file, credentials, prefix, default, replace, unchecked, common } => {
            let new =
                New { name, kind, fields, files: file, credentials, prefix, is_default: default, replace, unchecked };
            (common, Action::Add(Box::new(new)))
        }
        Command::List { common } => (common, Action::List),
        Command::Test { name, kernel, python, common } => {
            (common, Action::Test { name, which: python.map_or(Which::Kernel(kernel), Which::Program) })
        }
        Command::Rm { names, common } => (common, Action::Remove { names }),
        Command::Restore { name, version, common } => (common, Action::Restore { name, version }),
    };
    sources::run(&common.into(), action)
}
