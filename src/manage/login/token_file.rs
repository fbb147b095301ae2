//! The file with the token, as Vault's own client writes it: the token and nothing else, for its user alone.
//!
//! It is replaced atomically, so that a launch at the same moment reads the old token or the new one. A symbolic link
//! in its place is replaced too, and never followed: another user's link must not decide where a token is written.

use std::fs::{DirBuilder, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use tempfile::Builder;

use crate::config::credential::Credential;
use crate::error::{Error, Kind, Result, why};
use crate::secret::SecretValue;
use crate::sys::file::{self, AllowedWriters};

/// The largest file that counts as a token's, in bytes.
const LARGEST: u64 = 64 * 1024;

/// Creates the folder if it does not exist, and checks that the file can be written there.
pub(super) fn prepare(path: &Path) -> Result<()> {
    let folder = folder(path);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|cause| failed(path, &cause))?;
    if path.symlink_metadata().is_ok_and(|there| there.is_dir()) {
        return Err(failed(path, &ErrorKind::IsADirectory.into()));
    }
    if file::is_open_to_all(folder) {
        let what = format!("every user can replace files in {}, where the token would be stored", folder.display());
        return Err(Error::new(Kind::Os, what, "remove that permission (chmod o-w), or set `token_file` under [auth]"));
    }
    Builder::new().prefix(".vault-token-").tempfile_in(folder).map(drop).map_err(|cause| failed(path, &cause))
}

/// Writes the token, readable and writable by its user alone, in place of an earlier one.
pub(super) fn write(path: &Path, token: &SecretValue) -> Result<()> {
    let mut file = Builder::new()
        .prefix(".vault-token-")
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder(path))
        .map_err(|cause| failed(path, &cause))?;
    file.write_all(token.expose()).and_then(|()| file.as_file().sync_all()).map_err(|cause| failed(path, &cause))?;
    file.persist(path).map(drop).map_err(|refused| failed(path, &refused.error))
}

/// Whether there is a file or a link.
pub(super) fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// The token in the file, if there is one.
pub(super) fn read(path: &Path) -> Result<Option<Credential>> {
    let content = match file::read(path, LARGEST, AllowedWriters::NotEveryone) {
        Ok(content) => SecretValue::new(content).trimmed(),
        // A dangling link counts as an empty file.
        Err(file::ReadError::Missing) => return Ok(None),
        Err(unread) => {
            let what = format!("the file {} {unread}", path.display());
            return Err(Error::new(Kind::Credential, what, "check it, and remove it by hand"));
        }
    };
    let origin = path.display().to_string();
    Ok((!content.expose().is_empty()).then_some(Credential { value: content, origin }))
}

/// Removes the file; of a link, not its target.
pub(super) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            let what = format!("{} can't be removed: {}", path.display(), why(cause.kind()));
            Err(Error::new(Kind::Os, what, "remove it by hand; its token is already revoked"))
        }
        _ => Ok(()),
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn failed(path: &Path, cause: &std::io::Error) -> Error {
    let what = format!("the token can't be stored in {}: {}", path.display(), why(cause.kind()));
    Error::new(
        Kind::Os,
        what,
        "check the folder's permissions and free space, or set `token_file` under [auth] in vault.toml",
    )
}
