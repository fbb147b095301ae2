//! The diagnostic kernel under load: large cells, long notebooks, many clients, and clients that stop half-way.
//! It stays small, answers every client, and still recovers.
#![cfg(all(feature = "diagnose", target_os = "linux"))]

use std::collections::BTreeMap;
use std::net::TcpStream;

use crate::support::crowd::{Crowd, cell, outcome};
use crate::support::faults::{Faults, Reply};
use crate::support::front_end::{FrontEnd, config, ipykernel, kernelspec, program};
use crate::support::launcher::{Scratch, binary, eventually};
use crate::support::openbao::Server;
use crate::support::waiting::pause_ms;
use serde_json::{Value, json};

const LOOK: &str = "import os; print(len(os.environ['KERNEL_SECRET']), os.getpid())";

/// A diagnostic kernel whose token file is missing: its front end, which has not connected, its connection file,
/// its pid.
fn diagnostic(scratch: &Scratch, address: &str) -> (FrontEnd, String, i32) {
    let command = ipykernel();
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    kernelspec(scratch, &config(address, "kernel"), &[], &command);
    let mut front_end = FrontEnd::new(scratch);
    let started = front_end.ask("start", json!({"connects": false}));
    let pid = i32::try_from(started["pid"].as_i64().unwrap()).unwrap();
    (front_end, started["file"].as_str().unwrap().to_owned(), pid)
}

