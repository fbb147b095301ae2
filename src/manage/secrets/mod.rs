//! A user's own secrets: set, listed, renamed, removed, restored and imported.
//!
//! They are kept where a launch reads them: in the KV sources of the configuration. A *place* is such a
//! source that takes any name: one KV secret whose keys are the variables, or a folder with one secret a
//! variable. Values come by a hidden prompt, standard input or a file, never by argv, and no command
//! gives one back. A change of one name never loses another writer's change (see
//! [`crate::vault::kv_store`]).

mod change;
mod dotenv;
mod history;
mod import;
mod list;
mod note;
pub(crate) mod parse;
mod place;
mod session;
mod value;
mod yaml;

use std::path::PathBuf;
use std::time::Duration;

use super::Outcome;
use crate::error::Result;

pub(crate) use note::SecretKind;

/// What all of the commands take.
#[derive(Debug, Default)]
pub(crate) struct Common {
    /// The vault.toml to read first.
    pub(crate) config: Option<PathBuf>,
    /// The time for all of Vault.
    pub(crate) timeout: Option<Duration>,
    /// The source to work on, by its path; by default the user's own.
    pub(crate) to: Option<String>,
    /// Protected names that are accepted.
    pub(crate) allow: Vec<String>,
    /// Whether the answer is JSON.
    pub(crate) json: bool,
    /// Whether nothing is asked.
    pub(crate) yes: bool,
}

/// Where a value comes from.
#[derive(Debug)]
pub(crate) enum Input {
    /// A hidden prompt on a terminal, or else standard input.
    Standard,
    /// A file, taken as it is.
    File(PathBuf),
}

/// What is said of a secret, where a flag says it.
#[derive(Debug, Default)]
pub(crate) struct Description {
    pub(crate) text: Option<String>,
    pub(crate) kind: Option<SecretKind>,
}

/// One command.
#[derive(Debug)]
pub(crate) enum Action {
    Set { name: String, input: Input, description: Description },
    List,
    Remove { names: Vec<String> },
    Rename { from: String, to: String },
    Describe { name: String, description: Description },
    Versions { name: String },
    Restore { name: String, version: Option<u64> },
    Import { file: PathBuf, format: Option<parse::Format>, dry_run: bool },
}

/// Does what the command says; the outcome's text never holds a value.
pub(crate) fn run(common: &Common, action: &Action) -> Result<Outcome> {
    match action {
        Action::Set { name, input, description } => change::set(common, name, input, description),
        Action::List => list::run(common),
        Action::Remove { names } => change::remove(common, names),
        Action::Rename { from, to } => change::rename(common, from, to),
        Action::Describe { name, description } => change::describe(common, name, description),
        Action::Versions { name } => history::versions(common, name),
        Action::Restore { name, version } => history::restore(common, name, *version),
        Action::Import { file, format, dry_run } => import::run(common, file, *format, *dry_run),
    }
}

/// The outcome of a change: a sentence, or the same as JSON.
fn said(common: &Common, sentence: &str, object: &serde_json::Value) -> Outcome {
    let text = if common.json { format!("{object:#}\n") } else { format!("{sentence}\n") };
    Outcome { text, code: 0 }
}

/// How a version reads in a sentence.
fn as_version(version: Option<u64>) -> String {
    version.map_or_else(String::new, |version| format!(" as version {version}"))
}
