//! The cost of an injection into an idle ipykernel, compared with an empty execute by a bare client in the same run.
//!
//! `cargo bench --bench inject` prints a Markdown table of medians. The runs are interleaved, each with its own
//! connections. The bare client only connects to shell, sends an empty silent `execute_request`, and waits for the
//! reply. Inject's own part is everything except Vault: it reads the last record, connects to shell and stdin, finds
//! out what the kernel is, has the code ask, answers, waits for the reply, and writes the next record. The whole
//! program, with its start and one read from OpenBao, is compared with a Python that does the bare client's work with
//! Jupyter's client.
#![allow(clippy::cast_precision_loss, reason = "a figure is shown with two decimals")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::cell::Cell;
use std::ffi::CString;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jupyter_vault::internals;
use jupyter_vault::internals::Channel;
use jupyter_vault::internals::ConnectionFile;
use jupyter_vault::internals::Environment;
use jupyter_vault::internals::KernelUpdate;
use jupyter_vault::internals::Options;
use jupyter_vault::internals::Plan;
use jupyter_vault::internals::Sockets;
use jupyter_vault::internals::Target;
use jupyter_vault::internals::{Fetched, Form, Given};
use jupyter_vault::launch::Request;
use jupyter_vault::secret::{SecretName, SecretValue};
use serde_json::json;
use support::openbao::Server;
use support::python::python;
use support::running::Running;

const ROUNDS: usize = 200;
const PROGRAMS: usize = 40;

/// The bare client in Python: Jupyter's own.
const JUPYTER: &str = include_str!("bare_client.py");

fn main() {
    println!("\n| into an idle ipykernel | ms, TCP | ms, CURVE | target |\n|---|---|---|---|");
    let [tcp, curve] = [false, true].map(|curve| measure(&Running::start(&json!({ "curve": curve }))));
    let names = [
        "empty execute, bare client",
        "kernel_info and empty execute, bare client",
        "inject, its own part",
        "empty execute, program with Jupyter's client",
        "inject, whole program",
    ];
    for (place, name) in names.iter().enumerate() {
        println!("| {name} | {:.2} | {:.2} | |", tcp[place], curve[place]);
    }
    println!("| inject / bare client | {:.2}× | {:.2}× | ≤ 1.5× |", tcp[2] / tcp[0], curve[2] / curve[0]);
    println!("| inject / bare client with kernel_info | {:.2}× | {:.2}× | |", tcp[2] / tcp[1], curve[2] / curve[1]);
    println!("| programs | {:.2}× | {:.2}× | |", tcp[4] / tcp[3], curve[4] / curve[3]);
}

fn measure(kernel: &Running) -> [f64; 5] {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut times: [Vec<Duration>; 5] = Default::default();
    let entries = [("VAULT_ADDR", "http://127.0.0.1:1"), ("VAULT_TOKEN", "none")];
    let mut entries: Vec<_> = entries.map(|(name, value)| CString::new(format!("{name}={value}")).unwrap()).into();
    // Runtime folders in memory, as on a desktop.
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let folder = memory.path().to_str().unwrap();
    entries.push(CString::new(format!("JUPYTER_RUNTIME_DIR={folder}")).unwrap());
    let request = Request { secrets: vec!["secret/bench".to_owned()], ..Request::default() };
    let plan = internals::plan(&request, &Environment::from_entries(entries)).unwrap();
    let timed = |work: &mut dyn FnMut()| {
        // A kernel becomes idle some time after its last reply.
        std::thread::sleep(Duration::from_millis(5));
        let start = Instant::now();
        work();
        start.elapsed()
    };
    for round in 0..ROUNDS {
        times[0].push(timed(&mut || runtime.block_on(bare(&kernel.file, false))));
        times[1].push(timed(&mut || runtime.block_on(bare(&kernel.file, true))));
        times[2].push(timed(&mut || runtime.block_on(give(&kernel.file, &plan, round))));
        if round < PROGRAMS {
            let mut jupyter = Command::new(python());
            jupyter.args(["-c", JUPYTER]).arg(&kernel.file).current_dir(kernel.scratch.path("runtime"));
            times[3].push(timed(&mut || succeeds(&mut jupyter)));
            Server::shared().put("bench", &json!({"BENCH": round.to_string()}));
            let config = kernel.scratch.file("bench.toml", "[[source]]\nkv = \"secret/bench\"\nversion = 2\n");
            let mut ours = kernel.inject(&["--config", config.to_str().unwrap()]);
            times[4].push(timed(&mut || succeeds(&mut ours)));
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[times.len() / 2].as_secs_f64() * 1e3
    })
}

async fn bare(file: &Path, asks: bool) {
    let file = ConnectionFile::read(file).unwrap();
    let mut sockets = Sockets::connect(file, &[Channel::Shell]).await.unwrap();
    if asks {
        let id = sockets.send(Channel::Shell, "kernel_info_request", None, &json!({})).await.unwrap();
        while !sockets.next().await.unwrap().is("kernel_info_reply", &id) {}
    }
    let request = json!({"code": "", "silent": true, "store_history": false, "allow_stdin": false});
    let id = sockets.send(Channel::Shell, "execute_request", None, &request).await.unwrap();
    while !sockets.next().await.unwrap().is("execute_reply", &id) {}
}

/// Everything that an injection does once Vault has answered, including its record.
async fn give(file: &Path, plan: &Plan, value: usize) {
    let name = SecretName::new("BENCH", &[], "bench").unwrap();
    let form = Form::Variable(SecretValue::new(value.to_string().into_bytes()));
    let given = Given::from([(name, Fetched { form, path: "secret/bench".to_owned(), version: Some(1) })]);
    let target = Target::of_file(file);
    let holding = Cell::new(None);
    let options = Options {
        override_existing: true,
        wait: Duration::from_secs(10),
        now: false,
        folder: &plan.runtime_dir,
        holding: &holding,
    };
    let update = KernelUpdate::of(&target, plan, options);
    let known = update.inspect(&mut |_| {}).await.unwrap();
    let done = update.give(known, given, &mut |_| {}).await.unwrap();
    assert_eq!(done.changes.set, ["BENCH"]);
}

fn succeeds(command: &mut Command) {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap();
    assert!(status.success(), "{status}");
}
