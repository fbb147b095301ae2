//! Runs another program for its output, within limits of time and size.
//!
//! A program may hang, wait for input, or never end. So it gets no input, its output is read while it runs, and at the
//! time-out it is killed with all processes that it started.

use std::io::{ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use zeroize::Zeroizing;

/// The pause between two checks whether it has exited, after the end of its output.
const PAUSE: Duration = Duration::from_millis(2);

/// Why there is no output; shown as the end of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgramError {
    /// It could not be started.
    NotStarted(ErrorKind),
    /// It did not exit in this time.
    Late(Duration),
    /// Its output was longer than this, in bytes.
    TooLong(usize),
    /// Its exit code; `None` if a signal ended it.
    Failed(Option<i32>),
}

impl std::fmt::Display for ProgramError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotStarted(cause) => write!(out, "can't be started: {}", crate::error::why(*cause)),
            Self::Late(limit) => write!(out, "did not exit within {} seconds", limit.as_secs()),
            Self::TooLong(most) => write!(out, "printed more than {} KiB", most >> 10),
            Self::Failed(Some(code)) => write!(out, "failed with exit code {code}"),
            Self::Failed(None) => out.write_str("was ended by a signal"),
        }
    }
}

/// The standard output of `command`, of at most `most` bytes, if it succeeds within `limit`.
pub fn answer(command: &mut Command, limit: Duration, most: usize) -> Result<Zeroizing<Vec<u8>>, ProgramError> {
    let end = Instant::now() + limit;
    let started = match start(command) {
        // A script without a `#!` line: a shell runs it.
        Err(cause) if cause.raw_os_error() == Some(nix::libc::ENOEXEC) => start(&mut by_shell(command)),
        started => started,
    };
    let mut child = started.map_err(|cause| ProgramError::NotStarted(cause.kind()))?;
    let (sender, receiver) = channel();
    let pipe = child.stdout.take();
    std::thread::spawn(move || {
        let mut output = Zeroizing::new(Vec::with_capacity(most + 1));
        if let Some(pipe) = pipe {
            let _ = pipe.take(most as u64 + 1).read_to_end(&mut output);
        }
        let _ = sender.send(output);
    });
    let output = receiver.recv_timeout(limit).ok().filter(|output| {
        output.len() <= most || {
            end_all(&child);
            false
        }
    });
    let output = match output {
        Some(output) => Ok(output),
        None if Instant::now() < end => Err(ProgramError::TooLong(most)),
        None => Err(ProgramError::Late(limit)),
    };
    let ended = loop {
        match child.try_wait() {
            Ok(None) if output.is_ok() && Instant::now() < end => std::thread::sleep(PAUSE),
            Ok(Some(status)) => break Some(status),
            _ => {
                end_all(&child);
                let _ = child.wait();
                break None;
            }
        }
    };
    let output = output?;
    match ended {
        Some(status) if status.success() => Ok(output),
        Some(status) => Err(ProgramError::Failed(status.code())),
        None => Err(ProgramError::Late(limit)),
    }
}

fn start(command: &mut Command) -> std::io::Result<Child> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0).spawn()
}

/// The same command as a script for `sh`, in the same environment.
fn by_shell(command: &Command) -> Command {
    let mut shell = Command::new("/bin/sh");
    let given = command.get_envs().filter_map(|(name, value)| Some((name, value?)));
    shell.arg(command.get_program()).args(command.get_args()).env_clear().envs(given);
    shell
}

/// Kills the child and all processes that it started.
fn end_all(child: &Child) {
    if let Ok(group) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
    }
}
