//! The diagnostic kernel in the programs that people use: each must show the error, and continue after it.
#![cfg(all(feature = "diagnose", target_os = "linux"))]

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::front_end::{config, environment, ipykernel, kernelspec, program};
use crate::support::launcher::{Outcome, Scratch, binary, eventually, finish, run};
use crate::support::openbao::{Server, free_ports};
use crate::support::python;
use crate::support::server::{JupyterServer, Kind, User};
use crate::support::waiting::within;
use serde_json::{Value, json};

const LOOK: &str = "import os; print(len(os.environ['KERNEL_SECRET']), os.getpid())";
const REFUSED: &str = "refused the connection";

/// A kernelspec for a server that does not run yet, and its port.
fn vaulted() -> (Scratch, u16) {
    let scratch = Scratch::new();
    let [port] = free_ports();
    let command = ipykernel();
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    let spec =
        kernelspec(&scratch, &config(&format!("http://127.0.0.1:{port}"), "kernel"), &["--timeout", "3"], &command);
    std::fs::write(spec.join("token"), "root\n").unwrap();
    (scratch, port)
}

fn openbao(port: u16) -> Server {
    let server = Server::at(port).expect("the port is free");
    server.put("kernel", &json!({"KERNEL_SECRET": "canary-of-21-letters!"}));
    server
}

/// A program of the Python environment that sees the kernelspec.
fn tool(scratch: &Scratch, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(python::environment().join("bin").join(name));
    command.args(arguments).current_dir(scratch.path("home"));
    environment(&mut command, scratch);
    command
}

/// A notebook with two cells.
fn notebook(scratch: &Scratch) -> PathBuf {
    let cell = |id: &str, source: &str| json!({"cell_type": "code", "id": id, "metadata": {}, "source": source, "outputs": [], "execution_count": null});
    let kernel = json!({"name": "vaulted", "display_name": "Vaulted", "language": "python"});
    let content = json!({
        "cells": [cell("a", LOOK), cell("b", "print('second')")],
        "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5,
    });
    scratch.file("home/notebook.ipynb", content.to_string())
}

fn says_why(outcome: &Outcome) {
    let said = outcome.stderr.clone() + &String::from_utf8_lossy(&outcome.stdout);
    assert_ne!(outcome.code(), Some(0), "{said}");
    assert!(said.contains("SecretsUnavailable") && said.contains(REFUSED), "{said}");
    for wrong in ["Kernel died", "DeadKernelError", "TimeoutError", "CellTimeoutError", "second", "root\n"] {
        assert!(!said.contains(wrong), "{wrong}: {said}");
    }
}

#[test]
fn nbclient_fails_at_the_first_cell_with_our_message() {
    let (scratch, port) = vaulted();
    let file = notebook(&scratch);
    let arguments = ["--timeout=50", file.to_str().unwrap()];
    says_why(&run(&mut tool(&scratch, "jupyter-execute", &arguments)));
    let _server = openbao(port);
    let outcome = run(&mut tool(&scratch, "jupyter-execute", &["--inplace", file.to_str().unwrap()]));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert!(std::fs::read_to_string(&file).unwrap().contains("21 "));
}

#[test]
fn papermill_fails_at_the_first_cell_and_keeps_the_message_in_its_output() {
    let (scratch, port) = vaulted();
    let file = notebook(&scratch);
    let arguments = [file.to_str().unwrap(), "out.ipynb", "--no-progress-bar"];
    says_why(&run(&mut tool(&scratch, "papermill", &arguments)));
    let out = std::fs::read_to_string(scratch.path("home/out.ipynb")).unwrap();
    assert!(out.contains(REFUSED) && out.contains("jupyter-vault doctor --config"), "{out}");
    // The notebook keeps the language that it was written in.
    let out: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(out["metadata"]["language_info"]["name"], "python");
    let _server = openbao(port);
    let outcome = run(&mut tool(&scratch, "papermill", &arguments));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert!(std::fs::read_to_string(scratch.path("home/out.ipynb")).unwrap().contains("21 "));
}

