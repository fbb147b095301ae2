//! `login` and `logout` on a real OpenBao: what stands in the file, who is told to be logged in, and what a refusal does.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unnecessary_debug_formatting,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]
#![cfg(all(feature = "manage", target_os = "linux"))]

mod support;

use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::faults::{Faults, relay_to};
use support::launcher::{Outcome, Scratch, finish, run};
use support::openbao::{Server, free_ports};
use support::terminal::Terminal;

/// A user `ada` with a secret, at a login mount of the test's own.
struct Site {
    server: &'static Server,
    scratch: Scratch,
    mount: &'static str,
}

impl Site {
    fn new(mount: &'static str, settings: &str) -> Self {
        let server = Server::shared();
        server.enable_auth("userpass", mount);
        server.policy("login", "path \"secret/data/login\" { capabilities = [\"read\"] }");
        server.must(
            "POST",
            &format!("auth/{mount}/users/ada"),
            &json!({"password": "right canary", "policies": "login"}),
        );
        server.put("login", &json!({"KEY": "canary-value"}));
        let scratch = Scratch::new();
        let config = format!(
            "[vault]\naddress = \"{}\"\n[auth]\n{settings}\n[[source]]\nkv = \"secret/login\"\nversion = 2\n",
            server.address()
        );
        scratch.file("config/vault.toml", config);
        Self { server, scratch, mount }
    }

    fn userpass(mount: &'static str) -> Self {
        Self::new(mount, &format!("method = \"userpass\"\nmount = \"{mount}\"\nusername = \"ada\""))
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.scratch.launcher();
        command.args(arguments);
        command
    }

    /// Runs with that on standard input.
    fn with(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut command = self.command(arguments);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let outcome = finish(child);
        let said = String::from_utf8_lossy(&outcome.stdout).into_owned() + &outcome.stderr;
        assert!(!said.contains("canary") && !said.contains("s."), "{said}");
        outcome
    }

    fn log_in(&self) {
        let outcome = self.with(&["login"], "right canary\n");
        assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    }

    fn status(&self) -> (i32, Value) {
        let outcome = run(&mut self.command(&["login", "--status", "--json"]));
        assert!(outcome.stderr.is_empty(), "{}", outcome.stderr);
        (outcome.code().unwrap(), serde_json::from_slice(&outcome.stdout).unwrap())
    }

    fn file(&self) -> PathBuf {
        self.scratch.path("home/.vault-token")
    }

    fn token(&self) -> String {
        std::fs::read_to_string(self.file()).unwrap()
    }

    fn launched(&self) -> Outcome {
        run(&mut self.command(&["exec", "--", "env", "-0"]))
    }
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8(outcome.stdout.clone()).unwrap()
}

