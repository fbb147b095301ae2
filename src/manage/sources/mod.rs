//! Data sources: added, listed, tested, removed and restored.
//!
//! They are stored where a launch reads them: in a folder that a `data_sources` source of the configuration names, each
//! as one KV secret. An error (an unknown kind, an invalid field, a host that does not answer) is reported before
//! anything is stored. Secret fields come from a hidden prompt, standard input or a file, never from argv, and no
//! command shows one.

mod add;
mod folder;
mod list;
mod probe;
mod python;
mod reach;
mod remove;
mod restore;

use super::Outcome;
use super::secrets::Common;
use crate::error::Result;

pub(crate) use self::add::New;
pub(crate) use self::python::Which;

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
