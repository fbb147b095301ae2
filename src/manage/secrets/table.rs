//! The list of secrets as a table, and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::note::Note;
use crate::error::{Error, one_line};
use crate::manage::report::SCHEMA;

/// The widest that the column of names gets, so that one long name does not widen it for all.
const WIDEST: usize = 40;

/// One name in one source.
pub(super) struct Row {
    pub(super) name: String,
    /// Its key in Vault.
    pub(super) key: String,
    /// The source's path.
    pub(super) place: String,
    /// The path of the secret that holds it: the source's path, or one below.
    pub(super) source: String,
    pub(super) note: Note,
    pub(super) version: Option<u64>,
    /// When that version was written, RFC 3339.
    pub(super) time: Option<String>,
}

/// A running kernel, and its version of each name.
pub(super) struct Holder {
    pub(super) kernel: String,
    pub(super) name: String,
    pub(super) path: String,
    pub(super) version: Option<u64>,
}

/// A place that can't be read, by its path, and why.
pub(super) type Unreadable = (String, Error);

/// All that is listed.
pub(super) struct Listing {
    pub(super) rows: Vec<Row>,
    /// The sources with fixed names, which no command changes, and what each holds.
    pub(super) fixed: Vec<(String, &'static str)>,
    pub(super) holders: Vec<Holder>,
    pub(super) unreadable: Vec<Unreadable>,
    /// The lines below the table.
    pub(super) notes: String,
    /// The places as JSON.
    pub(super) places: Vec<Value>,
    /// The notebooks from which secrets are withheld, as JSON.
    pub(super) notebooks: Vec<Value>,
}

impl Row {
    fn holders<'h>(&'h self, all: &'h [Holder]) -> impl Iterator<Item = &'h Holder> {
        all.iter().filter(|holder| holder.name == self.name && holder.path == self.source)
    }
}

impl Listing {
    /// The exit code: 0, or that of the first place that can't be read.
    pub(super) fn code(&self) -> u8 {
        self.unreadable.first().map_or(0, |(_, error)| error.kind().exit_code())
    }

    /// The table.
    pub(super) fn text(&self) -> String {
        let Self { rows, fixed, holders, .. } = self;
        let mut text = String::new();
        let width = |of: &dyn Fn(&Row) -> usize, least| rows.iter().map(of).max().unwrap_or(0).max(least);
        let names = width(&|row| one_line(&row.name).chars().count(), "NAME".len()).min(WIDEST);
        let kinds = width(&|row| row.note.kind.name().len(), "KIND".len());
        let mut source = None;
        for row in rows {
            if source != Some(&row.place) {
                source = Some(&row.place);
                let _ = writeln!(text, "{}", one_line(&row.place));
            }
            let version = row.version.map_or_else(|| "-".to_owned(), |version| format!("v{version}"));
            let day = row.time.as_deref().map_or("-", |time| time.get(..16).unwrap_or(time)).replace('T', " ");
            let (name, kind) = (one_line(&row.name), row.note.kind.name());
            let _ = write!(text, "  {name:names$}  {kind:kinds$}  {version:>4}  {day:16}");
            if row.key != row.name {
                let _ = write!(text, "  key {}", one_line(&row.key));
            }
            if let Some(by) = &row.note.by {
                let _ = write!(text, "  by {}", one_line(by));
            }
            if !row.note.description.is_empty() {
                let _ = write!(text, "  {}", one_line(&row.note.description));
            }
            let held = held(row, holders);
            let _ = writeln!(text, "{}{held}", if held.is_empty() { "" } else { "  " });
        }
        for (path, what) in fixed {
            let _ = writeln!(text, "{}\n  ({what})", one_line(path));
        }
        for (path, error) in &self.unreadable {
            let (path, what, advice) = (one_line(path), error.what(), error.advice());
            let _ = writeln!(text, "{path}\n  can't be read: {what}\n    {advice}");
        }
        let _ = writeln!(text, "secrets: {}", rows.len());
        text + &self.notes
    }

    /// The list as one JSON object.
    pub(super) fn json(mut self) -> String {
        let row = |row: &Row| -> Value {
            let holder = |holder: &Holder| json!({ "kernel": holder.kernel, "version": holder.version });
            let kernels: Vec<_> = row.holders(&self.holders).map(holder).collect();
            json!({
                "name": row.name,
                "key": row.key,
                "place": row.place,
                "source": row.source,
                "kind": row.note.kind.name(),
                "description": row.note.description,
                "version": row.version,
                "time": row.time,
                "by": row.note.by,
                "kernels": kernels,
            })
        };
        let secrets: Vec<_> = self.rows.iter().map(row).collect();
        let fixed: Vec<_> = self.fixed.iter().map(|(path, what)| json!({ "source": path, "what": what })).collect();
        for place in &mut self.places {
            if let Some((_, error)) = self.unreadable.iter().find(|(path, _)| place["source"] == **path) {
                place["error"] = json!({ "what": error.what(), "advice": error.advice() });
            }
        }
        let object = json!({
            "schema": SCHEMA, "places": self.places, "notebooks": self.notebooks, "secrets": secrets, "fixed": fixed,
        });
        format!("{object:#}\n")
    }
}

/// Which kernels have which version, as text.
fn held(row: &Row, holders: &[Holder]) -> String {
    let mut versions: Vec<(Option<u64>, usize)> = Vec::new();
    for holder in row.holders(holders) {
        match versions.iter_mut().find(|(version, _)| *version == holder.version) {
            Some((_, count)) => *count += 1,
            None => versions.push((holder.version, 1)),
        }
    }
    let words: Vec<_> = versions
        .iter()
        .map(|(version, count)| {
            let kernels = format!("{count} kernel{}", if *count == 1 { "" } else { "s" });
            version.map_or_else(|| format!("in {kernels}"), |version| format!("v{version} in {kernels}"))
        })
        .collect();
    if words.is_empty() { String::new() } else { format!("({})", words.join(", ")) }
}
