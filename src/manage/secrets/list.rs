//! Lists all secrets of the configuration by name, with what is known about each, and never a value.

use std::fmt::Write as _;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::common::Common;
use super::note::Note;
use super::place::{Form, Place, choose};
use super::session::{Session, names_in, with};
use crate::config::notebook::NotebookRule;
use crate::config::source::{KvVersion, SourceKind, SourceSpec};
use crate::error::{Result, one_line};
use crate::manage::report::SCHEMA;
use crate::manage::{Outcome, kernels};
use crate::record::stem;
use crate::vault::capabilities::capabilities;
use crate::vault::kv_store::{Metadata, Stored};

/// The widest that the column of names gets, so that one long name does not widen it for all.
const WIDEST: usize = 40;

/// How many secrets of a folder are looked up at once.
const AT_ONCE: usize = 8;

/// One name in one source.
struct Row {
    name: String,
    /// Its key in Vault.
    key: String,
    /// The source's path.
    place: String,
    /// The path of the secret that holds it: the source's path, or one below.
    source: String,
    note: Note,
    version: Option<u64>,
    /// When that version was written, RFC 3339.
    time: Option<String>,
}

/// A running kernel, and its version of each name.
struct Holder {
    kernel: String,
    name: String,
    path: String,
    version: Option<u64>,
}

pub(super) fn run(common: &Common) -> Result<Outcome> {
    let (rows, places, fixed, holders, notebooks, notes) = with(common, async |session| {
        if common.to.is_some() {
            let only = choose(&session.places, common)?.path.clone();
            session.places.retain(|place| place.path == only);
        }
        let session = &*session;
        // A page waits for this, so independent requests are sent at once.
        let described = async { if common.json { described(session, common).await } else { Vec::new() } };
        let (rows, kernels, places) = tokio::join!(rows(session), kernels::search(session.environment), described);
        let (rows, running) = (rows?, kernels.running);
        let fixed: Vec<_> = session.plan.sources.iter().filter(|_| common.to.is_none()).filter_map(fixed).collect();
        let notes = notes(session, common, rows.is_empty());
        let rule = |rule: &NotebookRule| json!({ "notebook": rule.path, "without": rule.without });
        let notebooks: Vec<_> = session.plan.notebooks.iter().map(rule).collect();
        Ok((rows, places, fixed, holders(&running), notebooks, notes))
    })?;
    let text = if common.json {
        json_text(&rows, &fixed, &holders, json!({ "places": places, "notebooks": notebooks }))
    } else {
        text(&rows, &fixed, &holders) + &notes
    };
    Ok(Outcome { text, code: 0 })
}

/// The notes below the names: what a place can't store, and how to begin.
fn notes(session: &Session<'_>, common: &Common, is_empty: bool) -> String {
    let mut notes = String::new();
    for place in session.places.iter().filter(|place| place.mount.version == KvVersion::V1) {
        let path = one_line(&place.path);
        let _ = writeln!(notes, "note: {path} is KV version 1: no versions, no times, no descriptions, no restore");
    }
    if is_empty && choose(&session.places, common).is_ok() {
        notes.push_str("add one with `jupyter-vault secrets set NAME`\n");
    }
    notes
}

/// The secrets of all places, in their order.
async fn rows(session: &Session<'_>) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for place in &session.places {
        rows.extend(match place.form {
            Form::Keys => of_keys(session, place).await?,
            Form::Folder { .. } => of_folder(session, place).await?,
        });
    }
    Ok(rows)
}

/// The places as JSON: which of them is the user's own, and whether the policy allows writing there.
async fn described(session: &Session<'_>, common: &Common) -> Vec<Value> {
    let own = choose(&session.places, common).ok().map(|place| place.path.clone());
    let paths: Vec<_> = session.places.iter().map(|place| policy_path(session, place)).collect();
    // A token that may not look this up may still be able to write.
    let may = if paths.is_empty() { None } else { capabilities(session.client, &paths).await.ok() };
    let describe = |(at, place): (usize, &Place)| {
        let has = may.as_ref().and_then(|may| may.get(at));
        let is_writable = has.is_none_or(|has| ["update", "create", "patch"].iter().any(|right| has.has(right)));
        let path = match (&place.form, paths[at].strip_suffix("NAME")) {
            (Form::Folder { .. }, Some(folder)) => format!("{folder}*"),
            _ => paths[at].clone(),
        };
        let path = Value::from(path);
        json!({
            "source": place.path,
            "default": Some(&place.path) == own.as_ref(),
            "versions": place.mount.version == KvVersion::V2,
            "writable": is_writable,
            "policy": format!("path {path} {{ capabilities = [\"create\", \"read\", \"update\", \"delete\"] }}"),
        })
    };
    session.places.iter().enumerate().map(describe).collect()
}

