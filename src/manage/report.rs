//! Findings in order, and the two formats in which they are shown.
//!
//! The text and the JSON are made from the same findings, so that they can't disagree. Like an error, a finding
//! consists of fixed words, paths and names, never of a value.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{Error, one_line};
use crate::mask::masked;

/// The version of the JSON's format; it changes when a key is renamed or removed.
pub const SCHEMA: u32 = 1;

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// No problem.
    Ok,
    /// Information.
    Note,
    /// A launch works, but not as the user may expect.
    Warning,
    /// A launch fails.
    Failed,
    /// Not checked, because of a failure above.
    Skipped,
}

impl Status {
    const fn shown(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Warning => "WARNING",
            Self::Failed => "FAILED",
            Self::Skipped => "skipped",
        }
    }
}

/// One finding.
#[derive(Debug, Serialize)]
pub struct Finding {
    section: &'static str,
    status: Status,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exit_code: Option<u8>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    facts: Map<String, Value>,
}

impl Finding {
    /// The finding as text.
    fn lines(&self) -> String {
        let mut lines = format!("  {:<8} {}\n", self.status.shown(), self.what);
        if let Some(advice) = &self.advice {
            let _ = writeln!(lines, "  {:<8}   {advice}", "");
        }
        lines
    }

    /// What to do about it.
    pub fn advise(&mut self, advice: impl AsRef<str>) -> &mut Self {
        self.advice = Some(one_line(advice.as_ref()));
        self
    }

    /// Adds a fact to the JSON: a path, a name, a number.
    pub fn fact(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.facts.insert(key.to_owned(), shown(value.into()));
        self
    }
}

/// A fact, with anything that looks like a credential hidden: a path may be a pasted token.
fn shown(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(masked(&text).into_owned()),
        Value::Array(values) => Value::Array(values.into_iter().map(shown).collect()),
        other => other,
    }
}

/// All findings.
#[derive(Debug, Default)]
pub struct Report {
    section: &'static str,
    findings: Vec<Finding>,
    first: Option<Error>,
}

impl Report {
    /// Begins a section.
    pub fn section(&mut self, name: &'static str) {
        self.section = name;
    }

    /// Adds a finding.
    pub fn add(&mut self, status: Status, what: impl AsRef<str>) -> &mut Finding {
        self.push(Finding {
            section: self.section,
            status,
            what: one_line(what.as_ref()),
            advice: None,
            exit_code: None,
            facts: Map::new(),
        })
    }

    /// Adds a finding before all others.
    pub fn lead(&mut self, section: &'static str, status: Status, what: impl AsRef<str>) -> &mut Finding {
        let what = one_line(what.as_ref());
        self.findings.insert(0, Finding { section, status, what, advice: None, exit_code: None, facts: Map::new() });
        &mut self.findings[0]
    }

    /// Adds a failure; a launch that fails so exits with its code.
    pub fn fail(&mut self, error: &Error) -> &mut Finding {
        self.first.get_or_insert_with(|| error.clone());
        self.push(Finding {
            section: self.section,
            status: Status::Failed,
            what: error.what().to_owned(),
            advice: Some(error.advice().to_owned()),
            exit_code: Some(error.kind().exit_code()),
            facts: Map::new(),
        })
    }

    fn push(&mut self, finding: Finding) -> &mut Finding {
        let place = self.findings.len();
        self.findings.push(finding);
        &mut self.findings[place]
    }

    /// The first failure, with its advice.
    pub fn into_error(self) -> Option<Error> {
        let found = self.first_failure().and_then(|finding| finding.advice.clone());
        self.first.map(|error| Error::new(error.kind(), error.what(), found.as_deref().unwrap_or(error.advice())))
    }

    /// Whether a finding has this fact.
    pub fn has_fact(&self, key: &str, value: impl Into<Value>) -> bool {
        let value = value.into();
        self.findings.iter().any(|finding| finding.facts.get(key) == Some(&value))
    }

    /// How many findings have `status`.
    pub fn count(&self, status: Status) -> usize {
        self.findings.iter().filter(|finding| finding.status == status).count()
    }

    /// The exit code of the first failure; 0 if there is none.
    pub fn exit_code(&self) -> u8 {
        self.first_failure().and_then(|failure| failure.exit_code).unwrap_or(0)
    }

    fn first_failure(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.status == Status::Failed)
    }

    /// The verdict in one line; `healthy` is the text if nothing failed.
    fn verdict(&self, healthy: &str) -> String {
        let counted = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
        let warnings = match self.count(Status::Warning) {
            0 => String::new(),
            number => format!(", {}", counted(number, "warning")),
        };
        match self.first_failure() {
            None => format!("healthy{warnings}: {healthy}"),
            Some(first) => {
                let failures = counted(self.count(Status::Failed), "failure");
                format!("NOT healthy: {failures}{warnings}; the first: {}", first.what)
            }
        }
    }

    /// The report as text.
    pub fn text(&self, healthy: &str) -> String {
        let mut text = String::new();
        let mut section = "";
        for finding in &self.findings {
            if finding.section != section {
                section = finding.section;
                let _ = writeln!(text, "{section}");
            }
            text.push_str(&finding.lines());
        }
        let _ = writeln!(text, "{}", self.verdict(healthy));
        text
    }

    /// The findings other than failures, each with its section.
    pub fn progress(&self) -> impl Iterator<Item = (&'static str, String)> {
        let findings = self.findings.iter().filter(|finding| matches!(finding.status, Status::Ok | Status::Warning));
        findings.map(|finding| (finding.section, finding.lines()))
    }

    /// The report as one JSON object.
    pub fn json(&self, healthy: &str) -> String {
        let object = serde_json::json!({
            "schema": SCHEMA,
            "healthy": self.first_failure().is_none(),
            "exit_code": self.exit_code(),
            "verdict": self.verdict(healthy),
            "findings": self.findings,
        });
        format!("{object:#}\n")
    }
}
