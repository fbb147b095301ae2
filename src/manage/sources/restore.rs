//! Restores a data source that was removed, or its state before it was replaced.

use serde_json::json;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::add::check_names;
use super::folder::{absent, choose, folders};
use crate::datasource::DataSource;
use crate::error::{Error, Kind, Result};
use crate::manage::Outcome;
use crate::manage::secrets::Common;
use crate::manage::secrets::common::{as_version, outcome};
use crate::manage::secrets::earlier::{self, Earlier};
use crate::manage::secrets::session::with;
use crate::secret::SecretValue;
use crate::vault::kv_store::Keys;

/// Restores the version `wanted`, or else the newest one that differs from the present state.
pub(super) fn run(common: &Common, name: &str, wanted: Option<u64>) -> Result<Outcome> {
    with(common, async |session| {
        let folder = choose(folders(session).await?, common)?;
        let path = folder.path_of(name);
        let stored = folder.stored(session, &path);
        if !stored.is_versioned() {
            let what = format!("{} is KV version 1, which keeps no earlier versions", folder.path);
            return Err(Error::new(Kind::Usage, what, "add it again with `jupyter-vault sources add`"));
        }
        let metadata = stored.metadata().await.map_err(|error| match error.kind() {
            Kind::PathMissing => absent(&folder, name),
            _ => error,
        })?;
        let now = stored.current().await?;
        let done = |from: u64, version: Option<u64>| {
            let sentence = format!("restored {name} from version {from} in {}{}", folder.path, as_version(version));
            let object = json!({
                "name": name, "source": folder.path, "from_version": from, "version": version, "done": "restored",
            });
            outcome(common, &sentence, &object)
        };
        let versions = metadata.versions.iter().rev().map(|(number, state)| (*number, state));
        let read = async |number| Ok(Some(stored.read(Some(number)).await?.keys));
        match earlier::choose(versions, wanted, true, read, |keys| is_same(keys, &now.keys)).await? {
            Some(Earlier::Deleted(newest)) => {
                // Only then can it be read.
                stored.undelete(newest).await?;
                let there = stored.read(None).await?.keys;
                if let Ok(source) = source(&path, &there)
                    && let Err(twice) = check_names(session, &folder, &source).await
                {
                    stored.delete().await?;
                    return Err(twice);
                }
                Ok(done(newest, Some(newest)))
            }
            Some(Earlier::Content(number, keys)) => {
                check_names(session, &folder, &source(&path, &keys)?).await?;
                let version = stored.write(&keys, now.version).await?;
                Ok(done(number, version))
            }
            None => {
                let what = wanted.map_or_else(
                    || format!("the data source {name} has no earlier version in {}", folder.path),
                    |wanted| format!("version {wanted} of the data source {name} in {} can't be read", folder.path),
                );
                Err(Error::new(Kind::FieldMissing, what, "`vault kv metadata get` lists the versions"))
            }
        }
    })
}

fn is_same(one: &Keys, other: &Keys) -> bool {
    let has = |(key, value): &(String, Box<RawValue>)| {
        other.iter().any(|(known, there)| known == key && there.get() == value.get())
    };
    one.len() == other.len() && one.iter().all(has)
}

/// The data source that these keys describe; an error if they do not.
fn source(path: &str, keys: &Keys) -> Result<DataSource> {
    let text = |value: &RawValue| {
        let text = Zeroizing::new(serde_json::from_str::<String>(value.get()).unwrap_or_default());
        SecretValue::new(text.as_bytes().to_vec())
    };
    DataSource::parse(path, keys.iter().map(|(key, value)| (key.clone(), text(value))).collect())
}
