//! Other processes: identifies them by pid and start time, matches them to kernels, and observes them.

use std::collections::BTreeSet;
use std::fs::{File, read, read_dir, read_link};
use std::io::Read;
use std::path::Path;
use std::sync::OnceLock;

/// The fields of `/proc/PID/stat` that are used.
struct Stat {
    pid: u32,
    threads: u32,
    start_time: u64,
    /// Whether it has ended, but its parent has not collected its exit status.
    is_over: bool,
}

impl Stat {
    fn of(process: &str) -> Option<Self> {
        // The file is shorter than this, so one read is enough: a launch makes few system calls.
        let mut stat = [0; 1024];
        let length = File::open(format!("/proc/{process}/stat")).and_then(|mut file| file.read(&mut stat)).ok()?;
        let stat = String::from_utf8_lossy(&stat[..length]);
        // The name in field 2 may hold spaces and parentheses, so counting starts after the last one.
        let (before, after) = stat.rsplit_once(')')?;
        let field = |number: usize| after.split_ascii_whitespace().nth(number - 3);
        Some(Self {
            pid: before.split_ascii_whitespace().next()?.parse().ok()?,
            threads: field(20)?.parse().ok()?,
            start_time: field(22)?.parse().ok()?,
            is_over: matches!(field(3)?, "Z" | "X"),
        })
    }
}

static OWN: OnceLock<(u32, u64)> = OnceLock::new();

/// This process: its pid and [`start_time`], which execve does not change.
pub fn own() -> Option<(u32, u64)> {
    OWN.get().copied().or_else(|| {
        let stat = Stat::of("self")?;
        Some(*OWN.get_or_init(|| (stat.pid, stat.start_time)))
    })
}

/// How many threads this process has.
pub(super) fn threads() -> Option<u32> {
    let stat = Stat::of("self")?;
    let _ = OWN.set((stat.pid, stat.start_time));
    Some(stat.threads)
}

/// When process `pid` started, in clock ticks since the system's start; `None` if there is none.
pub fn start_time(pid: u32) -> Option<u64> {
    Stat::of(&pid.to_string()).map(|stat| stat.start_time)
}

/// Whether the process with this pid and start time runs; a zombie does not.
pub fn runs(pid: u32, start_time: u64) -> bool {
    Stat::of(&pid.to_string()).is_some_and(|stat| stat.start_time == start_time && !stat.is_over)
}

/// Writes a line to the standard error of process `pid`, unless that would block. The descriptor is closed at once,
/// so that a reader of the other end still sees the end of the process.
pub fn say(pid: u32, line: &str) {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let flags = nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY;
    let opened = std::fs::OpenOptions::new().append(true).custom_flags(flags).open(format!("/proc/{pid}/fd/2"));
    // A full or closed standard error gets no line.
    let _ = opened.and_then(|mut file| file.write_all(line.as_bytes()));
}

/// The boot and pid namespace in which this process's pids are valid: a pid of another machine or container means
/// another process. `None` if the system does not show it.
pub fn pid_namespace() -> Option<&'static str> {
    static NUMBERING: OnceLock<Option<String>> = OnceLock::new();
    let numbering = NUMBERING.get_or_init(|| {
        let boot = read("/proc/sys/kernel/random/boot_id").ok()?;
        let boot: String = String::from_utf8(boot).ok()?.chars().filter(char::is_ascii_hexdigit).collect();
        let namespace = read_link("/proc/self/ns/pid").ok()?.into_os_string().into_string().ok()?;
        let namespace: String = namespace.chars().filter(char::is_ascii_digit).collect();
        (!boot.is_empty() && !namespace.is_empty()).then(|| format!("{boot}.{namespace}"))
    });
    numbering.as_deref()
}

