//! The command lines of `secrets`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::settings::{Allow, Json, ManageOptions};
use crate::error::Result;
use crate::manage::Outcome;
use crate::manage::secrets::parse::Format;
use crate::manage::secrets::{self, Action, Common, Description, Input, SecretKind};

#[derive(Debug, Args)]
#[command(after_help = "\
Secrets are stored where kernels read them: in a source of vault.toml that can hold any name (a `kv` source without
`field`, or a `kv_folder`). Without --to that is the only such source, or the one whose path is the user's own, such as
secret/users/{metadata.username}. No command shows a value.

  jupyter-vault secrets set OPENAI_API_KEY                     prompts for the value, without echo
  pass openai | jupyter-vault secrets set OPENAI_API_KEY       reads it from standard input
  jupyter-vault secrets set SSH_KEY --file ~/.ssh/id_ed25519   reads the file unchanged
  jupyter-vault secrets import .env                            shows the changes, and asks")]
pub(super) struct Secrets {
    /// What to do.
    #[command(subcommand)]
    command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    /// Add a secret, or replace its value
    Set {
        /// The variable's name
        name: String,
        /// Read the value from this file, unchanged; - is standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// Write only if the value is still that of this version (0: only if there is none); otherwise exit with 87
        #[arg(long, value_name = "NUMBER")]
        expect_version: Option<u64>,
        #[command(flatten)]
        said: DescriptionOptions,
        #[command(flatten)]
        common: Shared,
    },
    /// List the names, with description, kind, version and time, and which kernels have which version
    List {
        #[command(flatten)]
        common: Shared,
    },
    /// Remove secrets
    Rm {
        /// The names
        #[arg(required = true)]
        names: Vec<String>,
        #[command(flatten)]
        common: Shared,
    },
    /// Rename a secret; it keeps its value and description
    Rename {
        /// The present name
        name: String,
        /// The new name
        new_name: String,
        #[command(flatten)]
        common: Shared,
    },
    /// Describe a secret
    Describe {
        /// The name
        name: String,
        #[command(flatten)]
        said: DescriptionOptions,
        #[command(flatten)]
        common: Shared,
    },
    /// List the versions of a secret, newest first
    Versions {
        /// The name
        name: String,
        #[command(flatten)]
        common: Shared,
    },
    /// Restore a removed secret, or an earlier value
    Restore {
        /// The name
        name: String,
        /// The version to restore [default: the last one with a different value]
        #[arg(long, value_name = "NUMBER")]
        version: Option<u64>,
        #[command(flatten)]
        common: Shared,
    },
    /// Withhold secrets from one notebook's kernels, in your own vault.toml
    Off(Switch),
    /// Give a notebook's kernels the secrets again
    On(Switch),
    /// Add all secrets of a file: .env, JSON or YAML
    Import {
        /// The file; - is standard input
        file: PathBuf,
        /// The file's format [default: from the file's name, else env]
        #[arg(long, value_name = "FORMAT", value_enum)]
        format: Option<FileFormat>,
        /// Show what would change, and write nothing
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        common: Shared,
    },
}

/// The names, and the notebook.
#[derive(Debug, Args)]
struct Switch {
    /// The names
    #[arg(required = true)]
    names: Vec<String>,
    /// The notebook's path, or the end of one
    #[arg(long, value_name = "PATH")]
    notebook: String,
    #[command(flatten)]
    json: Json,
}

impl Switch {
    fn action(self, on: bool) -> (Common, Action) {
        let Self { names, notebook, json: Json { json } } = self;
        (Common { json, ..Common::default() }, Action::Switch { names, notebook, on })
    }
}

/// The options of every subcommand.
#[derive(Debug, Args)]
struct Shared {
    #[command(flatten)]
    managing: ManageOptions,
    #[command(flatten)]
    allow: Allow,
}

/// A secret's description.
#[derive(Debug, Args)]
struct DescriptionOptions {
    /// What the secret is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// The kind of secret
    #[arg(long, value_name = "KIND", value_enum)]
    kind: Option<Kind>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    Generic,
    Password,
    Key,
    Token,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FileFormat {
    Env,
    Json,
    Yaml,
}

/// Runs the subcommand.
pub(super) fn run(secrets: Secrets) -> Result<Outcome> {
    let (common, action) = match secrets.command {
        Command::Off(switch) => return run_switch(switch, false),
        Command::On(switch) => return run_switch(switch, true),
        Command::Set { name, file, expect_version: expected, said, common } => {
            let input = file.map_or(Input::Standard, Input::File);
            (common, Action::Set { name, input, description: said.into(), expected })
        }
        Command::List { common } => (common, Action::List),
        Command::Rm { names, common } => (common, Action::Remove { names }),
        Command::Rename { name, new_name, common } => (common, Action::Rename { from: name, to: new_name }),
        Command::Describe { name, said, common } => (common, Action::Describe { name, description: said.into() }),
        Command::Versions { name, common } => (common, Action::Versions { name }),
        Command::Restore { name, version, common } => (common, Action::Restore { name, version }),
        Command::Import { file, format, dry_run, common } => {
            let format = format.map(|format| match format {
                FileFormat::Env => Format::Dotenv,
                FileFormat::Json => Format::Json,
                FileFormat::Yaml => Format::Yaml,
            });
            (common, Action::Import { file, format, dry_run })
        }
    };
    secrets::run(&common.into(), &action)
}

fn run_switch(switch: Switch, on: bool) -> Result<Outcome> {
    let (common, action) = switch.action(on);
    secrets::run(&common, &action)
}

impl From<Shared> for Common {
    fn from(shared: Shared) -> Self {
        let Shared { managing, allow: Allow { allow } } = shared;
        Self { allow, ..managing.into() }
    }
}

impl From<DescriptionOptions> for Description {
    fn from(said: DescriptionOptions) -> Self {
        let kind = said.kind.map(|kind| match kind {
            Kind::Generic => SecretKind::Generic,
            Kind::Password => SecretKind::Password,
            Kind::Key => SecretKind::Key,
            Kind::Token => SecretKind::Token,
        });
        Self { text: said.description, kind }
    }
}
