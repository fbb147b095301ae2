//! A mount's path and KV version, looked up in Vault.
//!
//! The request is `sys/internal/ui/mounts`, which is allowed to any token that may read something below the mount
//! (`sys/mounts` is for administrators). It is sent once per mount, and only if the configuration does not set the
//! version. The version is never guessed from the shape of a response: a version 1 secret may have a field called
//! `data`.

use super::body::{Answer, MountInfo, malformed};
use super::client::{Client, Raw};
use super::error::Operation;
use crate::config::source::KvVersion;
use crate::error::{Error, Kind, Result};

/// A KV mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its path, without a `/` at the end.
    pub path: String,
    /// Its version.
    pub version: KvVersion,
}

/// The mounts that were looked up in this launch.
#[derive(Debug, Default)]
pub struct Mounts(Vec<Mount>);

impl Mounts {
    /// The mount that `path` is below.
    pub async fn of(&mut self, client: &Client, path: &str) -> Result<Mount> {
        let below = |mount: &&Mount| {
            path == mount.path || path.strip_prefix(&mount.path).is_some_and(|rest| rest.starts_with('/'))
        };
        if let Some(mount) = self.0.iter().find(below) {
            return Ok(mount.clone());
        }
        let mount = ask(client, path).await?;
        self.0.push(mount.clone());
        Ok(mount)
    }
}

/// Looks up the mount of `path`.
pub async fn ask(client: &Client, path: &str) -> Result<Mount> {
    let endpoint = Raw::get(&format!("sys/internal/ui/mounts/{path}"));
    let reply = client.call(&endpoint, Operation::Mount(path)).await?;
    let what = format!("looking up the mount of {path}");
    let data = Answer::parse(&reply, &what)?.data(&what)?;
    let info: MountInfo = serde_json::from_str(data.get()).map_err(|_| malformed(&what))?;
    if !matches!(info.engine.as_str(), "kv" | "generic") {
        return Err(Error::new(
            Kind::KvVersionMismatch,
            format!("{path} is configured as KV, but its mount is a different secrets engine"),
            "use `read` (or `database`) for it in vault.toml",
        ));
    }
    let version = info.options.as_ref().and_then(|options| options.get("version")).map(String::as_str);
    let version = if version == Some("2") { KvVersion::V2 } else { KvVersion::V1 };
    Ok(Mount { path: info.path.trim_end_matches('/').to_owned(), version })
}
