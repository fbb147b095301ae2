//! The report of matches, as text and JSON: by file, cell and output, never with a value.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::finder::{Form, SHORTEST};
use super::scrubbed::{Occurrence, Part, Scrubbed};
use super::wanted::Wanted;
use crate::error::{Error, one_line};
use crate::manage::report::SCHEMA;

/// The exit code of a check if a notebook contains a secret.
const FOUND: u8 = 88;

/// The outcome of one file.
#[derive(Debug)]
pub(super) struct One {
    file: PathBuf,
    places: Vec<Occurrence>,
    binary: usize,
    error: Option<Error>,
}

impl One {
    pub(super) fn done(file: PathBuf, scrubbed: Scrubbed) -> Self {
        Self { file, places: scrubbed.places, binary: scrubbed.binary, error: None }
    }

    pub(super) fn failed(file: PathBuf, error: Error) -> Self {
        Self { file, places: Vec::new(), binary: 0, error: Some(error) }
    }

    /// The places, without duplicates, and how often each occurs.
    fn counted(&self) -> BTreeMap<Key<'_>, usize> {
        let mut counted = BTreeMap::new();
        for place in &self.places {
            *counted.entry((place.cell, place.part, place.output, &*place.name, place.form)).or_insert(0) += 1;
        }
        counted
    }
}

type Key<'a> = (Option<usize>, Part, Option<usize>, &'a str, Form);

/// The outcomes of all files.
pub(super) struct Report<'a> {
    wanted: &'a Wanted,
    check: bool,
    files: Vec<One>,
}

impl<'a> Report<'a> {
    pub(super) fn new(wanted: &'a Wanted, check: bool) -> Self {
        Self { wanted, check, files: Vec::new() }
    }

    pub(super) fn add(&mut self, one: One) {
        self.files.push(one);
    }

    /// The exit code: 0, or that of the first file that failed, or, for a check, the one for a found secret.
    pub(super) fn code(&self) -> u8 {
        if self.check && self.files.iter().any(|one| !one.places.is_empty()) {
            return FOUND;
        }
        self.files.iter().find_map(|one| one.error.as_ref()).map_or(0, |error| error.kind().exit_code())
    }

    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for one in &self.files {
            let file = one_line(&one.file.display().to_string());
            if let Some(error) = &one.error {
                let _ = writeln!(text, "FAILED: {error}");
            }
            if !one.places.is_empty() {
                let _ = writeln!(text, "{file}");
            }
            for ((cell, part, output, name, form), times) in one.counted() {
                let times = if times == 1 { String::new() } else { format!(", {times} times") };
                let _ = writeln!(text, "  {}: {}{}{times}", place(cell, part, output), one_line(name), form_text(form));
            }
        }
        self.notes(&mut text);
        let found: usize = self.files.iter().map(|one| one.places.len()).sum();
        let with = self.files.iter().filter(|one| !one.places.is_empty()).count();
        let all = self.files.iter().filter(|one| one.error.is_none()).count();
        let done = match (found, self.check) {
            (0, _) => "",
            (_, true) => "; nothing was changed",
            (_, false) => "; replaced by [secret NAME]",
        };
        let plural = if all == 1 { "" } else { "s" };
        let _ = writeln!(text, "secrets found: {found}, in {with} of {all} notebook{plural}{done}");
        text
    }

    /// What was not searched for, or not searched.
    fn notes(&self, text: &mut String) {
        let Wanted { finder, short, unknown } = self.wanted;
        if finder.is_empty() {
            let _ = writeln!(text, "note: the configured sources have no value to search for");
        }
        if !short.is_empty() {
            let names: Vec<_> = short.iter().map(|name| one_line(name)).collect();
            let _ =
                writeln!(text, "note: not searched for, as shorter than {} characters: {}", SHORTEST, names.join(", "));
        }
        if !unknown.is_empty() {
            let paths: Vec<_> = unknown.iter().map(|path| one_line(path)).collect();
            let _ = writeln!(text, "note: not searched for, as created for each launch: {}", paths.join(", "));
        }
        let binary: usize = self.files.iter().map(|one| one.binary).sum();
        if binary > 0 {
            let plural = if binary == 1 { "" } else { "s" };
            let _ = writeln!(text, "note: not searched: {binary} image{plural} or other binary data");
        }
    }

    pub(super) fn json(&self) -> String {
        let object = |one: &One| -> Value {
            let places = one.counted().into_iter().map(|((cell, part, output, name, form), count)| {
                json!({
                    "cell": cell, "part": part.name(), "output": output, "name": name, "form": form.name(), "count": count,
                })
            });
            json!({
                "file": one.file.to_string_lossy(),
                "found": places.collect::<Vec<_>>(),
                "replaced": !self.check && !one.places.is_empty(),
                "binary": one.binary,
                "error": one.error.as_ref().map(|error| json!({
                    "exit_code": error.kind().exit_code(), "message": error.what(), "advice": error.advice(),
                })),
            })
        };
        let files: Vec<_> = self.files.iter().map(object).collect();
        let object = json!({
            "schema": SCHEMA,
            "exit_code": self.code(),
            "notebooks": files,
            "too_short": self.wanted.short,
            "made_anew": self.wanted.unknown,
        });
        format!("{object:#}\n")
    }
}

fn place(cell: Option<usize>, part: Part, output: Option<usize>) -> String {
    match (cell, output) {
        (None, _) => "the notebook's metadata".to_owned(),
        (Some(cell), Some(output)) => format!("cell {cell}, output {output}"),
        (Some(cell), None) => format!("cell {cell}, {}", part.name()),
    }
}

const fn form_text(form: Form) -> &'static str {
    match form {
        Form::Plain => "",
        Form::Base64 => " (base64)",
        Form::Hex => " (hexadecimal)",
        Form::Escaped => " (escaped)",
        Form::Url => " (percent-encoded)",
        Form::Html => " (as HTML)",
    }
}
