//! The gap between us and the real kernel: no cell's output may fall into it.
//!
//! When the sockets close, each of a client's connections comes back by itself, 100 to 200 ms after
//! the new kernel listens, in any order. A cell that waits in the client is sent as soon as the *shell*
//! connection is back; if *iopub* comes later, its output and its `idle` are lost, and the front end
//! waits for ever. Measured with jupyter_client 8.10 and ipykernel 7: 6 of 24 cells that were sent within
//! 200 ms of the hand-over.
//!
//! So shell connections are held back. Before the kernel is executed they are taken again, but not
//! greeted, so that nothing can be sent over them; a small process keeps them open until the kernel's
//! iopub port listens and a moment longer, and closes them by ending. It holds no secret: it is
//! executed anew, with an empty environment. It ends after some seconds in any case, and with the
//! kernel. Two steps (a child that starts a child) make it nobody's zombie.

use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::kernel::connection::Endpoint;

/// The longest that connections are held back: libzmq gives up a handshake after 30 s.
const LIMIT: Duration = Duration::from_secs(25);
/// How often the port is tried.
const STEP: Duration = Duration::from_millis(25);
/// How long a client's connection may take to come back once the port listens (libzmq: 100 to 200 ms).
const MARGIN: Duration = Duration::from_millis(300);
/// Says that this is the second of the two processes.
const ALONE: &str = "alone";

/// Starts the process that holds `connections` back until `iopub` listens. Best effort: without it, the
/// kernel starts all the same.
pub fn start(connections: &[OwnedFd], iopub: &Endpoint) {
    if connections.is_empty() {
        return;
    }
    let inherited = |flag| {
        for connection in connections {
            let _ = fcntl(connection, FcntlArg::F_SETFD(flag));
        }
    };
    inherited(FdFlag::empty());
    let (kind, place) = match iopub {
        Endpoint::Tcp(host, port) => ("tcp", format!("{host}:{port}")),
        Endpoint::Ipc(path) => ("ipc", path.display().to_string()),
    };
    let _ = command().args(["first", &std::process::id().to_string(), kind, &place]).status();
    inherited(FdFlag::FD_CLOEXEC);
}

/// What the process does: `arguments` are the step, the kernel's pid, `tcp` or `ipc`, and where.
pub fn hold(arguments: &[String]) {
    let [step, pid, kind, place] = arguments else { return };
    if step != ALONE {
        let _ = command().args([ALONE, pid, kind, place]).spawn();
        return;
    }
    let Ok(pid) = pid.parse().map(Pid::from_raw) else { return };
    let end = Instant::now() + LIMIT;
    while Instant::now() < end && kill(pid, None).is_ok() {
        if listens(kind, place) {
            std::thread::sleep(MARGIN);
            return;
        }
        std::thread::sleep(STEP);
    }
}

fn command() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.arg("hold");
    command
}

fn listens(kind: &str, place: &str) -> bool {
    if kind == "ipc" {
        return UnixStream::connect(Path::new(place)).is_ok();
    }
    let Some((host, port)) = place.rsplit_once(':') else { return false };
    let host = if host == "*" || host == "0.0.0.0" { "127.0.0.1" } else { host.trim_matches(['[', ']']) };
    port.parse::<u16>().is_ok_and(|port| TcpStream::connect((host, port)).is_ok())
}
