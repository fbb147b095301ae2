//! Setting, describing, renaming and removing one secret.

use serde_json::json;

use super::common::{Common, Description, Input, as_version, outcome};
use super::expected;
use super::field::json_of;
pub(super) use super::field::{field_of, put};
use super::note::Note;
use super::place::{Form, Place, choose};
use super::session::{LoggedIn, with};
use super::value;
use crate::ask::Prompter;
use crate::config::source::KvVersion;
use crate::error::{Error, Kind, Result};
use crate::manage::Outcome;
use crate::secret::SecretValue;
use crate::shell::shell_word;
use crate::vault::version::VersionState;

/// Stores a value under a name, replacing an earlier one.
pub(super) fn set(
    common: &Common,
    name: &str,
    input: &Input,
    description: &Description,
    expected: Option<u64>,
) -> Result<Outcome> {
    // A wrong name is reported before the value is prompted for.
    crate::secret::SecretName::new(name, &common.allow, "the command line")?;
    let value = value::read(input, name, common.yes)?;
    value::check(name, &value)?;
    with(common, async |session| {
        let place = choose(&session.places, common)?;
        let key = session.key(place, name).await?;
        place.check(&key, &session.plan.allow, "the command line")?;
        if description.says() {
            // A description that Vault can't store is reported before anything is written.
            Note::default().with(description).entries(place, &key)?;
        }
        let (replaced, version) = match expected {
            Some(expected) => expected::write(session, place, &key, &value, expected).await?,
            None => write(session, place, &key, &value).await?,
        };
        note(session, place, &key, description, version).await?;
        let verb = if replaced { "replaced" } else { "added" };
        let sentence = format!("{verb} {name} in {}{}", place.path, as_version(version));
        Ok(outcome(common, &sentence, &json!({ "name": name, "source": place.path, "version": version, "done": verb })))
    })
}

/// Writes one value; returns whether it replaced one, and the new version.
pub(super) async fn write(
    session: &LoggedIn<'_>,
    place: &Place,
    key: &str,
    value: &SecretValue,
) -> Result<(bool, Option<u64>)> {
    let json = json_of(place, value)?;
    let path = place.path_of(key);
    let field = field_of(place, key);
    let updated = session.stored(place, &path).update(|keys| Ok(Some(put(keys, field, json.clone())))).await?;
    Ok((updated.done.unwrap_or(false), updated.version))
}

/// Stores the description of `key`, who set it, and in which version.
async fn note(
    session: &LoggedIn<'_>,
    place: &Place,
    key: &str,
    description: &Description,
    version: Option<u64>,
) -> Result<()> {
    let path = place.path_of(key);
    let stored = session.stored(place, &path);
    let says = description.says();
    if !stored.is_versioned() {
        return if says { Err(no_notes(place)) } else { Ok(()) };
    }
    let written = async {
        let metadata = stored.metadata().await?;
        let note = Note::read(place, key, &metadata).with(description).written(session, version, &metadata);
        stored.annotate(&note.entries(place, key)?).await
    };
    match written.await {
        // The value is stored, and many policies grant no rights on metadata: only what was asked for
        // has to succeed.
        Err(error) if says => Err(error.remark("the value itself is stored")),
        _ => Ok(()),
    }
}

fn no_notes(place: &Place) -> Error {
    let what = format!("{} is KV version 1, which keeps no descriptions", place.mount.path);
    Error::new(Kind::Usage, what, "leave out --description and --kind, or move to version 2 (`kv enable-versioning`)")
}

/// Stores who set these keys of one secret, and in which version, if the policy allows it.
pub(super) async fn note_all(session: &LoggedIn<'_>, place: &Place, keys: &[String], version: Option<u64>) {
    let Some(first) = keys.first() else { return };
    let path = place.path_of(first);
    let stored = session.stored(place, &path);
    if !stored.is_versioned() {
        return;
    }
    let Ok(metadata) = stored.metadata().await else { return };
    let entries = |keys: &[String]| {
        let each = keys.iter().filter_map(|key| {
            Note::read(place, key, &metadata).written(session, version, &metadata).entries(place, key).ok()
        });
        each.flatten().collect()
    };
    if stored.annotate(&entries(keys)).await.is_err() {
        // Vault keeps 64 entries; existing ones can still be corrected.
        let known = |key: &&String| metadata.custom.as_ref().is_some_and(|custom| custom.contains_key(*key));
        let known: Vec<_> = keys.iter().filter(known).cloned().collect();
        let _ = stored.annotate(&entries(&known)).await;
    }
}

