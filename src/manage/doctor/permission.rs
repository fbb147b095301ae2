//! What a token may do, and the policy lines that would allow more.

use crate::config::source::{KvVersion, SourceKind, SourceSpec};
use crate::error::{Error, Kind, Result};
use crate::vault::capabilities::capabilities;
use crate::vault::client::Client;
use crate::vault::mount::Mount;

/// Checks that the token may do this with `path`.
pub(super) async fn may(client: &Client, capability: &str, path: &str) -> Result<()> {
    let found = capabilities(client, &[path.to_owned()]).await?;
    if found.iter().all(|of_path| of_path.has(capability)) {
        return Ok(());
    }
    let doing = if capability == "read" { "reading" } else { "writing to" };
    Err(Error::new(Kind::PolicyDenied, format!("the token's policies forbid {doing} {path}"), "ask for it"))
}

/// The policy lines that allow it. For an unknown mount they assume KV version 2 and a mount of one segment.
pub(super) fn policy(source: &SourceSpec, path: &str, mount: Option<&Mount>) -> Vec<String> {
    // HCL strings have JSON's escapes.
    let line = |path: &str, capability: &str| {
        format!("path {} {{ capabilities = [\"{capability}\"] }}", serde_json::Value::from(path))
    };
    let first = path.split('/').next().unwrap_or(path);
    let (at, version) = mount.map_or((first, KvVersion::V2), |mount| (mount.path.as_str(), mount.version));
    let below = path.strip_prefix(at).unwrap_or(path).trim_matches('/');
    let joined = |middle: &str, end: &str| {
        let parts = [at, middle, below, end];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
    };
    match (&source.kind, version) {
        (SourceKind::KvFolder, KvVersion::V2) if source.folder.recursive => {
            vec![line(&joined("metadata", "*"), "list"), line(&joined("data", "*"), "read")]
        }
        (SourceKind::KvFolder, KvVersion::V1) if source.folder.recursive => {
            vec![line(&joined("", "*"), "list\", \"read")]
        }
        (SourceKind::Kv, KvVersion::V2) => vec![line(&joined("data", ""), "read")],
        (SourceKind::KvFolder | SourceKind::DataSources, KvVersion::V2) => {
            vec![line(&format!("{}/", joined("metadata", "")), "list"), line(&joined("data", "*"), "read")]
        }
        (SourceKind::KvFolder | SourceKind::DataSources, KvVersion::V1) => {
            vec![line(&format!("{path}/"), "list"), line(&joined("", "*"), "read")]
        }
        (SourceKind::Write, _) => vec![line(path, "update")],
        (SourceKind::Kv, KvVersion::V1) | (SourceKind::Database | SourceKind::Read, _) => vec![line(path, "read")],
    }
}
