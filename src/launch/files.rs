//! Secrets that a program needs as a file: written last, readable only by their user, and removed by the keeper if
//! one runs.
//!
//! The files of one kernel are in a separate folder, inside this program's folder in Jupyter's runtime folder; both
//! are 0700. Without leases, no process of this program remains that could remove them when the kernel exits. So the
//! folder's name contains the pid (which execve keeps), its start time, and its boot and pid namespace. Each later
//! launch removes the folders of processes that have exited. Containers, and machines with a shared home, may share
//! the outer folder. A launch that fails removes its own folder.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
#[cfg(feature = "inject")]
use tempfile::TempPath;
use tempfile::{Builder, TempDir};

use super::given::{Fetched, Form, Given};
use super::profiles;
use crate::error::Result;
use crate::secret::{SecretSet, SecretValue};
use crate::sys::folder::{private, unusable, unwritable};
use crate::sys::process::{pid_namespace, start_time};

/// The mark on a system that can't identify a process reliably: such a file is judged by its age.
const UNKNOWN: &str = "0-0";
/// The extension of a socket's name.
const SOCKET: &str = "socket";
/// The characters that are escaped in a file's name.
const OTHERS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_');
/// How long a file stays if its process can't be judged: longer than a kernel runs.
const OLD: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The folder of this launch's files. It is removed on drop, so it must live until execve.
#[derive(Debug, Default)]
pub struct Written(Option<TempDir>);

impl Written {
    /// Keeps the files for their process.
    pub fn keep(self) {
        let _ = self.0.map(TempDir::keep);
    }
}

/// Writes the secrets that must be files of the process `owner` into its own folder in `folder`, and passes the
/// others through. A file that the process already has is replaced atomically under its name, so a client that reads
/// it at each connect sees either the old content or the new.
pub fn write(given: Given, folder: &Path, owner: u32) -> Result<(SecretSet, Written)> {
    let mut secrets = SecretSet::default();
    let mut made: Option<TempDir> = None;
    let mut own: Option<PathBuf> = None;
    for (name, Fetched { form, .. }) in given {
        let (content, inner) = match form {
            Form::Variable(value) => {
                secrets.insert(name, value);
                continue;
            }
            Form::File(content) => (content, None),
            Form::Folder(inner, content) => (content, Some(inner)),
            Form::Profiles(named) => {
                let socket = start_time(owner).and_then(|start| socket(folder, (owner, start)));
                (profiles::configuration(&named, socket.as_deref())?, None)
            }
        };
        let own = match &own {
            Some(own) => own,
            None => own.insert(match of_process(folder, owner) {
                Some(known) => known,
                None => made.insert(make(folder, owner)?).path().to_owned(),
            }),
        };
        let path = own.join(file_name(name.as_str()));
        let written = match inner {
            None => write_one(&content, &path),
            Some(inner) => make_folder(&path).and_then(|()| write_one(&content, &path.join(inner))),
        };
        written.map_err(|cause| unwritable(folder, &cause))?;
        secrets.insert(name, SecretValue::new(path.as_os_str().as_bytes().to_vec()));
    }
    Ok((secrets, Written(made)))
}

/// Removes the files of the process that had this pid and start time.
#[cfg(target_os = "linux")]
pub fn remove(folder: &Path, (pid, start): (u32, u64)) {
    let Some(place) = pid_namespace() else { return };
    for entry in of_mark(folder, &format!("{place}-{pid}-{start}")) {
        let _ = std::fs::remove_file(&entry).or_else(|_| std::fs::remove_dir_all(&entry));
    }
}

/// The socket of the keeper for the process with this pid and start time.
pub fn socket(folder: &Path, (pid, start): (u32, u64)) -> Option<PathBuf> {
    Some(folder.join(format!("{}-{pid}-{start}-{SOCKET}", pid_namespace()?)))
}

/// The folder of the files that the process `owner` already has.
fn of_process(folder: &Path, owner: u32) -> Option<PathBuf> {
    of_mark(folder, &process_mark(owner)?).find(|path| path.is_dir())
}

/// The entries of `folder` with that mark.
fn of_mark(folder: &Path, mark: &str) -> impl Iterator<Item = PathBuf> + use<> {
    let begin = format!("{mark}-");
    let entries = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.filter(move |entry| entry.file_name().to_string_lossy().starts_with(&begin)).map(|entry| entry.path())
}

/// A file's name, derived from its variable's name, so that a later write replaces the same file.
fn file_name(name: &str) -> String {
    utf8_percent_encode(name, OTHERS).to_string()
}

