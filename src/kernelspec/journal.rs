//! Keeps the earlier files beside the kernelspec, and writes so that a crash does no harm.
//!
//! The record is written first and removed last; in between, kernel.json alone decides whether a kernelspec is
//! wrapped. So after a crash at any moment, the record and kernel.json show the next `wrap` or `unwrap` how far the
//! interrupted run got:
//!
//! | record | kernel.json | what happened | `wrap` | `unwrap` |
//! |---|---|---|---|---|
//! | none | original | nothing, or a complete `unwrap` | wraps | has nothing to do |
//! | exists | original | `wrap` began, or `unwrap` did not finish | wraps | finishes |
//! | exists | wrapped | a complete `wrap` | updates | restores |
//!
//! Each file is written under another name, synced and renamed, and then its folder is synced; the unfinished file
//! has a known name, so that the next run removes it.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::{KERNEL_JSON, STAND_BY, STAND_BY_SCRIPT};
use crate::config::locations::FILE_NAME;
use crate::error::{Error, Kind, Result};
use crate::sys::file::{self, AllowedWriters, ReadError};

/// The largest file of a kernelspec, in bytes.
const LARGEST: u64 = 4 << 20;

/// The record's file.
pub const RECORD: &str = "jupyter-vault.json";
/// The files that `wrap` writes.
const FILES: [&str; 5] = [RECORD, FILE_NAME, KERNEL_JSON, STAND_BY, STAND_BY_SCRIPT];
/// How many times a lock that another process holds is tried, and the pause between two tries.
const ATTEMPTS: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// A file before the change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedFile {
    /// Its text.
    pub text: String,
    /// Its permission bits.
    pub mode: u32,
    /// Its target, if it was a symbolic link.
    pub link: Option<PathBuf>,
}

/// The record of `wrap`: all that `unwrap` needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrapRecord {
    /// A note for people who open the file.
    pub note: String,
    /// The folder that was copied, if this one is a copy.
    pub copy_of: Option<PathBuf>,
    /// The files of a copy.
    #[serde(default)]
    pub copied: Vec<PathBuf>,
    /// kernel.json before the change.
    pub kernel_json: SavedFile,
    /// vault.toml before the change, if there was one.
    pub vault_toml: Option<SavedFile>,
    /// The words before the kernel's own command.
    #[serde(default)]
    pub launcher: Vec<String>,
    /// The program that a stand-by in the folder belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<PathBuf>,
    /// The suffix of the kernel's shown name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub suffix: String,
    /// The texts of vault.toml that `wrap` wrote; any other text was edited later.
    pub ours: Vec<String>,
}

/// A locked folder: no other process wraps or unwraps it.
#[derive(Debug)]
pub struct Locked {
    folder: PathBuf,
    file: Flock<File>,
}

/// The error of an operation on a file.
pub(super) fn refused(path: &Path, what: &str, cause: &std::io::Error) -> Error {
    let advice = "check that you can write there, then repeat the command, which continues where it stopped";
    Error::new(Kind::Os, format!("{} can't be {what}: {}", path.display(), crate::error::why(cause.kind())), advice)
}

impl Locked {
    /// Locks `folder`, and removes what a crash left unfinished in it.
    pub fn new(folder: &Path) -> Result<Self> {
        let locked = Self { folder: folder.to_owned(), file: lock(folder)? };
        for name in FILES {
            locked.remove(&unfinished(name))?;
        }
        Ok(locked)
    }

    /// Writes `content` to `name`, with these permission bits, and the owner and group of the existing file, or else
    /// of the kernelspec.
    pub fn write(&self, name: &str, content: &str, mode: u32) -> Result<()> {
        let path = self.folder.join(unfinished(name));
        let failed = |cause: std::io::Error| refused(&self.folder.join(name), "written", &cause);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(failed)?;
        file.write_all(content.as_bytes()).map_err(failed)?;
        // If the group could not be kept, the new group gets no more rights than all other users.
        let mode = if self.give(name, &file) { mode } else { mode & (!0o070 | (mode & 0o007) << 3) };
        file.set_permissions(Permissions::from_mode(mode & 0o7777)).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        self.rename(name)
    }

    /// The path of the file `name`.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Makes `name` a hard link to `program`, or a copy where the system allows no link.
    pub(super) fn link_or_copy(&self, name: &str, program: &Path) -> Result<()> {
        let path = self.folder.join(unfinished(name));
        // A hard link to a symbolic link would still depend on the file that pip removes.
        let whole = program.canonicalize().unwrap_or_else(|_| program.to_owned());
        std::fs::hard_link(&whole, &path)
            .or_else(|_| copy(&whole, &path))
            .map_err(|cause| refused(&self.folder.join(name), "written", &cause))?;
        self.rename(name)
    }

    /// Puts a file back as it was before.
    pub fn restore(&self, name: &str, kept: &SavedFile) -> Result<()> {
        let Some(target) = &kept.link else { return self.write(name, &kept.text, kept.mode) };
        std::os::unix::fs::symlink(target, self.folder.join(unfinished(name)))
            .map_err(|cause| refused(&self.folder.join(name), "linked", &cause))?;
        self.rename(name)
    }

