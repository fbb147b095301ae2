//! Secrets of the KV engine: one, or a folder of them.
//!
//! Version 1 answers with the fields, version 2 with the fields and their metadata, at another path. The version is
//! configured or looked up (see [`super::mount`]).

use futures_util::future::join_all;
use vaultrs::api::{kv1, kv2};

use super::body::{Answer, Fields, Listing, Versioned, malformed};
use super::client::{Client, encode};
use super::error::{Operation, path_missing, wrong_kv_version};
use super::mount::{Mount, ask};
use super::reply::Reply;
use super::version::{Metadata, VersionState};
use crate::config::source::KvVersion;
use crate::error::{Error, Kind, Result};

/// How many connections read a folder.
const READERS: usize = 4;
/// The most levels of subfolders that are read.
const DEEPEST: usize = 16;
/// The most secrets, and the most folders, that are read with a folder.
const MOST: usize = 1000;

/// One secret's answer, from which [`Secret::fields`] are read.
#[derive(Debug)]
pub struct Secret {
    reply: Reply,
    path: String,
    version: KvVersion,
}

impl Secret {
    /// The secret as Vault sent it, without request-specific fields.
    pub fn data(&self) -> &[u8] {
        let answer = Answer::parse(&self.reply, &self.path).ok();
        answer.and_then(|answer| answer.data).map_or(b"", |data| data.get().as_bytes())
    }

    /// The fields, and the number of this version of them, which KV version 1 does not count.
    pub fn fields(&self) -> Result<(Fields<'_>, Option<u64>)> {
        let what = format!("reading {}", self.path);
        let data = Answer::parse(&self.reply, &what)?.data(&what)?;
        match self.version {
            KvVersion::V1 => Ok((Fields::parse(data, &self.path)?, None)),
            KvVersion::V2 => {
                let versioned = Versioned::parse(data, &self.path)?;
                let fields = versioned.data.ok_or_else(|| malformed(&what))?;
                Ok((Fields::parse(fields, &self.path)?, Some(versioned.metadata.version)))
            }
        }
    }
}

/// Reads the version `wanted` of the secret at `path`, or else the current one.
pub async fn read_version(
    client: &Client,
    mount: &Mount,
    path: &str,
    is_configured: bool,
    wanted: Option<u64>,
) -> Result<Secret> {
    let Some(wanted) = wanted else { return read(client, mount, path, is_configured).await };
    if mount.version == KvVersion::V1 {
        let what =
            format!("version {wanted} of {path} can't be read: its mount is KV version 1, which keeps no versions");
        let advice =
            "remove `secret_version`, or have the mount upgraded: `vault kv enable-versioning` (or `bao kv …`)";
        return Err(Error::new(Kind::KvVersionMismatch, what, advice));
    }
    read_one(client, mount, path, is_configured, Some(wanted)).await.map_err(|error| {
        let (what, advice) = match error.kind() {
            Kind::VersionDeleted => (
                format!("version {wanted} of {path} is deleted"),
                "restore it with `vault kv undelete -versions` (or `bao kv undelete`), or correct `secret_version`",
            ),
            Kind::VersionDestroyed => {
                (format!("version {wanted} of {path} is destroyed"), "correct `secret_version`, or leave it out")
            }
            Kind::PathMissing => (
                format!("there is no version {wanted} of a secret at {path} in Vault at {}", client.address()),
                "check the path and `secret_version`: `vault kv metadata get` (or `bao kv …`) lists what is kept, and \
                 max_versions how many",
            ),
            _ => return error,
        };
        Error::new(error.kind(), what, advice)
    })
}

/// Reads the secret at `path`, which begins with the mount's path. `is_configured`: whether the version was configured,
/// so that a missing path may also mean a wrong version.
pub async fn read(client: &Client, mount: &Mount, path: &str, is_configured: bool) -> Result<Secret> {
    read_one(client, mount, path, is_configured, None).await
}

