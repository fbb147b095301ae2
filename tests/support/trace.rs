//! The launcher stopped at a system call, with its whole memory to read.
//!
//! A debugger of the same user may not read a process that is not dumpable, which is the purpose of that. So this
//! debugger, attached earlier, changes the argument of the call that would lock it out, and the test reports that the
//! call was made. Nothing else of the process is changed.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

use std::fs::{File, read_to_string};
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};

use nix::libc;
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

/// A process at the entry of a system call.
pub struct Stopped {
    child: Child,
    pid: Pid,
    /// Whether it made itself not dumpable before.
    pub hardened: bool,
    /// Whether it has exited, so that its pid may be another process's.
    ended: bool,
}

const EVENT_STOP: i32 = 128;

impl Stopped {
    /// Like [`Stopped::at`]; `None` if the process exits before.
    pub fn try_at(command: &mut Command, call: i64, nth: usize) -> Option<Self> {
        let mut this = Self::begin(command);
        this.run_to(call, nth).then_some(this)
    }

    /// Runs `command` until it enters its `nth` call (from 0) of number `call` after its own start.
    pub fn at(command: &mut Command, call: i64, nth: usize) -> Self {
        let mut this = Self::begin(command);
        assert!(this.run_to(call, nth), "it ended before the call");
        this
    }

    fn begin(command: &mut Command) -> Self {
        // A shell that stops itself, so that it can be attached to before the launcher begins.
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "kill -STOP $$; exec \"$@\"", "sh"]).arg(command.get_program()).args(command.get_args());
        shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let child = shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a shell");
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
        let stopped = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).expect("the shell stops");
        assert!(matches!(stopped, WaitStatus::Stopped(_, Signal::SIGSTOP)), "{stopped:?}");
        ptrace::seize(pid, Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACEEXEC | Options::PTRACE_O_EXITKILL)
            .expect("a child of ours may be traced");
        kill(pid, Signal::SIGCONT).expect("the shell goes on");
        Self { child, pid, hardened: false, ended: false }
    }

    /// Runs `command` until it waits for events for at least a second, and `condition` holds.
    pub fn idle(command: &mut Command, mut condition: impl FnMut() -> bool) -> Self {
        let mut this = Self::begin(command);
        let idle = |number: i64, registers: &libc::user_regs_struct| {
            // The timeout is an int; -1, for no timeout, is the largest here.
            let timeout = registers.r10 & 0xffff_ffff;
            number == libc::SYS_epoll_wait && !(0..1000).contains(&timeout) && condition()
        };
        assert!(this.run_until(idle), "it ended before it was idle");
        this
    }

    /// Continues it until it exits.
    pub fn end(mut self) {
        ptrace::syscall(self.pid, None).expect("goes on");
        assert!(!self.run_until(|_, _| false));
    }

    /// Whether it reached the call.
    fn run_to(&mut self, call: i64, nth: usize) -> bool {
        let mut met = 0;
        self.run_until(|number, _| {
            met += usize::from(number == call);
            number == call && met > nth
        })
    }

    /// Whether it reached a call that is `wanted`.
    fn run_until(&mut self, mut wanted: impl FnMut(i64, &libc::user_regs_struct) -> bool) -> bool {
        let mut executed = false;
        loop {
            match waitpid(self.pid, None).expect("a traced child") {
                WaitStatus::PtraceEvent(_, _, event) if event == libc::PTRACE_EVENT_EXEC => executed = true,
                WaitStatus::PtraceSyscall(_) if executed => {
                    let info = ptrace::syscall_info(self.pid).expect("what the call is");
                    if info.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
                        let mut registers = ptrace::getregs(self.pid).expect("registers");
                        let number = i64::try_from(registers.orig_rax).expect("a call's number");
                        if number == libc::SYS_prctl
                            && registers.rdi == libc::PR_SET_DUMPABLE as u64
                            && registers.rsi == 0
                        {
                            self.hardened = true;
                            registers.rsi = 1;
                            ptrace::setregs(self.pid, registers).expect("registers");
                        }
                        if wanted(number, &registers) {
                            return true;
                        }
                    }
                }
                WaitStatus::Exited(..) | WaitStatus::Signaled(..) => {
                    self.ended = true;
                    return false;
                }
                WaitStatus::PtraceEvent(_, _, EVENT_STOP)
                | WaitStatus::PtraceSyscall(_)
                | WaitStatus::PtraceEvent(..) => {}
                WaitStatus::Stopped(_, signal) => {
                    ptrace::syscall(self.pid, Some(signal)).expect("goes on");
                    continue;
                }
                other => panic!("unexpected: {other:?}"),
            }
            ptrace::syscall(self.pid, None).expect("goes on");
        }
    }

    /// Where the process's memory contains `needle`, as `map: address` lines.
    pub fn find(&self, needle: &[u8]) -> Vec<String> {
        let memory = File::open(format!("/proc/{}/mem", self.pid)).expect("the memory may be read");
        let maps = read_to_string(format!("/proc/{}/maps", self.pid)).expect("the maps may be read");
        let mut found = Vec::new();
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let (Some(range), Some(rights)) = (words.next(), words.next()) else { continue };
            let name = words.nth(3).unwrap_or("anonymous");
            if !rights.starts_with('r') || matches!(name, "[vvar]" | "[vsyscall]" | "[vdso]" | "[vvar_vclock]") {
                continue;
            }
            let (start, end) = range.split_once('-').expect("a range");
            let (start, end) =
                (u64::from_str_radix(start, 16).expect("hex"), u64::from_str_radix(end, 16).expect("hex"));
            let mut bytes = vec![0; usize::try_from(end - start).expect("a size")];
            let read = memory.read_at(&mut bytes, start).unwrap_or(0);
            for (offset, window) in bytes[..read].windows(needle.len()).enumerate() {
                if window == needle {
                    found.push(format!("{name}: {:x}", start + offset as u64));
                }
            }
        }
        found
    }

    /// The strings of the environment that the stopped execve would use.
    pub fn new_environment(&self) -> Vec<(u64, Vec<u8>)> {
        let memory = File::open(format!("/proc/{}/mem", self.pid)).expect("the memory may be read");
        let mut slot = ptrace::getregs(self.pid).expect("registers").rdx;
        let mut entries = Vec::new();
        loop {
            let mut pointer = [0; 8];
            memory.read_exact_at(&mut pointer, slot).expect("a pointer");
            let pointer = u64::from_ne_bytes(pointer);
            if pointer == 0 {
                return entries;
            }
            let mut entry = vec![0; 1 << 17];
            let read = memory.read_at(&mut entry, pointer).expect("an entry");
            let length = entry[..read].iter().position(|byte| *byte == 0).expect("its end");
            entry.truncate(length);
            entries.push((pointer, entry));
            slot += 8;
        }
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if !self.ended {
            let _ = kill(self.pid, Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}
