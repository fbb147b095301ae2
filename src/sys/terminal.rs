//! Questions on a terminal, with or without echo.
//!
//! While a secret is typed, echo is off. It is restored in every case: after a line, at the end of input, on an error,
//! and on a signal, which is awaited together with the input and takes effect afterwards. The keys that would stop or
//! abort the process at once are disabled meanwhile.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::termios::{LocalFlags, SetArg, SpecialCharacterIndices, Termios, tcgetattr, tcsetattr};
use nix::unistd::read;
use zeroize::Zeroizing;

use super::signals::{HeldSignals, end_by};

/// The longest line, in bytes.
const LONGEST: usize = 64 * 1024;

/// Whether there is a terminal, and so a user to ask.
pub fn is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Shows `question` and reads a line; `None` at the end of input.
pub fn ask(question: &str) -> io::Result<Option<String>> {
    io::stderr().write_all(question.as_bytes())?;
    let line = read_line(None)?;
    Ok(line.map(|line| String::from_utf8_lossy(&line).trim().to_owned()))
}

/// As [`ask`]; also `None` once `stop` is set, when no answer is needed any more.
pub fn ask_unless(question: &str, stop: &AtomicBool) -> io::Result<Option<String>> {
    io::stderr().write_all(question.as_bytes())?;
    let stdin = io::stdin();
    loop {
        let mut ready = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut ready, PollTimeout::from(100_u8));
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        if ready[0].any().unwrap_or(false) {
            let line = read_line(None)?;
            return Ok(line.map(|line| String::from_utf8_lossy(&line).trim().to_owned()));
        }
    }
}

/// As [`ask`], without echo.
pub fn ask_unseen(question: &str) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let held = HeldSignals::new()?;
    let quiet = Quiet::new()?;
    io::stderr().write_all(question.as_bytes())?;
    let line = read_line(Some(&held));
    drop(quiet);
    let _ = io::stderr().write_all(b"\n");
    let signal = held.take();
    drop(held);
    if let Some(signal) = signal {
        end_by(signal);
    }
    line
}

/// A terminal without echo; restored on drop.
struct Quiet(Termios);

impl Quiet {
    fn new() -> nix::Result<Self> {
        let stdin = io::stdin();
        let before = tcgetattr(stdin.as_fd())?;
        let mut quiet = before.clone();
        quiet.local_flags.remove(LocalFlags::ECHO);
        for key in [SpecialCharacterIndices::VQUIT, SpecialCharacterIndices::VSUSP] {
            quiet.control_chars[key as usize] = libc::_POSIX_VDISABLE;
        }
        tcsetattr(stdin.as_fd(), SetArg::TCSAFLUSH, &quiet)?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin().as_fd(), SetArg::TCSAFLUSH, &self.0);
    }
}

/// Reads one line, without its line end, byte by byte: the standard library's buffer would keep a copy. Stops early if
/// a signal is pending.
fn read_line(held: Option<&HeldSignals>) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let stdin = io::stdin();
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = Zeroizing::new([0]);
    loop {
        if let Some(held) = held {
            let (signal, input) = (held.as_fd(), stdin.as_fd());
            let mut ready = [PollFd::new(signal, PollFlags::POLLIN), PollFd::new(input, PollFlags::POLLIN)];
            let _ = poll(&mut ready, PollTimeout::NONE);
            if ready[0].any().unwrap_or(false) {
                return Ok(None);
            }
        }
        match read(stdin.as_fd(), &mut byte[..]) {
            Err(Errno::EINTR) => {}
            Err(cause) => return Err(cause.into()),
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => return Ok(Some(line)),
            Ok(_) if byte[0] == b'\n' => return Ok(Some(line)),
            Ok(_) if line.len() == LONGEST => return Err(io::ErrorKind::InvalidData.into()),
            Ok(_) => line.push(byte[0]),
        }
    }
}
