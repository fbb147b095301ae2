//! The sidecar: real kernels that start, restart and exit, real servers, and a real OpenBao that changes, stops
//! and drops tokens.
#![cfg(all(feature = "inject", target_os = "linux"))]

mod support;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use support::faults::{Faults, Reply, relay_to};
use support::front_end::{Cell, FrontEnd, ipykernel, plain_kernelspec};
use support::launcher::{Scratch, eventually, run, wait};
use support::openbao::{Server, free_ports};
use support::server::{JupyterServer, Kind, TOKEN, User};

const LOOK: &str = "import os; print(os.environ.get('WATCHED'))";

/// A running `jupyter-vault watch`, whose lines are JSON.
struct Sidecar {
    child: Child,
    log: PathBuf,
}

impl Sidecar {
    /// The command, with a token of `server`.
    fn command(scratch: &Scratch, server: &Server, options: &[&str]) -> Command {
        let mut command = scratch.launcher();
        command.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", "root").arg("watch").args(options);
        command.args(["--log", "json", "--secrets", "secret/watched"]);
        command
    }

    fn start(scratch: &Scratch, server: &Server, options: &[&str]) -> Self {
        Self::run(scratch, &mut Self::command(scratch, server, options))
    }

    fn run(scratch: &Scratch, command: &mut Command) -> Self {
        let log = scratch.path("watch.log");
        let stderr = File::create(&log).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr).spawn().unwrap();
        Self { child, log }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Its lines of that kind.
    fn events(&self, event: &str) -> Vec<Value> {
        let log = self.log();
        let whole = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        whole.filter(|line| line["event"] == event).collect()
    }

