//! The input request of an injection: noticed late or never, answered never or too late.
#![cfg(all(feature = "inject", target_os = "linux"))]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::front_end::Cell;
use crate::support::launcher::{eventually, finish, run};
use crate::support::openbao::Server;
use crate::support::running::{Running, said};
use crate::support::waiting::pause_ms;
use crate::support::wire::Wire;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde_json::json;

const LOOK: &str = "import os; print(os.environ.get('QUESTION'))";

fn running() -> Running {
    Server::shared().put("question", &json!({"QUESTION": "canary-question"}));
    Running::start(&json!({}))
}

fn inject(kernel: &Running, wire: &Wire) -> Command {
    let mut command = kernel.scratch.launcher();
    command.env("VAULT_ADDR", Server::shared().address()).env("VAULT_TOKEN", "root");
    command.arg("inject").arg(&wire.file).args(["--secrets", "secret/question"]);
    command
}

/// An injection whose input request has been sent but not arrived.
fn asked(kernel: &Running, wire: &Wire) -> (Child, Pid) {
    let mut command = inject(kernel, wire);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wire.asked();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    (child, pid)
}

#[test]
fn an_input_request_sent_before_the_client_listened_is_sent_again() {
    let mut kernel = running();
    for slowness in [30, 400] {
        let mut wire = Wire::of(&kernel, Duration::from_millis(slowness));
        wire.pass();
        Server::shared().put("question", &json!({"QUESTION": format!("canary-{slowness}")}));
        assert_eq!(said(&run(&mut inject(&kernel, &wire))), "set QUESTION");
        assert_eq!(kernel.front_end.cell(LOOK).printed(), format!("canary-{slowness}"));
    }
}

#[test]
fn a_kernel_whose_input_request_is_never_answered_continues() {
    let mut kernel = running();
    let wire = Wire::of(&kernel, Duration::ZERO);
    let (child, pid) = asked(&kernel, &wire);
    kill(pid, Signal::SIGKILL).unwrap();
    assert_eq!(finish(child).signal(), Some(9));
    assert_eq!(kernel.front_end.cell(LOOK).printed(), "None");
    assert_eq!(said(&run(&mut kernel.inject(&["--secrets", "secret/question"]))), "set QUESTION");
    assert_eq!(kernel.front_end.cell(LOOK).printed(), "canary-question");
}

#[test]
fn an_injection_that_was_stopped_too_long_answers_no_input_request() {
    let mut kernel = running();
    let mut wire = Wire::of(&kernel, Duration::ZERO);
    let (child, pid) = asked(&kernel, &wire);
    kill(pid, Signal::SIGSTOP).unwrap();
    waitpid(pid, Some(WaitPidFlag::WUNTRACED)).unwrap();
    wire.pass();
    // The kernel has given up, and a cell asks its user.
    assert_eq!(kernel.front_end.cell(LOOK).printed(), "None");
    let asks = kernel.scratch.path("asks");
    let code = format!("open({asks:?}, 'w').close(); print('got', input('name? '))");
    let sent = kernel.front_end.ask("execute", json!({"codes": [code], "wait": false, "allow_stdin": true}));
    eventually("the cell asks", || asks.exists());
    kill(pid, Signal::SIGCONT).unwrap();
    pause_ms(2000, "it must not answer the cell's request");
    kernel.front_end.ask("give_input", json!({"value": "Ada"}));
    let cell: Cell = kernel.end(&sent["sent"][0]);
    assert_eq!(cell.printed(), "got Ada");
    // What it learned before it was stopped is out of date, and there is time to start again.
    assert_eq!(said(&finish(child)), "set QUESTION");
    assert_eq!(kernel.front_end.cell(LOOK).printed(), "canary-question");
}