async fn read_one(
    client: &Client,
    mount: &Mount,
    path: &str,
    is_configured: bool,
    version: Option<u64>,
) -> Result<Secret> {
    let below = path.strip_prefix(&mount.path).unwrap_or(path).trim_start_matches('/');
    if below.is_empty() {
        return Err(path_missing(path, client.address()));
    }
    let reply = match mount.version {
        KvVersion::V1 => {
            let endpoint = kv1::requests::GetSecretRequest { mount: encode(&mount.path), path: encode(below) };
            client.call(&endpoint, Operation::Read(path, path)).await
        }
        KvVersion::V2 => {
            let endpoint =
                kv2::requests::ReadSecretRequest { mount: encode(&mount.path), path: encode(below), version };
            client.call(&endpoint, Operation::Read(path, &format!("{}/data/{below}", mount.path))).await
        }
    };
    match reply {
        Ok(reply) => Ok(Secret { reply, path: path.to_owned(), version: mount.version }),
        Err(error) if is_configured && may_mean_wrong_mount(error.kind()) => {
            Err(check_mount(client, mount, path, error).await)
        }
        Err(error) => Err(error),
    }
}

const fn may_mean_wrong_mount(kind: Kind) -> bool {
    matches!(kind, Kind::PathMissing | Kind::MountMissing)
}

/// Checks whether a missing path means that the configured mount or version is wrong.
async fn check_mount(client: &Client, configured: &Mount, path: &str, error: Error) -> Error {
    match ask(client, path).await {
        Ok(found) if found.version != configured.version => match found.version {
            KvVersion::V1 => wrong_kv_version(path, 2, "1"),
            KvVersion::V2 => wrong_kv_version(path, 1, "2"),
        },
        Ok(found) if found.path != configured.path => Error::new(
            Kind::PathMissing,
            error.what(),
            format!("the mount is {}: set mount = \"{}\" in vault.toml", found.path, found.path),
        ),
        Err(wrong) if wrong.kind() == Kind::KvVersionMismatch => wrong,
        _ => error,
    }
}

/// The secrets of a folder by name (in folders below it, by path), and what could not be read.
#[derive(Debug, Default)]
pub struct Folder {
    pub secrets: Vec<(String, Secret)>,
    /// Names that were listed and could not be found, twice.
    pub gone: Vec<String>,
    /// The folders in it that are not read.
    pub below: Vec<String>,
}

/// Lists the folder at `path` and reads each secret in it, and in the folders below it if `recursive`. A secret whose
/// current version is deleted is listed, but has nothing to read. If a secret is removed between the list and the
/// read, the folder is read once more.
pub async fn read_folder(
    client: &Client,
    mount: &Mount,
    path: &str,
    is_configured: bool,
    recursive: bool,
) -> Result<Folder> {
    let first = read_listed(client, mount, path, is_configured, recursive).await?;
    if first.gone.is_empty() { Ok(first) } else { read_listed(client, mount, path, is_configured, recursive).await }
}

async fn read_listed(
    client: &Client,
    mount: &Mount,
    path: &str,
    is_configured: bool,
    recursive: bool,
) -> Result<Folder> {
    let Listed { names, below } = match list_tree(client, mount, path, recursive).await {
        Err(error) if is_configured && may_mean_wrong_mount(error.kind()) => {
            return Err(check_mount(client, mount, path, error).await);
        }
        listed => listed?,
    };
    let readers = (0..READERS.min(names.len())).map(|reader| {
        let own = names.iter().enumerate().skip(reader).step_by(READERS);
        async move {
            let (mut secrets, mut gone) = (Vec::new(), Vec::new());
            for (index, name) in own {
                match read(client, mount, &format!("{path}/{name}"), false).await {
                    Ok(secret) => secrets.push((index, (name.clone(), secret))),
                    Err(deleted) if matches!(deleted.kind(), Kind::VersionDeleted | Kind::VersionDestroyed) => {}
                    Err(missing) if missing.kind() == Kind::PathMissing => gone.push(name.clone()),
                    Err(error) => return Err(error),
                }
            }
            Ok((secrets, gone))
        }
    });
    let (mut secrets, mut gone) = (Vec::new(), Vec::new());
    for read in join_all(readers).await {
        let (found, missing): (Vec<_>, Vec<_>) = read?;
        secrets.extend(found);
        gone.extend(missing);
    }
    secrets.sort_by_key(|(index, _)| *index);
    Ok(Folder { secrets: secrets.into_iter().map(|(_, secret)| secret).collect(), gone, below })
}

/// The content of a folder: secrets, and folders without their trailing slash.
struct Listed {
    names: Vec<String>,
    below: Vec<String>,
}

/// The names of the secrets in the folder at `path`; of its folders too, if `recursive`, by their path in it.
pub async fn list(client: &Client, mount: &Mount, path: &str, recursive: bool) -> Result<Vec<String>> {
    list_tree(client, mount, path, recursive).await.map(|listed| listed.names)
}

