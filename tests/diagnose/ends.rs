//! Everything that ends a diagnostic kernel, and how often it asks Vault.
#![cfg(all(feature = "diagnose", target_os = "linux"))]

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::support::faults::{Faults, Reply, relay_to};
use crate::support::front_end::{FrontEnd, config, connection_file, ipykernel, kernelspec, program};
use crate::support::launcher::{Scratch, binary, eventually, finish, run};
use crate::support::openbao::{Server, free_ports};
use crate::support::waiting::pause_ms;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

fn nowhere() -> String {
    let [port] = free_ports();
    format!("http://127.0.0.1:{port}")
}

fn front_end(address: &str, options: &[&str], command: &[String]) -> (Scratch, FrontEnd) {
    let scratch = Scratch::new();
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    let spec = kernelspec(&scratch, &config(address, "kernel"), options, &command);
    std::fs::write(spec.join("token"), "root\n").unwrap();
    let front_end = FrontEnd::new(&scratch);
    (scratch, front_end)
}

/// ipykernel, which writes a line to the log when it starts.
fn marked() -> Vec<String> {
    let shell = ["sh", "-c", "echo STARTED >> \"$KERNEL_LOG\"; exec \"$@\"", "sh"].map(str::to_owned);
    shell.into_iter().chain(ipykernel()).collect()
}

/// The launcher with that connection file and an unreachable server, after it has become a diagnostic kernel.
fn standing_in(scratch: &Scratch, variables: &[(&str, &str)]) -> Child {
    let file = connection_file(scratch, "key");
    let child = started(scratch, &file, variables);
    listens(&file);
    child
}

/// The same, but it may have exited already.
fn started(scratch: &Scratch, file: &std::path::Path, variables: &[(&str, &str)]) -> Child {
    let argv = ["sleep", "60", "-f", file.to_str().unwrap()];
    let mut command = scratch.exec(&nowhere(), "root", &["--timeout", "1", "--secrets", "secret/x"], &argv);
    command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits until the launch with this connection file listens.
fn listens(file: &std::path::Path) {
    let content: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let port = u16::try_from(content["hb_port"].as_u64().unwrap()).unwrap();
    eventually("it listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap())
}

#[test]
fn a_shutdown_takes_precedence_over_a_launch_that_succeeds_meanwhile() {
    let server = Server::shared();
    server.put("shutdown", &json!({"KERNEL_SECRET": "x"}));
    for channel in ["control", "shell"] {
        let (scratch, mut front_end) = front_end("no address", &[], &marked());
        front_end.start(json!({}));
        // From now on the launch succeeds, but only once the shutdown request is under way. On shell, that waits
        // behind the cell, and is read when the secrets are already set.
        let pass = relay_to(server.port());
        let gate = Arc::new(AtomicBool::new(false));
        let opened = Arc::clone(&gate);
        let slow = Faults::start(move |request, number| {
            eventually("the shutdown is sent", || opened.load(Ordering::SeqCst));
            pass(request, number)
        });
        scratch.file("home/kernels/vaulted/vault.toml", config(&slow.address(), "shutdown"));
        front_end.ask("execute", json!({"codes": ["1"], "wait": false}));
        front_end.ask("broadcast", json!({"kind": "execute_input"}));
        eventually("the launch is tried again", || !slow.seen().is_empty());
        front_end.ask("send", json!({"kind": "shutdown_request", "content": {"restart": false}, "channel": channel}));
        // From the client's queue to the connection: a message that does not arrive in time is a different case.
        pause_ms(1000, "the client has no sign of it");
        gate.store(true, Ordering::SeqCst);
        eventually("it has ended", || front_end.ask("alive", json!({}))["alive"] == false);
        assert_eq!(front_end.ask("alive", json!({}))["code"], 0, "{channel}");
        assert!(!front_end.log().contains("STARTED"), "{channel}: {}", front_end.log());
    }
}

#[test]
fn signals_end_it_by_their_own_name_and_an_interrupt_does_not() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let scratch = Scratch::new();
        let child = standing_in(&scratch, &[]);
        kill(pid(&child), Signal::SIGINT).unwrap();
        kill(pid(&child), Signal::SIGINT).unwrap();
        kill(pid(&child), signal).unwrap();
        let outcome = finish(child);
        assert_eq!(outcome.signal(), Some(signal as i32), "{outcome:?}");
        assert!(outcome.stdout.is_empty());
    }
}

