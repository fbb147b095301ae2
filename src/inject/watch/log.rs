//! What a sidecar says: one line an event, for people or as JSON; names and numbers, never a value.

use std::time::SystemTime;

use serde_json::{Map, Value, json};

use crate::error::{Error, one_line};
use crate::inject::Outcome;
use crate::inject::target::Target;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Writes lines.
pub struct Log<'a> {
    format: Format,
    line: &'a mut dyn FnMut(&str),
}

impl std::fmt::Debug for Log<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Log({:?})", self.format)
    }
}

impl<'a> Log<'a> {
    /// A log whose lines go to `line`.
    pub fn new(format: Format, line: &'a mut dyn FnMut(&str)) -> Self {
        Self { format, line }
    }

    /// A kernel got what it was to get.
    pub fn injected(&mut self, target: &Target, outcome: &Outcome) {
        let part = |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
        let parts = [
            part("set", &outcome.set),
            part("left as they were", &outcome.kept),
            part("unset", &outcome.unset),
            part("not possible in its language:", &outcome.impossible),
        ];
        let done: Vec<_> = parts.into_iter().flatten().collect();
        let done = if done.is_empty() { "nothing to set".to_owned() } else { done.join("; ") };
        let more =
            json!({"set": outcome.set, "left": outcome.kept, "unset": outcome.unset, "impossible": outcome.impossible});
        self.event("injected", Some(target), &one_line(&format!("{}: {done}", target.name())), more);
    }

    /// Something that is no error.
    pub fn note(&mut self, event: &str, target: Option<&Target>, text: &str) {
        self.event(event, target, text, json!({}));
    }

    /// An error that ends nothing.
    pub fn failed(&mut self, target: Option<&Target>, error: &Error) {
        let more = json!({"error": error.what(), "advice": error.advice(), "code": error.kind().exit_code()});
        let whose = target.map_or_else(String::new, |target| one_line(&format!("{}: ", target.name())));
        self.event("failed", target, &format!("{whose}{error}"), more);
    }

    fn event(&mut self, event: &str, target: Option<&Target>, text: &str, more: Value) {
        if self.format == Format::Text {
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