/// Its memory, in KiB.
fn memory(pid: i32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn counted(answers: &[Value]) -> BTreeMap<&str, usize> {
    let mut counted = BTreeMap::new();
    for answer in answers {
        *counted.entry(outcome(answer)).or_default() += 1;
    }
    counted
}

#[test]
fn large_cells_leave_no_memory_behind() {
    let scratch = Scratch::new();
    let (_front_end, file, pid) = diagnostic(&scratch, "http://127.0.0.1:1");
    let mut crowd = Crowd::of(&file, 2);
    assert_eq!(outcome(&crowd.answers(&[cell(0, "1")])[0]), "SecretsUnavailable");
    let before = memory(pid);
    for _ in 0..3 {
        let large = json!({"kind": "execute_request", "letters": 5_000_000});
        assert_eq!(outcome(&crowd.answers(&[large])[0]), "SecretsUnavailable");
    }
    eventually("the memory is given back", || memory(pid) < before + 1500);
}

#[test]
fn a_notebook_of_thousands_of_cells_run_at_once_is_answered_completely() {
    let scratch = Scratch::new();
    // Slow enough that all have arrived.
    let slow = Faults::start(|_, _| {
        pause_ms(2000, "a slow server");
        Reply::json(500, "{}")
    });
    let (_front_end, file, _) = diagnostic(&scratch, &slow.address());
    std::fs::write(scratch.path("home/kernels/vaulted/token"), "root").unwrap();
    let mut crowd = Crowd::of(&file, 2);
    // More than can wait: each still gets an answer.
    let cells: Vec<_> = (0..6000).map(|number| cell(0, &format!("x = {number}"))).collect();
    let answers = crowd.answers(&cells);
    assert_eq!(counted(&answers), BTreeMap::from([("SecretsUnavailable", 1), ("aborted", 5999)]));
    assert_eq!(outcome(&answers[0]), "SecretsUnavailable");
    assert_eq!(outcome(&crowd.answers(&[cell(1, "1")])[0]), "SecretsUnavailable");
}

#[test]
fn two_hundred_clients_are_answered_hear_everything_and_continue_after_recovery() {
    let server = Server::shared();
    server.put("kernel", &json!({"KERNEL_SECRET": "canary-of-21-letters!"}));
    let scratch = Scratch::new();
    let (_front_end, file, pid) = diagnostic(&scratch, &server.address());
    let count = 150;
    let mut crowd = Crowd::of(&file, count);
    let cells: Vec<_> = (0..count).map(|client| cell(client, "1")).collect();
    for answer in crowd.answers(&cells) {
        assert!(["SecretsUnavailable", "aborted"].contains(&outcome(&answer)), "{answer}");
    }
    crowd.ask("until_all_hear", json!({"kind": "error"}));
    std::fs::write(scratch.path("home/kernels/vaulted/token"), "root").unwrap();
    assert_eq!(crowd.run(0, LOOK), format!("21 {pid}"));
    let looks: Vec<_> = (0..count).map(|client| cell(client, LOOK)).collect();
    for answer in crowd.answers(&looks) {
        assert_eq!(answer["text"], format!("21 {pid}\n"), "{answer}");
    }
}

#[test]
fn a_client_that_reconnects_forever_and_never_reads_delays_no_other() {
    let scratch = Scratch::new();
    let (_front_end, file, _) = diagnostic(&scratch, "http://127.0.0.1:1");
    let mut crowd = Crowd::of(&file, 1);
    let done = scratch.path("done");
    std::thread::scope(|scope| {
        scope.spawn(|| Crowd::empty().ask("knock", json!({"path": file, "until": done})));
        // Long enough for it to have begun, at the latest with the second cell.
        let cells = [0, 1].map(|_| {
            pause_ms(1000, "the other client connects in silence");
            let asked = crowd.send(&[cell(0, "1")]);
            crowd.ask("collect_or_not", json!({"ids": asked, "timeout": 40}))["done"].clone()
        });
        std::fs::write(&done, "").unwrap();
        assert_eq!(cells, [true, true]);
    });
}

#[test]
fn a_client_that_asks_without_pause_delays_no_other_and_costs_little() {
    let server = Server::shared();
    server.put("kernel", &json!({"KERNEL_SECRET": "canary-of-21-letters!"}));
    let scratch = Scratch::new();
    let (_front_end, file, pid) = diagnostic(&scratch, &server.address());
    let mut crowd = Crowd::of(&file, 1);
    let done = scratch.path("done");
    std::thread::scope(|scope| {
        scope.spawn(|| Crowd::empty().ask("flood", json!({"path": file, "until": done})));
        assert_eq!(outcome(&crowd.answers(&[cell(0, "1")])[0]), "SecretsUnavailable");
        std::fs::write(scratch.path("home/kernels/vaulted/token"), "root").unwrap();
        let mut most = 0;
        eventually("it heals all the same", || {
            most = most.max(if program(pid) == binary() { memory(pid) } else { 0 });
            program(pid) != binary()
        });
        std::fs::write(&done, "").unwrap();
        // Without a limit it would grow endlessly.
        assert!(most < 300_000, "{most} KiB");
    });
    eventually("the other client goes on", || crowd.heard(0, LOOK) == Some(format!("21 {pid}")));
}

#[test]
fn a_client_that_stops_in_its_greeting_delays_no_other() {
    let server = Server::shared();
    server.put("kernel", &json!({"KERNEL_SECRET": "canary-of-21-letters!"}));
    let scratch = Scratch::new();
    let (mut front_end, file, pid) = diagnostic(&scratch, &server.address());
    let mut crowd = Crowd::of(&file, 1);
    // More than may be connected at once (tests have 1024 descriptors or more), all silent.
    let content: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let port = |key: &str| u16::try_from(content[key].as_u64().unwrap()).unwrap();
    let silent: Vec<_> = ["shell_port", "control_port"]
        .into_iter()
        .flat_map(|key| (0..100).map(move |_| key))
        .map(|key| TcpStream::connect(("127.0.0.1", port(key))).unwrap())
        .collect();
    // Half a message of 32 MB, twice.
    let mut stranger = Crowd::empty();
    for _ in 0..2 {
        stranger.ask("half", json!({"path": file, "bytes": 1_000_000}));
    }
    assert_eq!(outcome(&crowd.answers(&[cell(0, "1")])[0]), "SecretsUnavailable");
    assert_eq!(front_end.ask("alive", json!({}))["alive"], true);
    std::fs::write(scratch.path("home/kernels/vaulted/token"), "root").unwrap();
    assert_eq!(crowd.run(0, LOOK), format!("21 {pid}"));
    drop(silent);
}
