//! A refused login locks no user out: how often one is sent, counted on the way to a real OpenBao.
#![cfg(all(feature = "diagnose", feature = "inject", feature = "manage", target_os = "linux"))]

use std::path::PathBuf;
use std::process::Stdio;

use crate::support::faults::{Faults, relay_to};
use crate::support::front_end::{FrontEnd, ipykernel, kernelspec};
use crate::support::launcher::{Outcome, Scratch, eventually, finish, run};
use crate::support::openbao::Server;
use serde_json::json;

/// A user `ada` whose password file is wrong, and a relay that counts logins.
struct Site {
    scratch: Scratch,
    relay: Faults,
    config: PathBuf,
}

impl Site {
    fn new(mount: &str, more: &str) -> Self {
        let server = Server::shared();
        server.enable_auth("userpass", mount);
        server.policy("lockout", "path \"secret/data/lockout\" { capabilities = [\"read\"] }");
        // The server's own lockout would hide further logins from the count.
        server.must(
            "POST",
            &format!("sys/auth/{mount}/tune"),
            &json!({"user_lockout_config": {"lockout_disable": true}}),
        );
        server.must("POST", &format!("auth/{mount}/users/ada"), &json!({"password": "right", "policies": "lockout"}));
        server.put("lockout", &json!({"KEY": "canary"}));
        let relay = Faults::start(relay_to(server.port()));
        let scratch = Scratch::new();
        scratch.file("password", "wrong");
        let text = format!(
            "[vault]\naddress = \"{}\"\n[auth]\nmethod = \"userpass\"\nmount = \"{mount}\"\nusername = \"ada\"\n\
             password_file = {:?}\n{more}[[source]]\nkv = \"secret/lockout\"\nversion = 2\n",
            relay.address(),
            scratch.path("password")
        );
        let config = scratch.file("config/vault.toml", text);
        Self { scratch, relay, config }
    }

    /// How many logins reached Vault.
    fn logins(&self) -> usize {
        self.relay.seen().iter().filter(|seen| seen.path.contains("/login/")).count()
    }

    fn exec(&self) -> std::process::Command {
        let mut command = self.scratch.launcher();
        // Forty at once take a while on a busy machine.
        command.env("JUPYTER_VAULT_TIMEOUT", "50s").args(["exec", "--", "/usr/bin/env", "-0"]);
        command
    }

    fn launch(&self) -> Outcome {
        run(&mut self.exec())
    }

    /// Forty launches that begin at once.
    fn forty(&self) -> Vec<Outcome> {
        let start = |_| {
            let mut command = self.exec();
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        let children: Vec<_> = (0..40).map(start).collect();
        children.into_iter().map(finish).collect()
    }

    fn front_end(&self) -> FrontEnd {
        let command = ipykernel();
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        kernelspec(&self.scratch, &std::fs::read_to_string(&self.config).unwrap(), &[], &command);
        FrontEnd::new(&self.scratch)
    }
}

#[test]
fn a_start_after_a_refusal_sends_nothing_and_says_since_and_until_when() {
    let site = Site::new("lock-starts", "");
    site.launch().is_error(77, &["refused the login at auth/lock-starts", "sys/locked-users"]);
    for _ in 0..5 {
        site.launch()
            .is_error(77, &["has refused the login of ada at auth/lock-starts once since", "correct the credential"]);
    }
    assert_eq!(site.logins(), 1);
    let kept = std::fs::read_dir(site.scratch.path("runtime/jupyter-vault/logins")).unwrap();
    for file in kept {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("wrong"), "{text}");
        let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
    }
    // A changed credential is tried at once.
    site.scratch.file("password", "right");
    assert_eq!(site.launch().environment()["KEY"], "canary");
    assert_eq!(site.logins(), 2);
}

#[test]
fn thirty_cells_and_five_restarts_send_a_refused_login_three_times_at_most() {
    let site = Site::new("lock-cells", "");
    let mut front_end = site.front_end();
    front_end.start(json!({}));
    assert_eq!(site.logins(), 1);
    for _ in 0..30 {
        let cell = front_end.cell("1");
        assert_eq!(cell.status(), "error", "{cell:?}");
    }
    assert_eq!(site.logins(), 2, "a cell is let through once a minute");
    for _ in 0..5 {
        front_end.ask("restart", json!({"now": false}));
        front_end.ask("ready", json!({}));
    }
    assert_eq!(site.logins(), 2);
    // The password in the file is corrected: the next cell recovers.
    site.scratch.file("password", "right");
    eventually("a cell has the secret", || front_end.cell("import os; print(len(os.environ['KEY']))").printed() == "6");
    assert_eq!(site.logins(), 3);
}

#[test]
fn forty_at_once_send_a_refused_login_once() {
    let site = Site::new("lock-crowd", "");
    for outcome in site.forty() {
        assert_eq!(outcome.code(), Some(77));
    }
    assert_eq!(site.logins(), 1);
    // Forty with the right password all succeed.
    site.scratch.file("password", "right");
    for outcome in site.forty() {
        assert_eq!(outcome.environment()["KEY"], "canary");
    }
    assert_eq!(site.logins(), 41);
}

