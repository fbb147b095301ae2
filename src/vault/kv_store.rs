//! Writes to the KV engine: secrets, their versions and their descriptions.
//!
//! Version 2 has check-and-set: a write names the version that it replaces (`cas`), and is refused if another client
//! has written meanwhile. So a change of one key reads, modifies and writes, and starts again after a conflict.
//! Version 1 has no such check, no versions and no metadata.
//!
//! API: <https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2>.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use zeroize::Zeroizing;

use super::body::{Answer, Versioned, malformed};
use super::client::{Client, Raw};
use super::error::{Operation, path_missing};
use super::mount::Mount;
use super::reply::Reply;
use super::version::Metadata;
use crate::config::source::KvVersion;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;

/// How often a change starts again when other clients write first.
const ATTEMPTS: u32 = 20;

/// The keys of one secret with their values as JSON, in the order of the answer.
pub(crate) type Keys = Vec<(String, Box<RawValue>)>;

/// One version of a secret, as read.
pub(crate) struct Content {
    /// Its keys; none if there is no secret, or its current version is deleted.
    pub(crate) keys: Keys,
    /// The version that a change replaces: 0 if there is no secret yet; `None` for KV version 1.
    pub(crate) version: Option<u64>,
}

/// One secret of the KV engine, by its path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored<'a> {
    client: &'a Client,
    mount: &'a Mount,
    /// Mount and path, as users write it.
    path: &'a str,
}

impl<'a> Stored<'a> {
    pub(crate) fn new(client: &'a Client, mount: &'a Mount, path: &'a str) -> Self {
        Self { client, mount, path }
    }

    /// Whether the mount keeps versions.
    pub(crate) fn is_versioned(self) -> bool {
        self.mount.version == KvVersion::V2
    }

    /// The path below the mount, for an API path such as `data`.
    fn api(self, part: &str) -> String {
        let below = self.path.strip_prefix(&self.mount.path).unwrap_or(self.path).trim_start_matches('/');
        match self.mount.version {
            KvVersion::V1 => format!("{}/{below}", self.mount.path),
            KvVersion::V2 => format!("{}/{part}/{below}", self.mount.path),
        }
    }

    /// The API path that a policy names for its values.
    pub(crate) fn policy_path(self) -> String {
        self.api("data")
    }

    /// The current version.
    pub(crate) async fn current(self) -> Result<Content> {
        let missing = |error: Error| match error.kind() {
            Kind::PathMissing => Ok(Content { keys: Vec::new(), version: self.is_versioned().then_some(0) }),
            _ => Err(error),
        };
        match self.read(None).await {
            Ok(content) => Ok(content),
            // A change replaces the deleted version; only the metadata has its number.
            Err(gone) if matches!(gone.kind(), Kind::VersionDeleted | Kind::VersionDestroyed) => {
                let version = self.metadata().await?.current_version;
                Ok(Content { keys: Vec::new(), version: Some(version) })
            }
            Err(error) => missing(error),
        }
    }

    /// The given version, or the current one.
    pub(crate) async fn read(self, version: Option<u64>) -> Result<Content> {
        let api = self.api("data");
        let raw = Raw::get(&api);
        let raw = match version {
            Some(version) => raw.with_query(format!("version={version}")),
            None => raw,
        };
        let reply = self.client.call(&raw, Operation::Read(self.path, &api)).await?;
        let what = format!("reading {}", self.path);
        let data = Answer::parse(&reply, &what)?.data(&what)?;
        if !self.is_versioned() {
            return Ok(Content { keys: keys_of(data, &what)?, version: None });
        }
        let versioned = Versioned::parse(data, self.path)?;
        let keys = keys_of(versioned.data.ok_or_else(|| malformed(&what))?, &what)?;
        Ok(Content { keys, version: Some(versioned.metadata.version) })
    }

