//! What a token may do, and the policy lines that would let it.

use serde_json::Value;

use crate::config::source::{KvVersion, SourceKind, SourceSpec};
use crate::error::{Error, Kind, Result};
use crate::vault::body::{Answer, malformed};
use crate::vault::client::{Client, Raw};
use crate::vault::error::Asked;
use crate::vault::mount::Mount;

/// That the token may do this with `path`.
pub(super) async fn may(client: &Client, capability: &str, path: &str) -> Result<()> {
    let body = serde_json::json!({ "paths": [path] }).to_string().into_bytes();
    let reply = client.call(&Raw::post("sys/capabilities-self", body), Asked::Capabilities(path)).await?;
    let what = format!("asking what the token may do with {path}");
    let data: Value =
        serde_json::from_str(Answer::parse(&reply, &what)?.data(&what)?.get()).map_err(|_| malformed(&what))?;
    let has = data[path].as_array().ok_or_else(|| malformed(&what))?;
    if !has.iter().filter_map(Value::as_str).any(|had| had == capability || had == "root") {
        return Err(Error::new(
            Kind::PolicyDenied,
            format!(
                "the token's policies forbid {} {path}",
                if capability == "read" { "reading" } else { "writing to" }
            ),
            "ask for it",
        ));
    }
    Ok(())
}

/// The lines that allow it. Of an unknown mount most are version 2, and their first segment alone.
pub(super) fn policy(source: &SourceSpec, path: &str, mount: Option<&Mount>) -> Vec<String> {
    // A string of HCL has JSON's escapes.
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
        (SourceKind::Kv, KvVersion::V2) => vec![line(&joined("data", ""), "read")],
        (SourceKind::KvFolder | SourceKind::DataSources, KvVersion::V2) => {
            vec![line(&format!("{}/", joined("metadata", "")), "list"), line(&joined("data", "*"), "read")]
        }
        (SourceKind::KvFolder | SourceKind::DataSources, KvVersion::V1) => {
            vec![line(&format!("{path}/"), "list"), line(&joined("", "*"), "read")]
        }
        (SourceKind::Write, _) => vec![line(path, "update")],
        _ => vec![line(path, "read")],
    }
}