/// Changes a secret's description.
pub(super) fn describe(common: &Common, name: &str, description: &Description) -> Result<Outcome> {
    if !description.says() {
        let what = format!("there is no description for {name}");
        return Err(Error::new(Kind::Usage, what, "pass --description TEXT, --kind KIND, or both"));
    }
    with(common, async |session| {
        let place = choose(&session.places, common)?;
        let key = session.key(place, name).await?;
        let path = place.path_of(&key);
        let stored = session.stored(place, &path);
        if !stored.is_versioned() {
            return Err(no_notes(place));
        }
        if !stored.current().await?.keys.iter().any(|(there, _)| there == field_of(place, &key)) {
            return Err(absent(session, place, name));
        }
        let note = Note::read(place, &key, &stored.metadata().await?).with(description);
        stored.annotate(&note.entries(place, &key)?).await?;
        let object = json!({
            "name": name, "source": place.path, "description": note.description, "kind": note.kind.name(),
        });
        Ok(outcome(common, &format!("described {name} in {}", place.path), &object))
    })
}

/// The error for a name that is not in `place`; its advice names the other sources.
pub(super) fn absent(session: &LoggedIn<'_>, place: &Place, name: &str) -> Error {
    let others: Vec<_> = session.places.iter().map(|other| other.path.as_str()).filter(|p| *p != place.path).collect();
    let advice = if others.is_empty() {
        "`jupyter-vault secrets list` shows the names".to_owned()
    } else {
        format!("`jupyter-vault secrets list` shows the names; --to chooses another source: {}", others.join(", "))
    };
    Error::new(Kind::FieldMissing, format!("there is no secret {name} in {}", place.path), advice)
}