#[test]
fn forty_at_once_after_a_success_send_a_changed_password_twice_at_most() {
    let site = Site::new("lock-changed", "");
    site.scratch.file("password", "right");
    assert_eq!(site.launch().environment()["KEY"], "canary");
    // On the server, but not in the file.
    Server::shared().must("POST", "auth/lock-changed/users/ada/password", &json!({"password": "another"}));
    for outcome in site.forty() {
        outcome.is_error(77, &["refused the login"]);
    }
    let logins = site.logins() - 1;
    assert!((1..=2).contains(&logins), "{logins}");
}

#[test]
fn a_launch_that_times_out_behind_others_sends_nothing() {
    let site = Site::new("lock-wait", "");
    site.scratch.file("password", "right");
    assert_eq!(site.launch().environment()["KEY"], "canary");
    let folder = site.scratch.path("runtime/jupyter-vault/logins");
    let locks = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let locks = locks.filter(|path| path.extension().is_some_and(|end| end == "lock"));
    let held: Vec<_> = locks.map(|path| std::fs::File::open(path).unwrap()).collect();
    assert!(held.iter().all(|lock| lock.try_lock().is_ok()) && held.len() == 2);
    let mut command = site.exec();
    command.env("JUPYTER_VAULT_TIMEOUT", "1s");
    run(&mut command).is_error(69, &["other launches were logging in as ada at auth/lock-wait", "nothing was sent"]);
    assert_eq!(site.logins(), 1);
    drop(held);
    assert_eq!(site.launch().environment()["KEY"], "canary");
}

#[test]
fn a_user_has_two_attempts_in_the_window() {
    let site = Site::new("lock-tries", "");
    site.launch().is_error(77, &["refused the login"]);
    let doctor = || assert_eq!(run(site.scratch.launcher().arg("doctor")).code(), Some(77));
    let ago = |seconds: u64| {
        // As if the last attempt were that long ago.
        let file = std::fs::read_dir(site.scratch.path("runtime/jupyter-vault/logins")).unwrap();
        let file = file.map(|file| file.unwrap().path()).find(|path| path.extension().is_some_and(|end| end == "json"));
        let file = file.unwrap();
        let mut kept: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        for tried in kept["tries"].as_array_mut().unwrap() {
            *tried = json!(tried.as_u64().unwrap() - seconds);
        }
        std::fs::write(&file, kept.to_string()).unwrap();
    };
    for (tries, logins) in [(1, 2), (2, 3), (3, 3), (4, 3)] {
        doctor();
        assert_eq!(site.logins(), logins, "after {tries}");
        ago(61);
    }
}

#[test]
fn a_sidecar_whose_login_is_refused_meanwhile_sends_it_once() {
    let site = Site::new("lock-watch", "");
    site.scratch.file("password", "right");
    let mut front_end = site.front_end();
    front_end.start(json!({"name": "kernel-one.json"}));
    assert_eq!(site.logins(), 1);
    let log = site.scratch.path("watch.log");
    let mut watch = site.scratch.launcher();
    let rounds = site.scratch.path("rounds");
    watch.args(["watch", "--interval", "1", "--ready-file"]).arg(&rounds).stdin(Stdio::null()).stdout(Stdio::null());
    let mut watch = watch.stderr(std::fs::File::create(&log).unwrap()).spawn().unwrap();
    eventually("it has logged in and read", || {
        std::fs::read_to_string(&log).unwrap().contains("ready, watching 1 kernel")
    });
    let server = Server::shared();
    server.must("POST", "auth/lock-watch/users/ada/password", &json!({"password": "another"}));
    // Its token expires, so it has to log in again.
    server.must("POST", "sys/leases/revoke-prefix/auth/lock-watch/login/ada", &json!({}));
    eventually("it logs in again", || site.logins() == 3);
    for number in 0..5 {
        // Each round touches the file.
        let touched = || std::fs::metadata(&rounds).unwrap().modified().unwrap();
        let before = touched();
        eventually(&format!("round {number} after the refusal"), || touched() > before);
    }
    let logins = site.logins();
    let _ = watch.kill();
    let _ = watch.wait();
    assert_eq!(logins, 3, "{}", std::fs::read_to_string(&log).unwrap());
}

#[test]
fn doctor_and_a_sidecar_use_the_stored_refusal_too() {
    let site = Site::new("lock-others", "");
    site.launch().is_error(77, &["refused the login"]);
    let mut watch = site.scratch.launcher();
    run(watch.args(["watch", "--interval", "1"])).is_error(77, &["it is not sent again yet"]);
    assert_eq!(site.logins(), 1);
    for _ in 0..4 {
        let mut doctor = site.scratch.launcher();
        let outcome = run(doctor.arg("doctor"));
        assert_eq!(outcome.code(), Some(77));
        let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
        let first = said.lines().take(4).collect::<String>();
        assert!(first.contains("has refused the login of ada at auth/lock-others"), "said first: {said}");
        assert!(first.contains("15 minutes after 5 refusals") && first.contains("sys/locked-users"), "{said}");
    }
    assert_eq!(site.logins(), 2, "a user's own try is let through once a minute");
}

#[test]
fn after_the_window_a_refused_login_is_sent_again() {
    let site = Site::new("lock-window", "refusal_window = \"1s\"\n");
    site.launch().is_error(77, &["refused the login"]);
    eventually("the window is over", || {
        site.launch();
        site.logins() > 1
    });
    assert_eq!(site.logins(), 2);
}