#[test]
fn an_interrupt_ends_the_attempt_of_a_cell_in_both_modes() {
    for mode in ["signal", "message"] {
        let hangs = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&hangs);
        let server =
            Faults::start(
                move |_, _| {
                    if switch.load(Ordering::SeqCst) { Reply::Hang(vec![]) } else { Reply::json(503, "{}") }
                },
            );
        let (scratch, mut front_end) = front_end("no address", &["--timeout", "50"], &ipykernel());
        let path = scratch.path("home/kernels/vaulted/kernel.json");
        let mut spec: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        spec["interrupt_mode"] = json!(mode);
        std::fs::write(&path, spec.to_string()).unwrap();
        // The first launch would retry after a 503, so that does not happen here.
        let pid = front_end.start(json!({}));
        scratch.file("home/kernels/vaulted/vault.toml", config(&server.address(), "kernel"));
        let cell = front_end.cell("1");
        assert!(cell.0["reply"]["evalue"].as_str().unwrap().contains("sealed"), "{cell:?}");
        hangs.store(true, Ordering::SeqCst);
        let asked = server.seen().len();
        front_end.ask("execute", json!({"codes": ["2"], "wait": false}));
        front_end.ask("broadcast", json!({"kind": "execute_input"}));
        eventually("Vault is asked", || server.seen().len() > asked);
        front_end.ask("interrupt", json!({}));
        // Not the timeout, which would come 50 s later, but the earlier error.
        let reply = &front_end.ask("replies", json!({"count": 1, "wait": 40}))["replies"][0];
        assert!(reply["evalue"].as_str().unwrap().contains("sealed"), "{mode}: {reply}");
        assert_eq!(front_end.ask("alive", json!({}))["alive"], true);
        assert_eq!(program(pid), binary());
    }
}

#[test]
fn it_ends_with_jupyter_even_when_that_is_not_its_parent() {
    let scratch = Scratch::new();
    let mut jupyter = Command::new("sleep").arg("60").spawn().unwrap();
    let child = standing_in(&scratch, &[("JPY_PARENT_PID", &jupyter.id().to_string())]);
    jupyter.kill().unwrap();
    jupyter.wait().unwrap();
    let outcome = finish(child);
    assert_eq!(outcome.code(), Some(69), "{outcome:?}");
}

#[test]
fn an_invalid_parent_pid_is_ignored_and_a_parent_that_has_exited_ends_it() {
    let mut gone = Command::new("true").spawn().unwrap();
    gone.wait().unwrap();
    let scratch = Scratch::new();
    let file = connection_file(&scratch, "key");
    let outcome = finish(started(&scratch, &file, &[("JPY_PARENT_PID", &gone.id().to_string())]));
    assert_eq!(outcome.code(), Some(69), "{outcome:?}");
    let mut other = Command::new("sleep");
    if nix::unistd::geteuid().is_root() {
        std::os::unix::process::CommandExt::uid(&mut other, 65534);
    }
    let mut other = other.arg("60").spawn().unwrap();
    let others = other.id().to_string();
    let numbers = ["", " ", "0", "1", "-1", "x", "1.5", "99999999999999999999", "4194303", others.as_str()];
    std::thread::scope(|scope| {
        for number in numbers {
            scope.spawn(move || {
                let scratch = Scratch::new();
                let mut child = standing_in(&scratch, &[("JPY_PARENT_PID", number)]);
                pause_ms(500, "it must not end");
                assert!(child.try_wait().unwrap().is_none(), "{number:?}");
                child.kill().unwrap();
                child.wait().unwrap();
            });
        }
        scope.spawn(|| {
            // A shell that becomes the launcher and prints its pid.
            let scratch = Scratch::new();
            let file = connection_file(&scratch, "key");
            let mut shell = scratch.launcher();
            shell.env("VAULT_ADDR", nowhere()).env("VAULT_TOKEN", "t");
            let line = "JPY_PARENT_PID=$$ exec \"$0\" exec --timeout 1 --secrets secret/x -- sleep 60 -f \"$1\"";
            let mut command = Command::new("sh");
            command.args(["-c", line]).arg(binary()).arg(&file).env_clear();
            command.envs(shell.get_envs().filter_map(|(name, value)| Some((name, value?)))).stderr(Stdio::null());
            let mut child = command.spawn().unwrap();
            listens(&file);
            pause_ms(500, "it must not end");
            assert!(child.try_wait().unwrap().is_none(), "its own number");
            child.kill().unwrap();
            child.wait().unwrap();
        });
    });
    other.kill().unwrap();
    other.wait().unwrap();
}