/// Removes secrets; in a single new version if one KV secret holds them all.
pub(super) fn remove(common: &Common, names: &[String]) -> Result<Outcome> {
    with(common, async |session| {
        let place = choose(&session.places, common)?;
        let mut keys: Vec<String> = Vec::new();
        for name in names {
            let key = session.key(place, name).await?;
            let path = place.path_of(&key);
            let content = session.stored(place, &path).current().await?;
            if !content.keys.iter().any(|(there, _)| there == field_of(place, &key)) {
                return Err(absent(session, place, name));
            }
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        if place.mount.version == KvVersion::V1 && !common.yes {
            let why = format!("{} is KV version 1: a removed secret can't be restored", place.mount.path);
            agree(&format!("{why}. Continue?")).map_err(|refused| refused.remark(&why))?;
        }
        let mut version = None;
        match place.form {
            Form::Keys => {
                let stored = session.stored(place, &place.path);
                let updated = stored
                    .update(|there| {
                        there.retain(|(key, _)| !keys.contains(key));
                        Ok(Some(()))
                    })
                    .await?;
                version = updated.version;
            }
            Form::Folder { .. } => {
                for key in &keys {
                    let path = place.path_of(key);
                    session.stored(place, &path).delete().await?;
                }
            }
        }
        let removed: Vec<_> = keys.iter().map(|key| place.variable(key)).collect();
        let undo = undo(session, place, &removed).await;
        let sentence = format!("removed {} from {}{undo}", removed.join(", "), place.path);
        Ok(outcome(
            common,
            &sentence,
            &json!({ "names": removed, "source": place.path, "version": version, "done": "removed" }),
        ))
    })
}

/// How to undo the removal, if Vault keeps the earlier version.
async fn undo(session: &LoggedIn<'_>, place: &Place, removed: &[String]) -> String {
    if place.mount.version == KvVersion::V1 {
        return String::new();
    }
    // A removal from the single secret is a new version, and Vault may keep no earlier one.
    if place.form == Form::Keys {
        let kept = session.stored(place, &place.path).metadata().await;
        let is_kept = |state: (&u64, &VersionState)| state.1.is_readable();
        match kept {
            Ok(metadata) if metadata.versions.iter().filter(|state| is_kept(*state)).count() < 2 => {
                return "; this can't be undone, as Vault keeps no earlier version (max_versions)".to_owned();
            }
            Ok(_) => {}
            Err(_) => return String::new(),
        }
    }
    let restore = |name: &String| format!("`jupyter-vault secrets restore {}`", shell_word(name));
    match removed {
        [only] => format!("; {} undoes it", restore(only)),
        [first, ..] => format!("; {} and so on, one by one, undoes it", restore(first)),
        [] => String::new(),
    }
}

/// Asks on a terminal whether to continue; elsewhere `--yes` is required.
pub(in crate::manage) fn agree(question: &str) -> Result<()> {
    let prompter = Prompter::new(false);
    let refused = |what: &str| Err(Error::new(Kind::Usage, what, "pass --yes to continue without a question"));
    if !prompter.is_there() {
        return refused("confirmation is required, but there is no terminal to ask on; nothing was changed");
    }
    if prompter.agrees(question, false)? { Ok(()) } else { refused("nothing was changed") }
}

/// Renames a secret; it keeps its value, description and kind.
pub(super) fn rename(common: &Common, from: &str, to: &str) -> Result<Outcome> {
    with(common, async |session| {
        let place = choose(&session.places, common)?;
        let (old, new) = (&session.key(place, from).await?, place.key(to)?);
        place.check(new, &session.plan.allow, "the command line")?;
        if old == new {
            return Err(Error::new(Kind::Usage, "both names are the same", "pass the new name second"));
        }
        let taken = || {
            let what = format!("there is a secret {to} in {} already; nothing was changed", place.path);
            Error::new(Kind::Usage, what, "remove it first, or choose another name")
        };
        let version = match &place.form {
            Form::Keys => {
                let updated = session.stored(place, &place.path).update(|keys| {
                    let is_taken = |key: &str| key != old && place.variable(key) == place.variable(new);
                    if keys.iter().any(|(key, _)| is_taken(key)) {
                        return Err(taken());
                    }
                    let found = keys.iter_mut().find(|(key, _)| key == old);
                    let (key, _) = found.ok_or_else(|| absent(session, place, from))?;
                    new.clone_into(key);
                    Ok(Some(()))
                });
                updated.await?.version
            }
            Form::Folder { .. } => {
                let (old_path, new_path) = (place.path_of(old), place.path_of(new));
                let content = session.stored(place, &old_path).current().await?;
                if content.keys.is_empty() {
                    return Err(absent(session, place, from));
                }
                let target = session.stored(place, &new_path);
                let there = target.current().await?;
                let other = session.key(place, to).await?;
                if !there.keys.is_empty() || (other != *old && other != *new) {
                    return Err(taken());
                }
                // The new secret is written before the old one is deleted, so that the value is never lost.
                let version = target.write(&content.keys, there.version).await?;
                let deleted = session.stored(place, &old_path).delete_version(content.version).await;
                deleted.map_err(|error| error.remark(&format!("{to} is stored, but {from} still exists")))?;
                version
            }
        };
        move_note(session, place, old, new, version).await;
        let sentence = format!("renamed {from} to {to} in {}{}", place.path, as_version(version));
        let object = json!({ "from": from, "name": to, "source": place.path, "version": version, "done": "renamed" });
        Ok(outcome(common, &sentence, &object))
    })
}

/// Moves the description, if the policy allows it.
async fn move_note(session: &LoggedIn<'_>, place: &Place, old: &str, new: &str, version: Option<u64>) {
    let (old_path, new_path) = (place.path_of(old), place.path_of(new));
    let from = session.stored(place, &old_path);
    if !from.is_versioned() {
        return;
    }
    let Ok(metadata) = from.metadata().await else { return };
    let note = Note { version, time: None, ..Note::read(place, old, &metadata) };
    let Ok(mut entries) = note.entries(place, new) else { return };
    if place.form == Form::Keys {
        entries.extend(Note::none(place, old));
    }
    let _ = session.stored(place, &new_path).annotate(&entries).await;
}