    /// Writes `keys` in place of `replaced`; returns the number of the new version.
    ///
    /// Fails with [`Kind::Conflict`] if another client wrote first.
    pub(crate) async fn write(self, keys: &Keys, replaced: Option<u64>) -> Result<Option<u64>> {
        let mut body = Zeroizing::new(Vec::new());
        if let Some(cas) = replaced {
            body.extend_from_slice(format!("{{\"options\":{{\"cas\":{cas}}},\"data\":").as_bytes());
        }
        body.push(b'{');
        for (index, (key, value)) in keys.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(json_text(key).get().as_bytes());
            body.push(b':');
            body.extend_from_slice(value.get().as_bytes());
        }
        body.push(b'}');
        if replaced.is_some() {
            body.push(b'}');
        }
        let api = self.api("data");
        let raw = Raw::post(&api, std::mem::take(&mut *body));
        let reply = self.client.call(&raw, Operation::Write(self.path, &api)).await?;
        if !self.is_versioned() {
            return Ok(None);
        }
        let what = format!("writing {}", self.path);
        written_version(&reply, &what).map(Some)
    }

    /// Writes `keys` in place of version `replaced`, which had the keys `before`; as a patch if that is all that the
    /// policy allows.
    pub(crate) async fn replace(self, before: &Keys, keys: &Keys, replaced: Option<u64>) -> Result<Option<u64>> {
        let denied = match self.write(keys, replaced).await {
            Err(denied) if denied.kind() == Kind::PolicyDenied => denied,
            outcome => return outcome,
        };
        let Some(patch) = replaced.filter(|version| *version > 0).and_then(|version| patch(before, keys, version))
        else {
            return Err(denied);
        };
        let api = self.api("data");
        let reply = match self.client.call(&Raw::patch(&api, patch), Operation::Patch(self.path, &api)).await {
            Ok(reply) => reply,
            Err(conflict) if conflict.kind() == Kind::Conflict => return Err(conflict),
            // The error that matters is the missing right to write.
            Err(_) => return Err(denied),
        };
        written_version(&reply, &format!("writing {}", self.path)).map(Some)
    }

    /// Changes the keys with `change`, and starts again if another client wrote first. `change` gets the current keys
    /// each time; if it returns `None`, nothing is written.
    pub(crate) async fn update<T>(self, mut change: impl FnMut(&mut Keys) -> Result<Option<T>>) -> Result<Updated<T>> {
        let mut attempt = 1;
        loop {
            let mut content = self.current().await?;
            let before = content.keys.clone();
            let Some(done) = change(&mut content.keys)? else {
                return Ok(Updated { done: None, version: content.version });
            };
            match self.replace(&before, &content.keys, content.version).await {
                Err(conflict) if conflict.kind() == Kind::Conflict && attempt < ATTEMPTS => attempt += 1,
                outcome => return Ok(Updated { done: Some(done), version: outcome? }),
            }
        }
    }

    /// Deletes the current version, which version 2 can restore; version 1 loses the secret.
    pub(crate) async fn delete(self) -> Result<()> {
        let api = self.api("data");
        self.client.call(&Raw::delete(&api), Operation::Delete(self.path, &api)).await.map(drop)
    }

    /// Deletes this version only, if it is still the current one; later versions stay.
    pub(crate) async fn delete_version(self, version: Option<u64>) -> Result<()> {
        let Some(version) = version else { return self.delete().await };
        let api = self.api("delete");
        let body = format!("{{\"versions\":[{version}]}}").into_bytes();
        match self.client.call(&Raw::post(&api, body), Operation::Write(self.path, &api)).await {
            // Few policies allow this path. Instead, the current version is read once more.
            Err(denied) if denied.kind() == Kind::PolicyDenied => {
                if self.current().await?.version != Some(version) {
                    let what = format!("another client changed {} meanwhile", self.path);
                    return Err(Error::new(Kind::Conflict, what, "check it, and try again"));
                }
                self.delete().await
            }
            outcome => outcome.map(drop),
        }
    }

    /// Restores a deleted version.
    pub(crate) async fn undelete(self, version: u64) -> Result<()> {
        let api = self.api("undelete");
        let body = format!("{{\"versions\":[{version}]}}").into_bytes();
        self.client.call(&Raw::post(&api, body), Operation::Write(self.path, &api)).await.map(drop)
    }

    /// Versions, times and descriptions.
    pub(crate) async fn metadata(self) -> Result<Metadata> {
        let api = self.api("metadata");
        let reply = self.client.call(&Raw::get(&api), Operation::Read(self.path, &api)).await?;
        let what = format!("reading the metadata of {}", self.path);
        let data = Answer::parse(&reply, &what)?.data(&what)?;
        serde_json::from_str(data.get()).map_err(|_| malformed(&what))
    }

    /// Sets entries of the custom metadata; `None` removes one. The other entries stay.
    pub(crate) async fn annotate(self, entries: &BTreeMap<String, Option<String>>) -> Result<()> {
        let api = self.api("metadata");
        let body = serde_json::to_vec(&serde_json::json!({ "custom_metadata": entries })).unwrap_or_default();
        match self.client.call(&Raw::patch(&api, body), Operation::Patch(self.path, &api)).await {
            // The policy does not allow a patch: read all entries, and write all of them.
            Err(denied) if denied.kind() == Kind::PolicyDenied => {
                let mut all = self.metadata().await?.custom.unwrap_or_default();
                for (name, value) in entries {
                    match value {
                        Some(value) => drop(all.insert(name.clone(), value.clone())),
                        None => drop(all.remove(name)),
                    }
                }
                let body = serde_json::to_vec(&serde_json::json!({ "custom_metadata": all })).unwrap_or_default();
                self.client.call(&Raw::post(&api, body), Operation::Write(self.path, &api)).await.map(drop)
            }
            outcome => outcome.map(drop),
        }
    }

    /// The error for a path without a secret.
    pub(crate) fn missing(self) -> Error {
        path_missing(self.path, self.client.address())
    }
}