/// The path that a policy names for the values of `place`; in a folder, that of any name.
fn policy_path(session: &Session<'_>, place: &Place) -> String {
    session.stored(place, &place.path_of("NAME")).policy_path()
}

/// The keys of one secret.
async fn of_keys(session: &Session<'_>, place: &Place) -> Result<Vec<Row>> {
    let stored = session.stored(place, &place.path);
    let (content, metadata) = tokio::join!(stored.current(), metadata(stored));
    let content = content?;
    let row = |(key, _): &(String, _)| {
        let note = Note::read(place, key, &metadata);
        // The secret's version is that of every key; a note written by this program has the key's own.
        let version = note.version.or(content.version);
        let time = version.and_then(|version| metadata.versions.get(&version)).map(|state| state.created_time.clone());
        let time = time.or_else(|| note.time.clone());
        Row {
            name: place.variable(key),
            key: key.clone(),
            place: place.path.clone(),
            source: place.path.clone(),
            version: content.version,
            time,
            note,
        }
    };
    Ok(content.keys.iter().map(row).collect())
}

/// The metadata, or a default if there is none or the policy does not allow reading it: names are still worth listing
/// without it.
async fn metadata(stored: Stored<'_>) -> Metadata {
    if stored.is_versioned() { stored.metadata().await.unwrap_or_default() } else { Metadata::default() }
}

/// The secrets of a folder. As in a launch, deleted ones are left out.
async fn of_folder(session: &Session<'_>, place: &Place) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let names = names_in(session.client, place).await?;
    for some in names.chunks(AT_ONCE) {
        let looked = some.iter().map(async |key| {
            let path = place.path_of(key);
            let metadata = metadata(session.stored(place, &path)).await;
            (key.clone(), path, metadata)
        });
        rows.extend(
            join_all(looked)
                .await
                .into_iter()
                .filter_map(|(key, path, metadata)| row_of_folder(place, key, path, &metadata)),
        );
    }
    Ok(rows)
}

/// One secret of a folder; `None` if it is deleted.
fn row_of_folder(place: &Place, key: String, path: String, metadata: &Metadata) -> Option<Row> {
    let state = metadata.versions.get(&metadata.current_version);
    if state.is_some_and(|state| !state.is_readable()) {
        return None;
    }
    let version = Some(metadata.current_version).filter(|version| *version > 0);
    let time = state.map(|state| state.created_time.clone());
    let mut note = Note::read(place, &key, metadata);
    // Another tool has set it since.
    note.by = note.by.filter(|_| note.version.is_none() || note.version == version);
    let name = place.variable(&key);
    Some(Row { name, key, place: place.path.clone(), source: path, note, version, time })
}

/// The path and kind of a source with fixed names, which no command changes.
fn fixed(source: &SourceSpec) -> Option<(String, &'static str)> {
    let path = source.path.as_written().to_owned();
    match source.kind {
        SourceKind::Kv if source.field.is_some() || source.fields.is_some() => Some((path, "fixed names")),
        SourceKind::Kv if source.secret_version.is_some() => Some((path, "a pinned version")),
        SourceKind::KvFolder if source.folder.whole => Some((path, "every key of the secrets in it")),
        SourceKind::Kv | SourceKind::KvFolder => None,
        SourceKind::DataSources => Some((path, "data sources")),
        SourceKind::Database | SourceKind::Read | SourceKind::Write => Some((path, "created for each launch")),
    }
}

fn holders(running: &[kernels::Running]) -> Vec<Holder> {
    let mut holders = Vec::new();
    for kernel in running {
        for (name, variable) in kernel.record.iter().flat_map(|record| &record.variables) {
            let (kernel, name, path) = (stem(&kernel.file), name.clone(), variable.path.clone());
            holders.push(Holder { kernel, name, path, version: variable.version });
        }
    }
    holders
}

impl Row {
    fn holders<'h>(&'h self, all: &'h [Holder]) -> impl Iterator<Item = &'h Holder> {
        all.iter().filter(|holder| holder.name == self.name && holder.path == self.source)
    }
}

fn text(rows: &[Row], fixed: &[(String, &str)], holders: &[Holder]) -> String {
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
    let _ = writeln!(text, "secrets: {}", rows.len());
    text
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

/// The list as JSON, added to `object`.
fn json_text(rows: &[Row], fixed: &[(String, &str)], holders: &[Holder], mut object: Value) -> String {
    let row = |row: &Row| -> Value {
        let kernels: Vec<_> =
            row.holders(holders).map(|holder| json!({ "kernel": holder.kernel, "version": holder.version })).collect();
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
    let secrets: Vec<_> = rows.iter().map(row).collect();
    let fixed: Vec<_> = fixed.iter().map(|(path, what)| json!({ "source": path, "what": what })).collect();
    object["schema"] = json!(SCHEMA);
    object["secrets"] = json!(secrets);
    object["fixed"] = json!(fixed);
    format!("{object:#}\n")
}
