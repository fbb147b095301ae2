//! Replaces a value only if it is still the value that the user saw.
//!
//! A page shows a version, its user types for a minute, and meanwhile another client may change the value. So a change
//! can name the version that it replaces. A KV secret that holds many names gets a new version with every change, so
//! the value is compared with that version's. In a folder, each secret is one name, and the version number is compared.
//! Version 0 means that there was no value.

use super::field::{field_of, json_of, put};
use super::place::{Form, Place};
use super::session::LoggedIn;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;
use crate::vault::kv_store::Stored;

/// Writes `value` under `key` if the present value is that of version `expected`; returns whether it replaced one, and
/// the new version.
pub(super) async fn write(
    session: &LoggedIn<'_>,
    place: &Place,
    key: &str,
    value: &SecretValue,
    expected: u64,
) -> Result<(bool, Option<u64>)> {
    let name = &place.variable(key);
    let (json, field, path) = (json_of(place, value)?, field_of(place, key), place.path_of(key));
    let stored = session.stored(place, &path);
    if !stored.is_versioned() {
        let what = format!("{} is KV version 1, which has no versions", place.mount.path);
        return Err(Error::new(Kind::Usage, what, "leave out --expect-version, or move to version 2"));
    }
    let mut content = stored.current().await?;
    let version = content.version.unwrap_or(0);
    match place.form {
        _ if version < expected => Err(changed(name, place, expected)),
        Form::Folder { .. } if content.keys.is_empty() != (expected == 0) || (expected != 0 && version != expected) => {
            Err(changed(name, place, expected))
        }
        Form::Folder { .. } => {
            let before = content.keys.clone();
            let replaced = put(&mut content.keys, field, json);
            let written = stored.replace(&before, &content.keys, Some(version)).await;
            written.map(|version| (replaced, version)).map_err(|error| match error.kind() {
                Kind::Conflict => changed(name, place, expected),
                _ => error,
            })
        }
        Form::Keys => {
            let seen = seen(stored, field, expected).await?;
            let updated = stored.update(|keys| {
                let now = keys.iter().find(|(there, _)| there == field).map(|(_, value)| value.get());
                if now != seen.as_deref().map(String::as_str) {
                    return Err(changed(name, place, expected));
                }
                Ok(Some(put(keys, field, json.clone())))
            });
            updated.await.map(|updated| (updated.done.unwrap_or(false), updated.version))
        }
    }
}

/// The JSON of `field` in that version; `None` if the version did not have it, or can no longer be read.
async fn seen(stored: Stored<'_>, field: &str, version: u64) -> Result<Option<zeroize::Zeroizing<String>>> {
    if version == 0 {
        return Ok(None);
    }
    match stored.read(Some(version)).await {
        Ok(content) => {
            let found = content.keys.into_iter().find(|(there, _)| there == field);
            Ok(found.map(|(_, value)| value.get().to_owned().into()))
        }
        Err(gone) if matches!(gone.kind(), Kind::PathMissing | Kind::VersionDeleted | Kind::VersionDestroyed) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn changed(name: &str, place: &Place, expected: u64) -> Error {
    let what = match expected {
        0 => format!("there is a secret {name} in {} already; nothing was written", place.path),
        _ => format!("{name} in {} was changed since version {expected}; nothing was written", place.path),
    };
    let advice = "`jupyter-vault secrets list` shows the present version: pass that one to replace it";
    Error::new(Kind::Changed, what, advice)
}