#[test]
fn a_password_leaves_a_token_as_vaults_client_does_and_kernels_take_it() {
    let site = Site::userpass("login-file");
    let outcome = site.with(&["login"], "right canary\n");
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let said = text(&outcome);
    for part in ["ada is logged in at http://127.0.0.1:", "auth/login-file/login/ada", "policies  default, login"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let token = site.token();
    assert!(!token.ends_with('\n') && site.server.is_alive(&token));
    assert_eq!(std::fs::metadata(site.file()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(site.scratch.path("home")).unwrap().count(), 1, "nothing else is left");
    assert_eq!(site.launched().environment()["KEY"], "canary-value");
    assert!(site.server.is_alive(&token), "a token that was given is not revoked by a launch");
}

#[test]
fn on_a_terminal_the_password_is_not_shown_and_is_asked_again_once() {
    let site = Site::new("login-typed", "");
    let mut user = Terminal::start(&site.command(&["login", "--mount", "login-typed"]));
    user.answer("How to log in (", "userpass");
    user.answer("Your user name in Vault", "ada");
    user.answer_unseen("The password of ada (not shown)", "wrong canary");
    user.expect("refused the login");
    user.answer_unseen("The password of ada (not shown)", "right canary");
    let (code, said, shown) = user.end();
    assert_eq!(code, 0, "{shown}");
    assert!(said.contains("ada is logged in") && !shown.contains("canary") && !said.contains("canary"), "{shown}");
    assert!(site.server.is_alive(&site.token()));
}

#[test]
fn a_third_refusal_is_only_sent_by_a_word_of_the_user() {
    let site = Site::userpass("login-lockout");
    let relay = Faults::start(relay_to(site.server.port()));
    let sent = || relay.seen().iter().filter(|seen| seen.path.contains("/login/ada")).count();
    let config = std::fs::read_to_string(site.scratch.path("config/vault.toml")).unwrap();
    site.scratch.file("config/vault.toml", config.replace(&site.server.address(), &relay.address()));
    for (wrong, code) in [("first", 77), ("second", 77)] {
        let outcome = site.with(&["login"], wrong);
        outcome.is_error(code, &["refused the login", "login-lockout"]);
    }
    assert_eq!(sent(), 2);
    // Neither a third password nor the right one goes out by itself.
    for password in ["third", "right canary"] {
        site.with(&["login"], password).is_error(77, &["2 times", "not sent again", "--try-again"]);
    }
    assert_eq!(sent(), 2);
    let mut user = Terminal::start(&site.command(&["login"]));
    user.answer_unseen("The password of ada", "fourth");
    user.answer("One more refusal may lock the user", "n");
    assert_eq!(user.end().0, 77);
    assert_eq!(sent(), 2);
    assert_eq!(site.with(&["login", "--try-again"], "right canary").code(), Some(0));
    assert_eq!(sent(), 3);
    // A login that was accepted begins anew.
    site.with(&["login"], "fifth").is_error(77, &["refused the login"]);
    assert_eq!(sent(), 4);
}

#[test]
fn a_token_that_is_piped_in_is_checked_before_it_is_kept() {
    let site = Site::new("login-token", "");
    let good = site.server.token(&["login"], &json!({"ttl": "2h"}));
    site.with(&["login"], "no such token").is_error(78, &["characters that no token has"]);
    site.with(&["login"], "hvb.nosuchtoken").is_error(77, &["does not accept the token from standard input"]);
    site.with(&["login"], "").is_error(64, &["no token on standard input"]);
    assert!(!site.file().exists());
    let outcome = site.with(&["login", "--method", "token", "--json"], &format!("{good}\n"));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let said: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!((&said["logged_in"], &said["used_by_kernels"]), (&json!(true), &json!(true)), "{said}");
    assert_eq!(site.token(), good);
    // One with a number of uses would be used up by looking.
    let few = site.server.token(&["login"], &json!({"num_uses": 3}));
    site.with(&["login"], &few).is_error(78, &["number of requests"]);
    assert_eq!(site.token(), good);
}

#[test]
fn the_file_that_the_settings_name_is_written_and_a_link_is_not_followed() {
    let site = Site::new("login-link", "method = \"token\"\ntoken_file = \"own/token\"");
    let good = site.server.token(&["login"], &json!({}));
    let other = site.scratch.file("other", "precious");
    let file = site.scratch.path("config/own/token");
    std::fs::create_dir(site.scratch.path("config/own")).unwrap();
    symlink(&other, &file).unwrap();
    assert_eq!(site.with(&["login"], &good).code(), Some(0));
    assert_eq!(std::fs::read_to_string(&other).unwrap(), "precious");
    assert!(file.symlink_metadata().unwrap().is_file());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), good);
    assert!(!site.file().exists());
    assert_eq!(site.launched().environment()["KEY"], "canary-value");
}

#[test]
fn a_login_whose_token_cant_be_kept_is_not_made() {
    let site = Site::userpass("login-nowhere");
    std::fs::create_dir(site.file()).unwrap();
    let relay = Faults::start(relay_to(site.server.port()));
    let config = std::fs::read_to_string(site.scratch.path("config/vault.toml")).unwrap();
    site.scratch.file("config/vault.toml", config.replace(&site.server.address(), &relay.address()));
    site.with(&["login"], "right canary").is_error(71, &[".vault-token", "can't be kept"]);
    assert!(relay.seen().is_empty(), "nothing was sent");
}

#[test]
fn the_status_says_who_until_when_and_whence() {
    let site = Site::userpass("login-status");
    let (code, none) = site.status();
    assert_eq!((code, &none["logged_in"], &none["state"]), (77, &json!(false), &json!("none")), "{none}");
    assert!(none["advice"].as_str().unwrap().contains("`jupyter-vault login`"), "{none}");
    site.log_in();
    let (code, said) = site.status();
    assert_eq!((code, &said["logged_in"], &said["user"]), (0, &json!(true), &json!("ada")), "{said}");
    assert_eq!(said["policies"], json!(["default", "login"]));
    assert_eq!(said["origin"], json!(site.file()));
    assert_eq!((&said["ends_soon"], &said["renewable"]), (&json!(false), &json!(true)));
    assert!(said["until"].as_str().unwrap().ends_with('Z') && said["ttl_seconds"].as_u64().unwrap() > 86_400);
    assert!(!said.to_string().contains(&site.token()));
    // Revoked behind our back.
    site.server.must("POST", "auth/token/revoke", &json!({"token": site.token()}));
    let (code, said) = site.status();
    assert_eq!((code, &said["logged_in"], &said["state"]), (77, &json!(false), &json!("ended")), "{said}");
    assert_eq!(said["renew"], "jupyter-vault login");
    let shown = run(&mut site.command(&["login", "--status"]));
    assert!(text(&shown).starts_with("the login has ended: "), "{shown:?}");
    site.launched().is_error(77, &["`jupyter-vault login`"]);
}

