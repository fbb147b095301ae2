//! No trace of a value remains anywhere: with other clients, in histories, names, logs at debug level, the process
//! table, or files. And a launch's record, which an injection needs.
#![cfg(all(feature = "inject", target_os = "linux"))]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::front_end::plain_kernelspec;
use crate::support::kernels::{Kernel, command};
use crate::support::launcher::{Scratch, binary, run};
use crate::support::openbao::Server;
use crate::support::server::{JupyterServer, Kind, TOKEN, User};
use serde_json::{Value, json};

const CANARY: &str = "canary-of-traces-7391";

/// Reads every process's command line until stopped. Returns the command lines that contained the value, and how
/// often it looked.
fn watch_processes(stop: &AtomicBool) -> (Vec<String>, usize) {
    let (mut found, mut looks) = (Vec::new(), 0);
    while !stop.load(Ordering::Relaxed) {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if line.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()) {
                found.push(String::from_utf8_lossy(&line).into_owned());
            }
        }
        looks += 1;
    }
    (found, looks)
}

/// Every file below `folder` that contains the value.
fn files_with_value(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let content = std::fs::read(entry.path()).unwrap_or_default();
                if content.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()) {
                    found.push(entry.path().display().to_string());
                }
            }
        }
    }
    found
}

/// Everything that a kernel shows of itself, before and after.
fn a_kernel_shows_nothing(name: &'static str, options: &[&str], looks_back: &[&str]) {
    let server = Server::shared();
    let path = format!("traces-{name}");
    server.put(&path, &json!({"TRACE": CANARY, "TRACE_LONG": CANARY.repeat(2000)}));
    let mut words = command(name);
    words.extend(options.iter().map(|option| (*option).to_owned()));
    let mut kernel = Kernel::of(name, &words, &[], true);
    kernel.cell("41 + 1");
    let number = kernel.number("41 + 1");
    kernel.heard();
    let stop = AtomicBool::new(false);
    let (found, looks) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch_processes(&stop));
        let outcome = run(&mut kernel.inject(&["--secrets", &format!("secret/{path}")]));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
        assert!(!String::from_utf8_lossy(&outcome.stdout).contains(CANARY) && !outcome.stderr.contains(CANARY));
        watching.join().unwrap()
    });
    assert!(found.is_empty() && looks > 0, "{name}: {found:?}");
    let heard = kernel.heard();
    assert!(heard.is_empty(), "{name}: no other client hears anything: {heard:?}");
    assert_eq!(kernel.number("41 + 1"), number + 1, "{name}");
    for code in looks_back {
        let shown = kernel.cell(code);
        // Python keeps the lines of the code that it compiles, for tracebacks; they contain no value.
        let compiled = code.contains("linecache");
        assert!(
            !shown.is_empty() && !shown.contains(CANARY) && (compiled || !shown.contains("fsdecode")),
            "{name}: {code}: {shown}"
        );
    }
    let history = kernel.history();
    assert!(history.contains("41 + 1") && !history.contains("canary") && !history.contains("fsdecode"), "{history}");
    assert!(!kernel.log().contains(CANARY), "{name}: {}", kernel.log());
    let left = files_with_value(&kernel.scratch.path(""));
    assert!(left.is_empty(), "{name}: {left:?}");
    // The value is set nevertheless.
    assert_eq!(kernel.cell("print(len(__import__('os').environ['TRACE_LONG']))"), (CANARY.len() * 2000).to_string());
}

const LOOKS_BACK: &[&str] = &[
    "print(In, _ih, _i, _ii, _iii)",
    "print(Out, _oh, _, __, ___)",
    "%history -g",
    "print(open(get_ipython().history_manager.hist_file, 'rb').read())",
    "print({name: value for name, value in globals().items()})",
    "import linecache; print(linecache.cache)",
];

#[test]
fn ipykernel_7_at_debug_level_shows_nothing() {
    a_kernel_shows_nothing("ipykernel", &["--log-level=DEBUG"], LOOKS_BACK);
}

#[test]
fn ipykernel_6_at_debug_level_shows_nothing() {
    a_kernel_shows_nothing("ipykernel6", &["--log-level=DEBUG"], LOOKS_BACK);
}

