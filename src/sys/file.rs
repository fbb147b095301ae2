//! Reads whole files, without blocking and up to a limit.
//!
//! A configured path may name anything: a FIFO blocks, `/dev/zero` has no end, and a file that another user can write
//! must not decide where secrets go. So every file is read here: opened without blocking, and only if it is a regular
//! file of limited size, with the owner and mode that its content requires.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::libc;

/// The users that may have written a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllowedWriters {
    /// Anyone: nothing depends on it.
    Anyone,
    /// Anyone, but the file must not be writable for all users.
    NotEveryone,
    /// Only this user or root, because the content decides where secrets go.
    UsOrRoot,
}

/// Why a file is refused; shown as the end of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadError {
    Missing,
    NotPlain,
    /// With the largest size that is accepted, in bytes.
    TooLarge(u64),
    /// With the owner's user id.
    OtherOwner(u32),
    EveryoneWrites,
    Refused(ErrorKind),
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => out.write_str("does not exist"),
            Self::NotPlain => out.write_str("is not a plain file"),
            Self::TooLarge(most) if *most >= 1 << 20 => write!(out, "is larger than {} MiB", most >> 20),
            Self::TooLarge(most) => write!(out, "is larger than {} KiB", most >> 10),
            Self::OtherOwner(owner) => write!(out, "belongs to another user (uid {owner})"),
            Self::EveryoneWrites => out.write_str("is writable by every user"),
            Self::Refused(cause) => write!(out, "can't be read: {cause}"),
        }
    }
}

impl ReadError {
    fn of(cause: &std::io::Error) -> Self {
        match cause.kind() {
            ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Missing,
            kind => Self::Refused(kind),
        }
    }
}

/// Reads the file at `path`, of at most `largest` bytes.
pub fn read(path: &Path, largest: u64, writers: AllowedWriters) -> Result<Vec<u8>, ReadError> {
    read_with_metadata(path, largest, writers).map(|(content, _)| content)
}

/// As [`read`], with the metadata of the file that was read.
pub fn read_with_metadata(
    path: &Path,
    largest: u64,
    writers: AllowedWriters,
) -> Result<(Vec<u8>, Metadata), ReadError> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    let file = file.map_err(|cause| ReadError::of(&cause))?;
    let metadata = file.metadata().map_err(|cause| ReadError::of(&cause))?;
    check(&metadata, largest, writers)?;
    Ok((content(file, metadata.len(), largest)?, metadata))
}

/// Reads a file of at most `largest` bytes into a buffer with room for `expected`.
fn content(file: File, expected: u64, largest: u64) -> Result<Vec<u8>, ReadError> {
    let mut content = Vec::with_capacity(usize::try_from(expected).unwrap_or(0) + 1);
    File::take(file, largest + 1).read_to_end(&mut content).map_err(|cause| ReadError::of(&cause))?;
    if content.len() as u64 > largest { Err(ReadError::TooLarge(largest)) } else { Ok(content) }
}

/// Opens a file that the command line names, for [`read_opened`]: a regular file, or a pipe such as a shell's
/// `<(command)`, which is waited for.
pub fn open_named(path: &Path, largest: u64) -> Result<File, ReadError> {
    let is_pipe = std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo());
    let flags = if is_pipe { 0 } else { libc::O_NONBLOCK };
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(|cause| ReadError::of(&cause))?;
    let metadata = file.metadata().map_err(|cause| ReadError::of(&cause))?;
    if !metadata.file_type().is_fifo() {
        check(&metadata, largest, AllowedWriters::Anyone)?;
    }
    Ok(file)
}

/// Reads an opened file of at most `largest` bytes.
pub fn read_opened(file: File, largest: u64) -> Result<Vec<u8>, ReadError> {
    let expected = file.metadata().map_or(0, |metadata| metadata.len());
    // A pipe's text arrives in pieces; a buffer that never grows leaves no copies of them.
    content(file, expected.max(8 * 1024), largest)
}

/// The first `most` bytes of the plain file at `path`; `None` for anything else, which could block or never end.
pub fn beginning(path: &Path, most: u64) -> Option<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut start = Vec::new();
    file.take(most).read_to_end(&mut start).ok()?;
    Some(start)
}

fn check(metadata: &Metadata, largest: u64, writers: AllowedWriters) -> Result<(), ReadError> {
    if !metadata.is_file() {
        return Err(ReadError::NotPlain);
    }
    if metadata.len() > largest {
        return Err(ReadError::TooLarge(largest));
    }
    let is_other = ![0, nix::unistd::geteuid().as_raw()].contains(&metadata.uid());
    if writers == AllowedWriters::UsOrRoot && is_other {
        return Err(ReadError::OtherOwner(metadata.uid()));
    }
    if writers != AllowedWriters::Anyone && metadata.mode() & 0o002 != 0 {
        return Err(ReadError::EveryoneWrites);
    }
    Ok(())
}

/// Checks that the file at `path` is a program that only this user or root may have written.
pub fn check_program(path: &Path) -> Result<(), ReadError> {
    let metadata = std::fs::metadata(path).map_err(|cause| ReadError::of(&cause))?;
    check(&metadata, u64::MAX, AllowedWriters::UsOrRoot)?;
    if path.parent().is_some_and(is_open_to_all) { Err(ReadError::EveryoneWrites) } else { Ok(()) }
}

/// Whether all users may replace the files in `folder`: it is writable for all, and has no sticky bit.
pub fn is_open_to_all(folder: &Path) -> bool {
    std::fs::metadata(folder).is_ok_and(|folder| folder.mode() & 0o1002 == 0o002)
}

/// Whether the group of the file at `path` may write it.
pub fn group_writes(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.mode() & 0o020 != 0)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use super::{AllowedWriters, ReadError, read};

    #[test]
    fn what_is_no_plain_file_of_bounded_size_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        for (path, why) in [
            (fifo.as_path(), ReadError::NotPlain),
            (Path::new("/dev/zero"), ReadError::NotPlain),
            (folder.path(), ReadError::NotPlain),
            (Path::new("/nonexistent/x"), ReadError::Missing),
        ] {
            assert_eq!(read(path, 10, AllowedWriters::Anyone), Err(why), "{}", path.display());
        }
        let file = folder.path().join("file");
        std::fs::write(&file, "01234567890").unwrap();
        assert_eq!(read(&file, 10, AllowedWriters::Anyone), Err(ReadError::TooLarge(10)));
        assert_eq!(read(&file, 11, AllowedWriters::UsOrRoot).unwrap(), b"01234567890");
    }

    #[test]
    fn a_file_that_everyone_writes_is_taken_only_where_nothing_depends_on_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        for writers in [AllowedWriters::NotEveryone, AllowedWriters::UsOrRoot] {
            assert_eq!(read(&file, 10, writers), Err(ReadError::EveryoneWrites));
        }
        assert_eq!(read(&file, 10, AllowedWriters::Anyone).unwrap(), b"x");
    }
}
