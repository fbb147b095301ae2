//! A failed launch under Jupyter's own client: what the diagnostic kernel answers, when it recovers, and when it
//! exits.
#![cfg(all(feature = "diagnose", target_os = "linux"))]

mod crowd;
mod ends;
mod front_ends;
mod hand_over;
mod kernels;
#[path = "../support/mod.rs"]
mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::faults::{Faults, Reply};
use support::front_end::{Cell, FrontEnd, config, ipykernel, kernelspec, program};
use support::launcher::{Scratch, binary, eventually, run};
use support::openbao::{Server, free_ports};
use support::waiting::pause_ms;

const LOOK: &str = "import os; print(len(os.environ['KERNEL_SECRET']), os.getpid())";

/// A kernelspec for a server at that address, and a front end that has not started it.
fn at(address: &str, options: &[&str]) -> (Scratch, FrontEnd) {
    let scratch = Scratch::new();
    let command = ipykernel();
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    let spec = kernelspec(&scratch, &config(address, "kernel"), options, &command);
    std::fs::write(spec.join("token"), "root\n").unwrap();
    let front_end = FrontEnd::new(&scratch);
    (scratch, front_end)
}

/// A port that nothing listens on, and its address.
fn nowhere() -> (u16, String) {
    let [port] = free_ports();
    (port, format!("http://127.0.0.1:{port}"))
}

fn with_secret(server: &Server) {
    server.put("kernel", &json!({"KERNEL_SECRET": "canary-of-21-letters!"}));
}

fn is_ours(pid: i32) -> bool {
    program(pid) == binary()
}

fn holds_no_secret(text: &Value) {
    for secret in ["canary", "hvs.", "s.tok", "root\\n"] {
        assert!(!text.to_string().contains(secret), "{secret:?} in {text}");
    }
}

#[test]
fn every_request_is_answered_over_tcp_ipc_and_curve() {
    let (_, address) = nowhere();
    for (transport, curve) in [("tcp", false), ("ipc", false), ("tcp", true)] {
        let (_scratch, mut front_end) = at(&address, &["--timeout", "1"]);
        let pid = front_end.start(json!({"transport": transport, "curve": curve}));
        assert!(is_ours(pid));
        let info = front_end.ask("request", json!({"kind": "kernel_info_request"}));
        assert_eq!(info["order"], json!(["status:busy", "status:idle"]), "{info}");
        assert_eq!(info["reply"]["language_info"]["name"], "python");
        assert_eq!(info["reply"]["language_info"]["file_extension"], ".py");
        assert!(info["reply"]["banner"].as_str().unwrap().contains("refused the connection"), "{info}");
        let on_control = front_end.ask("request", json!({"kind": "kernel_info_request", "channel": "control"}));
        assert_eq!(on_control["reply"]["of"], "kernel_info_reply");
        let mut reply = |kind: &str, content: Value| {
            front_end.ask("request", json!({"kind": format!("{kind}_request"), "content": content}))["reply"].clone()
        };
        let complete = reply("complete", json!({"code": "prä", "cursor_pos": 9}));
        assert_eq!((&complete["matches"], &complete["cursor_end"]), (&json!([]), &json!(3)), "{complete}");
        assert_eq!(reply("inspect", json!({"code": "x", "cursor_pos": 1, "detail_level": 0}))["found"], false);
        assert_eq!(reply("is_complete", json!({"code": "for x in y:"}))["status"], "complete");
        assert_eq!(reply("history", json!({"hist_access_type": "tail", "n": 3}))["history"], json!([]));
        assert_eq!(reply("comm_info", json!({}))["comms"], json!({}));
        let interrupted = front_end.ask("request", json!({"kind": "interrupt_request", "channel": "control"}));
        assert_eq!(interrupted["reply"], json!({"of": "interrupt_reply", "status": "ok"}));
        assert_eq!(front_end.ask("beats", json!({}))["beating"], true);
        let cell = front_end.cell("1");
        assert_eq!(cell.0["order"], json!(["status:busy", "execute_input", "display_data", "error", "status:idle"]));
        assert_eq!(front_end.ask("shutdown", json!({}))["left"], false);
    }
}

