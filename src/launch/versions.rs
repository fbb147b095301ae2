//! The present versions of the sources, which `watch` polls; without their values, if Vault allows that.
//!
//! KV version 2 keeps a secret's version in its metadata, which a policy may deny; then the secret itself is read,
//! and only its version kept. Version 1 has no version numbers, so its answer is digested with a key of this process,
//! which reveals nothing about a value. A dynamic secret differs at each read, so it is not polled.

use ring::hmac;
use ring::rand::SystemRandom;

use super::source::{Reader, is_absence};
use crate::config::env::Environment;
use crate::config::plan::Plan;
use crate::config::source::{KvVersion, SourceKind, SourceSpec};
use crate::error::{Error, Kind, Result};
use crate::vault::auth::Identity;
use crate::vault::client::Client;
use crate::vault::kv::{self, Secret};
use crate::vault::mount::Mount;

/// The state of the sources at one moment; it equals another state if nothing has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen(Vec<(String, Mark)>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Mark {
    /// The version; `false` if it is deleted.
    Version(u64, bool),
    Digest(Vec<u8>),
    Absent,
}

/// The key for digests.
pub struct Digester(hmac::Key);

impl std::fmt::Debug for Digester {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Digester")
    }
}

impl Digester {
    /// A digester with a new key.
    pub fn new() -> Result<Self> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &SystemRandom::new());
        let none = |_| Error::new(Kind::Os, "the system provides no random bytes", "check /dev/urandom");
        key.map(Self).map_err(none)
    }
}

/// Polls every source of `plan`.
pub async fn look_up_versions(
    plan: &Plan,
    parent: &Environment,
    client: &Client,
    identity: Identity,
    digester: &Digester,
) -> Result<Seen> {
    let mut reader = Reader::new(plan, parent, client, identity);
    let mut seen = Vec::new();
    for source in &plan.sources {
        if !source.kind.is_kv() {
            continue;
        }
        let path = reader.path(source)?;
        match version_of(&mut reader, client, source, &path, digester).await {
            Ok(marks) => seen.extend(marks),
            Err(error) if is_absence(error.kind()) && (source.optional || source.kind == SourceKind::DataSources) => {
                seen.push((path, Mark::Absent));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Seen(seen))
}

async fn version_of(
    reader: &mut Reader<'_>,
    client: &Client,
    source: &SourceSpec,
    path: &str,
    digester: &Digester,
) -> Result<Vec<(String, Mark)>> {
    let mount = reader.mount(source, path).await?;
    if !source.kind.is_folder() {
        return Ok(vec![(path.to_owned(), mark(client, &mount, path, source.secret_version, digester).await?)]);
    }
    let mut marks = Vec::new();
    for name in kv::list(client, &mount, path, source.folder.recursive).await? {
        let path = format!("{path}/{name}");
        match mark(client, &mount, &path, None, digester).await {
            Ok(mark) => marks.push((path, mark)),
            Err(error) if is_absence(error.kind()) => marks.push((path, Mark::Absent)),
            Err(error) => return Err(error),
        }
    }
    Ok(marks)
}

async fn mark(client: &Client, mount: &Mount, path: &str, wanted: Option<u64>, digester: &Digester) -> Result<Mark> {
    if mount.version == KvVersion::V2 {
        match kv::version_now(client, mount, path, wanted).await {
            Ok((version, there)) => return Ok(Mark::Version(version, there)),
            Err(denied) if denied.kind() == Kind::PolicyDenied => {}
            Err(error) => return Err(error),
        }
    }
    let secret = kv::read_version(client, mount, path, true, wanted).await?;
    Ok(match secret.fields()?.1 {
        Some(version) => Mark::Version(version, true),
        None => Mark::Digest(digest(&secret, digester)),
    })
}

fn digest(secret: &Secret, digester: &Digester) -> Vec<u8> {
    hmac::sign(&digester.0, secret.data()).as_ref().to_vec()
}
