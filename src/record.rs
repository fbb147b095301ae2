//! Records of the variables that a kernel was given: names, paths in Vault and versions, never a value.
//!
//! A kernel does not know which of its variables came from this program, and a launch has ended before an inject
//! begins. So both store a record in Jupyter's runtime folder. A record belongs to one process: another process with
//! the same connection file is the kernel after a restart, which does not have those variables.

use std::collections::BTreeMap;
#[cfg(feature = "inject")]
use std::fs::File;
use std::path::{Path, PathBuf};
#[cfg(feature = "inject")]
use std::time::Duration;
use std::time::SystemTime;

use humantime::format_rfc3339_seconds;
#[cfg(feature = "inject")]
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
#[cfg(feature = "inject")]
use tokio::time::{Instant, sleep};

use crate::error::Result;
use crate::sys::file::{self, AllowedWriters};
#[cfg(feature = "inject")]
use crate::sys::folder::private;
use crate::sys::folder::write_private;
use crate::sys::process::{own, pid_namespace, start_time};

/// How long to wait for the lock of another injection.
#[cfg(feature = "inject")]
const LOCK: Duration = Duration::from_secs(10);
#[cfg(feature = "inject")]
const PAUSE: Duration = Duration::from_millis(5);
/// One in this many writes also sweeps stale records: no process of this program notices that a kernel has exited, and
/// a launch must not wait for a sweep.
const SWEEPS: u32 = 32;

/// The largest record accepted, in bytes.
pub(crate) const LARGEST: u64 = 16 << 20;

/// How a kernel got its variables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// At its launch.
    Launch,
    /// While it ran.
    Inject,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// The path in Vault.
    pub path: String,
    /// Its version, if the engine has versions.
    pub version: Option<u64>,
}

/// One change of a kernel's variables.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedChange {
    /// Whether a launch or an injection made it.
    pub how: How,
    /// When, as RFC 3339.
    pub at: String,
    /// The variables that were set or updated.
    pub set: Vec<String>,
    /// The variables that were unset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unset: Vec<String>,
}

/// How many changes are kept.
#[cfg(feature = "inject")]
const CHANGES: usize = 64;

/// One kernel's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The kernel's connection file.
    pub connection_file: PathBuf,
    /// The kernel's process.
    pub pid: u32,
    /// When the process started, in clock ticks since boot.
    pub start_time: u64,
    /// Where that pid is valid: the boot and the pid namespace.
    #[serde(default)]
    pub numbering: String,
    /// How the variables were last set.
    pub how: How,
    /// When they were last set, as RFC 3339.
    pub at: String,
    /// The variables that it was given.
    pub variables: BTreeMap<String, Variable>,
    /// How many leases its keeper holds, or held.
    #[serde(default)]
    pub leases: usize,
    /// When the launch's given token expires, if known: new kernels then need another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_ends: Option<String>,
    /// The changes since its start, which is the first; empty for a launch without later changes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<RecordedChange>,
    /// Variables that expire soon and could not be replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiring: Option<Expiring>,
}

/// Variables that expire soon and could not be replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiring {
    /// The variables, if known.
    pub names: Vec<String>,
    /// When, as RFC 3339.
    pub at: String,
    /// Why it was not replaced.
    pub why: String,
}

impl Record {
    /// A new record; `None` if the process can't be seen.
    pub fn new(connection_file: &Path, pid: u32, how: How, variables: BTreeMap<String, Variable>) -> Option<Self> {
        Some(Self::of((pid, start_time(pid)?), connection_file, how, variables))
    }

    /// A new record for this process, which is about to become a kernel.
    pub fn of_launch(connection_file: &Path, variables: BTreeMap<String, Variable>, leases: usize) -> Option<Self> {
        Some(Self { leases, ..Self::of(own()?, connection_file, How::Launch, variables) })
    }

    fn of((pid, start_time): (u32, u64), file: &Path, how: How, variables: BTreeMap<String, Variable>) -> Self {
        // Jupyter uses the file's absolute path; a user may not.
        let whole = if file.is_absolute() { None } else { file.canonicalize().ok() };
        let connection_file = whole.unwrap_or_else(|| file.to_owned());
        Self {
            connection_file,
            pid,
            start_time,
            numbering: pid_namespace().unwrap_or_default().to_owned(),
            how,
            at: format_rfc3339_seconds(SystemTime::now()).to_string(),
            variables,
            leases: 0,
            credential_ends: None,
            changes: Vec::new(),
            expiring: None,
        }
    }

    /// Adds this record's changes to those of `before`; `unset` are the variables that were unset.
    #[cfg(feature = "inject")]
    pub fn following(mut self, before: Option<Self>, unset: &[String]) -> Self {
        let mut earlier = BTreeMap::new();
        if let Some(before) = before.filter(|before| (before.pid, before.start_time) == (self.pid, self.start_time)) {
            let start = RecordedChange {
                how: before.how,
                at: before.at,
                set: before.variables.keys().cloned().collect(),
                unset: Vec::new(),
            };
            self.leases = before.leases;
            self.credential_ends = before.credential_ends;
            self.changes = if before.changes.is_empty() { vec![start] } else { before.changes };
            earlier = before.variables;
        }
        let is_new =
            |name: &&String| self.variables[*name].version.is_none() || self.variables.get(*name) != earlier.get(*name);
        let set = self.variables.keys().filter(is_new).cloned().collect();
        self.changes.push(RecordedChange { how: self.how, at: self.at.clone(), set, unset: unset.to_vec() });
        self.changes.drain(..self.changes.len().saturating_sub(CHANGES));
        self
    }

