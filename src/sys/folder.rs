//! Folders that only this user may enter, for records and for files with secrets.

use std::fs::{DirBuilder, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::Builder;

use crate::error::{Error, Kind, Result};

/// The advice of all errors here.
const ADVICE: &str = "set JUPYTER_RUNTIME_DIR or XDG_RUNTIME_DIR to a folder that this user owns, with free space";

/// Creates the folder if it does not exist; only this user may be able to enter it.
pub fn private(folder: &Path) -> Result<()> {
    if is_private(folder)? { Ok(()) } else { make_private(folder) }
}

/// Whether the folder exists; an error if other users can enter it.
pub fn is_private(folder: &Path) -> Result<bool> {
    let metadata = match std::fs::symlink_metadata(folder) {
        Err(absent) if absent.kind() == ErrorKind::NotFound => return Ok(false),
        Err(cause) => return Err(unusable(folder, &cause)),
        Ok(metadata) => metadata,
    };
    if !metadata.is_dir() || metadata.uid() != nix::unistd::geteuid().as_raw() || metadata.mode() & 0o077 != 0 {
        return Err(trouble(folder, "is not private to this user"));
    }
    Ok(true)
}

/// Creates a folder. With this mode it is private and needs no check: a launch avoids every system call it can. A
/// folder that another process creates at the same moment is checked.
pub fn make_private(folder: &Path) -> Result<()> {
    let make = |recursive| DirBuilder::new().recursive(recursive).mode(0o700).create(folder);
    match make(false) {
        Ok(()) => return Ok(()),
        Err(cause) if cause.kind() == ErrorKind::NotFound => make(true).map_err(|cause| unusable(folder, &cause))?,
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(unusable(folder, &cause)),
    }
    if is_private(folder)? { Ok(()) } else { Err(trouble(folder, "was removed at once")) }
}

pub fn unusable(folder: &Path, cause: &std::io::Error) -> Error {
    trouble(folder, &format!("can't be used: {}", crate::error::why(cause.kind())))
}

fn trouble(folder: &Path, what: &str) -> Error {
    Error::new(Kind::Os, format!("the folder for files of secrets, {}, {what}", folder.display()), ADVICE)
}

/// The error for a file that can't be written in `folder`.
pub fn unwritable(folder: &Path, cause: &std::io::Error) -> Error {
    let why = crate::error::why(cause.kind());
    Error::new(Kind::Os, format!("a secret can't be written to the folder {}: {why}", folder.display()), ADVICE)
}

/// Writes `content` to `target`, in a folder of `runtime`, in place of an earlier one; only this user may read it.
pub fn write_private(runtime: &Path, target: &Path, content: &[u8]) -> Result<()> {
    let folder = target.parent().unwrap_or(runtime);
    if !is_private(folder)? {
        private(runtime)?;
        make_private(folder)?;
    }
    let written = || -> std::io::Result<()> {
        let mut file = Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
        file.write_all(content)?;
        file.persist(target).map(drop).map_err(|refused| refused.error)
    };
    written().map_err(|cause| {
        let what = format!("the file {} can't be written: {}", target.display(), crate::error::why(cause.kind()));
        Error::new(Kind::Os, what, "set JUPYTER_RUNTIME_DIR to a folder that this user owns, with free space")
    })
}
