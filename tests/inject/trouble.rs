//! Kernels that are busy, dead or strange: each a distinct error with its exit code, in limited time.
#![cfg(feature = "inject")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::faults::{Faults, relay_to};
use crate::support::launcher::{Outcome, eventually, finish, run};
use crate::support::openbao::{Server, free_ports};
use crate::support::running::{Running, said};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

const LOOK: &str = "import os; print(os.environ.get('ONE'))";

/// A kernel, and a secret for it.
fn running() -> Running {
    Server::shared().put("trouble", &json!({"ONE": "canary-1"}));
    Running::start(&json!({}))
}

fn inject(kernel: &Running, options: &[&str]) -> Command {
    kernel.inject(&[&["--secrets", "secret/trouble"], options].concat())
}

fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Code that is busy until the file exists, and reports when it begins.
fn busy_until(file: &Path) -> String {
    let begun = file.with_extension("begun");
    format!(
        "import os, time\nopen({begun:?}, 'w').close()\nwhile not os.path.exists({file:?}): time.sleep(0.02)\nprint('done')"
    )
}

/// Starts a cell that is busy until the file exists, and waits until it has begun.
fn make_busy(kernel: &mut Running, name: &str) -> (PathBuf, Value) {
    let file = kernel.scratch.path(name);
    let cell = kernel.begin(&busy_until(&file));
    eventually("the cell has begun", || file.with_extension("begun").exists());
    (file, cell)
}