    /// A record for a kernel whose process can't be seen; it is never written.
    pub fn unwritten(variables: BTreeMap<String, Variable>) -> Self {
        let how = How::Inject;
        Self {
            connection_file: PathBuf::new(),
            pid: 0,
            start_time: 0,
            numbering: String::new(),
            how,
            at: String::new(),
            variables,
            leases: 0,
            credential_ends: None,
            changes: Vec::new(),
            expiring: None,
        }
    }

    /// The record of `kernel` (its connection file's name without `.json`, or its id on a server) in the
    /// folder `runtime`; `None` if its process has exited.
    pub fn read(runtime: &Path, kernel: &str) -> Option<Self> {
        let path = path(runtime, kernel);
        let record: Self = serde_json::from_slice(&file::read(&path, LARGEST, AllowedWriters::UsOrRoot).ok()?).ok()?;
        // A pid of another container or machine can't be checked here.
        let is_judged = record.numbering.is_empty() || Some(record.numbering.as_str()) == pid_namespace();
        if is_judged && start_time(record.pid) == Some(record.start_time) {
            return Some(record);
        }
        // As long as there is a connection file, it may be a kernel of another container or machine.
        if is_judged && !record.connection_file.exists() {
            let _ = std::fs::remove_file(path);
        }
        None
    }

    /// The records in the folder `runtime` of all running kernels, each by [`Record::read`].
    pub fn all(runtime: &Path) -> impl Iterator<Item = Self> {
        files_in(&runtime.join("kernels")).filter_map(|file| Self::read(runtime, &stem(&file)))
    }

    /// Writes the record, replacing an earlier one, readable only by this user.
    pub fn write(&self, runtime: &Path, kernel: &str) -> Result<()> {
        write_private(runtime, &path(runtime, kernel), &serde_json::to_vec(self).unwrap_or_default())?;
        if fastrand::u32(..SWEEPS) == 0 {
            Self::all(runtime).for_each(drop);
        }
        Ok(())
    }
}

/// Locks the records in `runtime` while one is read and written, which is fast. `None` if a stopped process holds the
/// lock for too long, or if the folder is not private, which writing then reports.
#[cfg(feature = "inject")]
pub(crate) async fn lock(runtime: &Path) -> Option<Flock<File>> {
    private(runtime).ok()?;
    let end = Instant::now() + LOCK;
    loop {
        match Flock::lock(File::open(runtime).ok()?, FlockArg::LockExclusiveNonblock) {
            Ok(locked) => return Some(locked),
            Err(_) if Instant::now() > end => return None,
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// A connection file's name, or a record's, without `.json`.
pub fn stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// The files in a folder whose names end with `.json`.
pub(crate) fn files_in(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|extension| extension == "json"))
}

fn path(runtime: &Path, kernel: &str) -> PathBuf {
    // Ids come from servers: without slashes, the file stays in this folder.
    runtime.join("kernels").join(format!("{}.json", kernel.replace('/', "_")))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn record() -> Record {
        let variable = Variable { path: "secret/a".to_owned(), version: Some(3) };
        let variables = BTreeMap::from([("NAME".to_owned(), variable)]);
        Record::new(Path::new("/run/kernel-1.json"), std::process::id(), How::Inject, variables).unwrap()
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_only_by_its_user() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = folder.path().join("jupyter-vault");
        let record = record();
        record.write(&runtime, "kernel-1").unwrap();
        record.write(&runtime, "kernel-1").unwrap();
        assert_eq!(Record::read(&runtime, "kernel-1"), Some(record));
        let file = runtime.join("kernels/kernel-1.json");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(file).unwrap();
        assert!(
            text.contains(r#""how":"inject""#) && text.contains(r#""NAME":{"path":"secret/a","version":3}"#),
            "{text}"
        );
        assert_eq!(std::fs::read_dir(runtime.join("kernels")).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn a_record_of_another_process_is_none_and_goes_with_its_connection_file() {
        let folder = tempfile::tempdir().unwrap();
        let (runtime, file) = (folder.path().join("jupyter-vault"), folder.path().join("kernel-1.json"));
        let there = || runtime.join("kernels/kernel-1.json").exists();
        std::fs::write(&file, "").unwrap();
        let earlier = Record { start_time: record().start_time - 1, connection_file: file.clone(), ..record() };
        earlier.write(&runtime, "kernel-1").unwrap();
        assert_eq!((Record::read(&runtime, "kernel-1"), there()), (None, true));
        std::fs::remove_file(file).unwrap();
        assert_eq!((Record::read(&runtime, "kernel-1"), there()), (None, false));
    }

    #[test]
    fn records_of_kernels_that_have_ended_do_not_pile_up() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = folder.path().join("jupyter-vault");
        let earlier = Record { start_time: record().start_time - 1, ..record() };
        for number in 0..40 * SWEEPS {
            earlier.write(&runtime, &format!("kernel-{number}")).unwrap();
        }
        let lives = record();
        lives.write(&runtime, "kernel-lives").unwrap();
        let count = || std::fs::read_dir(runtime.join("kernels")).unwrap().count();
        assert!(count() < 20 * SWEEPS as usize, "{}", count());
        assert_eq!((Record::all(&runtime).collect::<Vec<_>>(), count()), (vec![lives], 1));
    }
}
