//! What execve must preserve, and what must not be left over. `env`, `sh` and `/proc` decide: the same command is
//! run with and without the launcher, and must see the same.

mod addresses;
mod config;
mod debug;
mod environment;
mod hostile;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
mod users;

use std::io::{BufRead, BufReader};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use support::faults::{Faults, Reply, relay_to};
use support::launcher::{Scratch, binary, eventually, finish, run, wait};
use support::openbao::Server;

fn prepared() -> (&'static Server, Scratch) {
    let server = Server::shared();
    server.put("exec", &json!({"SECRET": "canary"}));
    (server, Scratch::new())
}

const SPEC: &[&str] = &["--secrets", "secret/exec"];

#[test]
fn the_command_has_the_launchers_pid_and_no_other_process_runs() {
    let (server, scratch) = prepared();
    let script = "echo $$; read -r children </proc/$$/task/$$/children; echo \"[$children]\"; echo /proc/$$/task/*; echo $SECRET";
    let mut command = scratch.exec(&server.address(), "root", SPEC, &["/bin/dash", "-c", script]);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let stdout = String::from_utf8(finish(child).stdout).unwrap();
    assert_eq!(stdout, format!("{pid}\n[]\n/proc/{pid}/task/{pid}\ncanary\n"), "no child, one thread");
}

#[test]
fn arguments_are_passed_byte_for_byte() {
    let (server, scratch) = prepared();
    let odd = std::ffi::OsStr::new("a b\n\"'$*");
    let bytes: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff\xfe");
    let mut command = scratch.exec(&server.address(), "root", SPEC, &["/bin/sh", "-c", "cat /proc/$$/cmdline"]);
    command.args(["--", "-x", "", "--help"]).arg(odd).arg(bytes);
    let mut expected = b"/bin/sh\0-c\0cat /proc/$$/cmdline\0--\0-x\0\0--help\0a b\n\"'$*\0".to_vec();
    expected.extend(b"\xff\xfe\0");
    assert_eq!(run(&mut command).stdout, expected);
}

/// What a process can report about its state.
const STATE: &str = "cd /; exec 2>&1; grep -E '^(Sig(Blk|Ign|Cgt)|Umask|CoreDumping|Threads|NoNewPrivs)' /proc/self/status; \
                     cat /proc/self/limits; ls /proc/self/fd | wc -l; umask";

#[test]
fn signals_limits_umask_and_descriptors_are_unchanged() {
    let (server, scratch) = prepared();
    // Ignored: HUP, INT, PIPE, USR1. Core limit soft 1 block, odd umask, an extra descriptor.
    let outer = "trap '' HUP INT PIPE USR1; umask 0137; ulimit -S -c 1; exec 7</dev/null; exec \"$@\"";
    let default = "ulimit -S -c 3; exec \"$@\"";
    for outer in [outer, default] {
        let direct = run(Command::new("/bin/sh").args(["-c", outer, "sh", "/bin/sh", "-c", STATE]).env_clear());
        let mut launched = Command::new("/bin/sh");
        launched.args(["-c", outer, "sh"]).arg(binary()).args(["exec", "--secrets", "secret/exec", "--"]);
        launched.args(["/bin/sh", "-c", STATE]).env_clear();
        launched.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", "root").env("HOME", scratch.path("home"));
        let launched = run(&mut launched);
        assert_eq!(String::from_utf8_lossy(&launched.stdout), String::from_utf8_lossy(&direct.stdout));
        assert_eq!(launched.code(), Some(0));
    }
}

#[test]
fn a_blocked_signal_stays_blocked() {
    let (server, scratch) = prepared();
    let python = crate::support::python::python();
    let block = "import os,signal,sys; signal.pthread_sigmask(signal.SIG_BLOCK,[signal.SIGUSR2,signal.SIGTERM]); os.execv(sys.argv[1], sys.argv[1:])";
    let state = ["/bin/grep", "SigBlk", "/proc/self/status"];
    let direct = run(Command::new(&python).args(["-c", block]).args(state));
    let mut command = Command::new(&python);
    command.args(["-c", block]).arg(binary()).args(["exec", "--secrets", "secret/exec", "--"]).args(state);
    command.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", "root").env("HOME", scratch.path("home"));
    let launched = run(&mut command);
    assert_eq!(launched.stdout, direct.stdout);
    assert!(String::from_utf8_lossy(&direct.stdout).contains("0000000000004800"));
}

#[test]
fn closed_standard_descriptors_stay_closed_and_a_directory_stays_the_current_one() {
    let (server, scratch) = prepared();
    let state = "pwd; for f in 0 1 2 3 4 5 6 7 8 9; do [ -e /proc/$$/fd/$f ] && echo \"$f\" >&9; done; pwd >&9";
    let outer = "cd \"$0\"; exec 9>\"$1\"; shift; exec \"$@\" <&- 2>&-";
    let seen = |with_launcher: bool| {
        let out = scratch.path("out");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", outer]).arg(scratch.path("home")).arg(&out);
        if with_launcher {
            command.arg(binary()).args(["exec", "--secrets", "secret/exec", "--"]);
        }
        command.args(["/bin/dash", "-c", state]).env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", "root");
        assert_eq!(run(&mut command).code(), Some(0));
        std::fs::read_to_string(out).unwrap()
    };
    let direct = seen(false);
    assert!(!direct.lines().any(|line| line == "0" || line == "2"), "{direct}");
    assert_eq!(seen(true), direct);
}

