//! Many secrets at once, from a file: shown first, then written.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use super::change::{agree, field_of, put, write};
use super::common::{Common, as_version, said};
use super::entry::Entry;
use super::parse::{Format, parse};
use super::place::{Form, Place, choose};
use super::session::{Session, with};
use super::value;
use crate::error::{Error, Kind, Result, one_line};
use crate::manage::Outcome;
use crate::sys::file::Writers;
use crate::vault::kv_store::json_value;

/// The largest file, in bytes: an environment holds no more.
const LARGEST: u64 = 2 << 20;

/// What an import will do with one name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Replace,
    Same,
}

impl Change {
    const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "replace",
            Self::Same => "same",
        }
    }
}

pub(super) fn run(common: &Common, file: &Path, format: Option<Format>, dry_run: bool) -> Result<Outcome> {
    let shown = file.display().to_string();
    let entries = parse(&read(file)?, format.unwrap_or_else(|| Format::of(file)), &shown)?;
    if entries.is_empty() {
        return Err(Error::new(Kind::Usage, format!("{shown} has no secrets"), "write NAME=value lines"));
    }
    with(common, async |session| {
        let place = &choose(&session.places, common)?.clone();
        for (name, secret) in &entries {
            place.check(name, &session.plan.allow)?;
            value::check(name, secret)?;
        }
        let changes = compare(session, place, &entries).await?;
        let listed: Vec<_> = entries.iter().map(|(name, _)| name.as_str()).zip(changes).collect();
        let todo: Vec<_> = listed.iter().filter(|(_, change)| *change != Change::Same).collect();
        let objects = || listed.iter().map(|(name, change)| json!({ "name": name, "change": change.name() }));
        if dry_run || todo.is_empty() {
            let object = json!({ "source": place.path, "changes": objects().collect::<Vec<_>>(), "done": "nothing" });
            let text = format!("{}nothing was written", preview(place, &listed));
            return Ok(said(common, &text, &object));
        }
        if !common.yes {
            agree(&format!("{}write {}?", preview(place, &listed), counted(todo.len())))?;
            session.extend();
        }
        let version = write_all(session, place, &entries).await?;
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
        Ok(said(common, &text, &object))
    })
}

fn read(file: &Path) -> Result<zeroize::Zeroizing<String>> {
    let wrong = |why: &str| {
        let what = format!("the file {} {why}", file.display());
        Error::new(
            Kind::Usage,
            what,
            "name a .env, JSON or YAML file of at most 2 MiB in UTF-8, or - for standard input",
        )
    };
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    if file == Path::new("-") {
        std::io::Read::read_to_end(&mut std::io::Read::take(std::io::stdin(), LARGEST + 1), &mut bytes)
            .map_err(|cause| wrong(&format!("can't be read: {}", crate::error::why(cause.kind()))))?;
        if bytes.len() as u64 > LARGEST {
            return Err(wrong("is larger than 2 MiB"));
        }
    } else {
        *bytes = crate::sys::file::read(file, LARGEST, Writers::Anyone).map_err(|why| wrong(&why.to_string()))?;
    }
    String::from_utf8(std::mem::take(&mut *bytes)).map(zeroize::Zeroizing::new).map_err(|_| wrong("is not UTF-8"))
}

/// What will become of each entry, by the values that are there.
async fn compare(session: &Session<'_>, place: &Place, entries: &[Entry]) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    let mut content = None;
    for (name, value) in entries {
        let key = place.key(name)?;
        let path = place.path_of(key);
        if content.is_none() || matches!(place.form, Form::Folder { .. }) {
            content = Some(session.stored(place, &path).current().await?);
        }
        let keys = content.as_ref().map(|content| content.keys.as_slice()).unwrap_or_default();
        let there = keys.iter().find(|(there, _)| there == field_of(place, key));
        changes.push(match there {
            None => Change::Add,
            Some((_, now)) if json_value(value).is_some_and(|new| new.get() == now.get()) => Change::Same,
            Some(_) => Change::Replace,
        });
    }
    Ok(changes)
}

/// Writes all entries: one version where one secret holds them all.
async fn write_all(session: &Session<'_>, place: &Place, entries: &[Entry]) -> Result<Option<u64>> {
    match place.form {
        Form::Keys => {
            let updated = session.stored(place, &place.path).update(|keys| {
                let before: Vec<_> = keys.clone();
                for (name, value) in entries {
                    if let Some(json) = json_value(value) {
                        put(keys, place.key(name)?, json);
                    }
                }
                let same = |(old, new): (&(String, Box<_>), &(String, Box<_>))| same(old, new);
                let unchanged = before.len() == keys.len() && before.iter().zip(keys.iter()).all(same);
                Ok((!unchanged).then_some(()))
            });
            Ok(updated.await?.version)
        }
        Form::Folder { .. } => {
            for (name, value) in entries {
                write(session, place, place.key(name)?, value).await?;
            }
            Ok(None)
        }
    }
}

fn same(old: &(String, Box<serde_json::value::RawValue>), new: &(String, Box<serde_json::value::RawValue>)) -> bool {
    old.0 == new.0 && old.1.get() == new.1.get()
}

fn preview(place: &Place, changes: &[(&str, Change)]) -> String {
    let mut text = format!("{}\n", one_line(&place.path));
    for (name, change) in changes {
        let _ = writeln!(text, "  {:8}{}", change.name(), one_line(name));
    }
    text
}

fn counted(number: usize) -> String {
    format!("{number} secret{}", if number == 1 { "" } else { "s" })
}
