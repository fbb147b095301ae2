//! The command lines of `sources`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::settings::Managing;
use crate::error::Result;
use crate::manage::Outcome;
use crate::manage::sources::{self, Action, New, Which};

#[derive(Debug, Args)]
#[command(after_help = "\
Data sources are databases and services, stored where kernels get them from: in a folder that a `data_sources` source
of vault.toml names. Each becomes the variables and files that its clients read. No command shows a secret.

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
    /// Add a data source; its secret fields are asked for, or read from standard input
    Add {
        /// What to call it
        name: String,
        /// postgres, mysql, athena, bigquery, snowflake, redshift, databricks, trino, clickhouse, splunk, mssentinel,
        /// oracle or mssql
        kind: String,
        /// Its fields that are not secret
        #[arg(value_name = "FIELD=VALUE")]
        fields: Vec<String>,
        /// Take a field from a file (may be given more than once)
        #[arg(long, value_name = "FIELD=FILE")]
        file: Vec<String>,
        /// Take user and password from this path, such as database/creds/ROLE, anew for each kernel
        #[arg(long, value_name = "PATH")]
        credentials: Option<String>,
        /// Put this before the kind's own variables
        #[arg(long, value_name = "PREFIX")]
        prefix: Option<String>,
        /// Give its URL as DATABASE_URL too
        #[arg(long)]
        default: bool,
        /// Replace the one of this name
        #[arg(long)]
        replace: bool,
        /// Store it though nothing answers at its address from here
        #[arg(long)]
        unchecked: bool,
        #[command(flatten)]
        common: Managing,
    },
    /// List the names, with kind and address
    List {
        #[command(flatten)]
        common: Managing,
    },
    /// Connect with the client that a kernel's Python has
    Test {
        /// The name
        name: String,
        /// The kernel whose Python connects
        #[arg(long, value_name = "KERNEL", default_value = "python3")]
        kernel: String,
        /// This Python in place of a kernel's
        #[arg(long, value_name = "PROGRAM", conflicts_with = "kernel")]
        python: Option<PathBuf>,
        #[command(flatten)]
        common: Managing,
    },
    /// Remove data sources
    Rm {
        /// The names
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        common: Managing,
    },
    /// Restore a removed data source, or what it was before it was replaced
    Restore {
        /// The name
        name: String,
        /// The version to restore [default: the last one that is not as now]
        #[arg(long, value_name = "NUMBER")]
        version: Option<u64>,
        #[command(flatten)]
        common: Managing,
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
