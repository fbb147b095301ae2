//! The gap between the diagnostic kernel and the real one, in which no cell's output may be lost.
//!
//! When the diagnostic kernel's sockets close, each connection of a client reconnects separately, 100 to 200 ms after
//! the new kernel listens, in any order. A cell that waits in the client is sent as soon as the *shell* connection is
//! up; if *iopub* comes later, the cell's output and its `idle` are lost, and the front end waits forever. Measured
//! with jupyter_client 8.10 and ipykernel 7: this happened to 6 of 24 cells that were sent within 200 ms of the
//! hand-over.
//!
//! So shell connections are held back. Before the kernel is executed, they are accepted again, but the handshake is
//! not answered, so that nothing can be sent over them. A small process keeps them open until as many clients are
//! connected to the kernel's iopub port as were to the diagnostic kernel's, and a moment longer; then it closes them
//! by exiting. It has no secret, because it is executed again with an empty environment. It exits after some seconds
//! in any case, and with the kernel. It has its own process group, because Jupyter interrupts the kernel's. It is a
//! grandchild, so it leaves no zombie. The diagnostic kernel listens until the kernel is executed, so this process
//! first waits for that: its standard input then ends, since execve closes the other end.

use std::io::{PipeWriter, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::kernel::endpoint::Endpoint;

/// The longest time for which connections are held back: libzmq abandons a handshake after 30 s.
const LIMIT: Duration = Duration::from_secs(25);
/// How often the port is checked.
const STEP: Duration = Duration::from_millis(25);
/// How long clients may take to reconnect once the port listens (libzmq: 100 to 200 ms on an idle machine). A client
/// that has left meanwhile does not reconnect.
const BACK: Duration = Duration::from_secs(5);
/// How long the kernel may take to start on a system that does not show listening sockets.
const BLIND: Duration = Duration::from_secs(3);
/// How long a connected client may take for the handshake and its subscription.
const MARGIN: Duration = Duration::from_millis(300);
/// The word that marks the second of the two processes.
const ALONE: &str = "alone";

/// Starts the process that holds `connections` back until `listeners` are connected to `iopub`. The result must be
/// kept until the kernel is executed. If this fails, the kernel starts anyway.
pub fn start(connections: &[OwnedFd], iopub: &Endpoint, listeners: usize) -> Option<PipeWriter> {
    if connections.is_empty() {
        return None;
    }
    let (reader, writer) = std::io::pipe().ok()?;
    let inherited = |flag| {
        for connection in connections {
            let _ = fcntl(connection, FcntlArg::F_SETFD(flag));
        }
    };
    inherited(FdFlag::empty());
    let (kind, place) = match iopub {
        Endpoint::Tcp(_, port) => ("tcp", port.to_string()),
        Endpoint::Ipc(path) => ("ipc", path.display().to_string()),
    };
    let (pid, listeners) = (std::process::id().to_string(), listeners.to_string());
    let _ = command().args(["first", &pid, kind, &place, &listeners]).stdin(reader).status();
    inherited(FdFlag::FD_CLOEXEC);
    Some(writer)
}

/// The process: `arguments` are the step, the kernel's pid, `tcp` or `ipc`, the port or path, and the number of
/// listeners.
pub fn hold(arguments: &[String]) {
    let [step, pid, kind, place, listeners] = arguments else { return };
    if step != ALONE {
        let _ = command().args([ALONE, pid, kind, place, listeners]).spawn();
        return;
    }
    let (Ok(pid), Ok(listeners)) = (pid.parse().map(Pid::from_raw), listeners.parse()) else { return };
    let _ = std::io::stdin().read(&mut [0]);
    let start = Instant::now();
    let mut back = None;
    while start.elapsed() < LIMIT && kill(pid, None).is_ok() {
        std::thread::sleep(STEP);
        let enough = match Sockets::of(kind, place) {
            Some(sockets) if sockets.listens => {
                let back = *back.get_or_insert_with(|| Instant::now() + BACK);
                sockets.connected >= listeners || Instant::now() > back
            }
            Some(_) => false,
            None => start.elapsed() > BLIND,
        };
        if enough {
            std::thread::sleep(MARGIN);
            return;
        }
    }
}

fn command() -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.env_clear().stdout(Stdio::null()).stderr(Stdio::null());
    command.arg("hold").process_group(0);
    command
}

/// The state of one address in the system's tables. A test connection would show less, and would disturb the kernel.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sockets {
    listens: bool,
    connected: usize,
}

enum State {
    Listening,
    Connected,
}

impl Sockets {
    /// `None` if the system shows no tables.
    fn of(kind: &str, place: &str) -> Option<Self> {
        let mut found = Self::default();
        let tables: &[&str] = if kind == "ipc" { &["unix"] } else { &["tcp", "tcp6"] };
        for table in tables {
            let text = match std::fs::read(format!("/proc/self/net/{table}")) {
                Ok(text) => String::from_utf8_lossy(&text).into_owned(),
                // A system without IPv6 has no second table.
                Err(_) if *table == "tcp6" => continue,
                Err(_) => return None,
            };
            for line in text.lines() {
                match if kind == "ipc" { of_path(line, place) } else { of_port(line, place) } {
                    Some(State::Listening) => found.listens = true,
                    Some(State::Connected) => found.connected += 1,
                    None => {}
                }
            }
        }
        Some(found)
    }
}

/// The state of a socket of that port, from a line of /proc/net/tcp: number, local address, remote address, state,
/// bytes to send and to read. A client whose handshake was not read yet does not count.
fn of_port(line: &str, port: &str) -> Option<State> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (_, local) = words.next()?.rsplit_once(':')?;
    if u16::from_str_radix(local, 16).ok()? != port.parse::<u16>().ok()? {
        return None;
    }
    match (words.nth(1)?, words.next()?.split_once(':')?.1) {
        ("0A", _) => Some(State::Listening),
        ("01", "00000000") => Some(State::Connected),
        _ => None,
    }
}

/// The state of a socket of that path, from a line of /proc/net/unix: number, references, protocol, flags, type,
/// state, inode, path. A connection in a listener's queue has another state than an accepted one.
fn of_path(line: &str, path: &str) -> Option<State> {
    let mut words = line.strip_suffix(path)?.strip_suffix(' ')?.split_ascii_whitespace();
    match (words.nth(3)?, words.nth(1)?) {
        ("00010000", _) => Some(State::Listening),
        (_, "03") => Some(State::Connected),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn listeners_and_those_who_are_connected_to_them_are_seen() {
        let seen = |kind: &str, place: &str, listens, connected| {
            assert_eq!(Sockets::of(kind, place), Some(Sockets { listens, connected }), "{kind} {place}");
        };
        for host in ["127.0.0.1", "0.0.0.0"] {
            let listener = TcpListener::bind((host, 0)).unwrap();
            let port = listener.local_addr().unwrap().port();
            seen("tcp", &port.to_string(), true, 0);
            let ends = [TcpStream::connect(("127.0.0.1", port)).unwrap(), listener.accept().unwrap().0];
            seen("tcp", &port.to_string(), true, 1);
            drop(listener);
            seen("tcp", &port.to_string(), false, 1);
            drop(ends);
            seen("tcp", &port.to_string(), false, 0);
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernel with a space-1");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        seen("ipc", path.to_str().unwrap(), true, 0);
        let server = listener.accept().unwrap();
        seen("ipc", path.to_str().unwrap(), true, 1);
        drop((client, server, listener));
        seen("ipc", path.to_str().unwrap(), false, 0);
    }
}
