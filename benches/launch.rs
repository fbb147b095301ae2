//! The cost of a launch: one KV v2 read and exec of `true`, compared with the floor and curl in the same run.
//!
//! `cargo bench --bench launch` prints a Markdown table of medians, each over a plain `true`. The runs are interleaved,
//! so that other load on the machine affects all alike. A small parent reads the peak memory. Programs that are not
//! installed (curl, strace) are left out, with a note.
#![allow(clippy::cast_precision_loss, reason = "a figure is shown with two decimals")]

#[path = "../tests/support/certificates.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod certificates;
#[path = "../tests/support/faults.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod faults;
#[path = "../tests/support/openbao.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod openbao;
#[path = "../tests/support/python.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod python;
#[path = "../tests/support/waiting.rs"]
mod waiting;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

const LAUNCHER: &str = env!("CARGO_BIN_EXE_jupyter-vault");
const ROUNDS: usize = 400;
const TRUE: &str = "/bin/true";

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let floor = folder.path().join("floor");
    let built = Command::new("cc").args(["-O2", "-o"]).arg(&floor).arg("benches/floor.c").status().expect("cc");
    assert!(built.success(), "the floor does not compile");
    let server = openbao::Server::start();
    server.put("bench", &json!({"BENCH": "value"}));
    let (http, tls) = (server.address(), server.tls_address("good"));
    let ca = server.certificates.cert("ca");
    let header = folder.path().join("header");
    std::fs::write(&header, "X-Vault-Token: root\n").unwrap();
    let config = folder.path().join("vault.toml");
    std::fs::write(&config, "[[source]]\nkv = \"secret/bench\"\nversion = 2\n").unwrap();

    certificates_with_and_without_a_lease(&server, folder.path());

    let launch = |address: &str, config: &Path| {
        let mut command = Command::new(LAUNCHER);
        command.args(["exec", "--config"]).arg(config).args(["--", TRUE]).env_clear();
        command.env("VAULT_ADDR", address).env("VAULT_TOKEN", "root").env("VAULT_CACERT", &ca);
        command.env("HOME", folder.path());
        command
    };
    let ours = |address: &str| launch(address, &config);
    let curl = |address: &str| {
        let mut command = Command::new("curl");
        command
            .args(["-s", "-f", "-o", "/dev/null", "--cacert"])
            .arg(&ca)
            .arg("-H")
            .arg(format!("@{}", header.display()));
        command.arg(format!("{address}/v1/secret/data/bench"));
        command
    };
    let mut bare_socket = Command::new(&floor);
    bare_socket.args([&server.port().to_string(), "root", "secret/data/bench", "BENCH", TRUE]);
    let mut runs = vec![
        ("true", Command::new(TRUE)),
        ("floor, HTTP", bare_socket),
        ("jupyter-vault, HTTP", ours(&http)),
        ("jupyter-vault, TLS with a CA file", ours(&tls)),
    ];
    if Command::new("curl").arg("-V").stdout(Stdio::null()).status().is_ok() {
        runs.push(("curl, HTTP", curl(&http)));
        runs.push(("curl, TLS with a CA file", curl(&tls)));
    } else {
        println!("(curl is not installed: left out)");
    }
    let medians = interleaved(&mut runs);
    let leases = ["plain", "leased"].map(|config| (launch(&http, &folder.path().join(config)), Vec::new()));
    let leases = beside_each_other(leases).map(|time| (time.as_secs_f64() - medians[0].as_secs_f64()) * 1e3);
    let over = |name: &str| {
        let at = |name| runs.iter().position(|(known, _)| *known == name).map(|place| medians[place]);
        at(name).map(|time| (time.as_secs_f64() - medians[0].as_secs_f64()) * 1e3)
    };
    let rss = |run: Command| -> f64 {
        let mut small = Command::new(&floor);
        small.arg("--rss").arg(run.get_program()).args(run.get_args()).env_clear();
        small.envs(run.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let kib: f64 = String::from_utf8(small.output().unwrap().stdout).unwrap().trim().parse().unwrap();
        kib * 1024.0 / 1e6
    };

    println!("\n{}, {}, OpenBao on loopback, {ROUNDS} rounds\n", cpu(), date());
    println!("| | ms over a bare `true` | target |\n|---|---|---|");
    for (name, _) in &runs[1..] {
        println!("| {name} | {:.2} | |", over(name).unwrap());
    }
    println!("| a certificate, no lease | {:.2} | |", leases[0]);
    println!("| the same with a lease, and so a keeper | {:.2} | |", leases[1]);
    println!("| with a lease / without | {:.2}× | ≤ 1.3× |", leases[1] / leases[0]);
    let ratio = |name: &str, of: &str, most: f64| {
        if let (Some(ours), Some(theirs)) = (over(name), over(of)) {
            println!("| {name} / {of} | {:.2}× | ≤ {most}× |", ours / theirs);
        }
    };
    ratio("jupyter-vault, HTTP", "floor, HTTP", 1.4);
    ratio("jupyter-vault, HTTP", "curl, HTTP", 0.26);
    ratio("jupyter-vault, TLS with a CA file", "curl, TLS with a CA file", 0.24);
    println!("| peak RSS, HTTP | {:.1} MB | ≤ 4 MB |", rss(ours(&http)));
    println!("| peak RSS, TLS | {:.1} MB | ≤ 4.5 MB |", rss(ours(&tls)));
    match system_calls(&ours(&http), folder.path()) {
        Some(count) => println!("| system calls until execve, HTTP | {count} | ≤ 120 |"),
        None => println!("| system calls | (strace is not installed) | ≤ 120 |"),
    }
    println!("| binary | {:.2} MB | ≤ 7 MB |", std::fs::metadata(LAUNCHER).unwrap().len() as f64 / 1e6);
    println!("| 1,000 launches, 50 at once | {} | all |", load(&ours(&http)));
    let relay = faults::Faults::start(faults::relay_to(server.port()));
    assert!(ours(&relay.address()).status().unwrap().success());
    println!("| requests, connections for one source | {}, {} | 1, 1 |", relay.seen().len(), relay.connections());
}

