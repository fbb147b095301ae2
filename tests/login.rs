//! `login` and `logout` on a real OpenBao: the token file, who is reported as logged in, and the effect of a
//! refusal.
#![cfg(all(feature = "manage", target_os = "linux"))]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use support::dialogue::Dialogue;
use support::faults::{Faults, Reply, relay_to};
use support::launcher::{Outcome, Scratch, eventually, finish, run};
use support::openbao::{Server, free_ports};
use support::python;
use support::terminal::Terminal;

/// A user `ada` with a secret, at a separate login mount.
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

    /// Runs with this on standard input.
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
fn a_password_login_stores_a_token_like_vaults_client_and_kernels_use_it() {
    let site = Site::userpass("login-file");
    site.with(&["login"], "\n").is_error(64, &["no password for ada on standard input"]);
    site.with(&["login", "--username", ""], "right canary").is_error(64, &["--username NAME"]);
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

/// Makes a method require a passcode; returns what the phone of `entity` shows.
fn with_passcodes(vault: &'static Server, name: &str, accessor: &str, entity: &Value) -> impl Fn() -> String {
    let post = |path: &str, body: Value| vault.must("POST", path, &body);
    let method = json!({"issuer": name, "period": 30, "algorithm": "SHA1", "digits": 6});
    let method = post("identity/mfa/method/totp", method)["data"]["method_id"].clone();
    let made = post("identity/mfa/method/totp/admin-generate", json!({"method_id": method, "entity_id": entity}));
    let enforced = json!({"mfa_method_ids": [method], "auth_method_accessors": [accessor]});
    post(&format!("identity/mfa/login-enforcement/{name}"), enforced);
    // The phone's state: the same key.
    post(&format!("sys/mounts/{name}-phone"), json!({"type": "totp"}));
    post(&format!("{name}-phone/keys/ada"), json!({"url": made["data"]["url"]}));
    let path = format!("{name}-phone/code/ada");
    move || vault.must("GET", &path, &Value::Null)["data"]["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_second_factor_is_asked_for_on_a_terminal_and_reported_elsewhere() {
    let site = Site::userpass("login-factor");
    let vault = site.server;
    let post = |path: &str, body: Value| vault.must("POST", path, &body);
    let mounts = vault.must("GET", "sys/auth", &Value::Null);
    let accessor = mounts["data"]["login-factor/"]["accessor"].as_str().unwrap().to_owned();
    let entity = post("identity/entity", json!({"name": "login-factor-ada"}))["data"]["id"].clone();
    post("identity/entity-alias", json!({"name": "ada", "canonical_id": entity, "mount_accessor": accessor}));
    let passcode = with_passcodes(vault, "login-factor", &accessor, &entity);

    site.with(&["login"], "right canary").is_error(77, &["requires a second factor", "on a terminal"]);
    let mut user = Terminal::start(&site.command(&["login"]));
    user.answer_unseen("The password of ada", "right canary");
    user.answer_unseen("The passcode of totp (not shown)", "000000");
    user.expect("rejected the second factor");
    let right = passcode();
    user.answer_unseen("The passcode of totp (not shown)", &right);
    let (code, said, shown) = user.end();
    assert_eq!(code, 0, "{shown}");
    assert!(said.contains("ada is logged in") && !shown.contains("canary") && !shown.contains(&right), "{shown}");
    assert!(vault.is_alive(&site.token()));
    // A launch uses the token, and is asked for nothing.
    assert_eq!(site.launched().environment()["KEY"], "canary-value");
}

#[test]
fn a_login_that_a_phone_confirms_is_sent_there_once() {
    // A stand-in for Vault, as the service that it would ask to notify a phone can't run here. Its answers are
    // OpenBao's.
    for is_confirmed in [false, true] {
        let requirement = json!({
            "mfa_request_id": "request",
            "mfa_constraints": {"all": {"any": [{"type": "okta", "id": "phone-id", "name": "phone"}]}},
        });
        let asks = json!({"auth": {"client_token": "", "mfa_requirement": requirement}}).to_string();
        let token =
            json!({"client_token": "hvs.ofaphone", "lease_duration": 3600, "renewable": true, "policies": ["p"]});
        let faults = Faults::start(move |seen, _| match seen.path.as_str() {
            "/v1/sys/mfa/validate" if is_confirmed => Reply::json(200, &json!({"auth": token}).to_string()),
            "/v1/sys/mfa/validate" => Reply::json(
                403,
                r#"{"errors": ["failed to satisfy enforcement: push verification explicitly rejected"]}"#,
            ),
            "/v1/auth/token/lookup-self" => {
                let data = json!({"data": {"ttl": 3600, "policies": ["p"], "path": "auth/userpass/login/ada"}});
                Reply::json(200, &data.to_string())
            }
            path if path.ends_with("/login/ada") => Reply::json(200, &asks),
            _ => Reply::json(404, r#"{"errors": []}"#),
        });
        let scratch = Scratch::new();
        let config =
            format!("[vault]\naddress = \"{}\"\n[auth]\nmethod = \"userpass\"\nusername = \"ada\"\n", faults.address());
        scratch.file("config/vault.toml", config);
        let mut command = scratch.launcher();
        let mut user = Terminal::start(command.arg("login"));
        user.answer_unseen("The password of ada", "right canary");
        user.expect("confirm the login with phone on your device");
        let (code, said, shown) = user.end();
        assert!(!shown.contains("canary") && !said.contains("ofaphone"), "{shown}");
        let sent: Vec<_> = faults.seen().into_iter().filter(|seen| seen.path == "/v1/sys/mfa/validate").collect();
        assert_eq!(sent.len(), 1, "a phone is not asked again and again: {shown}");
        let body: Value = serde_json::from_slice(&sent[0].body).unwrap();
        assert_eq!(body, json!({"mfa_request_id": "request", "mfa_payload": {"phone-id": []}}));
        if is_confirmed {
            assert_eq!(code, 0, "{shown}");
            let file = std::fs::read_to_string(scratch.path("home/.vault-token")).unwrap();
            assert_eq!(file, "hvs.ofaphone");
        } else {
            assert_ne!(code, 0);
            assert!((shown + &said).contains("refused on your device, or not confirmed in time"));
            assert!(!scratch.path("home/.vault-token").exists());
        }
    }
}

#[test]
fn a_third_password_is_only_sent_if_the_user_confirms() {
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
    // Neither a third password nor the right one is sent automatically.
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
    // An accepted login resets the count.
    site.with(&["login"], "fifth").is_error(77, &["refused the login"]);
    assert_eq!(sent(), 4);
}

#[test]
fn a_piped_token_is_checked_before_it_is_stored() {
    let site = Site::new("login-token", "");
    let good = site.server.token(&["login"], &json!({"ttl": "2h"}));
    site.with(&["login"], "no such token").is_error(78, &["characters that a token can't have"]);
    site.with(&["login"], "hvb.nosuchtoken").is_error(77, &["rejected the token from standard input"]);
    site.with(&["login"], "").is_error(64, &["no token on standard input"]);
    assert!(!site.file().exists());
    let outcome = site.with(&["login", "--method", "token", "--json"], &format!("{good}\n"));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let said: Value = serde_json::from_slice(&outcome.stdout).unwrap();
    assert_eq!((&said["logged_in"], &said["used_by_kernels"]), (&json!(true), &json!(true)), "{said}");
    assert_eq!(site.token(), good);
    // One with a limited number of uses would be used up by the look-up.
    let few = site.server.token(&["login"], &json!({"num_uses": 3}));
    site.with(&["login"], &few).is_error(78, &["number of uses"]);
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
fn no_login_is_sent_if_its_token_cannot_be_stored() {
    let site = Site::userpass("login-nowhere");
    std::fs::create_dir(site.file()).unwrap();
    let relay = Faults::start(relay_to(site.server.port()));
    let config = std::fs::read_to_string(site.scratch.path("config/vault.toml")).unwrap();
    site.scratch.file("config/vault.toml", config.replace(&site.server.address(), &relay.address()));
    site.with(&["login"], "right canary").is_error(71, &[".vault-token", "can't be stored"]);
    assert!(relay.seen().is_empty(), "nothing was sent");
}

#[test]
fn the_status_shows_the_user_the_expiry_and_the_origin() {
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
    // Revoked by another client.
    site.server.must("POST", "auth/token/revoke", &json!({"token": site.token()}));
    let (code, said) = site.status();
    assert_eq!((code, &said["logged_in"], &said["state"]), (77, &json!(false), &json!("ended")), "{said}");
    assert_eq!(said["renew"], "jupyter-vault login");
    let shown = run(&mut site.command(&["login", "--status"]));
    assert!(text(&shown).starts_with("the login has expired: "), "{shown:?}");
    site.launched().is_error(77, &["`jupyter-vault login`"]);
}

#[test]
fn a_login_of_each_launch_and_an_unreachable_vault_are_distinguished() {
    let site = Site::userpass("login-each");
    let password = site.scratch.file("password", "right canary");
    let config = std::fs::read_to_string(site.scratch.path("config/vault.toml")).unwrap();
    let with_file = config.replace("username", &format!("password_file = {password:?}\nusername"));
    site.scratch.file("config/vault.toml", &with_file);
    let (code, said) = site.status();
    assert_eq!((code, &said["state"], &said["user"]), (0, &json!("each-launch"), &json!("ada")), "{said}");
    assert_eq!(said["until"], Value::Null);
    // Kernels do not use the token of `login` then, and the output says so.
    let outcome = site.with(&["login"], "right canary");
    assert!(text(&outcome).contains("kernels do not use this token"), "{}", text(&outcome));
    let [port] = free_ports();
    site.scratch
        .file("config/vault.toml", with_file.replace(&site.server.address(), &format!("http://127.0.0.1:{port}")));
    run(&mut site.command(&["login", "--status", "--timeout", "1"])).is_error(69, &["refused the connection"]);
}

#[test]
fn a_token_that_expires_within_a_day_is_reported_with_the_command_to_renew_it() {
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
    // An expired one is reported too.
    site.server.must("POST", "auth/token/revoke", &json!({"token": site.token()}));
    assert!(text(&run(&mut site.command(&["kernels"]))).contains("get a new one with `jupyter-vault login`"));
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
    // An already expired token causes no error.
    site.log_in();
    site.server.must("POST", "auth/token/revoke", &json!({"token": site.token()}));
    assert_eq!(run(&mut site.command(&["logout"])).code(), Some(0));
    assert!(!site.file().exists());
    // Vault is unreachable: the file is removed, and the output says that the token is still valid.
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

/// OpenBao as an OpenID Connect provider with a user `ada`, and a login mount that trusts it.
struct Provider {
    site: Site,
    /// Ada's token at the provider, as a signed-in browser has it.
    session: String,
    port: u16,
}

impl Provider {
    fn new(mount: &'static str) -> Self {
        Self::named("provider-users", mount)
    }

    fn named(users: &'static str, mount: &'static str) -> Self {
        let site = Site::new(users, "");
        let [port] = free_ports();
        Self::at(port, site, mount)
    }

    fn at(port: u16, site: Site, mount: &'static str) -> Self {
        let server = site.server;
        server.policy("provider", "path \"identity/oidc/provider/*\" { capabilities = [\"read\", \"update\"] }");
        let user = json!({"password": "right canary", "policies": "login,provider"});
        server.must("POST", &format!("auth/{}/users/ada", site.mount), &user);
        let login =
            server.must("POST", &format!("auth/{}/login/ada", site.mount), &json!({"password": "right canary"}));
        let session = login["auth"]["client_token"].as_str().unwrap().to_owned();
        let back = format!("http://localhost:{port}/oidc/callback");
        server.must("POST", &format!("identity/oidc/key/{mount}"), &json!({"allowed_client_ids": "*"}));
        let client = json!({"redirect_uris": [back], "assignments": ["allow_all"], "key": mount});
        server.must("POST", &format!("identity/oidc/client/{mount}"), &client);
        let client = &server.api("GET", &format!("identity/oidc/client/{mount}"), None).1["data"];
        let provider = json!({"allowed_client_ids": client["client_id"], "issuer": server.address()});
        server.must("POST", &format!("identity/oidc/provider/{mount}"), &provider);
        server.enable_auth("oidc", mount);
        let config = json!({
            "oidc_discovery_url": format!("{}/v1/identity/oidc/provider/{mount}", server.address()),
            "oidc_client_id": client["client_id"],
            "oidc_client_secret": client["client_secret"],
            "default_role": "user",
        });
        server.must("POST", &format!("auth/{mount}/config"), &config);
        let role = json!({"user_claim": "sub", "allowed_redirect_uris": [back], "token_policies": ["login"]});
        server.must("POST", &format!("auth/{mount}/role/user"), &role);
        let settings = format!(
            "[vault]\naddress = \"{}\"\n[auth]\nmethod = \"oidc\"\nmount = \"{mount}\"\n[[source]]\n\
             kv = \"secret/login\"\nversion = 2\n",
            server.address()
        );
        site.scratch.file("config/vault.toml", settings);
        Self { site, session, port }
    }

    fn command(&self, more: &[&str]) -> Command {
        let port = self.port.to_string();
        self.site.command(&[&["login", "--port", &port], more].concat())
    }

    /// A browser that writes the address that it opens to a file, and that file.
    fn browser(&self) -> (PathBuf, PathBuf) {
        let seen = self.site.scratch.path("seen");
        let text = format!("#!/bin/sh\nprintf %s \"$1\" >{seen:?}.new && mv {seen:?}.new {seen:?}\n");
        let browser = self.site.scratch.file("browser", text);
        std::fs::set_permissions(&browser, PermissionsExt::from_mode(0o755)).unwrap();
        (browser, seen)
    }

    /// The address that the provider redirects a signed-in browser to.
    fn answer(&self, address: &str) -> String {
        let (_, query) = address.split_once('?').unwrap();
        let provider = address.split("/provider/").nth(1).unwrap().split('/').next().unwrap();
        let path = format!("identity/oidc/provider/{provider}/authorize?{query}");
        let (status, said) = self.site.server.api_with(&[("X-Vault-Token", &self.session)], "GET", &path, None);
        assert_eq!(status, 200, "{said}");
        let [code, state] = ["code", "state"].map(|key| said[key].as_str().unwrap());
        format!("http://localhost:{}/oidc/callback?code={code}&state={state}", self.port)
    }
}

/// A started `login --no-browser --json`, and the address that it prints.
fn waiting(command: &mut Command) -> (std::process::Child, BufReader<std::process::ChildStdout>, String) {
    let child =
        command.args(["--no-browser", "--json"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no address: {line}"));
    (child, lines, said["sign_in"].as_str().unwrap().to_owned())
}

/// A browser's answer there.
fn visit(method: &str, address: &str, host: Option<&str>) -> (u16, String, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let mut request = ureq::http::Request::builder().method(method).uri(address);
    if let Some(host) = host {
        request = request.header("Host", host);
    }
    let mut answer = agent.run(request.body(()).unwrap()).unwrap();
    let kept =
        answer.headers().get("cache-control").map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap(), kept)
}

#[test]
fn a_browser_signs_in_at_a_provider_and_comes_back_once() {
    let provider = Provider::new("sso-whole");
    let (child, mut lines, address) = waiting(&mut provider.command(&[]));
    let good = provider.answer(&address);
    let place = format!("http://localhost:{}", provider.port);
    // Other answers than that to this sign-in get a page that says so, and the wait continues.
    for (method, address, host, status) in [
        ("GET", format!("{place}/favicon.ico"), None, 404),
        ("GET", format!("{place}/oidc/callback?code=x&state=wrong"), None, 400),
        ("GET", good.replace("state=", "stat="), None, 400),
        ("POST", good.clone(), None, 405),
        ("GET", good.clone(), Some("evil.example.org"), 400),
    ] {
        let (said, text, kept) = visit(method, &address, host);
        assert_eq!((said, kept.as_str()), (status, "no-store"), "{method} {address}: {text}");
    }
    // A silent connection does not block others.
    let _silent = TcpStream::connect(("127.0.0.1", provider.port)).unwrap();
    let (status, text, kept) = visit("GET", &good, None);
    assert_eq!((status, text.as_str(), kept.as_str()), (200, "Signed in. Close this tab.\n", "no-store"));
    let mut said = String::new();
    lines.read_to_string(&mut said).unwrap();
    let outcome = finish(child);
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (&said["logged_in"], &said["made_by"]),
        (&json!(true), &json!("auth/sso-whole/oidc/callback")),
        "{said}"
    );
    assert_eq!(said["used_by_kernels"], json!(true));
    let code = good.split("code=").nth(1).unwrap().split('&').next().unwrap();
    assert!(!said.to_string().contains(code) && !outcome.stderr.contains(code));
    assert_eq!(provider.site.launched().environment()["KEY"], "canary-value");
    assert!(TcpStream::connect(("127.0.0.1", provider.port)).is_err(), "nothing listens any more");
}

#[test]
fn a_failed_sign_in_says_why() {
    let provider = Provider::named("provider-users-2", "sso-refused");
    let (child, _lines, address) = waiting(&mut provider.command(&[]));
    let state = provider.answer(&address).split("state=").nth(1).unwrap().to_owned();
    let place = format!("http://localhost:{}/oidc/callback", provider.port);
    let (_, text, _) =
        visit("GET", &format!("{place}?error=access_denied&error_description=canary&state={state}"), None);
    assert!(text.starts_with("Not signed in") && !text.contains("canary"), "{text}");
    finish(child).is_error(77, &["did not let you sign in (access_denied)"]);

    // A code that Vault rejects.
    let (child, _lines, address) = waiting(&mut provider.command(&[]));
    let state = address.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let (status, _, _) = visit("GET", &format!("{place}?code=made-up&state={state}"), None);
    assert_eq!(status, 403);
    finish(child).is_error(77, &["sso-refused", "rejected the provider's claims"]);

    let (child, _lines, _) = waiting(&mut provider.command(&["--wait", "300ms"]));
    finish(child).is_error(69, &["the sign-in was not completed within"]);

    for taken in ["127.0.0.1", "::1"] {
        let Ok(other) = TcpListener::bind((taken, provider.port)) else { continue };
        run(&mut provider.command(&[])).is_error(71, &["can't be redirected to port", "--port"]);
        drop(other);
    }
    run(&mut provider.command(&["--role", "nobody"])).is_error(77, &["no address to sign in at", "--role"]);
    run(&mut provider.command(&["--mount", "provider-users-2"])).is_error(77, &["--mount"]);
    assert!(!provider.site.file().exists());
}

#[test]
fn the_browser_of_the_user_is_opened_and_the_address_where_it_ends_can_be_pasted() {
    let provider = Provider::named("provider-users-3", "sso-open");
    let (browser, seen) = provider.browser();
    let mut command = provider.command(&[]);
    command.env("BROWSER", &browser).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    eventually("the browser opens", || seen.exists());
    let address = std::fs::read_to_string(&seen).unwrap();
    assert_eq!(visit("GET", &provider.answer(&address), None).0, 200);
    let outcome = finish(child);
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert!(outcome.stderr.contains(&address), "{}", outcome.stderr);

    // The browser is on another machine.
    std::fs::remove_file(provider.site.file()).unwrap();
    let mut user = Terminal::start(&provider.command(&["--no-browser"]));
    user.expect("Sign in with a browser, at this address:");
    user.expect("response_type=code");
    user.expect("\n");
    let shown = user.shown();
    let address = shown.lines().find(|line| line.contains("response_type=code")).unwrap().trim().to_owned();
    user.answer("Address: ", "http://localhost:1/oidc/callback?code=x&state=y");
    user.expect("not the address where the sign-in ends");
    user.answer("Address: ", &provider.answer(&address));
    let (code, said, shown) = user.end();
    assert_eq!(code, 0, "{shown}");
    assert!(said.contains(" is logged in at "), "{said}");
    assert!(provider.site.server.is_alive(&provider.site.token()));
}

#[test]
fn a_second_factor_is_asked_for_after_the_browser_too() {
    let provider = Provider::named("provider-users-5", "sso-factor");
    let vault = provider.site.server;
    let about = vault.api_with(&[("X-Vault-Token", &provider.session)], "GET", "auth/token/lookup-self", None).1;
    let entity = &about["data"]["entity_id"];
    let mounts = vault.must("GET", "sys/auth", &Value::Null);
    let accessor = mounts["data"]["sso-factor/"]["accessor"].as_str().unwrap();
    let alias = json!({"name": entity, "canonical_id": entity, "mount_accessor": accessor});
    vault.must("POST", "identity/entity-alias", &alias);
    let passcode = with_passcodes(vault, "sso-factor", accessor, entity);
    // An address could be pasted, but the browser's redirect arrives.
    let mut user = Terminal::start(&provider.command(&["--no-browser"]));
    user.expect("response_type=code");
    user.expect("Address: ");
    let shown = user.shown();
    let address = shown.lines().find(|line| line.contains("response_type=code")).unwrap().trim().to_owned();
    let (status, page, _) = visit("GET", &provider.answer(&address), None);
    assert!(status == 200 && page.contains("second factor"), "{page}");
    let right = passcode();
    user.answer_unseen("The passcode of totp (not shown)", &right);
    let (code, said, shown) = user.end();
    assert_eq!(code, 0, "{shown}");
    assert!(said.contains(" is logged in at ") && !shown.contains(&right), "{said}{shown}");
    assert!(vault.is_alive(&provider.site.token()));
}

#[test]
fn setup_signs_in_and_needs_no_token_of_another_program() {
    let provider = Provider::at(8250, Site::new("provider-users-4", ""), "sso-setup");
    // Vault's own client uses this port too.
    eventually("the port is free", || TcpListener::bind("127.0.0.1:8250").is_ok());
    let config = provider.site.scratch.path("config/vault.toml");
    std::fs::remove_file(&config).unwrap();
    let (browser, seen) = provider.browser();
    let address = provider.site.server.address();
    let mut command = provider.site.command(&["setup", "--address", &address, "--auth-method", "oidc"]);
    command.args(["--auth-mount", "sso-setup", "--secrets", "secret/login"]).env("BROWSER", browser);
    let mut user = Terminal::start(&command);
    if provider.site.server.has_namespaces() {
        user.answer("namespace", "");
    }
    user.answer("The role (empty", "");
    eventually("the browser opens", || seen.exists());
    assert_eq!(visit("GET", &provider.answer(&std::fs::read_to_string(&seen).unwrap()), None).0, 200);
    user.answer("Put the launcher into your kernels now?", "n");
    let (code, said, shown) = user.end();
    assert_eq!(code, 0, "{said}{shown}");
    assert!(std::fs::read_to_string(config).unwrap().contains("method = \"oidc\""));
    assert_eq!(provider.site.launched().environment()["KEY"], "canary-value");
}

#[test]
#[ignore = "needs Chromium"]
fn a_person_signs_in_at_openbao_itself_in_a_real_browser() {
    let provider = Provider::named("userpass", "sso-chromium");
    let (child, mut lines, address) = waiting(&mut provider.command(&[]));
    let mut command = Command::new(python::browser());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/sign_in.py")).env("NO_PROXY", "*");
    let mut person = Dialogue::with(command.env("HOME", provider.site.scratch.path("home")));
    let places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let chromium = places.into_iter().find(|place| Path::new(place).exists()).expect("Chromium (Debian: chromium)");
    let order = json!({"url": address, "chromium": chromium, "username": "ada", "password": "right canary"});
    let page = person.ask("sign_in", order);
    assert_eq!(page["text"].as_str().unwrap().trim(), "Signed in. Close this tab.");
    assert_eq!(page["host"], json!(format!("localhost:{}", provider.port)));
    let mut said = String::new();
    lines.read_to_string(&mut said).unwrap();
    assert_eq!(finish(child).code(), Some(0), "{said}");
    assert!(provider.site.server.is_alive(&provider.site.token()));
    assert_eq!(provider.site.launched().environment()["KEY"], "canary-value");
}
