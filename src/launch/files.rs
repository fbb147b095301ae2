//! Secrets that a program wants as a file: written last, readable by their user alone.
//!
//! The files lie in Jupyter's runtime folder, in a folder of ours that only we may enter. There is no
//! supervisor to remove them when the kernel ends, so each file's name tells its process (execve keeps
//! the pid) and when that process started; every later launch removes the files of processes that are
//! gone. A launch that fails removes its own.

use std::fs::{DirBuilder, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use tempfile::{Builder, TempPath};

use super::fetch::{Fetched, Form, Given};
use crate::error::{Error, Kind, Result};
use crate::secret::{SecretSet, SecretValue};
use crate::sys::process::start_time;

/// The files of this launch; removed when dropped, so it must outlive everything but execve.
#[derive(Debug, Default)]
pub struct Written(Vec<TempPath>);

impl Written {
    /// The files' paths.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Leaves the files to their process.
    pub fn keep(self) {
        for path in self.0 {
            let _ = path.keep();
        }
    }
}

/// Writes what is to be files of the process `owner` into `folder`; the rest passes through.
///
/// # Errors
/// [`Kind::Os`] when a file can't be written, or the folder is not ours alone.
pub fn write(given: Given, folder: &Path, owner: u32) -> Result<(SecretSet, Written)> {
    let mut secrets = SecretSet::default();
    let mut written = Written::default();
    let mut mark = None;
    for (name, Fetched { form, .. }) in given {
        let value = match form {
            Form::Variable(value) => value,
            Form::File(content) => {
                let owner: &String = match &mut mark {
                    Some(mark) => mark,
                    none => {
                        prepare(folder)?;
                        none.insert(process_mark(owner).unwrap_or_default())
                    }
                };
                let path = write_one(&content, folder, owner)?;
                let shown = path.as_os_str().as_bytes().to_vec();
                written.0.push(path);
                SecretValue::new(shown)
            }
        };
        secrets.insert(name, value);
    }
    Ok((secrets, written))
}

/// Writes `content` to a file of this process in `folder`; it is removed when dropped.
///
/// # Errors
/// As [`write()`].
#[cfg(feature = "inject")]
pub fn one_shot(content: &SecretValue, folder: &Path) -> Result<TempPath> {
    prepare(folder)?;
    write_one(content, folder, &process_mark(std::process::id()).unwrap_or_default())
}

fn write_one(content: &SecretValue, folder: &Path, owner: &str) -> Result<TempPath> {
    let unwritable = |cause: std::io::Error| trouble(folder, &format!("can't take a secret's file: {}", cause.kind()));
    let mut file = Builder::new()
        .prefix(&format!("{owner}-"))
        .rand_bytes(12)
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder)
        .map_err(unwritable)?;
    file.write_all(content.expose()).map_err(unwritable)?;
    Ok(file.into_temp_path())
}

/// Makes the folder if need be; it must be this user's alone.
///
/// # Errors
/// [`Kind::Os`] when it is not.
pub fn ours_alone(folder: &Path) -> Result<()> {
    if is_ours(folder)? { Ok(()) } else { make_ours(folder) }
}

/// Whether the folder is there; it must then be this user's alone.
///
/// # Errors
/// As [`ours_alone`].
pub fn is_ours(folder: &Path) -> Result<bool> {
    let metadata = match std::fs::symlink_metadata(folder) {
        Err(absent) if absent.kind() == ErrorKind::NotFound => return Ok(false),
        Err(cause) => return Err(unusable(folder, &cause)),
        Ok(metadata) => metadata,
    };
    if !metadata.is_dir() || metadata.uid() != nix::unistd::geteuid().as_raw() || metadata.mode() & 0o077 != 0 {
        return Err(trouble(folder, "is not a folder of this user alone"));
    }
    Ok(true)
}

/// Makes a folder that was not there. What we make with this mode is ours alone, and needs no look: each
/// system call of a launch is counted. What somebody else makes at the same moment is looked at.
///
/// # Errors
/// As [`ours_alone`].
pub fn make_ours(folder: &Path) -> Result<()> {
    let make = |recursive| DirBuilder::new().recursive(recursive).mode(0o700).create(folder);
    match make(false) {
        Ok(()) => return Ok(()),
        Err(cause) if cause.kind() == ErrorKind::NotFound => make(true).map_err(|cause| unusable(folder, &cause))?,
        Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
        Err(cause) => return Err(unusable(folder, &cause)),
    }
    if is_ours(folder)? { Ok(()) } else { Err(trouble(folder, "was removed at once")) }
}

/// Makes the folder, and removes what processes that ended have left.
fn prepare(folder: &Path) -> Result<()> {
    ours_alone(folder)?;
    for entry in std::fs::read_dir(folder).map_err(|cause| unusable(folder, &cause))?.filter_map(Result::ok) {
        if is_left_over(&entry.path()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(())
}

fn is_left_over(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let mut parts = name.splitn(3, '-');
    let (Some(pid), Some(start), Some(_)) = (parts.next(), parts.next(), parts.next()) else { return false };
    let Ok(pid) = pid.parse() else { return false };
    process_mark(pid).is_none_or(|mark| mark != format!("{pid}-{start}"))
}

/// `PID-STARTTIME`: what tells a process from a later one with the same number.
fn process_mark(pid: u32) -> Option<String> {
    Some(format!("{pid}-{}", start_time(pid)?))
}

fn unusable(folder: &Path, cause: &std::io::Error) -> Error {
    trouble(folder, &format!("can't be used: {}", cause.kind()))
}

fn trouble(folder: &Path, what: &str) -> Error {
    Error::new(
        Kind::Os,
        format!("the folder for secrets' files, {}, {what}", folder.display()),
        "set JUPYTER_RUNTIME_DIR or XDG_RUNTIME_DIR to a folder of this user's own, with room in it",
    )
}
