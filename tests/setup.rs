//! `setup` against a real OpenBao: with flags, and on a real terminal; the file that it writes works.
#![cfg(feature = "manage")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::agent::Agent;
use support::faults::{Faults, Reply, relay_to};
use support::launcher::{Outcome, Scratch, run};
use support::openbao::{Server, free_ports};
use support::terminal::Terminal;

/// A login method, ready in the shared server, with the files that hold its credentials.
struct Method {
    name: &'static str,
    mount: String,
    /// Flags by name, less method and mount.
    flags: Vec<(&'static str, String)>,
    /// A stand-in for the Kubernetes API server that OpenBao asks about a service account's token.
    _review: Option<Faults>,
}

impl Method {
    fn new(name: &'static str, mount: String, flags: Vec<(&'static str, String)>) -> Self {
        Self { name, mount, flags, _review: None }
    }
}

/// A role of a kubernetes mount for the service account `ada`.
fn kubernetes(server: &Server, scratch: &Scratch, mount: String) -> Method {
    let review = Faults::start(|_, _| {
        let user = json!({"username": "system:serviceaccount:hub:ada", "uid": "u-1", "groups": []});
        let status = json!({"authenticated": true, "user": user});
        let answer = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status});
        Reply::json(201, &answer.to_string())
    });
    let claims = json!({
        "iss": "kubernetes/serviceaccount", "sub": "system:serviceaccount:hub:ada",
        "iat": 1_700_000_000_u64, "nbf": 1_700_000_000_u64, "exp": 4_000_000_000_u64,
        "kubernetes.io": {"namespace": "hub", "serviceaccount": {"name": "ada", "uid": "u-1"}},
    });
    let (public, token) = support::jwt::signed_jwt(server, &claims);
    let ca = std::fs::read_to_string(server.certificates.cert("ca")).unwrap();
    let config = json!({
        "kubernetes_host": review.address(), "pem_keys": [public], "disable_local_ca_jwt": true,
        "kubernetes_ca_cert": ca, "disable_iss_validation": true,
    });
    server.must("POST", &format!("auth/{mount}/config"), &config);
    let role = json!({
        "bound_service_account_names": "ada", "bound_service_account_namespaces": "hub", "token_policies": "setup",
    });
    server.must("POST", &format!("auth/{mount}/role/jupyter"), &role);
    let flags = vec![("--role", "jupyter".into()), ("--jwt-file", private(scratch, "service-account", &token))];
    Method { name: "kubernetes", mount, flags, _review: Some(review) }
}

/// The shared server with the secret and the policy for all the logins here.
fn prepared() -> &'static Server {
    let server = Server::shared();
    server.put("setup/ada", &json!({"API_KEY": "canary-1"}));
    server.policy("setup", "path \"secret/data/setup/ada\" { capabilities = [\"read\"] }");
    server
}

fn private(scratch: &Scratch, name: &str, content: &str) -> String {
    let file = scratch.file(name, content);
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    file.display().to_string()
}