#[test]
fn an_inherited_descriptor_can_be_used() {
    let (server, scratch) = prepared();
    let (reader, writer) = std::io::pipe().unwrap();
    let writer = OwnedFd::from(writer);
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty())).unwrap();
    let script = format!("echo through >/proc/self/fd/{}", writer.as_raw_fd());
    let outcome = run(&mut scratch.exec(&server.address(), "root", SPEC, &["/bin/sh", "-c", &script]));
    drop(writer);
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).unwrap();
    assert_eq!((line.as_str(), outcome.code()), ("through\n", Some(0)));
}

#[test]
fn the_exit_code_and_the_signal_of_the_command_are_its_own() {
    let (server, scratch) = prepared();
    let launch = |script: &str| run(&mut scratch.exec(&server.address(), "root", SPEC, &["/bin/sh", "-c", script]));
    assert_eq!(launch("exit 42").code(), Some(42));
    assert_eq!(launch("kill -KILL $$").signal(), Some(9));
}

#[test]
fn a_missing_command_and_one_that_cannot_be_executed_have_a_shells_exit_codes() {
    let (_, scratch) = prepared();
    let faults = Faults::start(|_, _| Reply::json(500, "{}"));
    let plain = scratch.file("plain", "#!/bin/sh\n");
    let folder = scratch.path("home");
    let no_interpreter = scratch.file("no-interpreter", "#!/no/such/program\n");
    std::fs::set_permissions(&no_interpreter, std::fs::Permissions::from_mode(0o755)).unwrap();
    for argv in
        ["no-such-command", "/no/such/file", "", "/etc/passwd/x", plain.to_str().unwrap(), folder.to_str().unwrap()]
    {
        let shell = run(Command::new("/bin/sh").args(["-c", "\"$0\""]).arg(argv).env("PATH", "/usr/bin:/bin"));
        let ours = run(&mut scratch.exec(&faults.address(), "root", SPEC, &[argv]));
        assert_eq!(ours.code(), shell.code(), "{argv:?}: {}", ours.stderr);
        ours.is_error(shell.code().unwrap(), &[]);
    }
    // Shells differ here: bash uses 126, dash 127.
    run(&mut scratch.exec(&faults.address(), "root", SPEC, &[no_interpreter.to_str().unwrap()]))
        .is_error(126, &["interpreter /no/such/program"]);
    assert!(faults.seen().is_empty(), "Vault is not asked for a command that can't be started");
    let (server, scratch) = prepared();
    let garbage = scratch.file("garbage", b"\x7fELF\0\0\0");
    std::fs::set_permissions(&garbage, std::fs::Permissions::from_mode(0o755)).unwrap();
    run(&mut scratch.exec(&server.address(), "root", SPEC, &[garbage.to_str().unwrap()])).is_error(126, &["garbage"]);
}

#[test]
fn a_script_without_an_interpreter_line_runs_in_a_shell_and_the_path_is_searched() {
    let (server, scratch) = prepared();
    let script = scratch.file("bare-script", "echo \"$SECRET $1\"\n");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = scratch.exec(&server.address(), "root", SPEC, &["bare-script", "x"]);
    let path = format!("/nowhere::{}", script.parent().unwrap().display());
    assert_eq!(run(command.env("PATH", path)).stdout, b"canary x\n");
}

#[test]
fn a_signal_while_vault_is_asked_ends_the_launch_at_once() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let faults = Faults::start(|_, _| Reply::Hang(Vec::new()));
        let scratch = Scratch::new();
        let mut command = scratch.exec(&faults.address(), "root", SPEC, &["/bin/echo", "started"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn().unwrap();
        eventually("Vault is asked", || !faults.seen().is_empty());
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        let outcome = finish(child);
        assert_eq!(outcome.signal(), Some(signal as i32));
        assert!(outcome.stdout.is_empty() && outcome.stderr.is_empty(), "{}", outcome.stderr);
    }
}

#[test]
fn a_signal_after_a_login_revokes_its_token_first() {
    let server = Server::shared();
    server.enable_auth("userpass", "signal-users");
    server.must("POST", "auth/signal-users/users/ada", &json!({"password": "pw-canary", "policies": "default"}));
    let relay = relay_to(server.port());
    let token = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let seen = std::sync::Arc::clone(&token);
    let faults = Faults::start(move |request, number| {
        if request.path.contains("/data/") {
            seen.lock().unwrap().push_str(request.header("x-vault-token").unwrap());
            return Reply::Hang(Vec::new());
        }
        relay(request, number)
    });
    let scratch = Scratch::new();
    let password = scratch.file("password", "pw-canary");
    scratch.file(
        "config/vault.toml",
        format!(
            "[auth]\nmethod = \"userpass\"\nmount = \"signal-users\"\nusername = \"ada\"\npassword_file = {password:?}\n\
             [[source]]\nkv = \"secret/exec\"\nversion = 2\n"
        ),
    );
    let mut child = scratch.exec(&faults.address(), "", &[], &["/bin/echo"]).spawn().unwrap();
    eventually("the secret is asked for", || !token.lock().unwrap().is_empty());
    let token = token.lock().unwrap().clone();
    assert!(server.is_alive(&token));
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    let status = wait(&mut child);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    assert!(!server.is_alive(&token));
}

#[test]
fn an_ignored_signal_stays_ignored() {
    let faults = Faults::start(|_, _| Reply::Hang(Vec::new()));
    let scratch = Scratch::new();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "trap '' INT; exec \"$@\"", "sh"]).arg(binary()).args(["exec", "--timeout", "2"]);
    command.args(SPEC).args(["--", "/bin/echo"]).env_clear().env("HOME", scratch.path("home"));
    command.env("VAULT_ADDR", faults.address()).env("VAULT_TOKEN", "root").stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    eventually("Vault is asked", || !faults.seen().is_empty());
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    finish(child).is_error(69, &["timed out"]);
}
