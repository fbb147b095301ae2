//! What is stored about a secret besides its value: its description, its kind, and who set it.
//!
//! It is stored in the custom metadata of KV version 2, which Vault's web UI shows too: as separate entries for a
//! secret of a folder, and as one JSON entry for a key of a secret that holds many. Vault accepts 64 entries of 512
//! bytes per secret.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::common::{Description, SecretKind};
use super::place::{Form, Place};
use super::session::LoggedIn;
use crate::error::{Error, Kind, Result};
use crate::vault::version::Metadata;

/// The longest entry, in bytes.
const LONGEST: usize = 512;
/// The longest key of an entry, in bytes.
const LONGEST_KEY: usize = 128;

/// The note on one secret.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    #[serde(default)]
    pub(super) kind: SecretKind,
    /// Who last set the value, by the login's user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) by: Option<String>,
    /// The version that last set the value; later versions may have changed other keys of the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<u64>,
    /// When that version was written, RFC 3339: Vault no longer knows that once it drops the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) time: Option<String>,
}

impl Note {
    /// Reads the note on `key` from `metadata`.
    pub(super) fn read(place: &Place, key: &str, metadata: &Metadata) -> Self {
        let Some(custom) = &metadata.custom else { return Self::default() };
        match place.form {
            Form::Keys => custom.get(key).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default(),
            Form::Folder { .. } => Self {
                description: custom.get("description").cloned().unwrap_or_default(),
                kind: custom.get("kind").map_or_else(SecretKind::default, |kind| SecretKind::from_name(kind)),
                by: custom.get("by").cloned(),
                version: custom.get("by_version").and_then(|version| version.parse().ok()),
                time: None,
            },
        }
    }

    /// The note with the parts that `description` gives replaced.
    pub(super) fn with(mut self, description: &Description) -> Self {
        if let Some(text) = &description.text {
            self.description.clone_from(text);
        }
        self.kind = description.kind.unwrap_or(self.kind);
        self
    }

    /// The note for a value that this login's user set in `version`.
    pub(super) fn written(self, session: &LoggedIn<'_>, version: Option<u64>, metadata: &Metadata) -> Self {
        let version = version.or(self.version);
        let time = version.and_then(|version| metadata.versions.get(&version)).map(|state| &state.created_time);
        // Without fractions of a second: entries are short.
        let time = time.and_then(|time| time.get(..19)).map(|time| format!("{time}Z"));
        Self { by: session.user.clone().or(self.by), version, time, ..self }
    }

    /// The custom metadata entries that store this note on `key`.
    pub(super) fn entries(&self, place: &Place, key: &str) -> Result<BTreeMap<String, Option<String>>> {
        let kept = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let entries = match place.form {
            Form::Keys => BTreeMap::from([(key.to_owned(), serde_json::to_string(self).ok())]),
            Form::Folder { .. } => BTreeMap::from([
                ("description".to_owned(), kept(&self.description)),
                ("kind".to_owned(), kept(self.kind.name())),
                ("by".to_owned(), self.by.clone()),
                ("by_version".to_owned(), self.version.map(|version| version.to_string())),
            ]),
        };
        let too_long = |(name, text): (&String, &Option<String>)| {
            name.len() > LONGEST_KEY || text.as_ref().is_some_and(|text| text.len() > LONGEST)
        };
        if entries.iter().any(too_long) {
            let what = format!("the description of {key} is too long for Vault ({LONGEST} bytes with its name)");
            return Err(Error::new(Kind::Usage, what, "shorten it"));
        }
        Ok(entries)
    }

    /// The entries that remove the note on `key`.
    pub(super) fn none(place: &Place, key: &str) -> BTreeMap<String, Option<String>> {
        match place.form {
            Form::Keys => BTreeMap::from([(key.to_owned(), None)]),
            Form::Folder { .. } => {
                ["description", "kind", "by", "by_version"].map(|name| (name.to_owned(), None)).into()
            }
        }
    }
}
