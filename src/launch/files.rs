//! Secrets that a program wants as a file: written last, readable by their user alone.
//!
//! The files lie in Jupyter's runtime folder, in a folder of ours that only we may enter. There is no
//! supervisor to remove them when the kernel ends, so each file's name tells its process (execve keeps
//! the pid) and when that process started; every later launch removes the files of processes that are
//! gone. A launch that fails removes its own.

use std::fs::Permissions;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::{Builder, TempPath};

use super::given::{Fetched, Form, Given};
use crate::error::Result;
use crate::secret::{SecretSet, SecretValue};
use crate::sys::folder::{private, trouble, unusable};
use crate::sys::process::start_time;

/// The files of this launch; removed when dropped, so it must outlive everything but execve.
#[derive(Debug, Default)]
pub struct Written(Vec<TempPath>);

impl Written {
    /// Leaves the files to their process.
    pub fn keep(self) {
        for path in self.0 {
            let _ = path.keep();
        }
    }
}

/// Writes what is to be files of the process `owner` into `folder`; the rest passes through.
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

/// Makes the folder, and removes what processes that ended have left.
fn prepare(folder: &Path) -> Result<()> {
    private(folder)?;
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
