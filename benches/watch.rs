//! The cost of the sidecar: memory and wake-ups with 200 kernels, and how soon each has its secrets.
//!
//! `cargo bench --bench watch` prints a Markdown table. The kernels are real ipykernels, forked from one process
//! that has loaded it (`many_kernels.py`): together they take 6 GB.
#![allow(clippy::cast_precision_loss, reason = "a figure is shown with two decimals")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::launcher::Scratch;
use support::openbao::Server;
use support::python::python;

const KERNELS: usize = 200;
/// The rounds' interval, and how long wake-ups are counted, in seconds.
const INTERVAL: u64 = 10;
const WINDOW: u64 = 60;

fn main() {
    let server = Server::start();
    let scratch = Scratch::new();
    let value = "x".repeat(1000);
    server.put("watched", &json!({ "WATCHED": value }));
    let files = (0..KERNELS).map(|number| scratch.path("runtime").join(format!("kernel-{number}.json")));
    let mut command = Command::new(python());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/many_kernels.py")).args(files);
    let mut kernels = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(kernels.stdout.take().unwrap()).lines();
    said.next().unwrap().unwrap();

    let mut watch = scratch.launcher();
    watch.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", "root").arg("watch");
    watch.args(["--interval", &INTERVAL.to_string(), "--secrets", "secret/watched", "--log", "json"]);
    let mut watch = watch.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut events = BufReader::new(watch.stderr.take().unwrap()).lines();
    println!("\n| {KERNELS} kernels | | target |\n|---|---|---|");
    let mut all = |what: &str| {
        let start = Instant::now();
        let mut left: BTreeSet<_> = (0..KERNELS).map(|number| number.to_string()).collect();
        while !left.is_empty() {
            let event: Value = serde_json::from_str(&events.next().unwrap().unwrap()).unwrap();
            if event["event"] == "injected" {
                left.remove(event["kernel"].as_str().unwrap());
            }
        }
        println!("| {what} | {:.2} s | |", start.elapsed().as_secs_f64());
    };
    all("started beside them, until each has its secrets");
    std::thread::park_timeout(Duration::from_secs(2));
    println!("| RSS, idle | {:.1} MB | ≤ 8 MB |", status(&watch, "VmRSS:") as f64 * 1024.0 / 1e6);
    println!("| peak RSS | {:.1} MB | |", status(&watch, "VmHWM:") as f64 * 1024.0 / 1e6);
    println!("| threads | {} | 1 |", status(&watch, "Threads:"));
    let before = status(&watch, "voluntary_ctxt_switches:");
    std::thread::park_timeout(Duration::from_secs(WINDOW));
    let wakes = status(&watch, "voluntary_ctxt_switches:") - before;
    println!("| wake-ups in {WINDOW} s, {} rounds | {wakes} | a few a round |", WINDOW / INTERVAL);
    server.put("watched", &json!({ "WATCHED": value + "y" }));
    all("a new version, until each has it (a round comes first)");
    std::thread::park_timeout(Duration::from_secs(2));
    println!("| RSS after it | {:.1} MB | ≤ 8 MB |", status(&watch, "VmRSS:") as f64 * 1024.0 / 1e6);
    watch.kill().unwrap();
    watch.wait().unwrap();
    // Checks that they have it.
    let mut orders = kernels.stdin.take().unwrap();
    writeln!(orders, "import os; print(len(os.environ['WATCHED']))").unwrap();
    let printed: Vec<String> = serde_json::from_str(&said.next().unwrap().unwrap()).unwrap();
    assert_eq!(printed, vec!["1001"; KERNELS]);
    drop(orders);
    kernels.wait().unwrap();
}

/// A number from /proc/PID/status; sizes are in KiB.
fn status(child: &Child, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    let line = text.lines().find(|line| line.starts_with(key)).expect("the line");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}