#[test]
fn whatever_fails_a_diagnostic_kernel_starts_and_exits_with_the_failures_code() {
    let server = Server::shared();
    server.put("here", &json!({"A": "canary"}));
    server.put("protected", &json!({"LD_PRELOAD": "canary"}));
    let sealed = Faults::start(|_, _| Reply::json(503, "{\"errors\": [\"Vault is sealed\"]}"));
    let page = Faults::start(|_, _| Reply::with(200, "Content-Type: text/html\r\n", "<html>canary</html>"));
    let (vault, nowhere) = (server.address(), nowhere());
    let cases: [(i32, &str, &str, &[&str], &str); 10] = [
        (65, &page.address(), "root", &["--secrets", "secret/here"], "sleep"),
        (65, &vault, "root", &["--secrets", "secret/protected"], "sleep"),
        (66, &vault, "root", &["--secrets", "secret/nothing"], "sleep"),
        (66, &vault, "root", &["--secrets", "secret/here#B"], "sleep"),
        (69, &nowhere, "root", &["--secrets", "secret/here"], "sleep"),
        (75, &sealed.address(), "root", &["--secrets", "secret/here"], "sleep"),
        (77, &vault, "another", &["--secrets", "secret/here"], "sleep"),
        (78, "no address", "root", &["--secrets", "secret/here"], "sleep"),
        (126, &vault, "root", &["--secrets", "secret/here"], "/etc/passwd"),
        (127, &vault, "root", &["--secrets", "secret/here"], "no-such-kernel"),
    ];
    std::thread::scope(|scope| {
        for (code, address, token, options, program) in cases {
            scope.spawn(move || {
                let scratch = Scratch::new();
                let file = connection_file(&scratch, "key");
                let options: Vec<_> = ["--timeout", "1"].iter().chain(options).copied().collect();
                let argv = [program, "60", "-f", file.to_str().unwrap()];
                let mut command = scratch.exec(address, token, &options, &argv);
                command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
                let child = command.spawn().unwrap();
                listens(&file);
                std::fs::remove_file(&file).unwrap();
                let outcome = finish(child);
                assert_eq!(outcome.code(), Some(code), "{outcome:?}");
                assert_eq!(outcome.stderr.lines().count(), 2, "{}", outcome.stderr);
                assert!(!outcome.stderr.contains("canary") && outcome.stdout.is_empty(), "{}", outcome.stderr);
            });
        }
    });
}

#[test]
fn it_ends_when_the_connection_file_vanishes_and_not_when_it_is_replaced() {
    let scratch = Scratch::new();
    let mut child = standing_in(&scratch, &[]);
    let file = scratch.path("runtime/kernel-1.json");
    std::fs::copy(&file, scratch.path("copy")).unwrap();
    std::fs::rename(scratch.path("copy"), &file).unwrap();
    pause_ms(500, "it must not end");
    assert!(child.try_wait().unwrap().is_none(), "a file that was replaced is there");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(finish(child).code(), Some(69));
}

#[test]
fn it_ends_when_no_client_ever_connects_and_not_once_one_has() {
    let scratch = Scratch::new();
    let outcome = finish(standing_in(&scratch, &[("JUPYTER_VAULT_UNUSED_TIMEOUT", "1s")]));
    assert_eq!(outcome.code(), Some(69), "a probe of the port is no client: {outcome:?}");
    let (_scratch, mut front_end) = front_end(&nowhere(), &["--timeout", "1"], &ipykernel());
    front_end.start(json!({"extra_env": {"JUPYTER_VAULT_UNUSED_TIMEOUT": "4s"}}));
    pause_ms(5000, "it must not end after the 4 s");
    assert_eq!(front_end.ask("alive", json!({}))["alive"], true);
}

#[test]
fn a_wrong_signature_ends_it_unless_the_right_one_was_seen() {
    let address = nowhere();
    let (_scratch, mut first) = front_end(&address, &["--timeout", "1"], &ipykernel());
    first.ask("start", json!({}));
    assert_eq!(first.ask("stranger", json!({}))["heard"], false);
    eventually("it has ended", || first.ask("alive", json!({}))["alive"] == false);
    assert_eq!(first.ask("alive", json!({}))["code"], 76, "{}", first.log());
    assert!(first.log().contains("a key other than the connection file's"), "{}", first.log());
    let (_scratch, mut second) = front_end(&address, &["--timeout", "1"], &ipykernel());
    second.start(json!({}));
    assert_eq!(second.ask("stranger", json!({}))["heard"], false);
    assert_eq!(second.cell("1").error(), "SecretsUnavailable");
}