#[test]
fn control_answers_what_shell_does_in_the_same_order() {
    let (_, address) = nowhere();
    let (_scratch, mut front_end) = at(&address, &["--timeout", "1"]);
    front_end.start(json!({}));
    for kind in ["kernel_info", "complete", "inspect", "is_complete", "history", "comm_info", "connect", "interrupt"] {
        let content = json!({"code": "x", "cursor_pos": 1});
        let order = json!({"kind": format!("{kind}_request"), "channel": "control", "content": content});
        let answer = front_end.ask("request", order);
        assert_eq!(answer["order"], json!(["status:busy", "status:idle"]), "{kind}: {answer}");
        let status = if kind == "is_complete" { "complete" } else { "ok" };
        assert_eq!(answer["reply"]["of"], format!("{kind}_reply"));
        assert_eq!(answer["reply"]["status"], status, "{answer}");
    }
    let cell = |content: Value| json!({"kind": "execute_request", "channel": "control", "content": content});
    let answer = front_end.ask("request", cell(json!({"code": "1", "silent": false})));
    assert_eq!(answer["order"], json!(["status:busy", "execute_input", "display_data", "error", "status:idle"]));
    assert_eq!(
        (&answer["reply"]["of"], &answer["reply"]["ename"]),
        (&json!("execute_reply"), &json!("SecretsUnavailable"))
    );
    let answer = front_end.ask("request", cell(json!({"code": "1", "silent": true})));
    assert_eq!(
        (&answer["order"], &answer["reply"]["status"]),
        (&json!(["status:busy", "status:idle"]), &json!("error"))
    );
}

#[test]
fn a_cell_shows_what_failed_where_and_what_to_do_as_text_and_as_html_and_never_a_value() {
    let server = Server::shared();
    let (scratch, mut front_end) = at(&server.address(), &[]);
    server.put("other", &json!({"X": "canary"}));
    server.policy("nothing", "path \"secret/data/other\" { capabilities = [\"read\"] }");
    let token = server.token(&["nothing"], &json!({}));
    scratch.file("home/kernels/vaulted/token", &token);
    front_end.start(json!({}));
    let cell = front_end.cell("print('canary-code')");
    assert_eq!((cell.status(), cell.error()), ("error", "SecretsUnavailable"));
    let data = &cell.output("display_data")["data"];
    let (text, html) = (data["text/plain"].as_str().unwrap(), data["text/html"].as_str().unwrap());
    for fragment in ["secret/data/kernel", "read", "jupyter-vault doctor --config"] {
        assert!(text.contains(fragment) && html.contains(fragment), "{fragment}: {text}\n{html}");
    }
    assert!(html.starts_with("<div") && html.ends_with("</div>") && !html.contains("<script"));
    assert_eq!(html.matches("<div").count(), html.matches("</div>").count());
    let failure = cell.output("error");
    assert_eq!(failure["evalue"], cell.0["reply"]["evalue"]);
    assert_eq!(failure["traceback"].as_array().unwrap().len(), 2);
    let log = front_end.log();
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(text.starts_with(failure["evalue"].as_str().unwrap()));
    for shown in [json!(text), json!(html), failure.clone(), cell.0["reply"].clone(), json!(log)] {
        holds_no_secret(&shown);
        assert!(!shown.to_string().contains(&token));
    }
    assert_eq!(cell.output("execute_input")["code"], "print('canary-code')");
}

#[test]
fn a_client_that_asks_before_it_listens_sees_what_its_first_cell_says() {
    let (_, address) = nowhere();
    for _ in 0..3 {
        let (_scratch, mut front_end) = at(&address, &["--timeout", "1"]);
        front_end.ask("start", json!({"connects": false}));
        let cell = Cell(front_end.ask("late_listener", json!({"code": "1", "pause": 0.5})));
        assert_eq!(cell.output("error")["ename"], "SecretsUnavailable", "{cell:?}");
    }
}

#[test]
fn an_unknown_request_leaves_it_idle_and_a_malformed_message_changes_nothing() {
    let (_, address) = nowhere();
    let (_scratch, mut front_end) = at(&address, &["--timeout", "1"]);
    let pid = front_end.start(json!({}));
    let (idle, closed) = (json!(["busy", "idle"]), json!(["busy", "comm_close", "idle"]));
    for (kind, channel, order) in [
        ("debug_request", "control", &idle),
        ("comm_open", "control", &closed),
        ("create_subshell_request", "control", &idle),
        ("list_subshell_request", "control", &idle),
        ("usage_request", "control", &idle),
        ("strange_request", "shell", &idle),
        ("comm_msg", "shell", &idle),
        ("comm_open", "shell", &closed),
    ] {
        let content = json!({"comm_id": "canary", "command": "initialize"});
        let seen = front_end.ask("unanswered", json!({"kind": kind, "channel": channel, "content": content}));
        assert_eq!(&seen["order"], order, "{kind}");
    }
    front_end.ask("garbage", json!({}));
    // A cell without code.
    let options = json!({"codes": [""], "user_expressions": {"x": "1"}});
    let cell = Cell(front_end.ask("execute", options)[0].clone());
    assert_eq!((cell.error(), &cell.0["reply"]["user_expressions"]), ("SecretsUnavailable", &json!({})), "{cell:?}");
    assert_eq!(front_end.ask("alive", json!({}))["alive"], true);
    assert!(is_ours(pid));
}

