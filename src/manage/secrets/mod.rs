//! A user's own secrets: set, listed, renamed, removed, restored and imported.
//!
//! They are stored where a launch reads them: in the KV sources of the configuration. A *place* is such a source that
//! can hold any name: one KV secret whose keys are the variables, or a folder with one secret per variable. Values come
//! from a hidden prompt, standard input or a file, never from argv, and no command shows one. A change never overwrites
//! another client's change (see [`crate::vault::kv_store`]).

pub(super) mod change;
pub(super) mod common;
mod dotenv;
pub(super) mod earlier;
mod entry;
mod expected;
mod field;
mod history;
mod import;
mod list;
mod note;
mod notebook;
pub(crate) mod parse;
mod place;
pub(super) mod session;
mod table;
pub(super) mod value;
mod yaml;

use std::path::PathBuf;

use super::Outcome;
use crate::error::Result;

pub(crate) use self::common::{Common, Description, Input, SecretKind};

/// One command.
#[derive(Debug)]
pub(crate) enum Action {
    Set { name: String, input: Input, description: Description, expected: Option<u64> },
    List,
    Remove { names: Vec<String> },
    Rename { from: String, to: String },
    Describe { name: String, description: Description },
    Versions { name: String },
    Restore { name: String, version: Option<u64> },
    Switch { names: Vec<String>, notebook: String, on: bool },
    Import { file: PathBuf, format: Option<parse::Format>, dry_run: bool },
}

/// Runs the command. The outcome's text never holds a value.
pub(crate) fn run(common: &Common, action: &Action) -> Result<Outcome> {
    match action {
        Action::Set { name, input, description, expected } => change::set(common, name, input, description, *expected),
        Action::List => list::run(common),
        Action::Remove { names } => change::remove(common, names),
        Action::Rename { from, to } => change::rename(common, from, to),
        Action::Describe { name, description } => change::describe(common, name, description),
        Action::Versions { name } => history::versions(common, name),
        Action::Restore { name, version } => history::restore(common, name, *version),
        Action::Switch { names, notebook, on } => notebook::switch(common, names, notebook, *on),
        Action::Import { file, format, dry_run } => import::run(common, file, *format, *dry_run),
    }
}