#[test]
fn a_port_in_use_and_a_malformed_connection_file_exit_with_an_error() {
    let scratch = Scratch::new();
    let launch = |options: &[&str]| {
        let file = scratch.path("runtime/kernel-1.json");
        let options: Vec<_> = ["--timeout", "1", "--secrets", "secret/x"].iter().chain(options).copied().collect();
        run(&mut scratch.exec(&nowhere(), "root", &options, &["sleep", "60", "-f", file.to_str().unwrap()]))
    };
    let file = connection_file(&scratch, "canary");
    let content: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for key in ["shell_port", "control_port", "stdin_port", "iopub_port", "hb_port"] {
        let port = u16::try_from(content[key].as_u64().unwrap()).unwrap();
        let taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let outcome = launch(&[]);
        drop(taken);
        assert_eq!(outcome.code(), Some(73), "{outcome:?}");
        // The launch's own error is still shown.
        assert!(outcome.stderr.contains("refused the connection"), "{}", outcome.stderr);
        let named = format!("the kernel's {key} 127.0.0.1:{port} is in use by another process");
        assert!(outcome.stderr.contains(&named), "{}", outcome.stderr);
    }
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut changed = content.clone();
        change(&mut changed);
        changed.to_string()
    };
    let malformed = [
        String::new(),
        "{}".to_owned(),
        "[".to_owned(),
        "null".to_owned(),
        "{\"shell_port\": 1}".to_owned(),
        content.to_string().replace("sha256", "md5-canary"),
        content.to_string().trim_end_matches('}').to_owned(),
        "\u{feff}".to_owned() + &content.to_string(),
        "[".repeat(10_000),
        " ".repeat(70_000) + &content.to_string(),
        changed(&|file| file["shell_port"] = file["hb_port"].clone()),
        changed(&|file| file["iopub_port"] = json!("canary")),
        changed(&|file| file["iopub_port"] = json!(70_000)),
        changed(&|file| file["iopub_port"] = json!(-1)),
        changed(&|file| file["iopub_port"] = json!(0)),
        changed(&|file| file["iopub_port"] = json!(5.5)),
        changed(&|file| file["key"] = json!(["canary"])),
        changed(&|file| file["transport"] = json!("inproc")),
        changed(&|file| file["curve_secretkey"] = json!("canary")),
        changed(&|file| file["ip"] = json!("a\0b")),
    ];
    for text in &malformed {
        std::fs::write(&file, text).unwrap();
        let outcome = launch(&[]);
        let text = text.get(..200).unwrap_or(text);
        assert_eq!(outcome.code(), Some(72), "{text}: {outcome:?}");
        assert!(outcome.stderr.contains("kernel-1.json") && !outcome.stderr.contains("canary"), "{}", outcome.stderr);
        assert!(outcome.stderr.contains("refused the connection"), "{}", outcome.stderr);
    }
    // A client that did not subscribe gets no message.
    launch(&["--on-error", "exit"]).is_error(69, &["refused the connection"]);
}