/// An injection that has reported that it is waiting, and that line.
fn waiting(kernel: &Running) -> (Child, String) {
    let mut child = start(&mut inject(kernel, &[]));
    let mut line = String::new();
    BufReader::new(child.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
    (child, line)
}

fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// Checks the error; lines that say that the kernel is busy may precede it.
#[track_caller]
fn is_error(mut outcome: Outcome, code: i32, fragments: &[&str]) {
    let lines = outcome.stderr.lines().filter(|line| !line.contains("waiting up to"));
    outcome.stderr = lines.collect::<Vec<_>>().join("\n");
    outcome.is_error(code, fragments);
}

#[test]
fn inject_says_that_it_waits_for_a_busy_kernel_and_never_interrupts_it() {
    let mut kernel = running();
    let (file, cell) = make_busy(&mut kernel, "go");
    let (child, line) = waiting(&kernel);
    assert!(line.contains("the kernel is busy; waiting up to 5"), "{line}");
    std::fs::write(file, "").unwrap();
    assert_eq!(said(&finish(child)), "set ONE");
    assert_eq!(kernel.end(&cell).printed(), "done");
    assert_eq!(kernel.front_end.cell(LOOK).printed(), "canary-1");
}

#[test]
fn a_kernel_that_stays_busy_is_given_up() {
    let mut kernel = running();
    let (file, cell) = make_busy(&mut kernel, "go");
    is_error(run(&mut inject(&kernel, &["--wait", "3"])), 80, &["was busy for 3 s; nothing was set", "--wait"]);
    is_error(run(&mut inject(&kernel, &["--wait", "2"])), 80, &["was busy"]);
    std::fs::write(file, "").unwrap();
    assert_eq!(kernel.end(&cell).printed(), "done");
    assert_eq!(kernel.front_end.cell(LOOK).printed(), "None");
}

#[test]
fn a_kernel_whose_cell_awaits_something_looks_idle_and_is_treated_as_busy() {
    let mut kernel = running();
    let file = kernel.scratch.path("go");
    let awaits =
        busy_until(&file).replace("time.sleep", "await asyncio.sleep").replace("import os", "import asyncio, os");
    let cell = kernel.begin(&awaits);
    eventually("the cell has begun", || file.with_extension("begun").exists());
    is_error(run(&mut inject(&kernel, &["--wait", "3"])), 80, &["was busy", "nothing was set"]);
    let (child, _) = waiting(&kernel);
    std::fs::write(file, "").unwrap();
    assert_eq!(said(&finish(child)), "set ONE");
    assert_eq!(kernel.end(&cell).printed(), "done");
    let next = kernel.begin("1");
    let number = kernel.end(&next);
    assert_eq!(number.0["reply"]["execution_count"], 2, "what was queued counts for nothing: {}", number.0);
}

#[test]
fn another_clients_earlier_cell_is_waited_for_too() {
    let mut kernel = running();
    let (held, vault) = (kernel.scratch.path("held"), Server::shared().port());
    let pass = relay_to(vault);
    let gate = held.clone();
    let slow = Faults::start(move |request, number| {
        eventually("the test lets Vault answer", || gate.exists());
        pass(request, number)
    });
    let mut command = inject(&kernel, &["--timeout", "60"]);
    let child = start(command.env("VAULT_ADDR", slow.address()));
    // The kernel has said that it is idle, and Vault is slow.
    eventually("Vault is asked", || !slow.seen().is_empty());
    assert_eq!(kernel.front_end.cell("print(1)").printed(), "1");
    let (file, cell) = make_busy(&mut kernel, "go");
    std::fs::write(held, "").unwrap();
    // Longer than the code waits for its turn: the queued request does nothing, and is sent again.
    let other = kernel.begin("import time; time.sleep(9); print('other')");
    std::fs::write(file, "").unwrap();
    assert_eq!(said(&finish(child)), "set ONE");
    let [cell, other] = kernel.ends(&[cell, other]);
    assert_eq!((cell.printed().as_str(), other.printed().as_str()), ("done", "other"));
    assert_eq!(kernel.front_end.cell(LOOK).printed(), "canary-1");
}

#[test]
fn a_kernel_that_is_killed_or_shut_down_meanwhile_ends_the_wait_at_once() {
    let mut kernel = running();
    make_busy(&mut kernel, "never");
    let (child, _) = waiting(&kernel);
    signal(kernel.pid, Signal::SIGKILL);
    is_error(finish(child), 74, &["exited or restarted meanwhile"]);
}

#[test]
fn a_stopped_kernel_does_not_answer_zmtps_greeting() {
    let kernel = running();
    signal(kernel.pid, Signal::SIGSTOP);
    let outcome = run(&mut inject(&kernel, &["--wait", "3"]));
    signal(kernel.pid, Signal::SIGCONT);
    is_error(outcome, 81, &["does not speak ZMTP", "SIGSTOP"]);
}

#[test]
fn a_kernel_that_only_answers_its_heartbeat_is_distinguished_from_a_busy_one() {
    let mut kernel = running();
    let begun = kernel.scratch.path("begun");
    // A call that never releases Python's lock: no Python thread runs, not even control's.
    let cell = kernel.begin(&format!("import ctypes; open({begun:?}, 'w').close(); ctypes.PyDLL(None).sleep(15)"));
    eventually("the cell has begun", || begun.exists());
    is_error(run(&mut inject(&kernel, &["--wait", "4"])), 81, &["answers its heartbeat", "did not answer"]);
    kernel.end(&cell);
    assert_eq!(said(&run(&mut inject(&kernel, &[]))), "set ONE");
}

#[test]
fn a_kernel_with_a_wrong_signature_is_not_trusted() {
    let mut kernel = running();
    let code = "s = get_ipython().kernel.session\nserialize = s.serialize\ndef wrong(*given, **more):\n    parts = serialize(*given, **more)\n    parts[parts.index(b'<IDS|MSG>') + 1] = b'0' * 64\n    return parts\ns.serialize = wrong";
    kernel.begin(code);
    let mut outcome = run(&mut inject(&kernel, &[]));
    // The cell may run after the first input request.
    if outcome.code() == Some(0) {
        Server::shared().put("trouble-again", &json!({"ONE": "canary-2"}));
        outcome = run(&mut kernel.inject(&["--secrets", "secret/trouble-again"]));
    }
    is_error(outcome, 76, &["does not have its key"]);
}

/// The kernel's connection file with one change, at another path.
fn changed(kernel: &Running, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut file: Value = serde_json::from_slice(&std::fs::read(&kernel.file).unwrap()).unwrap();
    change(&mut file);
    kernel.scratch.file("changed.json", file.to_string())
}

fn inject_into(kernel: &Running, file: &Path, options: &[&str]) -> Outcome {
    let mut command = kernel.scratch.launcher();
    command.env("VAULT_ADDR", Server::shared().address()).env("VAULT_TOKEN", "root");
    run(command.arg("inject").arg(file).args(["--secrets", "secret/trouble"]).args(options))
}

#[test]
fn another_kernels_key_is_noticed_before_the_time_limit() {
    let kernel = running();
    let file = changed(&kernel, |file| file["key"] = json!("another"));
    is_error(inject_into(&kernel, &file, &["--wait", "1000"]), 76, &["does not have its key", "is old"]);
    let kernel = Running::start(&json!({"curve": true}));
    let file = changed(&kernel, |file| {
        // 32 zero bytes in Z85: not the kernel's public key.
        file["curve_publickey"] = json!("0".repeat(40));
    });
    is_error(inject_into(&kernel, &file, &["--wait", "1000"]), 76, &["does not have its key"]);
}

#[test]
fn a_stale_connection_file_and_a_port_of_another_program_are_distinguished() {
    let mut kernel = running();
    let left = changed(&kernel, |_| ());
    kernel.front_end.ask("shutdown", json!({}));
    is_error(inject_into(&kernel, &left, &[]), 68, &["nothing listens there", "has exited"]);
    let at = |port: u16| {
        let mut file: Value = serde_json::from_slice(&std::fs::read(&left).unwrap()).unwrap();
        for key in ["shell_port", "stdin_port"] {
            file[key] = json!(port);
        }
        kernel.scratch.file("taken.json", file.to_string())
    };
    let tls = Server::shared().tls_address("good").rsplit(':').next().unwrap().parse().unwrap();
    is_error(inject_into(&kernel, &at(tls), &[]), 79, &["is not its kernel", "another program"]);
    let unserved = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = unserved.local_addr().unwrap().port();
    is_error(inject_into(&kernel, &at(port), &[]), 81, &["does not speak ZMTP", "another program"]);
    let [port] = free_ports();
    let nowhere = kernel.scratch.file("odd.json", format!("{{\"shell_port\": {port}}}"));
    is_error(inject_into(&kernel, &nowhere, &[]), 72, &["odd.json"]);
    is_error(inject_into(&kernel, Path::new("0123-no-such-id"), &[]), 67, &["0123-no-such-id"]);
}

#[test]
fn a_kernel_is_found_by_the_beginning_of_its_id() {
    let kernel = running();
    let found = kernel.scratch.path("runtime/kernel-6a1f0c52-aa.json");
    std::fs::copy(&kernel.file, &found).unwrap();
    let outcome = inject_into(&kernel, Path::new("6a1f0c52"), &[]);
    assert_eq!(said(&outcome), "set ONE");
}

#[test]
fn a_flood_on_iopub_loses_no_answer() {
    let mut kernel = running();
    let flood = "import threading, time\ndef flood():\n    while True: print('x' * 20000); time.sleep(0.001)\nthreading.Thread(target=flood, daemon=True).start()";
    kernel.begin(flood);
    assert_eq!(said(&run(&mut inject(&kernel, &[]))), "set ONE");
    let (file, never) = (kernel.scratch.path("flood"), kernel.scratch.path("never"));
    kernel.begin(
        &busy_until(&never).replace("import os, time", &format!("import os, time; open({file:?}, 'w').close()")),
    );
    eventually("the cell has begun", || file.exists());
    Server::shared().put("trouble-flood", &json!({"ONE": "canary-1"}));
    let outcome = run(&mut kernel.inject(&["--secrets", "secret/trouble-flood", "--wait", "4"]));
    is_error(outcome, 80, &["was busy"]);
}

#[test]
fn a_request_that_the_kernel_does_not_read_is_sent_again_on_a_new_connection() {
    let mut kernel = running();
    let code = include_str!("../support/cells/late_shell.py");
    kernel.front_end.cell(code);
    assert_eq!(said(&run(&mut inject(&kernel, &[]))), "set ONE");
    assert_eq!(kernel.front_end.cell(LOOK).printed(), "canary-1");
}

#[test]
fn a_signal_ends_the_wait_and_the_kernel_continues() {
    let mut kernel = running();
    let (file, cell) = make_busy(&mut kernel, "go");
    let (child, _) = waiting(&kernel);
    signal(i32::try_from(child.id()).unwrap(), Signal::SIGTERM);
    let outcome = finish(child);
    assert_eq!((outcome.signal(), outcome.stderr.as_str()), (Some(15), ""));
    std::fs::write(file, "").unwrap();
    assert_eq!(kernel.end(&cell).printed(), "done");
    assert_eq!(kernel.front_end.cell(LOOK).printed(), "None");
}

#[test]
fn now_sets_variables_during_a_busy_cell_and_leaves_no_subshell_and_no_file() {
    let mut kernel = running();
    kernel.front_end.cell("import os; environ, os.environ = os.environ, dict(os.environ)");
    let (file, cell) = make_busy(&mut kernel, "go");
    assert_eq!(said(&run(&mut inject(&kernel, &["--now", "--wait", "20"]))), "set ONE");
    assert!(!file.exists(), "the cell is busy all the while");
    let left = kernel.front_end.ask("request", json!({"kind": "list_subshell_request", "channel": "control"}));
    assert_eq!(left["reply"]["subshell_id"], json!([]), "{left}");
    std::fs::write(file, "").unwrap();
    assert_eq!(kernel.end(&cell).printed(), "done");
    assert_eq!(kernel.front_end.cell(LOOK).printed(), "canary-1");
    assert_eq!(kernel.front_end.cell("print(environ.get('ONE'))").printed(), "canary-1");
    let ours = std::fs::read_dir(kernel.scratch.path("runtime/jupyter-vault")).unwrap().filter_map(Result::ok);
    let left: Vec<_> = ours.map(|entry| entry.file_name()).filter(|name| name != "kernels").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn now_does_not_take_a_cells_input() {
    let mut kernel = running();
    let asks = kernel.scratch.path("asks");
    let code = format!("open({asks:?}, 'w').close(); print('got', input('name? '))");
    let sent = kernel.front_end.ask("execute", json!({"codes": [code], "wait": false, "allow_stdin": true}));
    eventually("the cell asks", || asks.exists());
    assert_eq!(said(&run(&mut inject(&kernel, &["--now"]))), "set ONE");
    kernel.front_end.ask("give_input", json!({"value": "Ada"}));
    assert_eq!(kernel.end(&sent["sent"][0]).printed(), "got Ada");
    assert_eq!(kernel.front_end.cell(LOOK).printed(), "canary-1");
}

#[test]
fn a_cell_that_waits_for_input_gets_the_users_answer_and_is_waited_for() {
    let mut kernel = running();
    let asks = kernel.scratch.path("asks");
    let code = format!("open({asks:?}, 'w').close(); print('got', input('name? '))");
    let sent = kernel.front_end.ask("execute", json!({"codes": [code], "wait": false, "allow_stdin": true}));
    eventually("the cell asks", || asks.exists());
    let (child, line) = waiting(&kernel);
    assert!(line.contains("the kernel is busy"), "{line}");
    kernel.front_end.ask("give_input", json!({"value": "Ada"}));
    assert_eq!(said(&finish(child)), "set ONE");
    assert_eq!(kernel.end(&sent["sent"][0]).printed(), "got Ada");
    assert_eq!(kernel.front_end.cell(LOOK).printed(), "canary-1");
}

#[test]
fn a_kernel_that_restarts_before_the_code_runs_is_not_given_a_part() {
    let mut kernel = running();
    let gate = kernel.scratch.path("gate");
    let (open, pass) = (gate.clone(), relay_to(Server::shared().port()));
    let slow = Faults::start(move |request, number| {
        eventually("the test lets Vault answer", || open.exists());
        pass(request, number)
    });
    let mut command = inject(&kernel, &["--timeout", "60"]);
    let child = start(command.env("VAULT_ADDR", slow.address()));
    eventually("Vault is asked", || !slow.seen().is_empty());
    // It may be asked before the kernel is; one cell later, the kernel has answered.
    assert_eq!(kernel.front_end.cell("print(1)").printed(), "1");
    kernel.front_end.ask("restart", json!({"now": true}));
    kernel.front_end.ask("ready", json!({}));
    std::fs::write(gate, "").unwrap();
    is_error(finish(child), 74, &["exited or restarted meanwhile", "run the command again"]);
    assert_eq!(kernel.front_end.cell(LOOK).printed(), "None");
    assert_eq!(said(&run(&mut inject(&kernel, &[]))), "set ONE");
}

#[test]
fn a_kernel_that_stops_in_the_middle_is_not_waited_for_forever() {
    let mut kernel = running();
    // The code asks for the values, and its process stops there.
    let code = "import os, signal\nsession = get_ipython().kernel.session\nsend = session.send\ndef stopping(socket, kind, *given, **more):\n    if kind == 'input_request': os.kill(os.getpid(), signal.SIGSTOP)\n    return send(socket, kind, *given, **more)\nsession.send = stopping";
    kernel.front_end.cell(code);
    let outcome = run(&mut inject(&kernel, &["--wait", "4"]));
    signal(kernel.pid, Signal::SIGCONT);
    is_error(outcome, 81, &["does not speak ZMTP", "SIGSTOP"]);
}

/// Runs `code`, which changes how the kernel answers, and waits for that.
fn changes(kernel: &mut Running, code: &str) {
    let done = kernel.scratch.path("changed");
    kernel.begin(&format!("{code}\nopen({done:?}, 'w').close()"));
    eventually("the kernel has changed", || done.exists());
}

#[test]
fn a_kernel_that_only_answers_kernel_info_is_given_up_at_the_time_limit() {
    let mut kernel = running();
    let code = include_str!("../support/cells/only_kernel_info.py");
    changes(&mut kernel, code);
    // Only its own connection file leads to its process; with the other file, the kernel must answer what it is.
    let other = changed(&kernel, |_| ());
    for file in [kernel.file.clone(), other] {
        let mut outcome = inject_into(&kernel, &file, &["--wait", "1"]);
        let said =
            outcome.stderr.split("did not answer within ").nth(1).or(outcome.stderr.split("was busy for ").nth(1));
        let seconds = said.and_then(|rest| rest.split(' ').next()).and_then(|number| number.parse().ok());
        assert!(seconds.is_some_and(|seconds: u64| seconds < 5), "{}", outcome.stderr);
        outcome.stderr.clear();
        assert!(matches!(outcome.code(), Some(80 | 81)), "{:?}", outcome.code());
    }
}

#[test]
fn a_signed_input_request_that_is_not_the_codes_gets_no_value() {
    for prompt in ["[not a list", "Password: "] {
        let mut kernel = running();
        let got = kernel.scratch.path("got");
        let code = format!("PROMPT, GOT = {prompt:?}, {got:?}\n{}", include_str!("../support/cells/other_prompt.py"));
        changes(&mut kernel, &code);
        is_error(run(&mut inject(&kernel, &[])), 82, &["no value was sent"]);
        let got = std::fs::read_to_string(got).unwrap_or_default();
        assert!(!got.contains("canary"), "{prompt}: {got}");
        assert_eq!(kernel.front_end.cell(LOOK).printed(), "None", "{prompt}");
    }
}
