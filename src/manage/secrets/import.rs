//! Imports many secrets from a file: shows the changes, then writes them.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use super::change::{agree, field_of, note_all, put, write};
use super::common::{Common, as_version, outcome};
use super::entry::Entry;
use super::field::json_of;
use super::parse::{Format, parse};
use super::place::{Form, Place, choose};
use super::session::{LoggedIn, with};
use super::value;
use crate::error::{Error, Kind, Result, one_line};
use crate::manage::Outcome;
use crate::secret::SecretValue;
use crate::sys::hardening::Hardening;

/// The largest file, in bytes, which is as much as an environment can hold.
const LARGEST: u64 = 2 << 20;

/// What an import will do with one name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Replace,
    Same,
    /// Left out, as the file gives it no value.
    Empty,
}

impl Change {
    const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Same => "same",
            Self::Empty => "empty",
        }
    }
}

pub(super) fn run(common: &Common, file: &Path, format: Option<Format>, dry_run: bool) -> Result<Outcome> {
    let shown = if file == Path::new("-") { "the input".to_owned() } else { file.display().to_string() };
    let entries = parse(&read(file)?, format.unwrap_or_else(|| Format::of(file)), &shown)?;
    if entries.is_empty() {
        return Err(Error::new(Kind::Usage, format!("{shown} has no secrets"), "write NAME=value lines"));
    }
    with(common, async |session| {
        let place = &choose(&session.places, common)?.clone();
        let keys = keys(session, place, &entries, &shown).await?;
        let changes = compare(session, place, &entries, &keys).await?;
        let listed: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).zip(changes).collect();
        let is_todo = |change: Change| matches!(change, Change::Add | Change::Replace);
        let todo: Vec<_> =
            listed.iter().zip(&entries).zip(&keys).filter(|((listed, _), _)| is_todo(listed.1)).collect();
        let todo: Vec<_> = todo.into_iter().map(|((_, (_, value)), key)| (key.clone(), value)).collect();
        let objects = || listed.iter().map(|(name, change)| json!({ "name": name, "change": change.name() }));
        if dry_run || todo.is_empty() {
            let object = json!({ "source": place.path, "changes": objects().collect::<Vec<_>>(), "done": "nothing" });
            let text = format!("{}nothing was written", preview(place, &listed));
            return Ok(outcome(common, &text, &object));
        }
        if !common.yes {
            agree(&format!("{}write {}?", preview(place, &listed), counted(todo.len())))?;
            session.extend();
        }
        let version = write_all(session, place, &todo).await?;
        let text = format!(
            "{}wrote {} to {}{}",
            if common.yes { preview(place, &listed) } else { String::new() },
            counted(todo.len()),
            place.path,
            as_version(version)
        );
        let object = json!({
            "source": place.path, "version": version, "changes": objects().collect::<Vec<_>>(), "done": "imported",
        });
        Ok(outcome(common, &text, &object))
    })
}

fn read(file: &Path) -> Result<zeroize::Zeroizing<String>> {
    const ADVICE: &str = "name a .env, JSON or YAML file of at most 2 MiB in UTF-8, or - for standard input";
    let wrong = |why: &str| Error::new(Kind::Usage, format!("the file {} {why}", file.display()), ADVICE);
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    if file == Path::new("-") {
        let _ = Hardening::apply()?;
        std::io::Read::read_to_end(&mut std::io::Read::take(std::io::stdin(), LARGEST + 1), &mut bytes)
            .map_err(|cause| wrong(&format!("can't be read: {}", crate::error::why(cause.kind()))))?;
        if bytes.len() as u64 > LARGEST {
            return Err(wrong("is larger than 2 MiB"));
        }
    } else {
        *bytes = value::named(file, LARGEST, ADVICE)?;
    }
    String::from_utf8(std::mem::take(&mut *bytes)).map(zeroize::Zeroizing::new).map_err(|_| wrong("is not UTF-8"))
}

/// The key of each entry; an error if a launch would refuse its name or value.
async fn keys(session: &LoggedIn<'_>, place: &Place, entries: &[Entry], file: &str) -> Result<Vec<String>> {
    let mut keys: Vec<String> = Vec::with_capacity(entries.len());
    for (name, secret) in entries {
        let key = session.key(place, name).await?;
        place.check(&key, &session.plan.allow, file)?;
        if !secret.expose().is_empty() {
            value::check(name, secret)?;
        }
        if let Some(other) = keys.iter().position(|other| place.variable(other) == place.variable(&key)) {
            let what = format!("{} and {name} in {file} would be one variable; nothing was written", entries[other].0);
            return Err(Error::new(Kind::Usage, what, "keep one of the two"));
        }
        keys.push(key);
    }
    Ok(keys)
}

/// The change for each entry, compared with the stored values.
async fn compare(session: &mut LoggedIn<'_>, place: &Place, entries: &[Entry], keys: &[String]) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    let mut content = None;
    for ((_, value), key) in entries.iter().zip(keys) {
        let path = place.path_of(key);
        if content.is_none() || matches!(place.form, Form::Folder { .. }) {
            session.extend();
            content = Some(session.stored(place, &path).current().await?);
        }
        let there = content.as_ref().map(|content| content.keys.as_slice()).unwrap_or_default();
        let there = there.iter().find(|(there, _)| there == field_of(place, key));
        changes.push(match there {
            _ if value.expose().is_empty() => Change::Empty,
            None => Change::Add,
            Some((_, now)) if json_of(place, value)?.get() == now.get() => Change::Same,
            Some(_) => Change::Replace,
        });
    }
    Ok(changes)
}

/// Writes these values under their keys; in a single new version if one KV secret holds them all.
///
/// In a folder the time limit applies to each secret, as a file may hold a hundred.
async fn write_all(session: &mut LoggedIn<'_>, place: &Place, todo: &[(String, &SecretValue)]) -> Result<Option<u64>> {
    let keys: Vec<_> = todo.iter().map(|(key, _)| key.clone()).collect();
    match place.form {
        Form::Keys => {
            let updated = session.stored(place, &place.path).update(|there| {
                for (key, value) in todo {
                    put(there, key, json_of(place, value)?);
                }
                Ok(Some(()))
            });
            let version = updated.await?.version;
            note_all(session, place, &keys, version).await;
            Ok(version)
        }
        Form::Folder { .. } => {
            for (at, (key, value)) in todo.iter().enumerate() {
                session.extend();
                let written = write(session, place, key, value).await;
                let done = keys[..at].join(", ");
                let (_, version) = written
                    .map_err(|error| if at > 0 { error.remark(&format!("written before: {done}")) } else { error })?;
                note_all(session, place, std::slice::from_ref(key), version).await;
            }
            Ok(None)
        }
    }
}

fn preview(place: &Place, changes: &[(&str, Change)]) -> String {
    let mut text = format!("{}\n", one_line(&place.path));
    for (name, change) in changes {
        let left_out = if *change == Change::Empty { "  (left out)" } else { "" };
        let _ = writeln!(text, "  {:8}{}{left_out}", change.name(), one_line(name));
    }
    text
}

fn counted(number: usize) -> String {
    format!("{number} secret{}", if number == 1 { "" } else { "s" })
}