    /// Removes `name`, if it exists.
    pub fn remove(&self, name: &str) -> Result<()> {
        match std::fs::remove_file(self.folder.join(name)) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                Err(refused(&self.folder.join(name), "removed", &cause))
            }
            Err(_) => Ok(()),
            Ok(()) => self.sync(),
        }
    }

    fn rename(&self, name: &str) -> Result<()> {
        let path = self.folder.join(name);
        std::fs::rename(self.folder.join(unfinished(name)), &path)
            .map_err(|cause| refused(&path, "replaced", &cause))?;
        self.sync()
    }

    fn sync(&self) -> Result<()> {
        self.file.sync_all().map_err(|cause| refused(&self.folder, "synced", &cause))
    }

    /// Keeps the owner and the group when root or a member of the group writes the file. Returns whether the file has
    /// the group that its permission bits are meant for.
    fn give(&self, name: &str, file: &File) -> bool {
        let there = |name: &str| std::fs::symlink_metadata(self.folder.join(name));
        let Ok(owner) = there(name).or_else(|_| there(KERNEL_JSON)) else { return true };
        let root = nix::unistd::geteuid().is_root();
        let _ = std::os::unix::fs::fchown(file, root.then(|| owner.uid()), Some(owner.gid()));
        file.metadata().is_ok_and(|made| made.gid() == owner.gid())
    }
}

/// Copies `program` with its modification time, by which the copy is later recognised as the same program.
fn copy(program: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::copy(program, to)?;
    let file = OpenOptions::new().write(true).open(to)?;
    file.set_permissions(Permissions::from_mode(0o755))?;
    file.set_modified(program.metadata()?.modified()?)?;
    file.sync_all()
}

/// Locks `folder`, waiting a bounded time, because any user who may read the folder may lock it.
pub(super) fn lock(folder: &Path) -> Result<Flock<File>> {
    for _ in 0..ATTEMPTS {
        let file = File::open(folder).map_err(|cause| refused(folder, "opened", &cause))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            // Another process may have replaced the folder.
            Ok(locked) if is_at(&locked, folder) => return Ok(locked),
            Ok(_) => continue,
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => {}
            Err((_, cause)) => return Err(refused(folder, "locked", &std::io::Error::from(cause))),
        }
        std::thread::sleep(PAUSE);
    }
    Err(busy(folder))
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(one), Ok(other)) = (file.metadata(), path.metadata()) else { return false };
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// The error if other processes keep `folder` locked.
pub(super) fn busy(folder: &Path) -> Error {
    let what = format!("another process is changing {}", folder.display());
    Error::new(Kind::Os, what, "wait for the other wrap or unwrap to end (lsof shows which one), then try again")
}

/// Whether a crash left an unfinished file in `folder`.
pub(super) fn has_unfinished(folder: &Path) -> bool {
    FILES.iter().any(|name| folder.join(unfinished(name)).symlink_metadata().is_ok())
}

fn unfinished(name: &str) -> String {
    format!(".{name}.jupyter-vault")
}

/// Reads a file; `None` if there is none.
pub fn keep(path: &Path) -> Result<Option<SavedFile>> {
    let (bytes, metadata) = match file::read_with_metadata(path, LARGEST, AllowedWriters::Anyone) {
        Ok(both) => both,
        Err(ReadError::Missing) => return Ok(None),
        Err(why) => {
            let advice = "put a plain file there, or remove it; nothing was changed";
            return Err(Error::new(Kind::Config, format!("{} {why}", path.display()), advice));
        }
    };
    let mode = metadata.permissions().mode() & 0o7777;
    let text = String::from_utf8(bytes)
        .map_err(|_| Error::new(Kind::Config, format!("{} is not UTF-8", path.display()), "save it as UTF-8"))?;
    Ok(Some(SavedFile { text, mode, link: std::fs::read_link(path).ok() }))
}

impl WrapRecord {
    /// Reads the record in `folder`; `None` if there is none, as `wrap` has written nothing there.
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(RECORD);
        let Some(kept) = keep(&path)? else { return Ok(None) };
        if kept.mode & 0o002 != 0 {
            let advice = "check that wrap wrote it, then remove that permission: chmod o-w";
            return Err(Error::new(Kind::Config, format!("every user can write {}", path.display()), advice));
        }
        serde_json::from_str(&kept.text).map(Some).map_err(|_| {
            let advice = "restore that file, or restore kernel.json by hand and remove it";
            Error::new(Kind::Config, format!("{} is not what wrap wrote", path.display()), advice)
        })
    }

    /// Whether a vault.toml is the one that `wrap` wrote, or the original.
    pub fn is_unchanged(&self, there: &SavedFile) -> bool {
        self.ours.contains(&there.text) || self.vault_toml.as_ref().is_some_and(|before| before.text == there.text)
    }

    /// The record as text.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}