    #[track_caller]
    fn has(&self, event: &str, count: usize) {
        eventually(&format!("{count} × {event}: {}", self.log()), || self.events(event).len() >= count);
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    /// Ends it like a container's runtime does; it exits with 0 and has shown no secret.
    #[track_caller]
    fn ends(mut self) -> String {
        kill(Pid::from_raw(self.pid()), Signal::SIGTERM).unwrap();
        let status = wait(&mut self.child);
        assert_eq!(status.code(), Some(0), "{}", self.log());
        let log = self.log();
        assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{log}");
        assert!(!log.contains("canary") && !log.contains("hvs."), "{log}");
        log
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    plain_kernelspec(&scratch, &ipykernel());
    scratch.file("token", TOKEN);
    scratch
}

fn put(server: &Server, value: &str) {
    server.put("watched", &json!({ "WATCHED": value }));
}

fn launch(user: &mut User, kernel: &str) -> String {
    let options = json!({"kernel": kernel, "name": "plain", "env": {"KERNEL_USERNAME": "alice"}});
    user.ask("launch", options)["id"].as_str().unwrap().to_owned()
}

#[track_caller]
fn sees(user: &mut User, kernel: &str, value: &str) {
    eventually(&format!("{kernel} sees {value}"), || {
        Cell(user.ask("cell", json!({"code": LOOK, "kernel": kernel}))).printed() == value
    });
}

fn kernel(scratch: &Scratch, name: &str) -> FrontEnd {
    let mut front_end = FrontEnd::new(scratch);
    front_end.ask("start", json!({"kernel": "plain", "name": name}));
    front_end
}

/// Waits for the first line about that kernel, then checks.
#[track_caller]
fn injected(sidecar: &Sidecar, front_end: &mut FrontEnd, count: usize, value: &str) {
    sidecar.has("injected", count);
    front_end.ask("ready", json!({}));
    assert_eq!(front_end.cell(LOOK).printed(), value);
}

#[test]
fn kernels_of_this_machine_get_secrets_when_they_start_restart_or_a_secret_changes() {
    let (scratch, server) = (scratch(), Server::start());
    put(&server, "canary-1");
    // Of a killed kernel.
    let stale = json!({"shell_port": 1, "control_port": 1, "stdin_port": 1, "iopub_port": 1, "hb_port": 1, "key": "k"});
    scratch.file("runtime/kernel-stale.json", stale.to_string());
    let mut one = kernel(&scratch, "kernel-one.json");
    one.ask("ready", json!({}));
    let ready = scratch.path("ready");
    let sidecar = Sidecar::start(&scratch, &server, &["--interval", "1", "--ready-file", ready.to_str().unwrap()]);
    injected(&sidecar, &mut one, 1, "canary-1");
    eventually("it is ready", || ready.exists());
    // A file that is only half written.
    scratch.file("runtime/kernel-half.json", "");
    // A new kernel.
    let mut two = kernel(&scratch, "kernel-two.json");
    injected(&sidecar, &mut two, 2, "canary-1");
    // A restarted kernel, with the same ports and the same file.
    one.ask("restart", json!({}));
    injected(&sidecar, &mut one, 3, "canary-1");
    // A new version, for both; and the process that checks every second has injected only when needed.
    put(&server, "canary-2");
    injected(&sidecar, &mut one, 5, "canary-2");
    assert_eq!(two.cell(LOOK).printed(), "canary-2");
    let written = std::fs::metadata(&ready).unwrap().modified().unwrap();
    eventually("the file is touched", || std::fs::metadata(&ready).unwrap().modified().unwrap() > written);
    assert_eq!(sidecar.events("injected").len(), 5, "{}", sidecar.log());
    // A kernel that exits.
    let record = scratch.path("runtime/jupyter-vault/kernels/kernel-two.json");
    assert!(record.exists());
    two.ask("shutdown", json!({}));
    eventually("its record is gone", || !record.exists());
    assert!(sidecar.events("failed").is_empty(), "{}", sidecar.log());
    sidecar.ends();
    assert!(!ready.exists(), "it goes with the process");
}

#[test]
fn a_busy_kernel_gets_them_once_it_is_idle() {
    let (scratch, server) = (scratch(), Server::start());
    put(&server, "canary-1");
    let mut front_end = kernel(&scratch, "kernel-busy.json");
    front_end.ask("ready", json!({}));
    let code = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.05)";
    front_end.ask("execute", json!({"codes": [code], "wait": false}));
    let sidecar = Sidecar::start(&scratch, &server, &["--interval", "1"]);
    sidecar.has("ready", 1);
    let mut other = kernel(&scratch, "kernel-free.json");
    injected(&sidecar, &mut other, 1, "canary-1");
    assert_eq!(sidecar.events("injected")[0]["kernel"], "free", "{}", sidecar.log());
    scratch.file("runtime/go", "");
    sidecar.has("injected", 2);
    assert_eq!(sidecar.events("injected")[1]["kernel"], "busy");
    sidecar.ends();
}

#[test]
fn through_servers_new_kernels_restarts_and_new_versions_and_the_servers_own_end() {
    for kind in [Kind::JupyterServer, Kind::KernelGateway, Kind::EnterpriseGateway] {
        let (scratch, server) = (scratch(), Server::start());
        put(&server, "canary-1");
        let jupyter = JupyterServer::start(kind, &scratch, &[]);
        let (url, token) = (jupyter.address(), scratch.path("token").display().to_string());
        let options = ["--url", &url, "--token-file", &token, "--interval", "1"];
        let sidecar = Sidecar::start(&scratch, &server, &options);
        let mut user = User::of(&jupyter);
        sidecar.has("ready", 1);
        let id = launch(&mut user, "one");
        sees(&mut user, "one", "canary-1");
        sidecar.has("injected", 1);
        assert_eq!(sidecar.events("injected")[0]["kernel"], json!(id));
        user.ask("restart", json!({"kernel": "one"}));
        sees(&mut user, "one", "canary-1");
        launch(&mut user, "two");
        sees(&mut user, "two", "canary-1");
        put(&server, "canary-2");
        for kernel in ["one", "two"] {
            sees(&mut user, kernel, "canary-2");
        }
        drop((user, jupyter));
        eventually("the server is missed", || sidecar.events("failed").iter().any(|line| line["code"] == 85));
        let port = url.rsplit(':').next().unwrap();
        let jupyter = JupyterServer::start_at(kind, &scratch, &[], &[], port.parse().unwrap());
        let mut user = User::of(&jupyter);
        launch(&mut user, "three");
        sees(&mut user, "three", "canary-2");
        sidecar.ends();
    }
}

#[test]
fn a_new_server_token_is_picked_up() {
    for by_our_file in [false, true] {
        let (scratch, server) = (scratch(), Server::start());
        put(&server, "canary-1");
        let [port] = free_ports();
        let start = |token| {
            let variables = [("JUPYTER_TOKEN", token)];
            JupyterServer::start_at(Kind::JupyterServer, &scratch, &variables, &[], port)
        };
        let jupyter = start("token-1");
        let url = jupyter.address();
        let file = scratch.file("own-token", "token-1").display().to_string();
        // On another machine, it does not see the server's own file.
        let elsewhere = Scratch::new();
        let options = ["--interval", "1", "--url", &url, "--token-file", &file];
        let sidecar = if by_our_file {
            Sidecar::start(&elsewhere, &server, &options)
        } else {
            Sidecar::start(&scratch, &server, &options[..4])
        };
        let mut user = User::of(&jupyter);
        launch(&mut user, "one");
        sees(&mut user, "one", "canary-1");
        drop((user, jupyter));
        let jupyter = start("token-2");
        if by_our_file {
            eventually("it is refused", || sidecar.events("failed").iter().any(|line| line["code"] == 84));
            scratch.file("own-token", "token-2");
        }
        let mut user = User::of(&jupyter);
        launch(&mut user, "two");
        sees(&mut user, "two", "canary-1");
        sidecar.ends();
    }
}

#[test]
#[ignore = "needs R with IRkernel"]
fn a_restart_between_two_rounds_of_a_kernel_that_has_no_session_of_its_own_is_seen() {
    let (scratch, server) = (scratch(), Server::start());
    plain_kernelspec(&scratch, &support::kernels::command("ir"));
    put(&server, "canary-1");
    let jupyter = JupyterServer::start(Kind::JupyterServer, &scratch, &[]);
    let mut user = User::of(&jupyter);
    launch(&mut user, "one");
    // On another machine: it does not see the kernel's process.
    let elsewhere = Scratch::new();
    let (url, token) = (jupyter.address(), scratch.path("token").display().to_string());
    let ready = elsewhere.path("ready");
    let options = ["--url", &url, "--token-file", &token, "--interval", "4", "--ready-file", ready.to_str().unwrap()];
    let sidecar = Sidecar::start(&elsewhere, &server, &options);
    let look = "cat(Sys.getenv('WATCHED', 'None'))";
    let mut see = |value: &str| eventually(value, || user.cell(look).printed() == value);
    see("canary-1");
    sidecar.has("injected", 1);
    user.ask("restart", json!({}));
    user.cell("1");
    sidecar.has("injected", 2);
    assert_eq!(user.cell(look).printed(), "canary-1");
    // What the user has set stays.
    user.cell("Sys.setenv(WATCHED = 'mine')");
    for _ in 0..2 {
        let touched = std::fs::metadata(&ready).unwrap().modified().unwrap();
        eventually("a round", || std::fs::metadata(&ready).unwrap().modified().unwrap() > touched);
    }
    assert_eq!(user.cell(look).printed(), "mine", "{}", sidecar.log());
    assert_eq!(sidecar.events("injected").len(), 2, "{}", sidecar.log());
    sidecar.ends();
}

#[test]
fn what_a_kernel_that_cannot_be_told_from_its_next_process_keeps_is_still_ours() {
    // It answers with its client's session id, as some kernels do.
    const ECHO: &str = r"
session = get_ipython().kernel.session
def echo(*given, plain=session.msg, **more):
    message = plain(*given, **more)
    message['header']['session'] = message['parent_header'].get('session', message['header']['session'])
    return message
session.msg = echo
";
    let (scratch, server) = (scratch(), Server::start());
    let put = |value: &str| server.put("watched", &json!({"WATCHED": value, "MORE": "canary-more"}));
    put("canary-1");
    let jupyter = JupyterServer::start(Kind::JupyterServer, &scratch, &[]);
    let mut user = User::of(&jupyter);
    launch(&mut user, "one");
    assert_eq!(user.cell(ECHO).status(), "ok");
    // On another machine: it does not see the kernel's process.
    let elsewhere = Scratch::new();
    let (url, token) = (jupyter.address(), scratch.path("token").display().to_string());
    let options = ["--url", &url, "--token-file", &token, "--interval", "1"];
    let mut command = Sidecar::command(&elsewhere, &server, &options);
    let sidecar = Sidecar::run(&elsewhere, command.env("JUPYTER_VAULT_OVERRIDE", "false"));
    sees(&mut user, "one", "canary-1");
    sidecar.has("injected", 1);
    user.cell("import os; del os.environ['MORE']");
    sidecar.has("injected", 2);
    put("canary-2");
    sees(&mut user, "one", "canary-2");
    sidecar.ends();
}

#[test]
fn an_idle_kernel_is_culled_although_it_is_watched() {
    let (scratch, server) = (scratch(), Server::start());
    put(&server, "canary-1");
    let culling = [
        "--MappingKernelManager.cull_idle_timeout=10",
        "--MappingKernelManager.cull_interval=1",
        "--MappingKernelManager.cull_connected=False",
    ];
    let jupyter = JupyterServer::start_with(Kind::JupyterServer, &scratch, &[], &culling);
    let token = scratch.path("token").display().to_string();
    let url = jupyter.address();
    let options = ["--url", &url, "--token-file", &token, "--interval", "1"];
    let sidecar = Sidecar::start(&scratch, &server, &options);
    let mut user = User::of(&jupyter);
    launch(&mut user, "one");
    sees(&mut user, "one", "canary-1");
    user.ask("leave", json!({"kernel": "one"}));
    let mut local = scratch.launcher();
    local.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", "root");
    let local = local.args(["watch", "--interval", "1", "--secrets", "secret/watched"]).stderr(Stdio::null());
    let mut local = local.stdin(Stdio::null()).spawn().unwrap();
    eventually("it is culled", || user.ask("running", json!({}))["kernels"].as_array().unwrap().is_empty());
    assert!(jupyter.log().contains("Culling"), "{}", jupyter.log());
    kill(Pid::from_raw(i32::try_from(local.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(wait(&mut local).code(), Some(0));
    sidecar.ends();
}

#[test]
fn watching_does_not_count_as_activity_of_a_kernel_or_a_server() {
    let (scratch, server) = (scratch(), Server::start());
    put(&server, "canary-1");
    let jupyter = JupyterServer::start(Kind::JupyterServer, &scratch, &[]);
    let (url, token) = (jupyter.address(), scratch.path("token").display().to_string());
    let ready = scratch.path("ready");
    let options = ["--url", &url, "--token-file", &token, "--interval", "1", "--ready-file", ready.to_str().unwrap()];
    let sidecar = Sidecar::start(&scratch, &server, &options);
    let mut user = User::of(&jupyter);
    launch(&mut user, "one");
    sees(&mut user, "one", "canary-1");
    let rounds = |count: usize| {
        for _ in 0..count {
            let written = std::fs::metadata(&ready).unwrap().modified().unwrap();
            eventually("a round", || std::fs::metadata(&ready).unwrap().modified().unwrap() > written);
        }
    };
    // The user's own cell is checked once.
    rounds(3);
    let activity = |user: &mut User| user.ask("activity", json!({}));
    let before = activity(&mut user);
    rounds(4);
    assert_eq!(activity(&mut user), before, "{}", sidecar.log());
    assert_eq!(before["connections"], 1, "no connection is left open");
    sidecar.ends();
}

#[test]
fn without_access_to_metadata_the_secret_is_read_and_kv_version_1_is_compared() {
    let (scratch, server) = (scratch(), Server::start());
    server.mount_kv("old", 1);
    let rules = ["secret/data/watched", "old/watched", "secret/data/folder/*", "secret/data/pinned"]
        .map(|path| format!("path \"{path}\" {{ capabilities = [\"read\"] }}\n"));
    let lists = ["", "deep/"]
        .map(|folder| format!("path \"secret/metadata/folder/{folder}\" {{ capabilities = [\"list\"] }}\n"));
    server.policy("reader", &(rules.concat() + &lists.concat()));
    let token = server.token(&["reader"], &json!({}));
    let old = |value: &str| server.must("POST", "old/watched", &json!({ "OLD": value }));
    let one = |name: &str, value: &str| server.put(&format!("folder/{name}"), &json!({ "value": value }));
    put(&server, "canary-1");
    old("canary-old-1");
    one("FIRST", "canary-first-1");
    server.put("pinned", &json!({ "PINNED": "canary-pinned" }));
    let mut front_end = kernel(&scratch, "kernel-one.json");
    front_end.ask("ready", json!({}));
    let sources = "[[source]]\nkv = \"secret/watched\"\n[[source]]\nkv = \"old/watched\"\n\
                   [[source]]\nkv_folder = \"secret/folder\"\nrecursive = true\nnames = \"shell\"\n\
                   [[source]]\nkv = \"secret/pinned\"\nsecret_version = 1\n";
    let config = scratch.file("vault.toml", sources).display().to_string();
    let mut command = scratch.launcher();
    command.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", token).arg("watch");
    command.args(["--log", "json", "--interval", "1", "--config", &config]);
    let sidecar = Sidecar::run(&scratch, &mut command);
    let look = "import os; print(*[os.environ.get(n) for n in ['WATCHED', 'PINNED', 'OLD', 'FIRST', 'DEEP_SECOND']])";
    let sees = |front_end: &mut FrontEnd, count: usize, values: &str| {
        sidecar.has("injected", count);
        assert_eq!(front_end.cell(look).printed(), values, "{}", sidecar.log());
    };
    sees(&mut front_end, 1, "canary-1 canary-pinned canary-old-1 canary-first-1 None");
    // A new version of a pinned secret is not a change.
    server.put("pinned", &json!({ "PINNED": "canary-newer" }));
    put(&server, "canary-2");
    sees(&mut front_end, 2, "canary-2 canary-pinned canary-old-1 canary-first-1 None");
    old("canary-old-2");
    sees(&mut front_end, 3, "canary-2 canary-pinned canary-old-2 canary-first-1 None");
    one("deep/second", "canary-second-1");
    sees(&mut front_end, 4, "canary-2 canary-pinned canary-old-2 canary-first-1 canary-second-1");
    server.must("DELETE", "secret/data/folder/FIRST", &json!({}));
    sees(&mut front_end, 5, "canary-2 canary-pinned canary-old-2 None canary-second-1");
    sidecar.ends();
}

#[test]
fn a_version_that_will_expire_counts_until_it_does_or_is_deleted() {
    let (scratch, server) = (scratch(), Server::start());
    let lives = |name: &str, time: &str| {
        server.must("POST", &format!("secret/metadata/{name}"), &json!({ "delete_version_after": time }));
    };
    put(&server, "canary-1");
    lives("long", "1h");
    server.put("long", &json!({ "LONG": "canary-long" }));
    let mut front_end = kernel(&scratch, "kernel-one.json");
    front_end.ask("ready", json!({}));
    let sources = "[[source]]\nkv = \"secret/watched\"\n[[source]]\nkv = \"secret/long\"\noptional = true\n\
                   [[source]]\nkv = \"secret/short\"\noptional = true\n";
    let config = scratch.file("vault.toml", sources).display().to_string();
    let mut command = scratch.launcher();
    command.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", "root").arg("watch");
    command.args(["--log", "json", "--interval", "1", "--config", &config]);
    let sidecar = Sidecar::run(&scratch, &mut command);
    let look = "import os; print(*[os.environ.get(n) for n in ['WATCHED', 'LONG', 'SHORT']])";
    let sees = |front_end: &mut FrontEnd, count: usize, values: &str| {
        sidecar.has("injected", count);
        assert_eq!(front_end.cell(look).printed(), values, "{}", sidecar.log());
    };
    sees(&mut front_end, 1, "canary-1 canary-long None");
    // A deletion before its time.
    server.must("DELETE", "secret/data/long", &json!({}));
    sees(&mut front_end, 2, "canary-1 None None");
    // The end of its time.
    lives("short", "4s");
    server.put("short", &json!({ "SHORT": "canary-short" }));
    sees(&mut front_end, 3, "canary-1 None canary-short");
    sees(&mut front_end, 4, "canary-1 None None");
    sidecar.ends();
}

#[test]
fn it_survives_an_outage_of_vault_and_replaces_a_lost_token() {
    let scratch = scratch();
    let [port] = free_ports();
    let vault = |value: &str| {
        let server = Server::at(port).expect("the port is free");
        server.enable_auth("userpass", "userpass");
        server.policy("reader", r#"path "secret/data/watched" { capabilities = ["read"] }"#);
        let account = json!({"password": "canary-password", "token_policies": "reader"});
        server.must("POST", "auth/userpass/users/ada", &account);
        put(&server, value);
        server
    };
    let server = vault("canary-1");
    // Unreachable until it is set up: a user who does not exist yet would be a refused login.
    let is_up = Arc::new(AtomicBool::new(true));
    let (gate, pass) = (Arc::clone(&is_up), relay_to(port));
    let relay =
        Faults::start(
            move |request, number| {
                if gate.load(Ordering::SeqCst) { pass(request, number) } else { Reply::Close(Vec::new()) }
            },
        );
    let mut command = Sidecar::command(&scratch, &server, &["--interval", "1", "--timeout", "6"]);
    command.env("VAULT_ADDR", relay.address());
    command.env_remove("VAULT_TOKEN").env("JUPYTER_VAULT_AUTH_METHOD", "userpass").env("JUPYTER_VAULT_USERNAME", "ada");
    let sidecar = Sidecar::run(&scratch, command.env("JUPYTER_VAULT_PASSWORD", "canary-password"));
    let mut one = kernel(&scratch, "kernel-one.json");
    injected(&sidecar, &mut one, 1, "canary-1");
    // Every token is gone, as if expired.
    let [accessor] = &logins(&server)[..] else { panic!("one login: {:?}", logins(&server)) };
    server.must("POST", "auth/token/revoke-accessor", &json!({ "accessor": accessor }));
    put(&server, "canary-2");
    injected(&sidecar, &mut one, 2, "canary-2");
    assert!(sidecar.events("failed").is_empty(), "{}", sidecar.log());
    is_up.store(false, Ordering::SeqCst);
    drop(server);
    sidecar.has("failed", 1);
    let mut two = kernel(&scratch, "kernel-two.json");
    two.ask("ready", json!({}));
    let server = vault("canary-3");
    is_up.store(true, Ordering::SeqCst);
    eventually("both have it", || one.cell(LOOK).printed() == "canary-3" && two.cell(LOOK).printed() == "canary-3");
    assert_eq!(logins(&server).len(), 1, "one login serves all rounds");
    sidecar.ends();
    assert!(logins(&server).is_empty(), "its token is revoked");
}

/// The accessors of the tokens that userpass gave.
fn logins(server: &Server) -> Vec<String> {
    let listed = server.api("LIST", "auth/token/accessors", None).1;
    let accessors = listed["data"]["keys"].as_array().unwrap().iter().filter_map(Value::as_str);
    let is_login = |accessor: &&str| {
        let found = server.api("POST", "auth/token/lookup-accessor", Some(&json!({ "accessor": accessor }))).1;
        found["data"]["path"].as_str().is_some_and(|path| path.starts_with("auth/userpass"))
    };
    accessors.filter(is_login).map(str::to_owned).collect()
}

#[test]
fn an_error_in_the_first_round_ends_it() {
    let (scratch, server) = (scratch(), Server::shared());
    let missing = |options: &[&str]| {
        let mut command = scratch.launcher();
        command.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", "root").arg("watch").args(options);
        run(&mut command)
    };
    missing(&[]).is_error(78, &["no source of secrets"]);
    missing(&["--secrets", "secret/nowhere"]).is_error(66, &["there is no secret at secret/nowhere"]);
    missing(&["--secrets", "secret/a", "--url", "nonsense"]).is_error(64, &["--url"]);
    let mut denied = Sidecar::command(&scratch, server, &[]);
    denied.env("VAULT_TOKEN", "hvs.none");
    run(&mut denied).is_error(77, &["rejected the token"]);
}

#[test]
fn a_folder_that_does_not_exist_yet_and_one_that_is_recreated_are_watched() {
    let (scratch, server) = (scratch(), Server::start());
    put(&server, "canary-1");
    let runtime = scratch.path("runtime");
    std::fs::remove_dir(&runtime).unwrap();
    let mut command = Sidecar::command(&scratch, &server, &["--interval", "1"]);
    let sidecar = Sidecar::run(&scratch, &mut command);
    sidecar.has("ready", 1);
    let mut one = kernel(&scratch, "kernel-one.json");
    injected(&sidecar, &mut one, 1, "canary-1");
    std::fs::rename(&runtime, scratch.path("before")).unwrap();
    std::fs::create_dir(&runtime).unwrap();
    let mut two = kernel(&scratch, "kernel-two.json");
    injected(&sidecar, &mut two, 2, "canary-1");
    assert_eq!(sidecar.events("injected")[1]["kernel"], "two", "{}", sidecar.log());
    sidecar.ends();
}

#[test]
fn an_outage_of_several_rounds_is_logged_once_and_does_not_end_it() {
    let (scratch, server) = (scratch(), Server::start());
    put(&server, "canary-1");
    let ready = scratch.path("ready");
    let options = ["--interval", "1", "--timeout", "4", "--ready-file", ready.to_str().unwrap()];
    let sidecar = Sidecar::start(&scratch, &server, &options);
    let mut one = kernel(&scratch, "kernel-one.json");
    injected(&sidecar, &mut one, 1, "canary-1");
    let port = server.port();
    drop(server);
    sidecar.has("failed", 1);
    for _ in 0..3 {
        let touched = std::fs::metadata(&ready).unwrap().modified().unwrap();
        eventually("it is alive", || std::fs::metadata(&ready).unwrap().modified().unwrap() > touched);
    }
    assert_eq!(sidecar.events("failed").len(), 1, "{}", sidecar.log());
    let server = Server::at(port).expect("the port is free");
    put(&server, "canary-new");
    // Its version is 1, like the other's: nothing shows that it is another server's.
    put(&server, "canary-2");
    injected(&sidecar, &mut one, 2, "canary-2");
    let mut two = kernel(&scratch, "kernel-two.json");
    injected(&sidecar, &mut two, 3, "canary-2");
    sidecar.ends();
}

#[test]
fn an_expired_token_is_replaced_by_the_one_in_its_file() {
    let (scratch, server) = (scratch(), Server::start());
    server.policy("reader", "path \"secret/*\" { capabilities = [\"read\"] }");
    put(&server, "canary-1");
    let mut one = kernel(&scratch, "kernel-one.json");
    one.ask("ready", json!({}));
    // The kernel already runs: starting it takes as long as a token of seconds lives.
    let short = server.token(&["reader"], &json!({"ttl": "6s", "explicit_max_ttl": "6s"}));
    let file = scratch.file("vault-token", &short);
    let mut command = Sidecar::command(&scratch, &server, &["--interval", "1"]);
    command.env_remove("VAULT_TOKEN").env("JUPYTER_VAULT_TOKEN_FILE", &file);
    let sidecar = Sidecar::run(&scratch, &mut command);
    injected(&sidecar, &mut one, 1, "canary-1");
    eventually("it has expired", || !server.is_alive(&short));
    sidecar.has("failed", 1);
    assert_eq!(sidecar.events("failed")[0]["code"], 77, "{}", sidecar.log());
    std::fs::write(&file, server.token(&["reader"], &json!({}))).unwrap();
    put(&server, "canary-2");
    injected(&sidecar, &mut one, 2, "canary-2");
    sidecar.ends();
}

#[test]
fn a_signal_during_an_injection_waits_only_for_that_injection() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let (scratch, server) = (scratch(), Server::start());
        put(&server, "canary-1");
        let hold = include_str!("support/cells/held_question.py");
        let mut kernels = ["kernel-one.json", "kernel-two.json"].map(|name| kernel(&scratch, name));
        for front_end in &mut kernels {
            front_end.ask("ready", json!({}));
            assert_eq!(front_end.cell(hold).status(), "ok");
        }
        let mut sidecar = Sidecar::start(&scratch, &server, &["--interval", "1"]);
        eventually("a kernel is to take them", || scratch.path("runtime/asked").exists());
        kill(Pid::from_raw(sidecar.pid()), signal).unwrap();
        scratch.file("runtime/go", "");
        assert_eq!(wait(&mut sidecar.child).code(), Some(0), "{signal}: {}", sidecar.log());
        let seen = kernels.each_mut().map(|front_end| front_end.cell(LOOK).printed());
        let asked = std::fs::read_to_string(scratch.path("runtime/asked")).unwrap();
        assert_eq!(asked, "x", "{signal}: no other turn is begun: {seen:?}");
        assert!(seen.contains(&"canary-1".to_owned()) && seen.contains(&"None".to_owned()), "{signal}: {seen:?}");
        assert!(sidecar.log().contains(&format!("ended by {signal}")), "{}", sidecar.log());
    }
}

#[test]
fn a_watched_kernel_can_be_culled() {
    // Shows that the test of culling can fail: a connected front end keeps this kernel.
    let (scratch, server) = (scratch(), Server::start());
    put(&server, "canary-1");
    let culling = [
        "--MappingKernelManager.cull_idle_timeout=3",
        "--MappingKernelManager.cull_interval=1",
        "--MappingKernelManager.cull_connected=False",
    ];
    let jupyter = JupyterServer::start_with(Kind::JupyterServer, &scratch, &[], &culling);
    let token = scratch.path("token").display().to_string();
    let url = jupyter.address();
    let sidecar = Sidecar::start(&scratch, &server, &["--url", &url, "--token-file", &token, "--interval", "1"]);
    let mut user = User::of(&jupyter);
    for kernel in ["stays", "goes"] {
        launch(&mut user, kernel);
        sees(&mut user, kernel, "canary-1");
    }
    user.ask("leave", json!({"kernel": "goes"}));
    let running = |user: &mut User| user.ask("running", json!({}))["kernels"].as_array().unwrap().len();
    eventually("one is culled", || running(&mut user) == 1);
    assert_eq!(jupyter.log().matches("Culling kernel").count(), 1, "{}", jupyter.log());
    sidecar.ends();
}
