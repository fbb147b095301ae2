//! What the commands share: flags, and the text of an outcome.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::manage::Outcome;

/// The options of all the commands.
#[derive(Debug, Default)]
pub(crate) struct Common {
    /// The vault.toml to read first.
    pub(crate) config: Option<PathBuf>,
    /// The time limit for all requests to Vault.
    pub(crate) timeout: Option<Duration>,
    /// The source to work on, by its path; by default the user's own.
    pub(crate) to: Option<String>,
    /// Protected names that are accepted.
    pub(crate) allow: Vec<String>,
    /// Whether to print JSON.
    pub(crate) json: bool,
    /// Whether to ask no questions.
    pub(crate) yes: bool,
}

/// Where a value comes from.
#[derive(Debug)]
pub(crate) enum Input {
    /// A hidden prompt on a terminal, or else standard input.
    Standard,
    /// A file, unchanged.
    File(PathBuf),
}

/// A secret's description, as far as flags give it.
#[derive(Debug, Default)]
pub(crate) struct Description {
    pub(crate) text: Option<String>,
    pub(crate) kind: Option<SecretKind>,
}

impl Description {
    /// Whether there is anything to store.
    pub(super) const fn says(&self) -> bool {
        self.text.is_some() || self.kind.is_some()
    }
}

/// The kind of a secret, as its user states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SecretKind {
    #[default]
    Generic,
    Password,
    Key,
    Token,
}

impl SecretKind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Generic => "generic",
            Self::Password => "password",
            Self::Key => "key",
            Self::Token => "token",
        }
    }

    /// The kind with that name; an unknown one, which another tool may have written, is generic.
    pub(super) fn from_name(name: &str) -> Self {
        [Self::Password, Self::Key, Self::Token].into_iter().find(|kind| kind.name() == name).unwrap_or_default()
    }
}

/// The outcome of a change: a sentence, or the same as JSON.
pub(in crate::manage) fn outcome(common: &Common, sentence: &str, object: &serde_json::Value) -> Outcome {
    let text = if common.json { format!("{object:#}\n") } else { format!("{sentence}\n") };
    Outcome { text, code: 0 }
}

/// A version as it reads in a sentence.
pub(in crate::manage) fn as_version(version: Option<u64>) -> String {
    version.map_or_else(String::new, |version| format!(" as version {version}"))
}