#[test]
fn a_login_of_each_launch_and_an_unreachable_vault_are_told_apart() {
    let site = Site::userpass("login-each");
    let password = site.scratch.file("password", "right canary");
    let config = std::fs::read_to_string(site.scratch.path("config/vault.toml")).unwrap();
    let with_file = config.replace("username", &format!("password_file = {password:?}\nusername"));
    site.scratch.file("config/vault.toml", &with_file);
    let (code, said) = site.status();
    assert_eq!((code, &said["state"], &said["user"]), (0, &json!("each-launch"), &json!("ada")), "{said}");
    assert_eq!(said["until"], Value::Null);
    // A token of `login` is then not what kernels use, and that is said.
    let outcome = site.with(&["login"], "right canary");
    assert!(text(&outcome).contains("kernels do not use this token"), "{}", text(&outcome));
    let [port] = free_ports();
    site.scratch
        .file("config/vault.toml", with_file.replace(&site.server.address(), &format!("http://127.0.0.1:{port}")));
    run(&mut site.command(&["login", "--status", "--timeout", "1"])).is_error(69, &["refused the connection"]);
}

#[test]
fn a_token_that_ends_within_a_day_is_said_with_the_way_to_renew() {
    let site = Site::new("login-soon", "");
    let [soon, late] = ["23h", "30h"].map(|ttl| site.server.token(&["login"], &json!({ "ttl": ttl })));
    for (token, is_soon) in [(soon, true), (late, false)] {
        assert_eq!(site.with(&["login"], &token).code(), Some(0));
        assert_eq!(site.status().1["ends_soon"], is_soon);
        for command in ["doctor", "kernels"] {
            let outcome = run(&mut site.command(&[command]));
            assert_eq!(text(&outcome).contains("`jupyter-vault login`"), is_soon, "{}", text(&outcome));
            assert_eq!(outcome.code(), Some(0), "a warning is no failure");
        }
        let said: Value = serde_json::from_slice(&run(&mut site.command(&["kernels", "--json"])).stdout).unwrap();
        assert_eq!(said["login"].is_object(), is_soon, "{said}");
    }
    // One that has ended is said too.
    site.server.must("POST", "auth/token/revoke", &json!({"token": site.token()}));
    assert!(text(&run(&mut site.command(&["kernels"]))).contains("`jupyter-vault login` gets a new one"));
}

#[test]
fn a_logout_revokes_and_removes_and_says_so_when_it_cant_revoke() {
    let site = Site::userpass("logout");
    assert!(text(&run(&mut site.command(&["logout"]))).starts_with("not logged in"));
    site.log_in();
    let token = site.token();
    let outcome = run(&mut site.command(&["logout"]));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert!(text(&outcome).starts_with("logged out: the token is revoked"), "{}", text(&outcome));
    assert!(!site.file().exists() && !site.server.is_alive(&token));
    assert_eq!(site.status().0, 77);
    // A token that has ended already is no trouble.
    site.log_in();
    site.server.must("POST", "auth/token/revoke", &json!({"token": site.token()}));
    assert_eq!(run(&mut site.command(&["logout"])).code(), Some(0));
    assert!(!site.file().exists());
    // Vault is away: the file goes, and that the token lives is said.
    site.log_in();
    let token = site.token();
    let [port] = free_ports();
    let config = std::fs::read_to_string(site.scratch.path("config/vault.toml")).unwrap();
    site.scratch.file("config/vault.toml", config.replace(&site.server.address(), &format!("http://127.0.0.1:{port}")));
    let outcome = run(&mut site.command(&["logout", "--timeout", "1"]));
    assert_eq!(outcome.code(), Some(69));
    assert!(text(&outcome).contains("NOT revoked"), "{}", text(&outcome));
    assert!(!site.file().exists() && site.server.is_alive(&token));
    assert_eq!(site.mount, "logout");
}
