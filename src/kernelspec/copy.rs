//! A copy of a kernelspec that exists completely or not at all.
//!
//! It is made beside the folder of kernelspecs, where Jupyter does not look, and moved into it by one rename; it is
//! removed in the reverse order.

use std::fs::{File, Permissions, create_dir, create_dir_all};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::journal::{Locked, lock, refused};
use super::{KERNEL_JSON, STAND_BY, STAND_BY_SCRIPT, journal};
use crate::config::locations::FILE_NAME;
use crate::error::Result;
#[cfg(target_os = "linux")]
use crate::sys::exchange::exchange;

/// The deepest folder of a kernelspec that is copied.
const DEPTH: usize = 16;
/// The prefix of the folder's name while it is not a kernelspec.
const ASIDE: &str = ".jupyter-vault.";

/// Makes or replaces `to`, with the files of `from` and then what `fill` writes.
pub(super) fn make(from: &Path, to: &Path, fill: impl FnOnce(&Locked) -> Result<()>) -> Result<()> {
    let root = to.parent().unwrap_or(to);
    create_dir_all(root).map_err(|cause| refused(root, "made", &cause))?;
    let _others_wait = lock(root)?;
    let made = hidden_path(to);
    discard(&made)?;
    copy_folder(from, &made, DEPTH)?;
    fill(&Locked::new(&made)?)?;
    if to.exists() {
        exchange(&made, to).map_err(|cause| refused(to, "replaced", &cause))?;
        sync(root)?;
        return discard(&made);
    }
    std::fs::rename(&made, to).map_err(|cause| refused(to, "made", &cause))?;
    sync(root)
}

/// Replaces `to` without an atomic exchange: for a moment there is no copy, and Jupyter uses the original.
#[cfg(not(target_os = "linux"))]
fn exchange(one: &Path, other: &Path) -> std::io::Result<()> {
    std::fs::remove_dir_all(other)?;
    std::fs::rename(one, other)
}

/// Removes `folder` completely.
pub(super) fn remove(folder: &Path) -> Result<()> {
    let root = folder.parent().unwrap_or(folder);
    let _others_wait = lock(root)?;
    let gone = hidden_path(folder);
    discard(&gone)?;
    std::fs::rename(folder, &gone).map_err(|cause| refused(folder, "removed", &cause))?;
    sync(root)?;
    discard(&gone)
}

/// Removes what a crash left while a copy was made or removed in the folder `root` of kernelspecs; returns whether
/// there was anything.
pub(super) fn clean_up(root: &Path) -> Result<bool> {
    let beside = root.parent().map(std::fs::read_dir).into_iter().flatten().flatten().flatten();
    let left: Vec<_> = beside.filter(|entry| entry.file_name().to_string_lossy().starts_with(ASIDE)).collect();
    if left.is_empty() {
        return Ok(false);
    }
    // With the lock, no other process is making or removing a copy.
    let _others_wait = lock(root)?;
    left.iter().try_for_each(|left| discard(&left.path()))?;
    Ok(true)
}

/// The files below `folder` that a copy would contain, in order.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut waiting = vec![(folder.to_owned(), DEPTH)];
    while let Some((at, depth)) = waiting.pop() {
        for entry in std::fs::read_dir(at).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && depth > 0 {
                waiting.push((path, depth - 1));
            } else if let Ok(below) = path.strip_prefix(folder) {
                files.push(below.to_owned());
            }
        }
    }
    files.sort();
    files
}

/// A place where Jupyter does not look, on the same file system.
fn hidden_path(folder: &Path) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let root = folder.parent().and_then(Path::parent).unwrap_or(Path::new("."));
    root.join(format!("{ASIDE}{name}"))
}

fn discard(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => Err(refused(folder, "removed", &cause)),
        _ => Ok(()),
    }
}

fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|cause| refused(folder, "synced", &cause))
}

/// Copies a folder, following links: a relative link would lead elsewhere from the copy.
fn copy_folder(from: &Path, to: &Path, depth: usize) -> Result<()> {
    create_dir(to).map_err(|cause| refused(to, "made", &cause))?;
    for entry in std::fs::read_dir(from).map_err(|cause| refused(from, "read", &cause))?.flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let ours = [KERNEL_JSON, FILE_NAME, journal::RECORD, STAND_BY, STAND_BY_SCRIPT];
        let ours = ours.iter().any(|name| entry.file_name() == *name);
        if source.is_dir() && depth > 0 {
            copy_folder(&source, &target, depth - 1)?;
        } else if source.is_file() && !ours {
            copy_file(&source, &target).map_err(|cause| refused(&source, "copied", &cause))?;
        }
    }
    sync(to)
}

fn copy_file(source: &Path, target: &Path) -> std::io::Result<()> {
    std::fs::copy(source, target)?;
    let file = File::open(target)?;
    // Only its user may write the copy, and the user must be able to remove it.
    let mode = file.metadata()?.permissions().mode();
    file.set_permissions(Permissions::from_mode((mode | 0o200) & 0o7775))?;
    file.sync_all()
}