/// The command line of process `pid`; empty if this user may not read it.
pub fn command_line(pid: u32) -> Vec<Vec<u8>> {
    let line = read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = line.strip_suffix(b"\0").unwrap_or(&line);
    line.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

/// The processes of this user. The real user id is read from `status`, as a process that can't be dumped belongs to
/// root in `/proc`.
#[cfg(all(feature = "manage", target_os = "linux"))]
pub fn of_this_user() -> impl Iterator<Item = u32> {
    let own = nix::unistd::getuid().to_string();
    let is_own = move |pid: &u32| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
        uid.and_then(|uid| uid.split_whitespace().next()) == Some(own.as_str())
    };
    let pids = read_dir("/proc").into_iter().flatten();
    pids.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).filter(is_own)
}

/// Whether the main thread of process `pid` waits in epoll, as an idle event loop does. `false` also if the system does
/// not show it.
pub fn waits_for_events(pid: u32) -> bool {
    // `ep_poll`, `do_epoll_wait`: the name of the kernel's function.
    let place = std::fs::read_to_string(format!("/proc/{pid}/wchan")).unwrap_or_default();
    place.contains("ep_poll") || place.contains("epoll")
}

/// The process whose command line names the file `path`; of several, the one that listens on the TCP port `port`, or
/// else the last. `None` if there is none that this user may inspect.
pub fn with_argument(path: &Path, port: Option<u16>) -> Option<u32> {
    let file = path.file_name()?.as_encoded_bytes();
    let named: Vec<u32> = read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| names(*pid, file))
        .collect();
    match named.as_slice() {
        [] => None,
        [only] => Some(*only),
        several => {
            let sockets = port.map(listening).unwrap_or_default();
            several.iter().copied().find(|pid| owns(*pid, &sockets)).or_else(|| several.last().copied())
        }
    }
}

/// Whether an argument of the process ends with the file's name; `false` for this process itself.
fn names(pid: u32, file: &[u8]) -> bool {
    let ends = |argument: &[u8]| {
        argument.strip_suffix(file).is_some_and(|before| matches!(before.last(), None | Some(b'/' | b'=')))
    };
    pid != std::process::id()
        && read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.split(|byte| *byte == 0).skip(1).any(ends))
}

/// The inodes of the sockets that listen on `port`.
fn listening(port: u16) -> BTreeSet<String> {
    let port = format!(":{port:04X}");
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let rows = tables.iter().flat_map(|table| table.lines());
    rows.filter_map(|row| {
        let mut words = row.split_ascii_whitespace().skip(1);
        let (address, _, state) = (words.next()?, words.next()?, words.next()?);
        (address.ends_with(&port) && state == "0A").then(|| words.nth(5).map(str::to_owned))?
    })
    .collect()
}

fn owns(pid: u32, sockets: &BTreeSet<String>) -> bool {
    let descriptors = read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().filter_map(Result::ok);
    descriptors.filter_map(|descriptor| read_link(descriptor.path()).ok()).any(|target| {
        let target = target.to_string_lossy().into_owned();
        target.strip_prefix("socket:[").and_then(|rest| rest.strip_suffix(']')).is_some_and(|id| sockets.contains(id))
    })
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn a_process_is_found_by_its_connection_file_and_among_several_by_its_port() {
        let file = format!("kernel-{:x}.json", fastrand::u64(..));
        let path = Path::new("/run/user").join(&file);
        assert_eq!(with_argument(&path, None), None);
        let start = || {
            let mut command = Command::new("/bin/sh");
            command.args(["-c", "read line", "-f"]).arg(&path).stdin(Stdio::piped());
            let child = command.spawn().unwrap();
            // For a moment after execve a process has no command line.
            while !names(child.id(), file.as_bytes()) {
                std::thread::yield_now();
            }
            child
        };
        let mut first = start();
        assert_eq!(with_argument(&path, Some(1)), Some(first.id()));
        let mut second = start();
        assert!([first.id(), second.id()].contains(&with_argument(&path, Some(1)).unwrap()));
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let sockets = listening(port.local_addr().unwrap().port());
        assert!(owns(std::process::id(), &sockets) && !owns(first.id(), &sockets));
        assert!(start_time(first.id()).unwrap() > 0 && start_time(u32::MAX).is_none());
        for child in [&mut first, &mut second] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}
