//! Becoming the kernel: finds the command's file, computes execve's limits, and calls execve.
//!
//! The command, and a script's interpreter, are looked up before Vault is contacted, so that a typo or a removed
//! environment does not use up a wrapped token. The rules are execvp's: a name with a slash is a path, any other is
//! searched in `PATH`; a file that may be executed and has no known format is a shell script. The exit codes are a
//! shell's: 127 if there is no such file, 126 if it can't be executed.

use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{AccessFlags, SysconfVar, access, execve, sysconf};

use super::file::beginning;
use crate::error::{Error, Kind, Result};

/// The search path of a process without `PATH`, as the C library has it.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// A command that was found: the file, and the arguments untouched.
#[derive(Debug)]
pub struct Command {
    file: PathBuf,
    arguments: Vec<CString>,
}

impl Command {
    /// Finds the file that `arguments[0]` means, searching `path` (the value of `PATH`, if there is one).
    pub fn find(arguments: &[OsString], path: Option<&OsStr>) -> Result<Self> {
        let name = arguments
            .first()
            .ok_or_else(|| Error::new(Kind::Usage, "no command to execute", "add the kernel's command after `--`"))?;
        let file = find_program(name, path)?;
        if let Some(interpreter) = interpreter(&file) {
            executable(&interpreter).map_err(|cause| no_interpreter(&file, &interpreter, cause))?;
        }
        let arguments = arguments
            .iter()
            .map(|argument| CString::new(argument.as_bytes()))
            .collect::<Result<_, _>>()
            .map_err(|_| Error::new(Kind::Usage, "an argument contains a NUL byte", "remove it"))?;
        Ok(Self { file, arguments })
    }

    /// The file that will be executed.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The bytes of execve's space that the arguments and the file's name use.
    pub fn size(&self) -> usize {
        let strings: usize = self.arguments.iter().map(|argument| argument.as_bytes_with_nul().len()).sum();
        strings + (self.arguments.len() + 1) * size_of::<usize>() + self.file.as_os_str().len() + 1
    }

    /// Executes the command with `environment`; returns only when that fails.
    pub fn execute(&self, environment: &[CString]) -> Error {
        let Ok(file) = CString::new(self.file.as_os_str().as_bytes()) else {
            return self.not_executable(Errno::EINVAL);
        };
        let Err(cause) = execve(&file, &self.arguments, environment);
        if cause == Errno::ENOEXEC && looks_like_text(&self.file) {
            let mut arguments = vec![c"/bin/sh".to_owned(), file];
            arguments.extend(self.arguments.iter().skip(1).cloned());
            let Err(cause) = execve(c"/bin/sh", &arguments, environment);
            return self.not_executable(cause);
        }
        self.not_executable(cause)
    }

    fn not_executable(&self, cause: Errno) -> Error {
        if cause == Errno::E2BIG {
            return Error::new(
                Kind::EnvironmentTooLarge,
                "the environment and arguments together exceed the system's limit",
                "fetch fewer secrets, or deliver large ones as files with `file` in vault.toml",
            );
        }
        Error::new(
            Kind::CommandNotExecutable,
            format!("{} can't be executed: {}", self.file.display(), cause.desc()),
            "check that it is a program for this machine, and that the interpreter in its first line exists",
        )
    }
}

/// Finds the file that a command's first word means, searching `path` (the value of `PATH`, if there is one).
pub fn find_program(name: &OsStr, path: Option<&OsStr>) -> Result<PathBuf> {
    let path = path.unwrap_or(OsStr::new(DEFAULT_PATH));
    if name.as_bytes().contains(&b'/') {
        let file = PathBuf::from(name);
        return match executable(&file) {
            Ok(()) => Ok(file),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Err(not_found(name)),
            Err(cause) => Err(forbidden(&file, cause)),
        };
    }
    let mut seen_and_forbidden = None;
    if !name.is_empty() {
        for directory in path.as_bytes().split(|byte| *byte == b':') {
            let directory = if directory.is_empty() { b"." } else { directory };
            let file = Path::new(OsStr::from_bytes(directory)).join(name);
            match executable(&file) {
                Ok(()) => return Ok(file),
                Err(Errno::EACCES | Errno::EISDIR) => seen_and_forbidden = seen_and_forbidden.or(Some(file)),
                Err(_) => {}
            }
        }
    }
    Err(seen_and_forbidden.map_or_else(|| not_found(name), |file| forbidden(&file, Errno::EACCES)))
}

fn executable(file: &Path) -> Result<(), Errno> {
    access(file, AccessFlags::X_OK)?;
    if file.is_dir() { Err(Errno::EISDIR) } else { Ok(()) }
}

fn not_found(name: &OsStr) -> Error {
    Error::new(
        Kind::CommandNotFound,
        format!("{}: command not found", name.to_string_lossy()),
        "write the program's absolute path in kernel.json, or add its folder to PATH",
    )
}

fn forbidden(file: &Path, cause: Errno) -> Error {
    Error::new(
        Kind::CommandNotExecutable,
        format!("{} can't be executed: {}", file.display(), cause.desc()),
        "make it executable for this user, or use another program",
    )
}

fn no_interpreter(file: &Path, interpreter: &Path, cause: Errno) -> Error {
    Error::new(
        Kind::CommandNotExecutable,
        format!("{} can't be executed: its interpreter {}: {}", file.display(), interpreter.display(), cause.desc()),
        "install the interpreter that the script's first line names, or reinstall the kernel: its environment may be gone",
    )
}

/// The bytes at a script's beginning in which the system looks for the interpreter's name.
const HEAD: u64 = 256;

/// The interpreter in the first line of a script; execve(2), "Interpreter scripts".
fn interpreter(file: &Path) -> Option<PathBuf> {
    let line = beginning(file, HEAD)?;
    let line = line.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty());
    words.next().map(|word| PathBuf::from(OsStr::from_bytes(word)))
}

/// Whether a shell would run a file of unknown format as a script: it would if the beginning contains no NUL.
fn looks_like_text(file: &Path) -> bool {
    beginning(file, HEAD).is_some_and(|start| !start.contains(&0))
}

/// The limits of execve, in bytes: for one string, and for all strings together.
#[derive(Debug, Clone, Copy)]
pub struct Space {
    /// The longest `NAME=value`, in bytes, without its NUL.
    pub one: usize,
    /// All strings with their NULs and one pointer each, in bytes.
    pub all: usize,
}

impl Space {
    /// The present limits of this system: 32 pages for a string, a quarter of the stack limit for all (at least 128
    /// KiB, at most 6 MiB); execve(2), "Limits on size of arguments and environment".
    pub fn of_this_system() -> Self {
        let page = sysconf(SysconfVar::PAGE_SIZE).ok().flatten().and_then(|size| usize::try_from(size).ok());
        let stack = getrlimit(Resource::RLIMIT_STACK).map_or(0, |(soft, _)| soft);
        let quarter = if stack == libc::RLIM_INFINITY { usize::MAX } else { usize::try_from(stack / 4).unwrap_or(0) };
        Self { one: page.unwrap_or(4096) * 32 - 1, all: quarter.clamp(128 * 1024, 6 * 1024 * 1024) }
    }
}
