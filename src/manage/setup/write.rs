//! The files: whole or not at all, never over another's without being told, credentials for us alone.

use std::fs::{DirBuilder, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use tempfile::Builder;

use crate::error::{Error, Kind, Result};

/// Makes the folder that `path` will be in, for us alone; one that is there stays as it is.
pub(super) fn folder_of(path: &Path) -> Result<&Path> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|cause| {
        let what = format!("the folder {} can't be made: {}", folder.display(), cause.kind());
        Error::new(Kind::Os, what, "name another file with --output")
    })?;
    Ok(folder)
}

/// The error for a file that is there already.
pub(super) fn is_there(path: &Path) -> Error {
    let what = format!("{} is there already, and is not replaced", path.display());
    Error::new(Kind::ConfigFile, what, "say --force to replace it, or name another file with --output")
}

/// Writes `content` to `path` with `mode` (less the umask); in place of another only with `force`.
pub(super) fn write(path: &Path, content: &[u8], mode: u32, force: bool) -> Result<()> {
    let failed = |cause: &std::io::Error| {
        let what = format!("{} can't be written: {}", path.display(), cause.kind());
        Error::new(Kind::Os, what, "check the folder's rights and room, or name another file with --output")
    };
    let mut file = Builder::new()
        .prefix(".vault-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder_of(path)?)
        .map_err(|cause| failed(&cause))?;
    file.write_all(content).and_then(|()| file.as_file().sync_all()).map_err(|cause| failed(&cause))?;
    let placed = if force { file.persist(path) } else { file.persist_noclobber(path) };
    placed.map(drop).map_err(|refused| match refused.error.kind() {
        ErrorKind::AlreadyExists => is_there(path),
        _ => failed(&refused.error),
    })
}