fn make_folder(path: &Path) -> std::io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(there) if there.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Creates the folder of one process, with a name that identifies the process.
fn make(folder: &Path, owner: u32) -> Result<TempDir> {
    prepare(folder)?;
    let mark = process_mark(owner).unwrap_or_else(|| UNKNOWN.to_owned());
    Builder::new()
        .prefix(&format!("{mark}-"))
        .rand_bytes(12)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(folder)
        .map_err(|cause| unwritable(folder, &cause))
}

fn write_one(content: &SecretValue, path: &Path) -> std::io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(mut file) => file.write_all(content.expose()),
        Err(there) if there.kind() == std::io::ErrorKind::AlreadyExists => {
            let folder = path.parent().unwrap_or(path);
            let mut file = Builder::new().permissions(Permissions::from_mode(0o600)).tempfile_in(folder)?;
            file.write_all(content.expose())?;
            file.persist(path).map(drop).map_err(|failed| failed.error)
        }
        Err(cause) => Err(cause),
    }
}

/// Writes `content` to a file of this process in `folder`; it is removed when dropped.
#[cfg(feature = "inject")]
pub fn one_shot(content: &SecretValue, folder: &Path) -> Result<TempPath> {
    prepare(folder)?;
    let owner = process_mark(std::process::id()).unwrap_or_else(|| UNKNOWN.to_owned());
    let mut file = Builder::new()
        .prefix(&format!("{owner}-"))
        .rand_bytes(12)
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder)
        .map_err(|cause| unwritable(folder, &cause))?;
    file.write_all(content.expose()).map_err(|cause| unwritable(folder, &cause))?;
    Ok(file.into_temp_path())
}

/// Creates the outer folder, and removes the files of processes that have ended.
fn prepare(folder: &Path) -> Result<()> {
    private(folder)?;
    for entry in std::fs::read_dir(folder).map_err(|cause| unusable(folder, &cause))?.filter_map(Result::ok) {
        if is_left_over(&entry.path()) {
            let path = entry.path();
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
        }
    }
    Ok(())
}

/// Whether the process that a file belongs to has exited. Only processes of the same boot and pid namespace can be
/// judged; the file of another machine, container or version of this program stays until it is old.
fn is_left_over(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let parts: Vec<_> = name.split('-').collect();
    if let [place, pid, start, _] = parts[..] {
        let Ok(pid) = pid.parse::<u32>() else { return false };
        if pid_namespace() == Some(place) {
            return start_time(pid).is_none_or(|started| started.to_string() != start);
        }
    } else if !matches!(parts[..], [pid, start, _] if pid.parse::<u32>().and(start.parse::<u64>()).is_ok()) {
        return false;
    }
    let age = path.metadata().and_then(|file| file.modified()).ok().and_then(|written| written.elapsed().ok());
    age.is_some_and(|age| age > OLD)
}

/// `NUMBERING-PID-STARTTIME`: identifies a process among all that share the folder.
fn process_mark(pid: u32) -> Option<String> {
    Some(format!("{}-{pid}-{}", pid_namespace()?, start_time(pid)?))
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::time::SystemTime;

    use super::*;

    /// A file of that name, written `age` ago.
    fn file(folder: &Path, name: &str, age: Duration) -> std::path::PathBuf {
        let path = folder.join(name);
        let file = std::fs::File::create(&path).unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
        path
    }

    #[test]
    fn a_file_is_left_over_when_its_process_is_known_to_have_ended_or_when_it_is_old() {
        let folder = tempfile::tempdir().unwrap();
        let of = |name: String, age| is_left_over(&file(folder.path(), &name, age));
        let (own, pid) = (process_mark(std::process::id()).unwrap(), std::process::id());
        let (here, start) = (pid_namespace().unwrap(), start_time(pid).unwrap());
        assert!(!of(format!("{own}-abc"), OLD * 2), "it runs");
        assert!(of(format!("{here}-{pid}-{}-abc", start + 1), Duration::ZERO), "a later process of that number");
        assert!(of(format!("{here}-4194304-5-abc"), Duration::ZERO), "no process has that number");
        for elsewhere in
            [format!("0123456789abcdef.4026531836-{pid}-{start}-abc"), format!("{pid}-1-abc"), "0-0-abc".into()]
        {
            assert!(!of(elsewhere.clone(), Duration::from_secs(3600)), "{elsewhere}: it can't be judged");
            assert!(of(elsewhere.clone(), OLD * 2), "{elsewhere}: it is old");
        }
        for another in ["notes.txt", "a-b-c", "kernels"] {
            assert!(!of(another.to_owned(), OLD * 2), "{another}: not ours");
        }
    }
}
