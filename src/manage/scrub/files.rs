//! Finds notebooks in folders, and reads and replaces them as whole files.
//!
//! The new content is written to a file beside the notebook, which is then renamed over it, with the same permissions.
//! So a reader sees either the old notebook or the new one. A notebook that was saved meanwhile is not overwritten.

use std::fs::{Metadata, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};
use tempfile::Builder;

use crate::error::{Error, Kind, Result, why};
use crate::sys::file::{self, AllowedWriters};

/// The largest notebook, in bytes.
const LARGEST: u64 = 1 << 30;

/// A notebook's content and state when it was read.
pub(super) struct Notebook {
    pub(super) content: Vec<u8>,
    metadata: Metadata,
}

/// The notebooks in `named` and in its folders, and the errors.
pub(super) fn list(named: &[PathBuf]) -> (Vec<PathBuf>, Vec<(PathBuf, Error)>) {
    let (mut files, mut troubles) = (Vec::new(), Vec::new());
    for path in named {
        if path.is_dir() { below(path, &mut files, &mut troubles) } else { files.push(path.clone()) }
    }
    let mut seen = std::collections::BTreeSet::new();
    files.retain(|file| seen.insert(file.clone()));
    (files, troubles)
}

/// All notebooks below a folder, including checkpoints; links are not followed.
fn below(folder: &Path, files: &mut Vec<PathBuf>, troubles: &mut Vec<(PathBuf, Error)>) {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) => {
            let what = format!("the folder {} can't be read: {}", folder.display(), why(cause.kind()));
            troubles.push((folder.to_owned(), Error::new(Kind::Os, what, "check its permissions")));
            return;
        }
    };
    let mut entries: Vec<_> = entries.filter_map(std::result::Result::ok).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let Ok(kind) = entry.file_type() else { continue };
        let path = entry.path();
        if kind.is_dir() && entry.file_name() != ".git" {
            below(&path, files, troubles);
        } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "ipynb") {
            files.push(path);
        }
    }
}

/// Reads a notebook.
pub(super) fn read(path: &Path) -> Result<Notebook> {
    let (content, metadata) = file::read_with_metadata(path, LARGEST, AllowedWriters::Anyone).map_err(|unread| {
        let kind = if unread == file::ReadError::Missing { Kind::PathMissing } else { Kind::Os };
        Error::new(kind, format!("the notebook {} {unread}", path.display()), "check the path and its permissions")
    })?;
    Ok(Notebook { content, metadata })
}

/// Replaces the notebook that was read.
pub(super) fn write(path: &Path, read: &Notebook, content: &[u8]) -> Result<()> {
    let failed = |cause: &std::io::Error| {
        let what = format!("the notebook {} can't be written: {}", path.display(), why(cause.kind()));
        Error::new(Kind::Os, what, "check its permissions and its folder's; it still contains its secrets")
    };
    // A link stays a link.
    let real = std::fs::canonicalize(path).map_err(|cause| failed(&cause))?;
    // A file that is not writable is not replaced either.
    access(&real, AccessFlags::W_OK).map_err(|cause| failed(&cause.into()))?;
    let folder = real.parent().unwrap_or(Path::new("/"));
    let mut file = Builder::new().prefix(".scrub-").tempfile_in(folder).map_err(|cause| failed(&cause))?;
    let mode = read.metadata.mode() & 0o7777;
    let written = file.write_all(content).and_then(|()| {
        // If root changes another user's notebook, it keeps its owner.
        if read.metadata.uid() != nix::unistd::geteuid().as_raw()
            || read.metadata.gid() != nix::unistd::getegid().as_raw()
        {
            let _ = std::os::unix::fs::fchown(file.as_file(), Some(read.metadata.uid()), Some(read.metadata.gid()));
        }
        file.as_file().set_permissions(Permissions::from_mode(mode))?;
        file.as_file().sync_all()
    });
    written.map_err(|cause| failed(&cause))?;
    let now = std::fs::metadata(&real).map_err(|cause| failed(&cause))?;
    let same = |of: &Metadata| (of.ino(), of.len(), of.mtime(), of.mtime_nsec());
    if same(&now) != same(&read.metadata) {
        let what = format!("the notebook {} was saved meanwhile, and was not replaced", path.display());
        return Err(Error::new(Kind::Changed, what, "run the command again; the notebook still contains its secrets"));
    }
    file.persist(&real).map(drop).map_err(|refused| failed(&refused.error))
}

/// Reads a notebook from standard input.
pub(super) fn standard_input() -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let read = std::io::stdin().take(LARGEST + 1).read_to_end(&mut content);
    let failed = |why: String| Error::new(Kind::Os, format!("standard input can't be read: {why}"), "pass a file");
    read.map_err(|cause| failed(why(cause.kind())))?;
    if content.len() as u64 > LARGEST {
        return Err(failed("it is larger than the largest notebook accepted".to_owned()));
    }
    Ok(content)
}

/// Writes a notebook to standard output, and messages about it to stderr.
pub(super) fn standard_output(content: &[u8], messages: &str) -> Result<()> {
    let written = std::io::stdout().write_all(content).and_then(|()| std::io::stdout().flush());
    let _ = std::io::stderr().write_all(messages.as_bytes());
    match written {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => {
            let what = format!("standard output can't be written: {}", why(cause.kind()));
            Err(Error::new(Kind::Os, what, "pass a file instead of -"))
        }
        _ => Ok(()),
    }
}
