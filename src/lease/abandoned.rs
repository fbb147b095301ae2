//! The ids of a killed keeper's leases, for a later process of the same user.
//!
//! A token is never on disk, so what it holds ends with the window. A lease's id is not secret, and another token of
//! the user can end the lease, since any token may renew it for one second. So each keeper keeps a file with the ids
//! while it runs; a file whose keeper and kernels have ended was left by a killed keeper.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::leases::Owner;
use crate::config::server::Server;
use crate::error::Result;
use crate::net::deadline::Deadline;
use crate::sys::file::{self, AllowedWriters};
use crate::sys::folder::write_private;
use crate::sys::process::{own, pid_namespace, runs};
use crate::vault::client::Client;
use crate::vault::lease;

/// The folder of the files, inside this program's.
const FOLDER: &str = "leases";
/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;
/// How long a file is kept if its process can't be identified: longer than any window.
const OLD: Duration = Duration::from_secs(32 * 24 * 3600);
/// The longest time for ending one lease.
const PATIENCE: Duration = Duration::from_secs(5);

/// The leases of one keeper.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AbandonedLeases {
    numbering: String,
    keeper: (u32, u64),
    owners: Vec<(u32, u64)>,
    addresses: Vec<String>,
    namespace: Option<String>,
    window_ms: u64,
    ids: Vec<String>,
}

impl AbandonedLeases {
    /// The leases of this process.
    pub(crate) fn new(server: &Server, owners: &[Owner], window: Duration, ids: Vec<String>) -> Option<Self> {
        Some(Self {
            numbering: pid_namespace()?.to_owned(),
            keeper: own()?,
            owners: owners.iter().map(|owner| (owner.pid, owner.start_time)).collect(),
            addresses: server.addresses().map(ToString::to_string).collect(),
            namespace: server.namespace.clone(),
            window_ms: u64::try_from(window.as_millis()).unwrap_or(u64::MAX),
            ids,
        })
    }

    /// Writes the file, in place of an earlier one of this process.
    pub(crate) fn write(&self, runtime: &Path) -> Result<()> {
        write_private(runtime, &self.path(runtime), &serde_json::to_vec(self).unwrap_or_default())
    }

    /// Removes the file: all leases have ended.
    pub(crate) fn remove(&self, runtime: &Path) {
        let _ = std::fs::remove_file(self.path(runtime));
    }

    fn path(&self, runtime: &Path) -> PathBuf {
        let (pid, start) = self.keeper;
        runtime.join(FOLDER).join(format!("{}-{pid}-{start}.json", self.numbering))
    }

    /// The number of leases.
    pub(crate) const fn number(&self) -> usize {
        self.ids.len()
    }

    /// The longest time that they live without their keeper.
    pub(crate) const fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }

    /// Whether one of their kernels runs.
    pub(crate) fn is_used(&self) -> bool {
        self.owners.iter().any(|(pid, start)| runs(*pid, *start))
    }

    /// Whether they are for the process `pid`.
    pub(crate) fn is_of(&self, pid: u32) -> bool {
        self.owners.iter().any(|(owner, start)| *owner == pid && runs(pid, *start))
    }

    /// Whether they are at that server.
    pub(crate) fn is_at(&self, server: &Server) -> bool {
        let is_one = |known: String| self.addresses.contains(&known);
        self.namespace == server.namespace && server.addresses().map(ToString::to_string).any(is_one)
    }

    /// Ends the leases with the token of `client`, and removes the file; the error says why a lease lives until its
    /// window ends.
    pub(crate) async fn end(&self, client: &mut Client, runtime: &Path) -> Result<()> {
        let mut failed = None;
        for id in &self.ids {
            client.set_deadline(Deadline::after(PATIENCE));
            match lease::end(client, id).await {
                // A later process tries again.
                Err(error) if lease::may_succeed_later(error.kind()) => return Err(error),
                // Vault answers "bad request" for a lease that has ended.
                Err(error) if error.kind() != crate::error::Kind::BadRequest => failed = Some(error),
                _ => {}
            }
        }
        self.remove(runtime);
        failed.map_or(Ok(()), Err)
    }
}

/// The leases of keepers that no longer run; removes files that are too old.
pub(crate) fn abandoned(runtime: &Path) -> Vec<AbandonedLeases> {
    let entries = std::fs::read_dir(runtime.join(FOLDER)).into_iter().flatten().filter_map(std::result::Result::ok);
    let of = |path: PathBuf| {
        let age = path.metadata().and_then(|file| file.modified()).ok().and_then(|written| written.elapsed().ok());
        if age.is_some_and(|age| age > OLD) {
            let _ = std::fs::remove_file(&path);
        }
        let left: AbandonedLeases =
            serde_json::from_slice(&file::read(&path, LARGEST, AllowedWriters::UsOrRoot).ok()?).ok()?;
        let is_here = Some(left.numbering.as_str()) == pid_namespace();
        let (pid, start) = left.keeper;
        (is_here && !runs(pid, start)).then_some(left)
    };
    entries.filter_map(|entry| of(entry.path())).collect()
}