fn methods(server: &Server, scratch: &Scratch, prefix: &str) -> Vec<Method> {
    let token = server.token(&["setup"], &json!({}));
    let mount = |kind: &str| {
        let mount = format!("{prefix}-{kind}");
        server.enable_auth(kind, &mount);
        mount
    };
    let (userpass, approle, jwt, cert) = (mount("userpass"), mount("approle"), mount("jwt"), mount("cert"));
    // OpenBao has no LDAP; its login request is the same at another mount.
    let ldap = format!("{prefix}-ldap");
    server.enable_auth("userpass", &ldap);
    for mount in [&userpass, &ldap] {
        let account = json!({"password": "pw-canary", "policies": "setup"});
        server.must("POST", &format!("auth/{mount}/users/ada"), &account);
    }
    server.must("POST", &format!("auth/{approle}/role/jupyter"), &json!({"token_policies": "setup"}));
    let role = format!("auth/{approle}/role/jupyter");
    let role_id = server.api("GET", &format!("{role}/role-id"), None).1["data"]["role_id"].as_str().unwrap().to_owned();
    let secret_id = server.must("POST", &format!("{role}/secret-id"), &json!({}))["data"]["secret_id"].clone();
    let (public, signed) = support::jwt::signed_jwt(
        server,
        &json!({"sub": "ada", "aud": "vault", "iat": 1_700_000_000_u64, "nbf": 1_700_000_000_u64, "exp": 4_000_000_000_u64}),
    );
    server.must("POST", &format!("auth/{jwt}/config"), &json!({"jwt_validation_pubkeys": [public]}));
    let body =
        json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "token_policies": "setup"});
    server.must("POST", &format!("auth/{jwt}/role/jupyter"), &body);
    let ca = std::fs::read_to_string(server.certificates.cert("ca")).unwrap();
    server.must("POST", &format!("auth/{cert}/certs/ada"), &json!({"certificate": ca, "token_policies": "setup"}));
    let file = |path: PathBuf| path.display().to_string();
    let with_password =
        || vec![("--username", "ada".into()), ("--password-file", private(scratch, "password", "pw-canary\n"))];
    let secret_id = secret_id.as_str().unwrap();
    let ids = vec![
        ("--role-id-file", private(scratch, "role-id", &role_id)),
        ("--secret-id-file", private(scratch, "secret-id", secret_id)),
    ];
    let certificate = vec![
        ("--client-cert", file(server.certificates.cert("client"))),
        ("--client-key", file(server.certificates.key("client"))),
    ];
    vec![
        Method::new("token", String::new(), vec![("--token-file", private(scratch, "token", &token))]),
        Method::new("userpass", userpass, with_password()),
        Method::new("ldap", ldap, with_password()),
        Method::new("approle", approle, ids),
        Method::new("jwt", jwt, vec![("--role", "jupyter".into()), ("--jwt-file", private(scratch, "jwt", &signed))]),
        kubernetes(server, scratch, mount("kubernetes")),
        Method::new("cert", cert, certificate),
    ]
}