/// The outcome of [`Stored::update`].
pub(crate) struct Updated<T> {
    /// The result of the change; `None` if it changed nothing.
    pub(crate) done: Option<T>,
    /// The current version.
    pub(crate) version: Option<u64>,
}

/// The JSON text of a value that is text.
pub(crate) fn json_value(value: &SecretValue) -> Option<Box<RawValue>> {
    value.expose_text().and_then(|text| to_raw_value(text).ok())
}

/// The merge patch that turns `before` into `keys`; `None` if such a patch would mean something else, since it merges
/// objects and removes nulls.
fn patch(before: &Keys, keys: &Keys, cas: u64) -> Option<Vec<u8>> {
    let mut body = format!("{{\"options\":{{\"cas\":{cas}}},\"data\":{{").into_bytes();
    let mut first = true;
    let mut add = |key: &str, value: &str| {
        if !std::mem::take(&mut first) {
            body.push(b',');
        }
        body.extend_from_slice(json_text(key).get().as_bytes());
        body.push(b':');
        body.extend_from_slice(value.as_bytes());
    };
    for (key, value) in keys {
        let is_same = before.iter().any(|(known, was)| known == key && was.get() == value.get());
        if !is_same && value.get().starts_with(['{', 'n']) {
            return None;
        }
        if !is_same {
            add(key, value.get());
        }
    }
    for (key, _) in before.iter().filter(|(key, _)| !keys.iter().any(|(kept, _)| kept == key)) {
        add(key, "null");
    }
    body.extend_from_slice(b"}}");
    Some(body)
}

fn json_text(text: &str) -> Box<RawValue> {
    to_raw_value(text).unwrap_or_default()
}

fn keys_of(data: &RawValue, what: &str) -> Result<Keys> {
    super::body::Fields::parse(data, what).map(super::body::Fields::into_owned)
}

fn written_version(reply: &Reply, what: &str) -> Result<u64> {
    #[derive(Deserialize)]
    struct Written {
        version: u64,
    }
    let data = Answer::parse(reply, what)?.data(what)?;
    let written: Written = serde_json::from_str(data.get()).map_err(|_| malformed(what))?;
    Ok(written.version)
}
