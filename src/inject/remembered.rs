//! Remembers the variables of a kernel whose process can't be seen: behind a server on another machine, or in another
//! container.
//!
//! A record names a process. Here the session id identifies it: every message contains it, and each process creates a
//! new one, so a kernel that has restarted with the same id is recognised as a new process. Some kernels answer with
//! the client's session id; nothing is remembered for them.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::info::KernelInfo;
use super::target::{Route, Target};
use crate::error::Result;
use crate::record::{LARGEST, Variable};
use crate::sys::file::{self, AllowedWriters};
use crate::sys::folder::write_private;

/// How long an entry is kept after it was written.
const AGE: Duration = Duration::from_secs(30 * 24 * 3600);

/// The variables of one kernel process: names and versions.
#[derive(Serialize, Deserialize)]
struct Remembered {
    /// The server's address, or the path of the connection file.
    place: String,
    kernel: String,
    session: String,
    variables: BTreeMap<String, Variable>,
}

/// The variables of the process with this `info`, if known.
pub(super) fn recall(runtime: &Path, target: &Target, info: &KernelInfo) -> Option<BTreeMap<String, Variable>> {
    let place = place(target);
    let text = file::read(&path(runtime, &place, &target.id), LARGEST, AllowedWriters::UsOrRoot).ok()?;
    let known: Remembered = serde_json::from_slice(&text).ok()?;
    (known.place == place && known.kernel == target.id && Some(&known.session) == info.session.as_ref())
        .then_some(known.variables)
}

/// Stores which variables that process has.
pub(super) fn keep(
    runtime: &Path,
    target: &Target,
    info: &KernelInfo,
    variables: &BTreeMap<String, Variable>,
) -> Result<()> {
    let Some(session) = info.session.clone() else { return Ok(()) };
    let place = place(target);
    let path = path(runtime, &place, &target.id);
    let known = Remembered { place, kernel: target.id.clone(), session, variables: variables.clone() };
    write_private(runtime, &path, &serde_json::to_vec(&known).unwrap_or_default())?;
    remove_old(&folder(runtime));
    Ok(())
}

fn remove_old(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
        let age = entry.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > AGE) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn place(target: &Target) -> String {
    match &target.route {
        Route::File(path) => path.canonicalize().unwrap_or_else(|_| path.clone()).display().to_string(),
        Route::Server(server) => server.address().to_string(),
    }
}

fn folder(runtime: &Path) -> PathBuf {
    runtime.join("elsewhere")
}

/// A file name: the kernel's id for people, and a digest of place and id.
fn path(runtime: &Path, place: &str, kernel: &str) -> PathBuf {
    let mut name = kernel.replace('/', "_") + "-";
    for byte in digest(&SHA256, format!("{place}\n{kernel}").as_bytes()).as_ref().iter().take(8) {
        let _ = write!(name, "{byte:02x}");
    }
    folder(runtime).join(name + ".json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_session_at_the_same_place_is_recalled() {
        let scratch = tempfile::tempdir().unwrap();
        let runtime = scratch.path().join("jupyter-vault");
        let target = |path: &str| Target::of_file(Path::new(path));
        let info = |session: Option<&str>| KernelInfo { session: session.map(str::to_owned), ..KernelInfo::default() };
        let variable = Variable { path: "secret/a".to_owned(), version: Some(3) };
        let variables = BTreeMap::from([("NAME".to_owned(), variable)]);
        let (one, other) = (target("/run/a/kernel-1.json"), target("/run/b/kernel-1.json"));
        keep(&runtime, &one, &info(None), &variables).unwrap();
        assert!(!runtime.exists(), "a kernel without a session of its own");
        keep(&runtime, &one, &info(Some("s")), &variables).unwrap();
        assert_eq!(recall(&runtime, &one, &info(Some("s"))), Some(variables));
        assert_eq!(recall(&runtime, &one, &info(Some("t"))), None);
        assert_eq!(recall(&runtime, &one, &info(None)), None);
        assert_eq!(recall(&runtime, &other, &info(Some("s"))), None);
    }

    #[test]
    fn one_that_is_not_written_again_is_removed() {
        let scratch = tempfile::tempdir().unwrap();
        let file = |name: &str, age: Duration| {
            let path = scratch.path().join(name);
            let file = std::fs::File::create(&path).unwrap();
            file.set_modified(std::time::SystemTime::now() - age).unwrap();
            path
        };
        let (old, young) = (file("old", AGE + AGE), file("young", AGE / 2));
        remove_old(scratch.path());
        assert_eq!((old.exists(), young.exists()), (false, true));
    }
}
