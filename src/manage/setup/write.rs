//! Writes files atomically, replaces existing ones only with `force`, and makes credentials private.

use std::fs::{DirBuilder, Permissions};
use std::io::{ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::sys::stat::{Mode, umask};
use nix::unistd::linkat;
use tempfile::Builder;

use crate::error::{Error, Kind, Result};

/// Creates the folder of `path`, private to this user; an existing one is not changed.
pub(super) fn folder_of(path: &Path) -> Result<&Path> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|cause| {
        let what = format!("the folder {} can't be created: {}", folder.display(), crate::error::why(cause.kind()));
        Error::new(Kind::Os, what, "choose another file with --output")
    })?;
    Ok(folder)
}

/// The error for a file that already exists.
pub(super) fn is_there(path: &Path) -> Error {
    let what = format!("{} already exists, and was not replaced", path.display());
    Error::new(Kind::ConfigFile, what, "replace it with --force, or choose another file with --output")
}

/// Writes `content` to `path` with `mode` (minus the umask); replaces an existing file only with `force`.
pub(super) fn write(path: &Path, content: &[u8], mode: u32, force: bool) -> Result<()> {
    let failed = |cause: &std::io::Error| {
        let what = format!("{} can't be written: {}", path.display(), crate::error::why(cause.kind()));
        Error::new(
            Kind::Os,
            what,
            "check the folder's permissions and free space, or choose another file with --output",
        )
    };
    if !force {
        // The file has no name until it is complete, so nothing remains if this process is killed.
        let folder = folder_of(path)?;
        return match write_unnamed(folder, content, mode, path) {
            Err(cause) if cause.kind() == ErrorKind::AlreadyExists => Err(is_there(path)),
            outcome => outcome.map_err(|cause| failed(&cause)),
        };
    }
    let mut file = Builder::new()
        .prefix(".vault-")
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder_of(path)?)
        .map_err(|cause| failed(&cause))?;
    file.write_all(content).and_then(|()| file.as_file().sync_all()).map_err(|cause| failed(&cause))?;
    file.persist(path).map(drop).map_err(|refused| failed(&refused.error))
}

/// Writes a file without a name, and then links it to an unused name.
fn write_unnamed(folder: &Path, content: &[u8], mode: u32, path: &Path) -> std::io::Result<()> {
    let mut file = tempfile::tempfile_in(folder)?;
    file.write_all(content)?;
    let mask = umask(Mode::empty());
    umask(mask);
    file.set_permissions(Permissions::from_mode(mode & !mask.bits()))?;
    file.sync_all()?;
    let named = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(AT_FDCWD, named.as_str(), AT_FDCWD, path, AtFlags::AT_SYMLINK_FOLLOW)?;
    Ok(())
}