/// Lists a folder, and if `recursive` its folders level by level, a few at a time.
async fn list_tree(client: &Client, mount: &Mount, path: &str, recursive: bool) -> Result<Listed> {
    let mut tree = list_all(client, mount, path).await?;
    if !recursive {
        return Ok(tree);
    }
    let (mut level, mut depth, mut folders) = (std::mem::take(&mut tree.below), 1, 0);
    while !level.is_empty() {
        folders += level.len();
        let limit = match () {
            () if depth > DEEPEST => Some(format!("folders in more than {DEEPEST} levels")),
            () if folders > MOST => Some(format!("more than {MOST} folders")),
            () => None,
        };
        if let Some(limit) = limit {
            return Err(too_much(path, &limit));
        }
        let mut next = Vec::new();
        for some in level.chunks(READERS) {
            let paths: Vec<_> = some.iter().map(|folder| format!("{path}/{folder}")).collect();
            let listed = join_all(paths.iter().map(|path| list_all(client, mount, path))).await;
            for (folder, listed) in some.iter().zip(listed) {
                let listed = match listed {
                    // Its last secret was removed meanwhile.
                    Err(gone) if gone.kind() == Kind::PathMissing => continue,
                    listed => listed?,
                };
                tree.names.extend(listed.names.iter().map(|name| format!("{folder}/{name}")));
                next.extend(listed.below.iter().map(|name| format!("{folder}/{name}")));
            }
            if tree.names.len() > MOST {
                return Err(too_much(path, &format!("more than {MOST} secrets")));
            }
        }
        (level, depth) = (next, depth + 1);
    }
    Ok(tree)
}

fn too_much(path: &str, what: &str) -> Error {
    let what = format!("the folder {path} contains {what}, which is over a launch's limit");
    Error::new(Kind::Oversized, what, "use the subfolders that you need, each as a [[source]]")
}

async fn list_all(client: &Client, mount: &Mount, path: &str) -> Result<Listed> {
    let below = path.strip_prefix(&mount.path).unwrap_or(path).trim_start_matches('/');
    let reply = match mount.version {
        KvVersion::V1 => {
            let endpoint = kv1::requests::ListSecretRequest { mount: encode(&mount.path), path: encode(below) };
            client.call(&endpoint, Operation::List(path, &format!("{path}/"))).await?
        }
        KvVersion::V2 => {
            let endpoint = kv2::requests::ListSecretsRequest { mount: encode(&mount.path), path: encode(below) };
            let shown = format!("{}/metadata/{below}", mount.path);
            client.call(&endpoint, Operation::List(path, &format!("{}/", shown.trim_end_matches('/')))).await?
        }
    };
    let what = format!("listing {path}");
    let data = Answer::parse(&reply, &what)?.data(&what)?;
    let listing: Listing = serde_json::from_str(data.get()).map_err(|_| malformed(&what))?;
    // A name becomes part of the next request's path, so it must not leave the folder.
    let is_name = |name: &str| !name.is_empty() && !name.contains('/') && name != "." && name != "..";
    let (folders, names): (Vec<_>, Vec<_>) = listing.keys.into_iter().partition(|name| name.ends_with('/'));
    let below = folders.iter().map(|name| name.trim_end_matches('/').to_owned()).filter(|name| is_name(name)).collect();
    Ok(Listed { names: names.into_iter().filter(|name| is_name(name)).collect(), below })
}

/// The number of a KV version 2 secret's current version (or `wanted`), and whether that version can be read. It is
/// read from the metadata, which need a separate path in Vault's policies.
pub async fn version_now(client: &Client, mount: &Mount, path: &str, wanted: Option<u64>) -> Result<(u64, bool)> {
    let below = path.strip_prefix(&mount.path).unwrap_or(path).trim_start_matches('/');
    let endpoint = kv2::requests::ReadSecretMetadataRequest { mount: encode(&mount.path), path: encode(below) };
    let reply = client.call(&endpoint, Operation::Read(path, &format!("{}/metadata/{below}", mount.path))).await?;
    let what = format!("reading the metadata of {path}");
    let data = Answer::parse(&reply, &what)?.data(&what)?;
    let metadata: Metadata = serde_json::from_str(data.get()).map_err(|_| malformed(&what))?;
    let version = wanted.unwrap_or(metadata.current_version);
    Ok((version, metadata.versions.get(&version).is_some_and(VersionState::is_readable)))
}
