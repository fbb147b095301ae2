//! Data sources: added, listed, tested, removed and restored.
//!
//! They are stored where a launch reads them: in a folder that a `data_sources` source of the configuration names, each
//! as one KV secret. An error (an unknown kind, an invalid field, a host that does not answer) is reported before
//! anything is stored. Secret fields come from a hidden prompt, standard input or a file, never from argv, and no
//! command shows one.

mod add;
mod list;
mod place;
mod probe;
mod python;
mod reach;
mod remove;
mod restore;

use super::Outcome;
use super::secrets::Common;
use crate::error::Result;

pub(crate) use self::python::Which;

/// A new data source, as the command line describes it.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// `FIELD=VALUE` each.
    pub(crate) fields: Vec<String>,
    /// `FIELD=FILE` each.
    pub(crate) files: Vec<String>,
    pub(crate) credentials: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) is_default: bool,
    pub(crate) replace: bool,
    pub(crate) unchecked: bool,
}

/// One command.
#[derive(Debug)]
pub(crate) enum Action {
    Add(Box<New>),
    List,
    Test { name: String, which: Which },
    Remove { names: Vec<String> },
    Restore { name: String, version: Option<u64> },
}

/// Runs the command. The outcome's text never holds a value.
pub(crate) fn run(common: &Common, action: Action) -> Result<Outcome> {
    match action {
        Action::Add(new) => add::run(common, &new),
        Action::List => list::run(common),
        Action::Test { name, which } => probe::run(common, &name, &which),
        Action::Remove { names } => remove::run(common, &names),
        Action::Restore { name, version } => restore::run(common, &name, version),
    }
}
