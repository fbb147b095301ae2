//! Lists the earlier versions of a secret by number and time, and restores one.
//!
//! A place that is one KV secret has one history for all its keys. The versions of one name are then those that changed
//! the value of its key, which only a comparison shows; the values are compared and dropped.

use serde_json::json;
use serde_json::value::RawValue;

use super::change::{absent, field_of, note_all, put};
use super::common::{Common, as_version, outcome};
use super::earlier::{self, Earlier};
use super::place::{Form, Place, choose};
use super::session::{LoggedIn, with};
use crate::error::{Error, Kind, Result};
use crate::manage::Outcome;
use crate::vault::kv_store::Stored;
use crate::vault::version::VersionState;

/// What a version changed about one name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Set,
    Unchanged,
    Absent,
    Deleted,
    Destroyed,
}

impl Change {
    const fn name(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Unchanged => "unchanged",
            Self::Absent => "absent",
            Self::Deleted => "deleted",
            Self::Destroyed => "destroyed",
        }
    }
}

/// One version, as far as it concerns one name.
struct Version {
    number: u64,
    state: VersionState,
    change: Change,
    /// The value; compared and written back, never shown.
    value: Option<Box<RawValue>>,
}

/// Lists the versions of one name, newest first.
pub(super) fn versions(common: &Common, name: &str) -> Result<Outcome> {
    with(common, async |session| {
        let place = choose(&session.places, common)?;
        let key = &session.key(place, name).await?;
        let path = place.path_of(key);
        let history = history(session.stored(place, &path), place, key).await;
        let history = history.map_err(|error| gone(session, place, name, error))?;
        if history.iter().all(|version| version.change == Change::Absent) {
            return Err(absent(session, place, name));
        }
        let shown: Vec<_> = history.iter().rev().filter(|version| version.change != Change::Unchanged).collect();
        let lines: Vec<_> = shown
            .iter()
            .map(|version| format!("{:>4}  {}  {}", version.number, version.state.created_time, version.change.name()))
            .collect();
        let objects: Vec<_> = shown
            .iter()
            .map(|version| {
                json!({ "version": version.number, "time": version.state.created_time, "change": version.change.name() })
            })
            .collect();
        let object = json!({ "name": name, "source": place.path, "versions": objects });
        Ok(outcome(common, &lines.join("\n"), &object))
    })
}

/// The error for a secret that never existed.
fn gone(session: &LoggedIn<'_>, place: &Place, name: &str, error: Error) -> Error {
    if error.kind() == Kind::PathMissing { absent(session, place, name) } else { error }
}

/// All versions that Vault keeps, oldest first.
async fn history(stored: Stored<'_>, place: &Place, key: &str) -> Result<Vec<Version>> {
    if !stored.is_versioned() {
        let what = format!("{} is KV version 1, which keeps no earlier versions", place.mount.path);
        return Err(Error::new(Kind::Usage, what, "move to version 2: `vault kv enable-versioning`"));
    }
    let metadata = stored.metadata().await.map_err(|error| match error.kind() {
        Kind::PathMissing => stored.missing(),
        _ => error,
    })?;
    let field = field_of(place, key);
    let mut history: Vec<Version> = Vec::new();
    for (number, state) in metadata.versions {
        let value = if state.is_readable() {
            let keys = stored.read(Some(number)).await?.keys;
            keys.into_iter().find(|(there, _)| there == field).map(|(_, value)| value)
        } else {
            None
        };
        let before = history.iter().rev().find(|version| version.state.is_readable());
        let before = before.and_then(|version| version.value.as_ref());
        let change = match &value {
            _ if state.destroyed => Change::Destroyed,
            _ if !state.is_readable() => Change::Deleted,
            None => Change::Absent,
            Some(now) if before.is_some_and(|before| before.get() == now.get()) => Change::Unchanged,
            Some(_) => Change::Set,
        };
        history.push(Version { number, state, change, value });
    }
    Ok(history)
}

/// Restores the value of version `wanted`, or else the last that differs from the present one.
pub(super) fn restore(common: &Common, name: &str, wanted: Option<u64>) -> Result<Outcome> {
    with(common, async |session| {
        let place = choose(&session.places, common)?;
        let key = &session.key(place, name).await?;
        place.check(key, &session.plan.allow, "the command line")?;
        let path = place.path_of(key);
        let stored = session.stored(place, &path);
        let history = history(stored, place, key).await.map_err(|error| gone(session, place, name, error))?;
        if history.iter().all(|version| version.change == Change::Absent) {
            return Err(absent(session, place, name));
        }
        let value = |number| history.iter().find(|version| version.number == number).and_then(|it| it.value.as_deref());
        let present = history.last().and_then(|version| version.value.as_deref()).map(RawValue::get);
        let versions = history.iter().rev().map(|version| (version.number, &version.state));
        // In a folder, each secret has versions of its own.
        let undeletes = matches!(place.form, Form::Folder { .. });
        let is_present = |value: &&RawValue| Some(value.get()) == present;
        let chosen = earlier::choose(versions, wanted, undeletes, async |number| Ok(value(number)), is_present).await?;
        let (number, value) = match chosen.ok_or_else(|| not_restorable(name, wanted, place))? {
            Earlier::Deleted(number) => {
                stored.undelete(number).await?;
                return Ok(restored(common, place, name, number, Some(number)));
            }
            Earlier::Content(number, value) => (number, value.to_owned()),
        };
        let field = field_of(place, key);
        let updated = stored.update(|keys| Ok(Some(put(keys, field, value.clone())))).await?;
        note_all(session, place, std::slice::from_ref(key), updated.version).await;
        Ok(restored(common, place, name, number, updated.version))
    })
}

fn not_restorable(name: &str, wanted: Option<u64>, place: &Place) -> Error {
    let what = wanted.map_or_else(
        || format!("{name} has no earlier value in {}", place.path),
        |version| format!("version {version} of {} has no readable value for {name}", place.path),
    );
    Error::new(Kind::FieldMissing, what, format!("`jupyter-vault secrets versions {name}` lists the versions"))
}

fn restored(common: &Common, place: &Place, name: &str, from: u64, version: Option<u64>) -> Outcome {
    let sentence = format!("restored {name} from version {from} in {}{}", place.path, as_version(version));
    let object = json!({
        "name": name, "source": place.path, "from_version": from, "version": version, "done": "restored",
    });
    outcome(common, &sentence, &object)
}