#[test]
fn an_address_of_another_machine_and_a_socket_in_use_exit_with_an_error() {
    let scratch = Scratch::new();
    let file = connection_file(&scratch, "key");
    let content: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let launch = |transport: &str, ip: &str| {
        let mut changed = content.clone();
        (changed["transport"], changed["ip"]) = (json!(transport), json!(ip));
        std::fs::write(&file, changed.to_string()).unwrap();
        let options = ["--timeout", "1", "--secrets", "secret/x"];
        let argv = ["sleep", "60", "-f", file.to_str().unwrap()];
        let outcome = run(&mut scratch.exec(&nowhere(), "root", &options, &argv));
        assert_eq!(outcome.code(), Some(73), "{transport} {ip}: {outcome:?}");
        assert!(outcome.stderr.contains("refused the connection"), "{}", outcome.stderr);
        outcome.stderr
    };
    for ip in ["192.0.2.1", "no.such.host.invalid", "not an address"] {
        let said = launch("tcp", ip);
        assert!(said.contains("can't be listened on") && said.contains("must be this machine's"), "{said}");
    }
    let place = scratch.path("runtime/ipc");
    let said = launch("ipc", scratch.path("nowhere/ipc").to_str().unwrap());
    assert!(said.contains("can't be listened on") && said.contains("writable for this user"), "{said}");
    let said = launch("ipc", &("/tmp/".to_owned() + &"x".repeat(200)));
    assert!(said.contains("can't be listened on"), "{said}");
    for key in ["shell_port", "control_port", "stdin_port", "iopub_port", "hb_port"] {
        let path = format!("{}-{}", place.display(), content[key]);
        let taken = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let said = launch("ipc", place.to_str().unwrap());
        assert!(said.contains(&format!("the kernel's {key} {path} is in use by another process")), "{said}");
        drop(taken);
        // It removes the sockets that it has bound; this one is a harmless leftover.
        let left = std::fs::read_dir(scratch.path("runtime")).unwrap().filter_map(Result::ok);
        let left: Vec<_> = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("ipc-")).collect();
        assert_eq!(left.len(), 1, "{left:?}");
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn it_exits_at_once_with_on_error_exit_and_without_a_connection_file() {
    let scratch = Scratch::new();
    let file = connection_file(&scratch, "key");
    let options = ["--timeout", "1", "--secrets", "secret/x"];
    let with_file = ["sleep", "60", "-f", file.to_str().unwrap()];
    let exit = [&["--on-error", "exit"], &options[..]].concat();
    run(&mut scratch.exec(&nowhere(), "root", &exit, &with_file)).is_error(69, &["refused the connection"]);
    let mut by_variable = scratch.exec(&nowhere(), "root", &options, &with_file);
    run(by_variable.env("JUPYTER_VAULT_ON_ERROR", "exit")).is_error(69, &["refused the connection"]);
    let without = ["sleep", "60"];
    run(&mut scratch.exec(&nowhere(), "root", &options, &without)).is_error(69, &["refused the connection"]);
    let explicit = [&["--on-error", "diagnose"], &options[..]].concat();
    run(&mut scratch.exec(&nowhere(), "root", &explicit, &without)).is_error(69, &["refused the connection"]);
}

#[test]
fn one_attempt_runs_at_a_time_and_each_keeps_its_budget() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (Arc::clone(&running), Arc::clone(&most));
    let slow = Faults::start(move |_, _| {
        counts.1.fetch_max(counts.0.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        // Gone before the next attempt, which a closed connection would start at once.
        pause_ms(300, "a slow server");
        counts.0.fetch_sub(1, Ordering::SeqCst);
        Reply::json(500, "{}")
    });
    let (_scratch, mut first) = front_end(&slow.address(), &["--timeout", "5"], &ipykernel());
    first.start(json!({}));
    let before = slow.seen().len();
    let order = json!({"codes": vec!["1"; 12], "together": true, "stop_on_error": false});
    let cells = first.ask("execute", order);
    assert!(cells.as_array().unwrap().iter().all(|cell| cell["reply"]["status"] == "error"));
    assert!(slow.seen().len() >= before + 12);
    assert_eq!(most.load(Ordering::SeqCst), 1, "attempts overlap");
    // Each attempt has its own time limit: a cell after the first one's limit has all of it.
    let hanging = Faults::start(|_, _| Reply::Hang(vec![]));
    let (_scratch, mut second) = front_end(&hanging.address(), &["--timeout", "1"], &ipykernel());
    second.start(json!({}));
    for _ in 0..3 {
        let cell = second.cell("1");
        assert!(cell.0["reply"]["evalue"].as_str().unwrap().contains("timed out"), "{cell:?}");
    }
    assert!(hanging.seen().len() >= 4);
}

#[test]
fn a_cell_repeats_a_refused_login_and_the_timer_does_not() {
    let server = Server::start();
    server.enable_auth("userpass", "userpass");
    server.must("POST", "auth/userpass/users/u", &json!({"password": "right", "token_policies": "default"}));
    let relay = Faults::start(relay_to(server.port()));
    let (scratch, mut front_end) = front_end(&relay.address(), &[], &ipykernel());
    let text = config(&relay.address(), "kernel")
        .replace("token_file = \"token\"", "method = \"userpass\"\nusername = \"u\"\npassword_file = \"password\"");
    scratch.file("home/kernels/vaulted/vault.toml", text);
    scratch.file("home/kernels/vaulted/password", "canary-wrong");
    front_end.start(json!({}));
    assert_eq!(relay.seen().len(), 1);
    pause_ms(5000, "no retry must come: twice the pause before a first one");
    assert_eq!(relay.seen().len(), 1);
    let cell = front_end.cell("1");
    assert!(!cell.0.to_string().contains("every few seconds") && !cell.0.to_string().contains("canary"), "{cell:?}");
    assert_eq!(relay.seen().len(), 2);
}

#[test]
fn a_used_wrapped_token_does_not_hide_the_first_error() {
    let server = Server::start();
    server.policy("nothing", "path \"secret/data/other\" { capabilities = [\"read\"] }");
    let (scratch, mut front_end) = front_end(&server.address(), &[], &ipykernel());
    let wrapped = server.wrapped("auth/token/create", &json!({"policies": ["nothing"], "ttl": "5m"}));
    scratch.file("home/kernels/vaulted/wrapped", &wrapped);
    let text = config(&server.address(), "kernel")
        .replace("token_file = \"token\"", "method = \"wrapped\"\nwrapped_token_file = \"wrapped\"");
    scratch.file("home/kernels/vaulted/vault.toml", text);
    front_end.start(json!({}));
    for _ in 0..3 {
        let cell = front_end.cell("1");
        assert!(cell.0["reply"]["evalue"].as_str().unwrap().contains("forbid reading secret/kernel"), "{cell:?}");
        let advice = cell.0["reply"]["traceback"][1].as_str().unwrap();
        assert!(advice.contains("capabilities") && advice.contains("new wrapped token"), "{advice}");
        assert!(!cell.0.to_string().contains(&wrapped));
    }
}

#[test]
fn five_restarts_with_a_dead_server_leave_one_process_and_no_storm() {
    let closing = Faults::start(|_, _| Reply::Close(vec![]));
    let (scratch, mut front_end) = front_end(&closing.address(), &["--timeout", "2"], &marked());
    front_end.start(json!({}));
    for round in 0..5 {
        assert_eq!(front_end.cell("1").error(), "SecretsUnavailable");
        front_end.ask("restart", json!({"now": round % 2 == 1}));
        front_end.ask("ready", json!({}));
    }
    let mine = scratch.path("home").display().to_string();
    let left = || {
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        let lines = lines.map(|line| String::from_utf8_lossy(&line).into_owned());
        lines.filter(|line| line.starts_with(binary().to_str().unwrap()) && line.contains(&mine)).count()
    };
    eventually("one process is left", || left() == 1);
    // Six launches with a few requests each, five cells, and a few retries.
    assert!(closing.connections() < 60, "{}", closing.connections());
    assert!(!front_end.log().contains("STARTED"));
    assert_eq!(front_end.ask("shutdown", json!({}))["left"], false);
}

#[test]
fn while_it_waits_it_reports_the_error_once() {
    let scratch = Scratch::new();
    let mut child = standing_in(&scratch, &[]);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    assert!(line.contains("refused the connection") && line.contains("a diagnostic kernel shows this"), "{line}");
    pause_ms(4000, "it must not report the error again");
    kill(pid(&child), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    let rest: Vec<_> = stderr.lines().map_while(Result::ok).collect();
    assert_eq!(rest.len(), 1, "{rest:?}");
}

#[test]
fn without_requests_and_retries_it_does_not_wake_up() {
    let server = Server::start();
    server.enable_auth("userpass", "userpass");
    let scratch = Scratch::new();
    let file = connection_file(&scratch, "key");
    let text = "[auth]\nmethod = \"userpass\"\nusername = \"u\"\n[[source]]\nkv = \"secret/x\"\n";
    scratch.file("config/vault.toml", text);
    let mut command = scratch.launcher();
    command.env("VAULT_ADDR", server.address()).env("JUPYTER_VAULT_PASSWORD", "wrong");
    command.args(["exec", "--", "sleep", "60", "-f"]).arg(&file).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    stderr.read_line(&mut line).unwrap();
    let wakes = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("voluntary")).unwrap().to_owned();
        let threads = std::fs::read_dir(format!("/proc/{}/task", child.id())).unwrap().count();
        (line, threads)
    };
    // Its counters still change just after the start.
    let mut before = wakes();
    eventually("it is quiet for a second", || {
        pause_ms(1000, "it must not wake up");
        wakes() == std::mem::replace(&mut before, wakes())
    });
    let before = wakes();
    pause_ms(5000, "it must not wake up");
    assert_eq!(wakes(), before);
    assert_eq!(before.1, 1, "one thread");
    kill(pid(&child), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
}
