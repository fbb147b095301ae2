//! The versions of a secret of KV version 2, and which of them can be read.
//! <https://developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2#read-secret-metadata>

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::Deserialize;

/// The metadata of a secret of KV version 2.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Metadata {
    /// The newest version, deleted or not.
    #[serde(default)]
    pub(crate) current_version: u64,
    /// Each version that is kept, by its number.
    #[serde(default)]
    pub(crate) versions: BTreeMap<u64, VersionState>,
    /// The entries that users have set.
    #[serde(default, rename = "custom_metadata")]
    pub(crate) custom: Option<BTreeMap<String, String>>,
}

/// The state of one version.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct VersionState {
    /// When it was written, RFC 3339.
    #[serde(default)]
    pub(crate) created_time: String,
    /// When it was or will be deleted; empty if it was not and will not be.
    #[serde(default)]
    pub(crate) deletion_time: String,
    /// Whether it was destroyed, so that its content can't be restored.
    #[serde(default)]
    pub(crate) destroyed: bool,
}

impl VersionState {
    /// Whether it can be read.
    pub(crate) fn is_readable(&self) -> bool {
        !self.destroyed && (self.deletion_time.is_empty() || self.is_deleted_later())
    }

    /// Whether it will be deleted at a later time (`delete_version_after`), and so exists until then.
    fn is_deleted_later(&self) -> bool {
        humantime::parse_rfc3339(&self.deletion_time).is_ok_and(|end| end > SystemTime::now())
    }
}