#[test]
fn a_failed_cell_aborts_the_queued_ones_unless_told_otherwise() {
    // Slow enough that cells sent together are waiting together, on any machine.
    let slow = Faults::start(|_, _| {
        pause_ms(700, "a slow server");
        Reply::json(500, "{}")
    });
    let (_scratch, mut front_end) = at(&slow.address(), &[]);
    front_end.start(json!({}));
    let statuses = |front_end: &mut FrontEnd, options: Value| {
        let mut order = json!({"codes": ["1", "2", "3"], "together": true});
        for (key, value) in options.as_object().unwrap() {
            order[key] = value.clone();
        }
        let cells = front_end.ask("execute", order);
        for aborted in cells.as_array().unwrap().iter().filter(|cell| cell["reply"]["status"] == "aborted") {
            // As with an ordinary kernel, the cell gets no number.
            assert_eq!(aborted["reply"].get("execution_count"), None, "{aborted}");
        }
        cells.as_array().unwrap().iter().map(|cell| Cell(cell.clone()).status().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(statuses(&mut front_end, json!({})), ["error", "aborted", "aborted"]);
    assert_eq!(statuses(&mut front_end, json!({"stop_on_error": false})), ["error", "error", "error"]);
    // Sent one after the other, each is a separate cell.
    let cells = front_end.ask("execute", json!({"codes": ["1", "2"]}));
    assert_eq!((&cells[0]["reply"]["status"], &cells[1]["reply"]["status"]), (&json!("error"), &json!("error")));
    // One (which aborted two), three, and these two.
    assert_eq!(cells[1]["reply"]["execution_count"], 6, "{cells}");
    let quiet = front_end.ask("execute", json!({"codes": ["1"], "silent": true}));
    assert_eq!((&quiet[0]["reply"]["status"], &quiet[0]["output"]), (&json!("error"), &json!([])), "{quiet}");
    let uncounted = front_end.ask("execute", json!({"codes": ["1"], "store_history": false}));
    assert_eq!(uncounted[0]["reply"]["execution_count"], 6);
    let asked = front_end.ask("execute", json!({"codes": ["input()"], "allow_stdin": true}));
    assert!(!asked[0]["order"].to_string().contains("input_request"));
}

#[test]
fn a_notebook_continues_once_openbao_runs() {
    for (transport, curve) in [("tcp", false), ("ipc", false), ("tcp", true)] {
        let (port, address) = nowhere();
        let (_scratch, mut front_end) = at(&address, &["--timeout", "3"]);
        let pid = front_end.start(json!({"transport": transport, "curve": curve}));
        assert_eq!(front_end.cell(LOOK).error(), "SecretsUnavailable");
        let server = Server::at(port).expect("the port is free");
        with_secret(&server);
        // The timer may be faster than the cell.
        let cell = front_end.cell(LOOK);
        if cell.status() == "error" {
            assert_eq!(cell.error(), "SecretsReady");
            // The reply is an error for programs; the user sees an output.
            assert_eq!(cell.0["reply"]["evalue"], "the secrets are there; run it again");
            assert_eq!(cell.output("display_data")["data"]["text/plain"], "the secrets are there; run it again");
            assert!(!cell.0["order"].to_string().contains("error"), "{cell:?}");
        }
        let cell = front_end.cell(LOOK);
        assert_eq!((cell.status(), cell.printed()), ("ok", format!("21 {pid}")), "{cell:?}");
        assert!(!is_ours(pid));
        assert_eq!(front_end.ask("beats", json!({}))["beating"], true);
        let asleep = "print('asleep', flush=True); import time; time.sleep(50)";
        assert_eq!(front_end.ask("interrupted", json!({"code": asleep}))["reply"]["ename"], "KeyboardInterrupt");
        assert_eq!(front_end.cell("1 + 1").status(), "ok");
        let again = front_end.ask("restart", json!({}))["pid"].as_i64().unwrap();
        front_end.ask("ready", json!({}));
        assert_eq!(front_end.cell(LOOK).printed(), format!("21 {again}"));
        assert_eq!(front_end.ask("shutdown", json!({}))["left"], false);
    }
}

#[test]
fn it_recovers_without_a_cell_and_says_so_below_the_last_one() {
    let (port, address) = nowhere();
    let (_scratch, mut front_end) = at(&address, &["--timeout", "1"]);
    let pid = front_end.start(json!({}));
    assert_eq!(front_end.cell(LOOK).error(), "SecretsUnavailable");
    let server = Server::at(port).expect("the port is free");
    with_secret(&server);
    let said = front_end.ask("broadcast", json!({"kind": "stream", "wait": 60}));
    assert_eq!(said["content"]["text"], "jupyter-vault: the secrets are there; run it again\n");
    assert_eq!(said["parent"], "execute_request");
    let cell = front_end.cell(LOOK);
    assert_eq!(cell.printed(), format!("21 {pid}"), "{cell:?}");
}

#[test]
fn it_recovers_when_a_server_is_unsealed_and_when_a_policy_is_restored() {
    let server = Server::start();
    with_secret(&server);
    let allow = "path \"secret/data/kernel\" { capabilities = [\"read\"] }";
    server.policy("reader", allow);
    let (scratch, mut front_end) = at(&server.address(), &["--timeout", "4"]);
    scratch.file("home/kernels/vaulted/token", server.token(&["reader"], &json!({})));
    server.must("PUT", "sys/seal", &json!({}));
    let pid = front_end.start(json!({}));
    let cell = front_end.cell(LOOK);
    assert!(cell.0["reply"]["evalue"].as_str().unwrap().contains("sealed"), "{cell:?}");
    server.unseal();
    server.policy("reader", "path \"secret/data/other\" { capabilities = [\"read\"] }");
    let cell = front_end.cell(LOOK);
    assert!(cell.0["reply"]["evalue"].as_str().unwrap().contains("forbid reading secret/kernel"), "{cell:?}");
    assert!(is_ours(pid));
    server.policy("reader", allow);
    heals(&mut front_end, pid);
}

/// Runs the cell until the secrets are set, at most twice.
#[track_caller]
fn heals(front_end: &mut FrontEnd, pid: i32) {
    let first = front_end.cell(LOOK);
    if first.status() == "error" {
        assert_eq!(first.error(), "SecretsReady", "{first:?}");
    }
    let cell = front_end.cell(LOOK);
    assert_eq!(cell.printed(), format!("21 {pid}"), "{cell:?}");
}

#[test]
fn a_kernel_whose_command_is_missing_says_so_and_starts_when_it_is_there() {
    let server = Server::shared();
    with_secret(server);
    let scratch = Scratch::new();
    let program = scratch.path("home/start kernel");
    let command = [program.to_str().unwrap(), "-f", "{connection_file}"];
    let spec = kernelspec(&scratch, &config(&server.address(), "kernel"), &[], &command);
    std::fs::write(spec.join("token"), "root").unwrap();
    let mut front_end = FrontEnd::new(&scratch);
    let pid = front_end.start(json!({}));
    let check = |cell: &Cell, what: &str| {
        assert_eq!(cell.error(), "KernelUnavailable", "{cell:?}");
        assert!(cell.0["reply"]["evalue"].as_str().unwrap().contains(what), "{cell:?}");
        let html = cell.output("display_data")["data"]["text/html"].as_str().unwrap();
        assert!(html.contains("can&#39;t be started yet") && html.contains("command -v"), "{html}");
    };
    check(&front_end.cell(LOOK), "not found");
    let words: Vec<_> = ipykernel().iter().take(3).map(|word| format!("'{word}'")).collect();
    std::fs::write(&program, format!("#!/bin/sh\nexec {} \"$@\"\n", words.join(" "))).unwrap();
    check(&front_end.cell(LOOK), "can't be executed");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let script = std::fs::read_to_string(&program).unwrap();
    std::fs::write(&program, script.replace("#!/bin/sh", "#! /gone/bin/sh -e")).unwrap();
    check(&front_end.cell(LOOK), "its interpreter /gone/bin/sh");
    std::fs::write(&program, script).unwrap();
    heals(&mut front_end, pid);
}

#[test]
fn each_attempt_reads_the_configuration_and_the_real_kernel_is_unchanged() {
    let server = Server::shared();
    with_secret(server);
    let scratch = Scratch::new();
    let look = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/inherited.py");
    let ipykernel = ipykernel();
    let command: Vec<_> = [&ipykernel[0], look].into_iter().chain(ipykernel.iter().map(String::as_str)).collect();
    let spec = kernelspec(&scratch, &config("not an address", "kernel"), &[], &command);
    std::fs::write(spec.join("token"), "root\n").unwrap();
    let plain = scratch.path("home/kernels/plain");
    std::fs::create_dir(&plain).unwrap();
    let text = json!({"argv": command, "display_name": "Plain", "language": "python"});
    std::fs::write(plain.join("kernel.json"), text.to_string()).unwrap();
    // What a parent process may pass on, all of it unusual.
    let unusual = json!({"KEPT": "canary\nin two lines"});
    let start = |front_end: &mut FrontEnd, name: &str| {
        front_end.ask("unusual", json!({}));
        let options = json!({"kernel": name, "extra_env": unusual});
        front_end.start(options)
    };
    let inherited = |pid: i32| {
        let text = std::fs::read(scratch.path(&format!("runtime/inherited-{pid}.json"))).unwrap();
        let mut seen: Value = serde_json::from_slice(&text).unwrap();
        let variables = seen["environment"].as_object_mut().unwrap();
        assert!(variables.remove("JPY_PARENT_PID").is_some());
        let secret = variables.remove("KERNEL_SECRET").is_some();
        (secret, seen)
    };
    let mut healed = FrontEnd::new(&scratch);
    let pid = start(&mut healed, "vaulted");
    let cell = healed.cell(LOOK);
    assert!(cell.0["reply"]["evalue"].as_str().unwrap().contains("vault.toml:2"), "{cell:?}");
    scratch.file("home/kernels/vaulted/vault.toml", config(&server.address(), "kernel"));
    heals(&mut healed, pid);
    let (secret, after_us) = inherited(pid);
    assert!(secret);
    let mut direct = FrontEnd::new(&scratch);
    let pid = start(&mut direct, "plain");
    let (secret, without_us) = inherited(pid);
    assert!(!secret);
    assert_eq!(after_us, without_us);
    assert_eq!(after_us["signals"]["blocked"], json!(["SIGUSR1"]), "{after_us}");
    // If the tests run in the background, more signals are ignored.
    assert!(after_us["signals"]["ignored"].as_array().unwrap().contains(&json!("SIGHUP")), "{after_us}");
    assert_eq!((&after_us["limits"]["core"][0], &after_us["umask"]), (&json!(4096), &json!("0027")), "{after_us}");
}

#[test]
fn a_cell_that_is_sent_at_any_moment_of_the_hand_over_is_answered() {
    let server = Server::shared();
    with_secret(server);
    for pause in [0, 0, 5, 20, 60, 120, 250, 400] {
        let (scratch, mut front_end) = at(&server.address(), &[]);
        std::fs::remove_file(scratch.path("home/kernels/vaulted/token")).unwrap();
        let pid = front_end.start(json!({}));
        scratch.file("home/kernels/vaulted/token", "root");
        assert_eq!(front_end.cell("1").error(), "SecretsReady");
        pause_ms(pause, "the moment is what varies");
        let cell = front_end.cell(LOOK);
        assert!(cell.printed() == format!("21 {pid}") || cell.error() == "SecretsReady", "{pause} ms: {cell:?}");
        assert_eq!(front_end.cell(LOOK).printed(), format!("21 {pid}"), "{pause} ms");
        eventually("the process that holds connections back has ended", || holders(pid) == 0);
    }
}

/// The processes that hold connections back for that kernel.
fn holders(kernel: i32) -> usize {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    let mark = format!("\0hold\0alone\0{kernel}\0");
    lines.filter(|line| String::from_utf8_lossy(line).contains(&mark)).count()
}

#[test]
fn the_launcher_only_build_does_not_link_it() {
    let tree = |features: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["tree", "--locked", "--offline", "--edges", "normal", "--prefix", "none"]).args(features);
        let outcome = run(cargo.current_dir(env!("CARGO_MANIFEST_DIR")));
        assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
        String::from_utf8(outcome.stdout).unwrap()
    };
    let (with, without) = (tree(&[]), tree(&["--no-default-features"]));
    for name in ["crypto_box v", "z85 v", "crypto_secretbox v"] {
        assert!(with.contains(name) && !without.contains(name), "{name}");
    }
}
