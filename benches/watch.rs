//! What the sidecar costs: memory and wake-ups with 200 kernels, and how soon each has its secrets.
//!
//! `cargo bench --bench watch` prints a Markdown table. The kernels are not real: two hundred would need
//! more memory than many machines have. They are light ones in one process (`many_kernels.py`), with real
//! connection files, sockets and signatures.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unnecessary_debug_formatting,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    unreachable_pub,
    missing_docs,
    reason = "a bench fails by panicking, and its output is its result"
)]

#[path = "../tests/support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
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
    let mut kernels = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(kernels.stdout.take().unwrap()).lines();
    said.next().unwrap().unwrap();

    let mut watch = scratch.launcher();
    watch.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", "root").arg("watch");
    watch.args(["--interval", &INTERVAL.to_string(), "--secrets", "secret/watched"]);
    let mut watch = watch.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    println!("\n| {KERNELS} kernels | | target |\n|---|---|---|");
    let mut all = |what: &str| {
        let start = Instant::now();
        for _ in 0..KERNELS {
            said.next().unwrap().unwrap();
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
    println!("| RSS after it | {:.1} MB | ≤ 8 MB |", status(&watch, "VmRSS:") as f64 * 1024.0 / 1e6);
    for child in [&mut watch, &mut kernels] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// A number from /proc/PID/status; sizes are in KiB.
fn status(child: &Child, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    let line = text.lines().find(|line| line.starts_with(key)).expect("the line");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}