/// Writes the configurations `leased` and `plain` to `folder`: the same work for the server, with a lease (which needs
/// a keeper) and without.
fn certificates_with_and_without_a_lease(server: &openbao::Server, folder: &Path) {
    server.must("POST", "sys/mounts/pki", &json!({"type": "pki"}));
    server.must("POST", "pki/root/generate/internal", &json!({"common_name": "x", "key_type": "ec", "key_bits": 256}));
    for (role, has_lease) in [("leased", true), ("plain", false)] {
        let settings = json!({
            "allow_any_name": true, "key_type": "ec", "key_bits": 256,
            "generate_lease": has_lease, "max_ttl": "1h"
        });
        server.must("POST", &format!("pki/roles/{role}"), &settings);
        let source = format!(
            "[[source]]\nwrite = \"pki/issue/{role}\"\nwith = {{ common_name = \"x\" }}\n\
             fields = {{ private_key = \"BENCH\" }}\n"
        );
        std::fs::write(folder.join(role), source).unwrap();
    }
}

/// The median time of each command.
fn interleaved(runs: &mut [(&str, Command)]) -> Vec<Duration> {
    let mut times = vec![Vec::with_capacity(ROUNDS); runs.len()];
    for _ in 0..ROUNDS {
        for ((name, command), times) in runs.iter_mut().zip(&mut times) {
            let start = Instant::now();
            let status = command.stdin(Stdio::null()).status().unwrap();
            times.push(start.elapsed());
            assert!(status.success(), "{name}: {status}");
        }
    }
    for times in &mut times {
        times.sort();
    }
    times.into_iter().map(|times| times[ROUNDS / 2]).collect()
}

/// The same for launches with a keeper, with time for its work after each.
fn beside_each_other(mut runs: [(Command, Vec<Duration>); 2]) -> [Duration; 2] {
    for _ in 0..ROUNDS / 4 {
        for (command, times) in &mut runs {
            let start = Instant::now();
            assert!(command.stdin(Stdio::null()).status().unwrap().success());
            times.push(start.elapsed());
            std::thread::sleep(Duration::from_millis(80));
        }
    }
    runs.map(|(_, mut times)| {
        times.sort();
        times[times.len() / 2]
    })
}

fn same(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args()).env_clear();
    copy.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    copy
}

/// How many system calls the launcher makes from its own execve (included) to the command's.
fn system_calls(command: &Command, folder: &Path) -> Option<usize> {
    let log: PathBuf = folder.join("calls");
    let mut traced = Command::new("strace");
    traced.args(["-f", "-o"]).arg(&log).arg(command.get_program()).args(command.get_args()).env_clear();
    traced.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("PATH", "/usr/bin:/bin");
    traced.status().ok().filter(std::process::ExitStatus::success)?;
    let calls = std::fs::read_to_string(log).ok()?;
    calls.lines().skip(1).position(|line| line.contains(" execve(")).map(|place| place + 2)
}

/// A thousand launches, fifty at once: how many succeeded.
fn load(command: &Command) -> usize {
    let workers: Vec<_> = (0..50)
        .map(|_| {
            let mut command = same(command);
            std::thread::spawn(move || (0..20).filter(|_| command.status().unwrap().success()).count())
        })
        .collect();
    workers.into_iter().map(|worker| worker.join().unwrap()).sum()
}

fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{}, {} cores", name.map_or("unknown CPU", |(_, name)| name), std::thread::available_parallelism().unwrap())
}

fn date() -> String {
    let output = Command::new("date").arg("+%Y-%m-%d").output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