/// The written file passes `doctor`, gives a launch its secret, and contains no credential.
#[track_caller]
fn works(scratch: &Scratch, output: &Path, secrets: &[String]) {
    let text = std::fs::read_to_string(output).unwrap();
    assert!(!text.contains("canary") && !secrets.iter().any(|secret| text.contains(secret.as_str())), "{text}");
    assert!(text.contains("version = 2"), "{text}");
    let ran = |words: &[&str]| {
        let mut command = scratch.launcher();
        run(command.args(words.iter().map(|word| if *word == "FILE" { output.to_str().unwrap() } else { *word })))
    };
    let checked = ran(&["doctor", "--config", "FILE"]);
    assert_eq!(checked.code(), Some(0), "{text}\n{}", String::from_utf8_lossy(&checked.stdout));
    let launched = ran(&["exec", "--config", "FILE", "--", "/usr/bin/env", "-0"]);
    assert_eq!(launched.environment()["API_KEY"], "canary-1");
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[track_caller]
fn set_up(scratch: &Scratch, flags: &[&str]) -> Outcome {
    let outcome = run(scratch.launcher().arg("setup").args(flags));
    let all = format!("{}{}", String::from_utf8_lossy(&outcome.stdout), outcome.stderr);
    assert!(!all.contains("canary"), "{all}");
    outcome
}

#[test]
fn with_flags_each_login_is_set_up_and_the_file_works() {
    let server = prepared();
    let scratch = Scratch::new();
    let ca = server.certificates.cert("ca").display().to_string();
    let address = server.tls_address("good");
    for method in methods(server, &scratch, "flags") {
        let output = scratch.path(&format!("made/{}/vault.toml", method.name));
        let mut flags = vec!["--address", &address, "--ca-cert", &ca, "--auth-method", method.name];
        if !method.mount.is_empty() {
            flags.extend(["--auth-mount", &method.mount]);
        }
        flags.extend(method.flags.iter().flat_map(|(flag, value)| [*flag, value.as_str()]));
        flags.extend(["--secrets", "secret/setup/ada", "--yes", "--output", output.to_str().unwrap()]);
        let outcome = set_up(&scratch, &flags);
        assert_eq!(outcome.code(), Some(0), "{}: {} {:?}", method.name, outcome.stderr, outcome.stdout);
        let said = String::from_utf8(outcome.stdout).unwrap();
        assert!(said.contains("wrote ") && said.contains("\nhealthy") && said.contains("next: "), "{said}");
        assert_eq!(mode(&output), 0o644);
        works(&scratch, &output, &[]);
    }
}

#[test]
fn a_try_that_fails_is_the_error_and_nothing_is_written() {
    let server = prepared();
    let scratch = Scratch::new();
    let [port] = free_ports();
    let good = server.address();
    let closed = format!("http://127.0.0.1:{port}");
    let tls = server.tls_address("good");
    let token = private(&scratch, "token", &server.token(&["default"], &json!({})));
    let bad = private(&scratch, "bad", "canary-token");
    let output = scratch.path("config/vault.toml");
    // A server without namespaces says so, and the next question follows.
    let namespace = if server.has_namespaces() { (78, "namespace") } else { (64, "--auth-method") };
    let cases: &[(&[&str], i32, &str)] = &[
        (&[], 64, "--address"),
        (&["--address", &closed], 69, "refused the connection"),
        (&["--address", "vault:port"], 78, "the address in vault.address (--address)"),
        (&["--address", &tls], 69, "unknown issuer"),
        (&["--address", &good, "--namespace", "nowhere"], namespace.0, namespace.1),
        (&["--address", &good], 64, "--auth-method"),
        (&["--address", &good, "--auth-method", "tokn"], 64, "did you mean \"token\""),
        (&["--address", &good, "--auth-method", "userpass"], 64, "--username"),
        (&["--address", &good, "--auth-method", "token"], 64, "--token-file"),
        (&["--address", &good, "--auth-method", "token", "--token-file", &token], 64, "--secrets"),
        (
            &["--address", &good, "--auth-method", "token", "--token-file", &bad, "--secrets", "secret/x"],
            77,
            "rejected the token",
        ),
        (
            &["--address", &good, "--auth-method", "token", "--token-file", &token, "--secrets", "secret/setup/ada"],
            77,
            "path \"secret/data/setup/ada\" { capabilities = [\"read\"] }",
        ),
        (&["--address", &good, "--auth-method", "token", "--token-file", &token, "--secrets", "secret"], 64, "SPEC"),
    ];
    for (flags, code, fragment) in cases {
        let outcome = set_up(&scratch, flags);
        outcome.is_error(*code, &[fragment]);
        assert!(!output.exists(), "{flags:?}");
    }
    assert_eq!(std::fs::read_dir(scratch.path("config")).unwrap().count(), 0, "nothing is left half-written");
}

#[test]
fn an_existing_file_is_replaced_only_with_force() {
    let server = prepared();
    let scratch = Scratch::new();
    let output = scratch.file("config/vault.toml", "# precious\n");
    let token = private(&scratch, "token", "root");
    let address = server.address();
    let mut flags =
        vec!["--address", &address, "--auth-method", "token", "--token-file", &token, "--secrets", "secret/setup/ada"];
    set_up(&scratch, &flags).is_error(78, &["already exists", "--force"]);
    assert_eq!(std::fs::read_to_string(&output).unwrap(), "# precious\n");
    flags.push("--force");
    assert_eq!(set_up(&scratch, &flags).code(), Some(0));
    works(&scratch, &output, &[]);
}

#[test]
fn the_mount_and_version_are_found_out_and_written_and_a_folder_too() {
    let server = prepared();
    server.mount_kv("team/kv-setup", 1);
    server.must("POST", "team/kv-setup/ada", &json!({"API_KEY": "canary-1"}));
    server.put("setup-folder/API_KEY", &json!({"value": "canary-1"}));
    let scratch = Scratch::new();
    let token = private(&scratch, "token", "root");
    let address = server.address();
    let flags = ["--auth-method", "token", "--token-file", &token, "--secrets", "team/kv-setup/ada#API_KEY=RENAMED"];
    let mut command = scratch.launcher();
    // The shell's variables count as answers.
    command.env("VAULT_ADDR", &address).arg("setup").args(flags).args(["--secrets", "secret/setup-folder/"]);
    let outcome = run(&mut command);
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let text = std::fs::read_to_string(scratch.path("config/vault.toml")).unwrap();
    for line in [
        &format!("address = \"{address}\""),
        "kv = \"team/kv-setup/ada\"\nmount = \"team/kv-setup\"\nversion = 1\nfield = \"API_KEY\"\nname = \"RENAMED\"",
        "kv_folder = \"secret/setup-folder\"\nversion = 2",
    ] {
        assert!(text.contains(line), "no {line:?} in\n{text}");
    }
    let launched = run(scratch.launcher().args(["exec", "--", "/usr/bin/env", "-0"]));
    assert_eq!(launched.environment()["RENAMED"], "canary-1");
    assert_eq!(launched.environment()["API_KEY"], "canary-1");
}

/// `setup` on a terminal.
fn asked(scratch: &Scratch, flags: &[&str]) -> Terminal {
    Terminal::start(scratch.launcher().arg("setup").args(flags))
}

/// The questions of each method after its name and mount, with the answers.
fn answers(method: &Method) -> Vec<(&'static str, String)> {
    let questions: &[&str] = match method.name {
        "token" => &["The file with the token"],
        "userpass" | "ldap" => &["Your user name in Vault", "The file with the password"],
        "approle" => &["The file with the role id", "The file with the secret id"],
        "jwt" | "kubernetes" => &["The role", "The file with the JWT"],
        _ => &["The file with the client certificate", "The file with its key"],
    };
    questions.iter().copied().zip(method.flags.iter().map(|(_, value)| value.clone())).collect()
}

/// A credential is prompted for first; an empty answer says that it is in a file.
fn hides(terminal: &mut Terminal, question: &str) {
    if let Some(what) = question.strip_prefix("The file with the ").filter(|what| TYPED.contains(what)) {
        terminal.answer_unseen(&format!("The {what} (not shown; empty: it is in a file): "), "");
    }
}

/// What may be typed.
const TYPED: [&str; 4] = ["token", "password", "role id", "secret id"];

/// The end of a successful set-up; no kernel is wrapped here.
#[track_caller]
fn without_wrapping(mut terminal: Terminal) -> (i64, String, String) {
    terminal.answer("Put the launcher into your kernels now?", "n");
    let (code, stdout, shown) = terminal.end();
    assert!(stdout.contains("\nnext: jupyter-vault wrap --all"), "{stdout}");
    (code, stdout, shown)
}

#[test]
fn on_a_terminal_each_login_is_set_up_and_the_file_works() {
    let server = prepared();
    let scratch = Scratch::new();
    let ca = server.certificates.cert("ca").display().to_string();
    for method in methods(server, &scratch, "asked") {
        let output = scratch.path(&format!("asked-{}.toml", method.name));
        let mut terminal = asked(&scratch, &["--output", output.to_str().unwrap()]);
        terminal.answer("Vault's address: ", &server.tls_address("good"));
        terminal.expect("unknown issuer");
        terminal.answer("The CA certificate that signed it", &ca);
        terminal.expect("unsealed");
        terminal.expect("tested with OpenBao");
        terminal.answer("The namespace", "");
        terminal.answer("How to log in", method.name);
        if !method.mount.is_empty() {
            terminal.answer("Where it is mounted", &method.mount);
        }
        for (question, answer) in answers(&method) {
            if question.contains("secret id") {
                terminal.answer("Does the role have a secret id?", "y");
            }
            hides(&mut terminal, question);
            terminal.answer(question, &answer);
        }
        if method.name == "cert" {
            terminal.answer("The certificate role", "");
        }
        terminal.expect("policies: default, setup");
        terminal.answer("Where the secrets are", "secret/setup/ada");
        terminal.expect("gives 1 variable: API_KEY");
        terminal.answer("More secrets", "");
        let (code, stdout, shown) = without_wrapping(terminal);
        assert_eq!(code, 0, "{}: {stdout}\n{shown}", method.name);
        assert!(stdout.contains("healthy") && !shown.contains("canary"), "{stdout}{shown}");
        works(&scratch, &output, &[]);
    }
}

#[test]
fn an_agent_is_set_up_by_its_socket_and_by_its_port() {
    let server = prepared();
    let scratch = Scratch::new();
    let agent = Agent::start(server, &scratch, "setup-agent", "setup");
    for (number, address) in [agent.by_socket(), agent.by_port()].iter().enumerate() {
        let output = scratch.path(&format!("agent-{number}.toml"));
        let to = output.to_str().unwrap();
        let flags = ["--address", address, "--auth-method", "agent", "--secrets", "secret/setup/ada", "--output", to];
        let outcome = set_up(&scratch, &flags);
        assert_eq!(outcome.code(), Some(0), "{} {:?}", outcome.stderr, outcome.stdout);
        works(&scratch, &output, &[]);
        std::fs::remove_file(&output).unwrap();
        let mut terminal = asked(&scratch, &["--output", to]);
        terminal.answer("Vault's address: ", address);
        terminal.answer("The namespace", "");
        terminal.answer("How to log in", "agent");
        terminal.expect("policies: default, setup");
        terminal.answer("Where the secrets are", "secret/setup/ada");
        terminal.answer("More secrets", "");
        let (code, stdout, shown) = without_wrapping(terminal);
        assert_eq!(code, 0, "{stdout}\n{shown}");
        works(&scratch, &output, &[]);
    }
}

#[test]
fn a_wrapped_token_is_set_up_by_its_file_and_left_for_the_kernel() {
    let server = prepared();
    let scratch = Scratch::new();
    let wrap = || server.wrapped("auth/token/create", &json!({"policies": ["setup"], "ttl": "5m"}));
    let file = private(&scratch, "wrapped", &wrap());
    let address = server.address();
    let output = scratch.path("config/vault.toml");
    let launched = || run(scratch.launcher().args(["exec", "--", "/usr/bin/env", "-0"]));
    let flags = ["--address", &address, "--auth-method", "wrapped", "--secrets", "secret/setup/ada"];
    set_up(&scratch, &flags).is_error(64, &["--wrapped-token-file"]);
    let outcome = set_up(&scratch, &[&flags[..], &["--wrapped-token-file", &file]].concat());
    let said = String::from_utf8(outcome.stdout).unwrap();
    assert_eq!(outcome.status.code(), Some(0), "{} {said}", outcome.stderr);
    assert!(said.contains("healthy: the sources were not tried"), "{said}");
    let text = std::fs::read_to_string(&output).unwrap();
    assert!(text.contains(&format!("method = \"wrapped\"\nwrapped_token_file = {file:?}\n")), "{text}");
    assert_eq!(launched().environment()["API_KEY"], "canary-1");
    // Used up: setup says so, and continues with the next one.
    std::fs::remove_file(&output).unwrap();
    let outcome = set_up(&scratch, &[&flags[..], &["--wrapped-token-file", &file]].concat());
    outcome.is_error(77, &["already used"]);
    let mut terminal = asked(&scratch, &["--address", &address, "--namespace", ""]);
    terminal.answer("How to log in", "wrapped");
    terminal.answer("The file with the wrapping token", &file);
    terminal.expect("already used");
    private(&scratch, "wrapped", &wrap());
    terminal.answer("How to log in", "wrapped");
    terminal.answer("The file with the wrapping token", &file);
    terminal.expect("left for the kernel");
    terminal.answer("Where the secrets are", "secret/setup/ada");
    terminal.answer("More secrets", "");
    let (code, stdout, shown) = without_wrapping(terminal);
    assert_eq!(code, 0, "{stdout}\n{shown}");
    assert_eq!(launched().environment()["API_KEY"], "canary-1");
}

#[test]
fn wrong_answers_are_explained_and_asked_again() {
    let server = prepared();
    server.enable_auth("userpass", "setup-again");
    server.must("POST", "auth/setup-again/users/ada", &json!({"password": "pw-canary", "policies": "setup"}));
    let scratch = Scratch::new();
    let [port] = free_ports();
    let wrong = private(&scratch, "wrong", "wrong-canary");
    let right = private(&scratch, "right", "pw-canary");
    let mut terminal = asked(&scratch, &[]);
    terminal.answer("Vault's address: ", &format!("http://127.0.0.1:{port}"));
    terminal.expect("refused the connection");
    terminal.answer("Vault's address: ", "vault:port");
    terminal.expect("the address in vault.address (your answer)");
    // Without a scheme, https is tried; it asks before http.
    terminal.answer("Vault's address: ", &server.address().replace("http://", ""));
    terminal.expect("does not speak TLS");
    terminal.answer(&format!("Use {}, which anyone on the network can read? [y/N]: ", server.address()), "");
    terminal.answer("Vault's address: ", &server.address());
    terminal.answer("The namespace", "nowhere");
    if server.has_namespaces() {
        terminal.expect("does not exist in Vault");
        terminal.answer("The namespace", "");
    } else {
        terminal.expect("this server has no namespaces");
    }
    terminal.answer("How to log in", "userpas");
    terminal.expect("did you mean \"userpass\"");
    terminal.answer("How to log in", "userpass");
    terminal.answer("Where it is mounted", "setup-again");
    // Only the refused answer is asked for again; an empty line keeps the name.
    for (name, password, outcome) in [("ada", &wrong, "refused the login"), ("", &right, "accepted")] {
        terminal.answer(if name.is_empty() { "Your user name in Vault [ada]" } else { "Your user name" }, name);
        hides(&mut terminal, "The file with the password");
        terminal.answer("The file with the password", "/no/such/file");
        terminal.expect("there is no such file");
        terminal.answer("The file with the password", password);
        terminal.expect(outcome);
    }
    terminal.answer("Where the secrets are", "secret");
    terminal.expect("names a mount, but no path");
    terminal.answer("Where the secrets are", "secret/setup/bob");
    terminal.expect("path \"secret/data/setup/bob\" { capabilities = [\"read\"] }");
    terminal.answer("Keep it anyway", "n");
    terminal.answer("Where the secrets are", "secret/setup/{metadata.username}");
    terminal.expect("1 variable: API_KEY");
    terminal.answer("More secrets", "");
    let (code, stdout, shown) = without_wrapping(terminal);
    assert_eq!(code, 0, "{stdout}\n{shown}");
    works(&scratch, &scratch.path("config/vault.toml"), &[]);
    assert!(!std::fs::read_to_string(scratch.path("config/vault.toml")).unwrap().contains("bob"));
}

#[test]
fn a_typed_credential_is_not_shown_and_is_stored_in_a_private_file() {
    let server = prepared();
    let scratch = Scratch::new();
    let all = methods(server, &scratch, "typed");
    let read = |file: &str| std::fs::read_to_string(file).unwrap().trim().to_owned();
    for method in all.iter().filter(|method| ["token", "userpass", "ldap", "approle"].contains(&method.name)) {
        let folder = scratch.path(&format!("typed-{}", method.name));
        let output = folder.join("vault.toml");
        let address = server.address();
        let mut flags = vec!["--address", &address, "--namespace", "", "--auth-method", method.name];
        flags.extend([
            "--auth-mount",
            &method.mount,
            "--secrets",
            "secret/setup/ada",
            "--output",
            output.to_str().unwrap(),
        ]);
        let mut terminal = asked(&scratch, &flags);
        let mut typed = Vec::new();
        for (question, answer) in answers(method) {
            if question.contains("user name") {
                terminal.answer(question, &answer);
                continue;
            }
            if question.contains("secret id") {
                terminal.answer("Does the role have a secret id?", "");
            }
            let secret = read(&answer);
            terminal.answer_unseen("(not shown; empty: it is in a file): ", &secret);
            typed.push(secret);
        }
        // They are stored once they work.
        for _ in &typed {
            terminal.answer("readable by you alone?", "");
        }
        let (code, stdout, shown) = without_wrapping(terminal);
        assert_eq!(code, 0, "{}: {stdout}\n{shown}", method.name);
        for secret in &typed {
            assert!(!shown.contains(secret.as_str()) && !stdout.contains(secret.as_str()), "{shown}{stdout}");
        }
        let kept: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(kept.len(), 1 + typed.len(), "{kept:?}");
        for file in kept.iter().filter(|file| **file != output) {
            assert_eq!(mode(file), 0o600, "{file:?}");
            assert!(typed.contains(&read(file.to_str().unwrap())));
        }
        works(&scratch, &output, &typed);
    }
}

#[test]
fn the_terminal_echoes_again_after_a_signal_and_nothing_is_written() {
    let server = prepared();
    for way in ["\u{3}", "TERM", "\u{4}"] {
        let scratch = Scratch::new();
        let address = server.address();
        let flags =
            ["--address", &address, "--namespace", "", "--auth-method", "token", "--secrets", "secret/setup/ada"];
        let mut terminal = asked(&scratch, &flags);
        terminal.expect("(not shown; empty: it is in a file): ");
        assert_eq!(terminal.0.ask("echo", json!({}))["on"], false);
        match way {
            "TERM" => terminal.0.ask("kill", json!({})),
            key => terminal.0.ask("send", json!({ "text": key })),
        };
        let (code, stdout, shown) = terminal.end();
        let expected = if way == "TERM" {
            -15
        } else if way == "\u{3}" {
            -2
        } else {
            64
        };
        assert_eq!(code, expected, "{stdout}{shown}");
        assert_eq!(std::fs::read_dir(scratch.path("config")).unwrap().count(), 0);
    }
}

#[test]
fn each_try_leaves_no_token_behind() {
    let server = prepared();
    server.enable_auth("userpass", "setup-traces");
    server.must("POST", "auth/setup-traces/users/ada", &json!({"password": "pw-canary", "policies": "setup"}));
    let scratch = Scratch::new();
    let password = private(&scratch, "password", "pw-canary");
    let relay = Faults::start(relay_to(server.port()));
    let address = relay.address();
    let flags = [
        "--auth-mount",
        "setup-traces",
        "--username",
        "ada",
        "--password-file",
        &password,
        "--auth-method",
        "userpass",
    ];
    let outcome = set_up(&scratch, &[&["--address", &address, "--secrets", "secret/setup/ada"], &flags[..]].concat());
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let mut tokens: Vec<Value> = Vec::new();
    for request in relay.seen() {
        if let Some(token) = request.header("x-vault-token") {
            tokens.push(json!(token));
            assert!(!server.is_alive(token), "{}", request.path);
        }
    }
    assert!(!tokens.is_empty());
}

#[test]
fn a_denied_path_can_be_kept_and_the_final_check_says_what_to_ask_for() {
    let server = prepared();
    let scratch = Scratch::new();
    let token = private(&scratch, "token", &server.token(&["default"], &json!({})));
    let address = server.address();
    let flags = ["--address", &address, "--namespace", "", "--auth-method", "token", "--token-file", &token];
    let mut terminal = asked(&scratch, &flags);
    terminal.answer("Where the secrets are", "secret/setup/kept");
    terminal.answer("Keep it anyway", "y");
    terminal.answer("More secrets", "");
    let (code, stdout, shown) = terminal.end();
    assert_eq!(code, 77, "{stdout}{shown}");
    let line = "path \"secret/data/setup/kept\" { capabilities = [\"read\"] }";
    assert!(stdout.contains("wrote ") && stdout.contains("NOT healthy") && stdout.contains(line), "{stdout}");
    let text = std::fs::read_to_string(scratch.path("config/vault.toml")).unwrap();
    assert!(text.contains("kv = \"secret/setup/kept\"\n") && !text.contains("version"), "{text}");
}

/// The real server like HashiCorp Vault without a licence: its health says so, and it ignores namespaces.
fn without_namespaces(server: &'static Server) -> Faults {
    let pass = relay_to(server.port());
    Faults::start(move |request, number| {
        if request.path.starts_with("/v1/sys/health") {
            let health = json!({"initialized": true, "sealed": false, "standby": false, "version": "1.21.4", "enterprise": false});
            return Reply::json(200, &health.to_string());
        }
        let mut request = request.clone();
        request.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("x-vault-namespace"));
        pass(&request, number)
    })
}

