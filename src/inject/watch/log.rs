//! The log of a sidecar: one line per event, as text or as JSON; names and numbers, never a value.
//!
//! A repeated error is logged once, until its subject has recovered.

use std::collections::HashMap;
use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::error::{Error, Kind, one_line};
use crate::inject::injection::Changes;
use crate::inject::target::Target;

/// The format of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text.
    Text,
    /// One JSON object per line.
    Json,
}

/// The subject of an error.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// Vault.
    Vault,
    /// The Jupyter server.
    Server,
    /// The ready file.
    ReadyFile,
    /// A kernel.
    Kernel(&'a Target),
}

impl Subject<'_> {
    fn name(self) -> String {
        match self {
            Self::Vault => "Vault".to_owned(),
            Self::Server => "server".to_owned(),
            Self::ReadyFile => "ready file".to_owned(),
            Self::Kernel(target) => format!("kernel {}", target.name()),
        }
    }
}

/// Writes the log.
pub struct Log<'a> {
    format: LogFormat,
    line: &'a mut dyn FnMut(&str),
    /// The error of each subject that has not recovered.
    failing: HashMap<String, Kind>,
}

impl std::fmt::Debug for Log<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Log({:?})", self.format)
    }
}

impl<'a> Log<'a> {
    /// A log whose lines go to `line`.
    pub fn new(format: LogFormat, line: &'a mut dyn FnMut(&str)) -> Self {
        Self { format, line, failing: HashMap::new() }
    }

    /// A kernel got its variables.
    pub fn injected(&mut self, target: &Target, changes: &Changes) {
        let more =
            json!({"set": changes.set, "left": changes.kept, "unset": changes.unset, "impossible": changes.impossible});
        self.event("injected", Some(target), &changes.line(&target.name()), more);
    }

    /// An event other than an error.
    pub fn note(&mut self, event: &str, target: Option<&Target>, text: &str) {
        self.event(event, target, text, json!({}));
    }

    /// An error that does not end the process.
    pub fn failed(&mut self, subject: Subject<'_>, error: &Error) {
        if self.failing.insert(subject.name(), error.kind()) == Some(error.kind()) {
            return;
        }
        let target = if let Subject::Kernel(target) = subject { Some(target) } else { None };
        let more = json!({"error": error.what(), "advice": error.advice(), "code": error.kind().exit_code()});
        let whose = target.map_or_else(String::new, |target| one_line(&format!("{}: ", target.name())));
        self.event("failed", target, &format!("{whose}{error}"), more);
    }

    /// Notes that the subject has recovered: its next error is logged.
    pub fn recovered(&mut self, subject: Subject<'_>) {
        self.failing.remove(&subject.name());
    }

    fn event(&mut self, event: &str, target: Option<&Target>, text: &str, more: Value) {
        if self.format == LogFormat::Text {
            (self.line)(&format!("jupyter-vault: {text}\n"));
            return;
        }
        let mut object = Map::new();
        object.insert("at".to_owned(), json!(humantime::format_rfc3339_millis(SystemTime::now()).to_string()));
        object.insert("event".to_owned(), json!(event));
        if let Some(target) = target {
            object.insert("kernel".to_owned(), json!(target.id));
            if let Some(notebook) = &target.notebook {
                object.insert("notebook".to_owned(), json!(notebook));
            }
        }
        if let Value::Object(more) = more {
            if more.is_empty() {
                object.insert("text".to_owned(), json!(text));
            }
            object.extend(more);
        }
        (self.line)(&format!("{}\n", Value::Object(object)));
    }
}
