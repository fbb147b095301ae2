//! Lists all secrets of the configuration by name, with what is known about each, and never a value.
//!
//! A place that can't be read, such as a team's that the policy forbids, does not hide the others.

use std::fmt::Write as _;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::common::Common;
use super::note::Note;
use super::place::{Form, Place, choose};
use super::session::{LoggedIn, names_in, with_usable};
use super::table::{Holder, Listing, Row, Unreadable};
use crate::config::notebook::NotebookRule;
use crate::config::source::{KvVersion, SourceKind, SourceSpec};
use crate::error::{Result, one_line};
use crate::manage::{Outcome, kernels};
use crate::record::stem;
use crate::vault::capabilities::capabilities;
use crate::vault::kv_store::Stored;
use crate::vault::version::Metadata;

/// How many secrets of a folder are looked up at once.
const AT_ONCE: usize = 8;

pub(super) fn run(common: &Common) -> Result<Outcome> {
    let listing = with_usable(common, async |session| {
        if common.to.is_some() {
            if let Some(at) = session.unusable.iter().position(|place| place.may_be_meant(common)) {
                return Err(session.unusable.swap_remove(at).error);
            }
            session.unusable.clear();
            let only = choose(&session.places, common)?.path.clone();
            session.places.retain(|place| place.path == only);
        }
        listing(session, common).await
    })?;
    let code = listing.code();
    let text = if common.json { listing.json() } else { listing.text() };
    Ok(Outcome { text, code })
}

/// All that is known. A place that can't be read is listed with its error; if none can be read, that is an error.
async fn listing(session: &LoggedIn<'_>, common: &Common) -> Result<Listing> {
    // A page waits for this, so independent requests are sent at once.
    let described = async { if common.json { described(session, common).await } else { Vec::new() } };
    let (read, kernels, places) = tokio::join!(rows(session), kernels::search(session.environment), described);
    let (rows, mut unreadable) = read;
    if !unreadable.is_empty() && unreadable.len() == session.places.len() + session.unusable.len() {
        return Err(unreadable.swap_remove(0).1);
    }
    let fixed = session.plan.sources.iter().filter(|_| common.to.is_none()).filter_map(fixed).collect();
    let can_add = rows.is_empty() && unreadable.is_empty() && choose(&session.places, common).is_ok();
    let holders = holders(&kernels.running);
    let rule = |rule: &NotebookRule| json!({ "notebook": rule.path, "without": rule.without });
    let notebooks = session.plan.notebooks.iter().map(rule).collect();
    Ok(Listing { rows, fixed, holders, unreadable, places, notebooks, notes: notes(session, can_add) })
}

/// The notes below the names: what a place can't store, and how to begin.
fn notes(session: &LoggedIn<'_>, can_add: bool) -> String {
    let mut notes = String::new();
    for place in session.places.iter().filter(|place| place.mount.version == KvVersion::V1) {
        let path = one_line(&place.path);
        let _ = writeln!(notes, "note: {path} is KV version 1: no versions, no times, no descriptions, no restore");
    }
    if can_add {
        notes.push_str("add one with `jupyter-vault secrets set NAME`\n");
    }
    notes
}

/// The secrets of all places, in their order, and the places that can't be read.
async fn rows(session: &LoggedIn<'_>) -> (Vec<Row>, Vec<Unreadable>) {
    let (mut rows, mut unreadable) = (Vec::new(), Vec::new());
    for place in &session.places {
        let read = match place.form {
            Form::Keys => of_keys(session, place).await,
            Form::Folder { .. } => of_folder(session, place).await,
        };
        match read {
            Ok(read) => rows.extend(read),
            Err(error) => unreadable.push((place.path.clone(), error)),
        }
    }
    unreadable.extend(session.unusable.iter().map(|place| (place.path.clone(), place.error.clone())));
    (rows, unreadable)
}

/// The places as JSON: which of them is the user's own, and whether the policy allows writing there.
async fn described(session: &LoggedIn<'_>, common: &Common) -> Vec<Value> {
    let unusable = session.unusable.iter().find(|place| place.is_own);
    let chosen = choose(&session.places, common).ok().filter(|place| place.is_own || unusable.is_none());
    let own = chosen.map(|place| &place.path).or_else(|| unusable.map(|place| &place.path));
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
            "default": Some(&place.path) == own,
            "versions": place.mount.version == KvVersion::V2,
            "writable": is_writable,
            "policy": format!("path {path} {{ capabilities = [\"create\", \"read\", \"update\", \"delete\"] }}"),
        })
    };
    let unusable = session.unusable.iter().map(|place| {
        let is_own = Some(&place.path) == own;
        json!({ "source": place.path, "default": is_own, "versions": true, "writable": false, "policy": null })
    });
    session.places.iter().enumerate().map(describe).chain(unusable).collect()
}

/// The path that a policy names for the values of `place`; in a folder, that of any name.
fn policy_path(session: &LoggedIn<'_>, place: &Place) -> String {
    session.stored(place, &place.path_of("NAME")).policy_path()
}

/// The keys of one secret.
async fn of_keys(session: &LoggedIn<'_>, place: &Place) -> Result<Vec<Row>> {
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
async fn of_folder(session: &LoggedIn<'_>, place: &Place) -> Result<Vec<Row>> {
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
