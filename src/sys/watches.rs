//! Descriptors that show changes of a file or folder, and its removal, with inotify(7).

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::Path;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::readable::sealed::Owner;

impl Owner for FileWatch {}
impl Owner for FolderWatch {}

const CHANGES: AddWatchFlags =
    AddWatchFlags::IN_DELETE_SELF.union(AddWatchFlags::IN_MOVE_SELF).union(AddWatchFlags::IN_ATTRIB);

/// A watch on one file by inotify(7).
#[derive(Debug)]
pub struct FileWatch(Inotify);

impl FileWatch {
    /// Watches the file at `path`.
    pub fn new(path: &Path) -> nix::Result<Self> {
        let watch = Self(Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?);
        watch.renew(path)?;
        Ok(watch)
    }

    /// Watches the file that is at `path` now.
    pub fn renew(&self, path: &Path) -> nix::Result<()> {
        self.0.add_watch(path, CHANGES).map(drop)
    }

    /// Takes the pending events.
    pub fn take(&self) -> io::Result<()> {
        self.0.read_events().map(drop).map_err(io::Error::from)
    }
}

impl AsRawFd for FileWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

const ENTRIES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_CLOSE_WRITE)
    .union(AddWatchFlags::IN_MOVE)
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF)
    .union(AddWatchFlags::IN_ONLYDIR);

/// A watch on the entries of a folder: new, changed and removed ones.
#[derive(Debug)]
pub struct FolderWatch(Inotify);

impl FolderWatch {
    /// Watches the folder at `path`.
    pub fn new(path: &Path) -> nix::Result<Self> {
        let watch = Self(Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?);
        watch.renew(path)?;
        Ok(watch)
    }

    /// Watches the folder that is at `path` now.
    pub fn renew(&self, path: &Path) -> nix::Result<()> {
        self.0.add_watch(path, ENTRIES).map(drop)
    }

    /// Takes the pending events; returns whether one is about a file with that `prefix` or the folder itself, or
    /// whether events were lost.
    pub fn take(&self, prefix: &str) -> io::Result<bool> {
        let events = self.0.read_events().map_err(io::Error::from)?;
        let concerns = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(prefix.as_bytes());
        Ok(events.iter().any(|event| event.name.as_deref().is_none_or(concerns)))
    }
}

impl AsRawFd for FolderWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}
