//! The cost of a waiting diagnostic kernel: memory, wake-ups, and the size that it adds to the program.
//!
//! `cargo bench --bench diagnose` prints a Markdown table. It builds the program once more without the
//! diagnostic kernel, to compare.
#![allow(clippy::cast_precision_loss, reason = "a figure is shown with two decimals")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use support::front_end::{FrontEnd, config, ipykernel, kernelspec};
use support::launcher::{Scratch, binary};
use support::openbao::{Server, free_ports};

/// How long wake-ups are counted, in seconds.
const WINDOW: u64 = 30;

fn main() {
    let [port] = free_ports();
    println!("\n| while it waits | | target |\n|---|---|---|");
    for (name, curve) in [("TCP", false), ("CURVE", true)] {
        let (_scratch, mut front_end) = front_end(port);
        let pid = front_end.start(json!({ "curve": curve }));
        for _ in 0..20 {
            assert_eq!(front_end.cell("1").error(), "SecretsUnavailable");
        }
        let (rss, threads) = (status(pid, "VmRSS:"), status(pid, "Threads:"));
        println!("| RSS after 20 cells, {name} | {:.1} MB | ≤ 6 MB |", rss as f64 * 1024.0 / 1e6);
        println!("| threads | {threads} | 1 |");
        let start = Instant::now();
        front_end.ask("shutdown", json!({}));
        println!("| shutdown | {:.0} ms | |", start.elapsed().as_secs_f64() * 1e3);
    }

    // No front end is connected, as its pings would cause wake-ups.
    let (_scratch, mut front_end) = front_end(port);
    front_end.ask("start", json!({}));
    let pid = i32::try_from(front_end.ask("stop_listening", json!({}))["pid"].as_i64().unwrap()).unwrap();
    std::thread::park_timeout(Duration::from_secs(2));
    let before = status(pid, "voluntary_ctxt_switches:");
    std::thread::park_timeout(Duration::from_secs(WINDOW));
    let wakes = status(pid, "voluntary_ctxt_switches:") - before;
    println!("| wake-ups in {WINDOW} s, Vault refuses the connection | {wakes} | its retries |");

    let (_scratch, mut front_end) = crate::front_end(port);
    let pid = front_end.start(json!({}));
    let server = Server::at(port).expect("the port is free");
    server.put("kernel", &json!({"KERNEL_SECRET": "x"}));
    let start = Instant::now();
    while front_end.cell("import os; print(os.getpid())").printed() != pid.to_string() {}
    println!("| OpenBao is up, until a cell has run in the real kernel | {:.1} s | |", start.elapsed().as_secs_f64());

    let folder = tempfile::tempdir().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--locked", "--quiet", "--no-default-features", "--target-dir"]);
    assert!(cargo.arg(folder.path()).status().expect("cargo").success());
    let size = |path: &Path| std::fs::metadata(path).unwrap().len() as f64 / 1e6;
    println!(
        "| binary with, without | {:.2}, {:.2} MB | |",
        size(binary()),
        size(&folder.path().join("release/jupyter-vault"))
    );
}

fn front_end(port: u16) -> (Scratch, FrontEnd) {
    let scratch = Scratch::new();
    let command = ipykernel();
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    let text = config(&format!("http://127.0.0.1:{port}"), "kernel");
    let spec = kernelspec(&scratch, &text, &["--timeout", "1"], &command);
    std::fs::write(spec.join("token"), "root\n").unwrap();
    let front_end = FrontEnd::new(&scratch);
    (scratch, front_end)
}

/// A number from /proc/PID/status; sizes are in KiB.
fn status(pid: i32, key: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = text.lines().find(|line| line.starts_with(key)).expect("the line");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}