#[test]
fn a_namespace_on_a_server_without_namespaces_is_reported_and_not_written() {
    let server = Server::shared();
    server.put("setup-plain", &json!({"PLAIN": "canary"}));
    let relay = without_namespaces(server);
    let scratch = Scratch::new();
    let token = private(&scratch, "token", "root");
    let output = scratch.path("config/vault.toml");
    let mut setup = scratch.launcher();
    setup.args(["setup", "--yes", "--address", &relay.address(), "--namespace", "team-a", "--auth-method", "token"]);
    let outcome =
        run(setup.args(["--token-file", &token, "--secrets", "secret/setup-plain"]).arg("--output").arg(&output));
    assert_eq!(outcome.code(), Some(0), "{outcome:?}");
    let said = format!("{}{}", String::from_utf8_lossy(&outcome.stdout), outcome.stderr);
    assert!(said.contains("this server has no namespaces, so none is written"), "{said}");
    let text = std::fs::read_to_string(&output).unwrap();
    assert!(!text.contains("team-a"), "{text}");
    // doctor reports the same for a file with a namespace.
    std::fs::write(&output, text.replace("[vault]\n", "[vault]\nnamespace = \"team-a\"\n")).unwrap();
    let mut doctor = scratch.launcher();
    let outcome = run(doctor.args(["doctor", "--json", "--config"]).arg(&output));
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(said.contains("the setting team-a has no effect") && !said.contains("team-a exists"), "{said}");
    assert!(said.contains("\"namespaces\": false") || said.contains("\"namespaces\":false"), "{said}");
}