#[test]
fn xeus_python_shows_nothing() {
    let looks = ["print(In, _ih, _i, _ii, _iii)", "print(Out, _oh)", "print(dict(globals()))"];
    a_kernel_shows_nothing("xpython", &[], &looks);
}

#[test]
fn a_server_at_debug_level_logs_nothing_of_an_injection_through_it() {
    let vault = Server::shared();
    vault.put("traces-server", &json!({"TRACE": CANARY}));
    let scratch = Scratch::new();
    let mut words = command("ipykernel");
    words.push("--log-level=DEBUG".to_owned());
    plain_kernelspec(&scratch, &words);
    let variables = [("JUPYTER_LOG_LEVEL", "DEBUG")];
    scratch.file("config/jupyter_server_config.json", json!({"ServerApp": {"log_level": "DEBUG"}}).to_string());
    let server = JupyterServer::start(Kind::JupyterServer, &scratch, &variables);
    let mut user = User::of(&server);
    let id = user.ask("launch", json!({"name": "plain"}))["id"].as_str().unwrap().to_owned();
    user.cell("41 + 1");
    let token = scratch.file("server-token", TOKEN);
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut command = scratch.launcher();
    command.env("VAULT_ADDR", vault.address()).env("VAULT_TOKEN", "root").env("NO_PROXY", "127.0.0.1");
    command.arg("inject").arg(&id).args(["--url", &server.address(), "--secrets", "secret/traces-server"]);
    let outcome = run(command.arg("--token-file").arg(&token));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert_eq!(user.cell("import os; print(len(os.environ['TRACE']))").printed(), CANARY.len().to_string());
    let log = server.log();
    assert!(log.contains("DEBUG") || log.contains("[D "), "the log is at debug level: {log}");
    assert!(!log.contains(CANARY) && !log.contains(TOKEN), "{log}");
    let left = files_with_value(&scratch.path(""));
    assert!(left.is_empty(), "{left:?}");
}

/// The record of the only kernel.
fn record(scratch: &Scratch) -> Value {
    let folder = scratch.path("runtime/jupyter-vault/kernels");
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(std::fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    assert_eq!(files[0].metadata().unwrap().mode() & 0o777, 0o600);
    serde_json::from_slice(&std::fs::read(files[0].path()).unwrap()).unwrap()
}

#[test]
fn a_launch_stores_a_record_and_an_injection_uses_it() {
    let server = Server::shared();
    server.put("traces-launch", &json!({"ONE": CANARY, "TWO": CANARY}));
    let mut words = vec![binary().display().to_string()];
    let options = ["exec", "--secrets", "secret/traces-launch", "--"];
    words.extend(options.map(str::to_owned));
    words.extend(command("ipykernel"));
    let address = server.address();
    let mut kernel = Kernel::of("ipykernel", &words, &[("VAULT_ADDR", &address), ("VAULT_TOKEN", "root")], true);
    let first = record(&kernel.scratch);
    assert_eq!((&first["how"], &first["pid"]), (&json!("launch"), &json!(kernel.pid)), "{first}");
    assert_eq!(first["connection_file"], json!(kernel.file), "{first}");
    let one = json!({"path": "secret/traces-launch", "version": 1});
    assert_eq!(first["variables"], json!({"ONE": one, "TWO": one}), "{first}");

    let inject = |kernel: &Kernel| {
        let outcome = run(&mut kernel.inject(&["--secrets", "secret/traces-launch"]));
        assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
        String::from_utf8(outcome.stdout).unwrap()
    };
    assert!(inject(&kernel).contains("nothing to do"));
    server.put("traces-launch", &json!({"ONE": CANARY, "THREE": CANARY}));
    assert!(inject(&kernel).contains("unset TWO"));
    let look = "import os; print([n for n in ['ONE', 'TWO', 'THREE'] if n in os.environ])";
    assert_eq!(kernel.cell(look), "['ONE', 'THREE']");
    let second = record(&kernel.scratch);
    let two = json!({"path": "secret/traces-launch", "version": 2});
    assert_eq!((&second["how"], &second["variables"]), (&json!("inject"), &json!({"ONE": two, "THREE": two})));
    assert!(files_with_value(&kernel.scratch.path("")).is_empty());
}
