//! What was fetched: each name with its value, in the form in which the kernel gets it.

use std::collections::BTreeMap;

#[cfg(feature = "inject")]
use crate::record::{Record, Variable};
use crate::secret::{SecretName, SecretValue};

/// A secret, and the form in which the command gets it.
#[derive(Debug)]
pub enum Form {
    /// The variable holds the value.
    Variable(SecretValue),
    /// The variable names a file that holds the value.
    File(SecretValue),
    /// The variable names a folder with a file of this name, which holds the value.
    Folder(&'static str, SecretValue),
}

/// A secret and where it comes from.
#[derive(Debug)]
pub struct Fetched {
    /// The value.
    pub form: Form,
    /// The path that was read.
    pub path: String,
    /// Its version, where the engine counts them.
    pub version: Option<u64>,
}

/// What was fetched: the last source that gives a name wins.
pub type Given = BTreeMap<SecretName, Fetched>;

/// A second copy of all, for another kernel.
pub fn duplicate(given: &Given) -> Given {
    let copy = |form: &Form| match form {
        Form::Variable(value) => Form::Variable(value.duplicate()),
        Form::File(value) => Form::File(value.duplicate()),
        Form::Folder(name, value) => Form::Folder(name, value.duplicate()),
    };
    let copied =
        |fetched: &Fetched| Fetched { form: copy(&fetched.form), path: fetched.path.clone(), version: fetched.version };
    given.iter().map(|(name, fetched)| (name.clone(), copied(fetched))).collect()
}

/// Which secret each value comes from.
#[cfg(feature = "inject")]
pub fn origins(given: &Given) -> BTreeMap<String, Variable> {
    let origin = |path: &String, version| Variable { path: path.clone(), version };
    given.iter().map(|(name, from)| (name.as_str().to_owned(), origin(&from.path, from.version))).collect()
}

/// Whether the kernel of `record` has exactly what it `may` have of `given`, of the same versions. A secret
/// without a version may have changed.
#[cfg(feature = "inject")]
pub fn is_up_to_date(record: &Record, given: &Given, may: impl Fn(&str) -> bool) -> bool {
    let wanted = || given.iter().filter(|(name, _)| may(name.as_str()));
    record.variables.len() == wanted().count()
        && wanted().all(|(name, fetched)| {
            record.variables.get(name.as_str()).is_some_and(|known| {
                known.path == fetched.path && known.version.is_some() && known.version == fetched.version
            })
        })
}
