//! A hundred kernels at once through one gateway, from a Vault that is slow and limits its rate: each starts,
//! or says why it did not. None hangs.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unnecessary_debug_formatting,
    clippy::needless_raw_string_hashes,
    clippy::too_many_lines,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]
#![cfg(all(feature = "diagnose", target_os = "linux"))]

mod support;

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use support::faults::delayed;
use support::front_end::{Cell, config, kernelspec};
use support::kernels::command;
use support::launcher::Scratch;
use support::openbao::Server;
use support::server::{JupyterServer, Kind, User};

const CROWD: usize = 100;
/// What a kernel may say that it waits for.
const LATER: &[&str] = &["too many requests (429)", "within"];

/// How many of a crowd have the secret, and how many had to say that Vault said "later"; there is nothing else.
fn crowd(rate: u32, budget: &str) -> (usize, usize) {
    // Two crowds at once would be another test.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let server = Server::start();
    server.put("load", &json!({"LOAD_SECRET": "canary-of-21-letters!"}));
    server.must("POST", "sys/quotas/rate-limit/load", &json!({"path": "secret/", "rate": rate, "interval": "1s"}));
    let scratch = Scratch::new();
    // A small kernel: a hundred of a large one would measure this machine.
    let command = command("xpython-raw");
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    let port = delayed(server.port(), Duration::from_millis(300), 100 * CROWD);
    let options = ["--timeout", budget];
    let spec = kernelspec(&scratch, &config(&format!("http://127.0.0.1:{port}"), "load"), &options, &command);
    std::fs::write(spec.join("token"), "root").unwrap();
    let gateway = JupyterServer::start(Kind::KernelGateway, &scratch, &[]);
    let mut user = User::of(&gateway);
    let look = json!({"count": CROWD, "code": "import os; print(len(os.environ['LOAD_SECRET']))"});
    let seen = user.ask("crowd", look);
    let (mut started, mut refused) = (0, 0);
    for cell in seen.as_array().unwrap() {
        let cell = Cell(cell.clone());
        if cell.printed() == "21" {
            started += 1;
            continue;
        }
        let why = cell.0["reply"]["evalue"].as_str().unwrap_or_default();
        match cell.error() {
            // It stood in until its cell came, or a moment before: the kernel is there now.
            "SecretsReady" => {}
            "SecretsUnavailable" => assert!(LATER.iter().any(|words| why.contains(words)), "{why}"),
            _ => panic!("{cell:?}"),
        }
        refused += 1;
    }
    assert!(!gateway.log().contains("died"), "{}", gateway.log());
    (started, refused)
}

#[test]
fn with_time_enough_all_of_a_hundred_start() {
    // Twenty a second: a hundred reads, and the attempts that are refused, fit into half a minute.
    assert_eq!(crowd(20, "30"), (CROWD, 0));
}

#[test]
fn with_too_little_time_each_of_a_hundred_starts_or_says_why() {
    let (started, refused) = crowd(2, "3");
    println!("{started} of {CROWD} started, {refused} said why");
    assert_eq!(started + refused, CROWD);
    assert!(refused > CROWD / 4, "the limit was none: {started} started");
}