#[test]
fn the_console_shows_the_error_and_continues() {
    use std::io::Write;
    let (scratch, port) = vaulted();
    let mut command = tool(&scratch, "jupyter-console", &["--simple-prompt", "--kernel=vaulted"]);
    let log = scratch.path("console.log");
    let file = std::fs::File::create(&log).unwrap();
    let mut child =
        command.stdin(Stdio::piped()).stdout(file.try_clone().unwrap()).stderr(file).spawn().expect("it starts");
    let mut keyboard = child.stdin.take().unwrap();
    let said = || std::fs::read_to_string(&log).unwrap();
    writeln!(keyboard, "{LOOK}").unwrap();
    eventually("an error is shown", || said().contains("SecretsUnavailable"));
    assert!(said().contains(REFUSED) && said().contains("check the address"), "{}", said());
    let _server = openbao(port);
    eventually("the secrets are there", || {
        writeln!(keyboard, "{LOOK}").unwrap();
        within(Duration::from_millis(500), || said().contains("21 "))
    });
    writeln!(keyboard, "exit").unwrap();
    drop(keyboard);
    let outcome = finish(child);
    assert_eq!(outcome.code(), Some(0), "{}", said());
}

/// Error, recovery, interrupt, restart without and with a server, and shutdown, all through one server.
fn through(kind: Kind) {
    let (scratch, port) = vaulted();
    let server = JupyterServer::start(kind, &scratch, &[]);
    let mut user = User::of(&server);
    // Enterprise Gateway does not start kernels for root.
    let launch = json!({"env": {"KERNEL_USERNAME": "alice"}});
    // Shut down and restarted during the diagnosis.
    user.ask("launch", launch.clone());
    assert_eq!(user.cell(LOOK).error(), "SecretsUnavailable");
    assert_eq!(user.ask("interrupt", json!({}))["status"], 204);
    assert_eq!(user.ask("restart", json!({}))["status"], 200);
    assert_eq!(user.cell(LOOK).error(), "SecretsUnavailable");
    assert_eq!(user.ask("delete", json!({}))["status"], 204);
    assert_eq!(ours(&scratch), Vec::<i32>::new());
    // Recovered, interrupted, restarted while the server runs.
    user.ask("launch", launch);
    let cell = user.cell(LOOK);
    assert_eq!(cell.error(), "SecretsUnavailable");
    assert!(cell.0["reply"]["evalue"].as_str().unwrap().contains(REFUSED), "{cell:?}");
    let [pid] = ours(&scratch)[..] else { panic!("one process: {:?}", ours(&scratch)) };
    let openbao = openbao(port);
    let cell = user.cell(LOOK);
    assert!(cell.status() == "ok" || cell.error() == "SecretsReady", "{cell:?}");
    assert_eq!(user.cell(LOOK).printed(), format!("21 {pid}"));
    assert_ne!(program(pid), binary());
    let asleep = "import time; print('asleep', flush=True); time.sleep(50)";
    assert_eq!(user.ask("interrupted", json!({"code": asleep}))["error"], "KeyboardInterrupt");
    assert_eq!(user.ask("restart", json!({}))["status"], 200);
    assert!(user.cell(LOOK).printed().starts_with("21 "));
    // Restarted without the server, and shut down.
    drop(openbao);
    assert_eq!(user.ask("restart", json!({}))["status"], 200);
    assert_eq!(user.cell(LOOK).error(), "SecretsUnavailable");
    assert_eq!(user.ask("delete", json!({}))["status"], 204);
    eventually("nothing of ours is left", || ours(&scratch).is_empty());
    let log = server.log();
    assert!(!log.contains("canary") && !log.contains("died"), "{log}");
}

/// The processes of this test that are still the launcher.
fn ours(scratch: &Scratch) -> Vec<i32> {
    let mark = scratch.path("home").display().to_string();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = processes.filter_map(|process| process.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&line).contains(&mark);
        program(*pid) == binary() && environment
    })
    .collect()
}

#[test]
fn through_jupyter_server() {
    through(Kind::JupyterServer);
}

#[test]
fn through_jupyterlab() {
    through(Kind::JupyterLab);
}

#[test]
fn through_kernel_gateway() {
    through(Kind::KernelGateway);
}

#[test]
fn through_enterprise_gateway() {
    through(Kind::EnterpriseGateway);
}

#[test]
fn it_conforms_to_the_protocol() {
    let (scratch, _) = vaulted();
    let mut command = Command::new(python::python());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/conformance.py"));
    let outcome = run(environment(&mut command, &scratch));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    for test in ["test_kernel_info", "test_completion", "test_is_complete", "test_error", "test_silent"] {
        let passed = outcome.stderr.lines().any(|line| line.starts_with(test) && line.ends_with("ok"))
            || outcome.stderr.contains(&format!("{test} "));
        assert!(passed, "{test}: {}", outcome.stderr);
    }
}
