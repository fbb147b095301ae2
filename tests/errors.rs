//! Every failure of a launch: a distinct error of two lines, with its exit code, within its time limit.
//!
//! OpenBao produces the errors that it can; stand-ins produce the rest ([`support::faults`]).

mod support;

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::json;
use support::faults::{Faults, Reply, Seen};
use support::launcher::{Outcome, Scratch, run};
use support::openbao::{Server, free_ports};
use support::waiting::{at_least, at_most, pause_ms};

/// A launch with one KV v2 read at `address`.
fn launch(address: &str, token: &str) -> Outcome {
    launch_with(address, token, "[[source]]\nkv = \"secret/errors\"\nversion = 2\n", "2", &[])
}

fn launch_with(address: &str, token: &str, config: &str, timeout: &str, variables: &[(&str, &str)]) -> Outcome {
    let scratch = Scratch::new();
    scratch.file("config/vault.toml", config);
    let mut command = scratch.exec(address, token, &["--timeout", timeout], &["/bin/echo", "started"]);
    run(command.envs(variables.iter().copied()))
}

fn answering(script: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Faults {
    Faults::start(script)
}

#[test]
fn a_port_where_nothing_listens() {
    let [port] = free_ports();
    launch(&format!("http://127.0.0.1:{port}"), "root").is_error(69, &["refused", "127.0.0.1", "attempts"]);
}

#[test]
fn a_refused_connection_is_retried_within_the_time_limit() {
    let [port] = free_ports();
    let scratch = Scratch::new();
    scratch.file("config/vault.toml", "[[source]]\nkv = \"secret/errors\"\nversion = 2\n");
    let mut command =
        scratch.exec(&format!("http://127.0.0.1:{port}"), "root", &[], &["/bin/sh", "-c", "echo $HEALED"]);
    let child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let serving = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        let body = r#"{"data":{"data":{"HEALED":"yes"},"metadata":{"version":1}}}"#;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
    });
    assert_eq!(support::launcher::finish(child).stdout, b"yes\n");
    serving.join().unwrap();
}

#[test]
fn a_server_that_never_accepts_a_connection() {
    // A full backlog: the listener never accepts, and further attempts get no answer.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        held.push(stream);
        assert!(held.len() < 10_000);
    }
    at_most(Duration::from_secs(10), "the budget is 2 s", || {
        launch(&format!("http://{address}"), "root").is_error(69, &["timed out", "connection"]);
    });
}

#[test]
fn a_server_that_accepts_a_connection_and_never_answers() {
    let faults = answering(|_, _| Reply::Hang(Vec::new()));
    launch(&faults.address(), "root").is_error(69, &["timed out", "did not answer"]);
    assert_eq!(faults.seen().len(), 1, "not sent again");
}

#[test]
fn a_host_name_that_does_not_resolve() {
    launch("http://no-such-host.invalid:8200", "root").is_error(69, &["no-such-host.invalid", "does not resolve"]);
}

#[test]
fn a_certificate_of_an_unknown_issuer_or_another_host_or_an_expired_one_is_refused() {
    let server = Server::shared();
    server.put("errors", &json!({"A": "1"}));
    let ca = server.certificates.cert("ca");
    let ca = ca.to_str().unwrap();
    let config = "[[source]]\nkv = \"secret/errors\"\nversion = 2\n";
    let good = server.tls_address("good");
    let trusting = [("VAULT_CACERT", ca)];
    assert_eq!(launch_with(&good, "root", config, "5", &trusting).stdout, b"started\n");
    let by_bytes = std::fs::read_to_string(ca).unwrap();
    assert_eq!(launch_with(&good, "root", config, "5", &[("VAULT_CACERT_BYTES", &by_bytes)]).stdout, b"started\n");
    let folder = server.folder().join("ca-only");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(ca, folder.join("ca.pem")).unwrap();
    assert_eq!(
        launch_with(&good, "root", config, "5", &[("VAULT_CAPATH", folder.to_str().unwrap())]).stdout,
        b"started\n"
    );
    launch_with(&good, "root", config, "5", &[]).is_error(69, &["unknown issuer", "ca_cert"]);
    launch_with(&server.tls_address("elsewhere"), "root", config, "5", &trusting).is_error(69, &["another host name"]);
    let named = [("VAULT_CACERT", ca), ("VAULT_TLS_SERVER_NAME", "vault.example.org")];
    assert_eq!(launch_with(&server.tls_address("elsewhere"), "root", config, "5", &named).stdout, b"started\n");
    launch_with(&server.tls_address("expired"), "root", config, "5", &trusting).is_error(69, &["expired"]);
    for value in ["true", "1", "T"] {
        let skipping = [("VAULT_SKIP_VERIFY", value)];
        assert_eq!(launch_with(&server.tls_address("expired"), "root", config, "5", &skipping).stdout, b"started\n");
    }
    launch_with(&good, "root", config, "5", &[("VAULT_SKIP_VERIFY", "")]).is_error(69, &["unknown issuer"]);
    launch_with(&good, "root", config, "5", &[("VAULT_SKIP_VERIFY", "yes")]).is_error(78, &["VAULT_SKIP_VERIFY"]);
    launch_with(&good, "root", config, "5", &[("VAULT_CACERT", "/no/such/file")]).is_error(78, &["/no/such/file"]);
}

#[test]
fn a_configured_self_signed_certificate_is_trusted_and_its_name_and_dates_are_checked() {
    let server = Server::shared();
    server.put("errors", &json!({"A": "1"}));
    let config = "[[source]]\nkv = \"secret/errors\"\nversion = 2\n";
    let start = |listener: &str, given: &str| {
        let given = server.certificates.cert(given);
        launch_with(&server.tls_address(listener), "root", config, "5", &[("VAULT_CACERT", given.to_str().unwrap())])
    };
    // Self-signed and marked as a CA; and signed by a CA that is not configured.
    for name in ["own", "good"] {
        assert_eq!(start(name, name).stdout, b"started\n", "{name}");
    }
    start("own-expired", "own-expired").is_error(69, &["expired"]);
    start("expired", "expired").is_error(69, &["expired"]);
    start("own-elsewhere", "own-elsewhere").is_error(69, &["another host name"]);
    start("elsewhere", "elsewhere").is_error(69, &["another host name"]);
    start("own", "own-elsewhere").is_error(69, &["unknown issuer"]);
    start("good", "own").is_error(69, &["unknown issuer"]);
    assert_eq!(start("own", "good").code(), Some(69));
}

#[test]
fn a_p521_key_is_accepted_and_an_unsupported_key_is_named() {
    let server = Server::shared();
    server.put("errors", &json!({"A": "1"}));
    let config = "[[source]]\nkv = \"secret/errors\"\nversion = 2\n";
    let start = |listener: &str, given: &str| {
        let given = server.certificates.cert(given);
        launch_with(&server.tls_address(listener), "root", config, "5", &[("VAULT_CACERT", given.to_str().unwrap())])
    };
    // Signed by such a key, and with such a key; configured as its own CA; over TLS 1.2, which does not negotiate
    // the curve.
    for (listener, given) in [("p521", "p521-ca"), ("p521", "p521"), ("p521-tls12", "p521-ca")] {
        assert_eq!(start(listener, given).stdout, b"started\n", "{listener} {given}");
    }
    start("p521", "good").is_error(69, &["unknown issuer"]);
    for given in ["p521-ca", "rsa1024"] {
        start("rsa1024", given).is_error(69, &["its key is RSA with 1024 bits", "RSA with 2048 to 8192 bits, P-256"]);
    }
    let skipping = [("VAULT_SKIP_VERIFY", "1")];
    assert_eq!(launch_with(&server.tls_address("p521"), "root", config, "5", &skipping).stdout, b"started\n");
    launch_with(&server.tls_address("rsa1024"), "root", config, "5", &skipping).is_error(69, &["RSA with 1024 bits"]);
}

#[test]
fn http_on_a_tls_port_and_tls_on_an_http_port_are_named() {
    let server = Server::shared();
    let plain = server.tls_address("good").replace("https", "http");
    launch(&plain, "root").is_error(69, &["speaks TLS", "https://"]);
    launch(&server.address().replace("http", "https"), "root").is_error(69, &["does not speak TLS", "http://"]);
}

#[test]
fn a_namespace_that_does_not_exist() {
    let config = "[vault]\nnamespace = \"nobody/here\"\n[[source]]\nkv = \"secret/errors\"\nversion = 2\n";
    let server = Server::shared();
    server.put("errors", &json!({"OF_THE_ROOT": "canary"}));
    let outcome = launch_with(&server.address(), "root", config, "5", &[]);
    if server.has_namespaces() {
        outcome.is_error(78, &["namespace", "nobody/here"]);
    } else {
        assert_eq!(outcome.code(), Some(0), "such a server reads the root's: {}", outcome.stderr);
    }
    let faults = answering(|_, _| Reply::json(400, r#"{"errors":["missing namespace canary"]}"#));
    launch(&faults.address(), "root").is_error(78, &["namespace"]);
}

#[test]
fn a_request_that_vault_rejects() {
    for status in [400, 405] {
        let faults = answering(move |_, _| Reply::json(status, r#"{"errors":["unsupported operation canary"]}"#));
        launch(&faults.address(), "root").is_error(78, &["secret/errors", &status.to_string(), "data/"]);
    }
}

#[test]
fn a_bad_token_an_expired_one_and_a_denied_one_are_distinguished() {
    let server = Server::shared();
    server.put("errors", &json!({"A": "1"}));
    launch(&server.address(), "hvs.canary").is_error(77, &["rejected the token from VAULT_TOKEN", "expired"]);
    let short = server.token(&["default"], &json!({"ttl": "1s", "explicit_max_ttl": "1s"}));
    support::launcher::eventually("the token expires", || !server.is_alive(&short));
    launch(&server.address(), &short).is_error(77, &["rejected the token"]);
    let poor = server.token(&["default"], &json!({}));
    launch(&server.address(), &poor).is_error(77, &["policies", "path \"secret/data/errors\"", "\"read\""]);
    // A typo is more likely than a missing policy line, and data/ is not part of the path.
    launch(&server.address(), &poor).is_error(77, &["\n  check the path for typos; if it is right, ask for"]);
    for path in ["secret/data/errors", "secret/metadata/errors", "secret/data/users/ada"] {
        let scratch = Scratch::new();
        let outcome = run(&mut scratch.exec(&server.address(), &poor, &["--secrets", path], &["/bin/true"]));
        outcome.is_error(77, &["\n  leave out data/: write the mount and the secret's path"]);
        assert!(!outcome.stderr.contains("data/data"), "{}", outcome.stderr);
        let mut doctor = scratch.launcher();
        doctor.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", &poor).args(["doctor", "--secrets", path]);
        let said = String::from_utf8(run(&mut doctor).stdout).unwrap();
        assert!(said.contains("leave out data/") && !said.contains("data/data"), "{said}");
    }
    let config = "[[source]]\nkv_folder = \"secret/errors\"\nversion = 2\n";
    let listing = launch_with(&server.address(), &poor, config, "5", &[]);
    listing.is_error(77, &["path \"secret/metadata/errors/\"", "\"list\""]);
    // HashiCorp Vault's wording.
    let faults = answering(|_, _| {
        Reply::json(403, r#"{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}"#)
    });
    launch(&faults.address(), "hvs.canary").is_error(77, &["rejected the token"]);
}

#[test]
fn a_token_that_runs_out_of_uses_or_expires_during_a_launch_is_named() {
    let server = Server::shared();
    server.put("errors", &json!({"A": "1"}));
    server.put("errors/other", &json!({"B": "1"}));
    server.policy("errors", "path \"secret/data/errors*\" { capabilities = [\"read\"] }");
    let source = "[[source]]\nkv = \"secret/errors\"\nversion = 2\n";
    let once = || server.token(&["errors"], &json!({"num_uses": 1}));
    assert_eq!(launch_with(&server.address(), &once(), source, "5", &[]).stdout, b"started\n");
    let two = format!("{source}{}", source.replace("errors", "errors/other"));
    launch_with(&server.address(), &once(), &two, "5", &[])
        .is_error(77, &["became invalid during this launch", "num_uses"]);
}

#[test]
fn a_missing_mount_a_missing_path_and_a_deleted_or_destroyed_version_are_distinguished() {
    let server = Server::shared();
    let read = |path: &str| {
        let config = format!("[[source]]\nkv = \"{path}\"\nversion = 2\n");
        launch_with(&server.address(), "root", &config, "5", &[])
    };
    read("no-mount/x").is_error(66, &["no secrets engine", "no-mount/x"]);
    read("secret/not-there").is_error(66, &["no secret at secret/not-there"]);
    server.put("del", &json!({"A": "canary"}));
    read("secret/data/del").is_error(66, &["leave out data/"]);
    server.api("DELETE", "secret/data/del", None);
    read("secret/del").is_error(66, &["is deleted", "undelete"]);
    server.api("PUT", "secret/destroy/del", Some(&json!({"versions": [1]})));
    read("secret/del").is_error(66, &["is destroyed"]);
    server.put("field", &json!({"A": "canary"}));
    let scratch = Scratch::new();
    run(&mut scratch.exec(&server.address(), "root", &["--secrets", "secret/field#B"], &["/bin/echo"]))
        .is_error(66, &["no field B", "A"]);
}

#[test]
fn a_wrong_kv_version_is_named() {
    let server = Server::shared();
    server.mount_kv("errors-v1", 1);
    server.must("POST", "errors-v1/x", &json!({"A": "canary"}));
    server.must("POST", "errors-v1/data/y", &json!({"A": "canary"}));
    server.put("errors", &json!({"A": "canary"}));
    let read = |path: &str, version: u8| {
        let config = format!("[[source]]\nkv = \"{path}\"\nversion = {version}\n");
        launch_with(&server.address(), "root", &config, "5", &[])
    };
    read("errors-v1/x", 2).is_error(78, &["version 2", "version 1"]);
    read("errors-v1/y", 2).is_error(78, &["version 2"]);
    read("secret/errors", 1).is_error(78, &["version 1", "version 2"]);
}

#[test]
fn too_many_requests_with_and_without_retry_after() {
    let body = r#"{"data":{"data":{"A":"1"},"metadata":{"version":1}}}"#;
    for headers in ["Retry-After: 1\r\nContent-Type: application/json\r\n", "Content-Type: application/json\r\n"] {
        let faults = answering(move |_, number| {
            if number < 2 { Reply::with(429, headers, "{\"errors\":[\"canary\"]}") } else { Reply::json(200, body) }
        });
        let config = "[[source]]\nkv = \"secret/errors\"\nversion = 2\n";
        let least = Duration::from_secs(if headers.contains("Retry") { 2 } else { 0 });
        let launch_it = || launch_with(&faults.address(), "root", config, "10", &[]);
        assert_eq!(at_least(least, "Retry-After is obeyed", launch_it).stdout, b"started\n");
        assert_eq!(faults.seen().len(), 3);
        let always = answering(move |_, _| Reply::with(429, headers, "{}"));
        launch(&always.address(), "root").is_error(75, &["too many requests", "attempts"]);
        let never = [("VAULT_MAX_RETRIES", "0")];
        let always = answering(move |_, _| Reply::with(429, headers, "{}"));
        launch_with(&always.address(), "root", config, "5", &never).is_error(75, &["too many requests"]);
        assert_eq!(always.seen().len(), 1);
    }
    // A server that says "at once" is not asked as often as it could answer.
    let at_once = answering(|_, _| Reply::with(429, "Retry-After: 0\r\n", "{}"));
    launch(&at_once.address(), "root").is_error(75, &["too many requests", "attempts"]);
    assert!(at_once.seen().len() <= 12, "{} requests", at_once.seen().len());
    // The time may end while it does not answer at all; the error then shows its last answer.
    let silent =
        answering(
            |_, number| {
                if number == 0 { Reply::with(429, "Retry-After: 0\r\n", "{}") } else { Reply::Hang(Vec::new()) }
            },
        );
    launch(&silent.address(), "root").is_error(75, &["too many requests", "gave up after 2 attempts"]);
    let later = answering(|_, _| Reply::with(429, "Retry-After: 3600\r\n", ""));
    // A wait beyond the budget is not begun: this budget is longer than any run may take.
    let source = "[[source]]\nkv = \"secret/errors\"\nversion = 2\n";
    launch_with(&later.address(), "root", source, "1000", &[]).is_error(75, &["too many requests"]);
}

#[test]
fn server_errors_and_standbys_are_distinguished() {
    for (status, code, fragment) in [
        (500, 69, "failed"),
        (502, 69, "failed"),
        (504, 69, "failed"),
        (503, 75, "sealed"),
        (473, 75, "standby"),
        (472, 75, "standby"),
        (412, 75, "not yet replicated"),
    ] {
        let faults = answering(move |_, _| Reply::json(status, r#"{"errors":["canary"]}"#));
        launch(&faults.address(), "root").is_error(code, &[fragment, &status.to_string()]);
        assert_eq!(faults.seen().len() > 1, code == 75, "{status} is retried only if a retry may help");
    }
}

#[test]
fn a_sealed_server_is_reported_and_works_once_unsealed() {
    let server = Server::start();
    server.put("errors", &json!({"A": "1"}));
    server.must("PUT", "sys/seal", &json!({}));
    launch(&server.address(), "root").is_error(75, &["sealed"]);
    let scratch = Scratch::new();
    let relay = Faults::start(support::faults::relay_to(server.port()));
    scratch.file("config/vault.toml", "[[source]]\nkv = \"secret/errors\"\nversion = 2\n");
    let mut command = scratch.exec(&relay.address(), "root", &["--timeout", "30"], &["/bin/echo", "started"]);
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    support::launcher::eventually("it was refused twice", || relay.seen().len() > 1);
    server.unseal();
    assert_eq!(support::launcher::finish(child).stdout, b"started\n");
}

#[test]
fn a_redirect_to_the_same_host_is_followed_once_and_no_other_is() {
    let body = r#"{"data":{"data":{"A":"1"},"metadata":{"version":1}}}"#;
    let to = |status: u16, location: String| {
        move |_: &Seen, _: usize| Reply::with(status, &format!("Location: {location}\r\n"), "canary")
    };
    for status in [307, 308] {
        let active = answering(move |_, _| Reply::json(200, body));
        let standby = answering(to(status, format!("{}/v1/secret/data/errors", active.address())));
        assert_eq!(launch(&standby.address(), "root").stdout, b"started\n");
        assert_eq!(active.seen()[0].header("x-vault-token"), Some("root"));
        let relative = answering(move |_, number| {
            if number == 0 { Reply::with(status, "Location: /v1/elsewhere\r\n", "") } else { Reply::json(200, body) }
        });
        assert_eq!(launch(&relative.address(), "root").stdout, b"started\n");
        assert_eq!(relative.seen()[1].path, "/v1/elsewhere");
    }
    let thief = answering(move |_, _| Reply::json(200, body));
    let elsewhere = format!("http://localhost:{}/v1/secret/data/errors", thief.port());
    let redirecting = answering(to(307, elsewhere));
    launch(&redirecting.address(), "root").is_error(69, &["another host", "localhost"]);
    assert!(thief.seen().is_empty(), "the token was not sent there");

    let looping = answering(to(307, "/v1/secret/data/errors".to_owned()));
    launch(&looping.address(), "root").is_error(69, &["more than once"]);
    assert_eq!(looping.seen().len(), 2);
    for location in ["", "javascript:canary", "//", "ftp://127.0.0.1/x"] {
        let nowhere = answering(to(307, location.to_owned()));
        launch(&nowhere.address(), "root").is_error(69, &["redirect"]);
    }
    for status in [301, 302, 303, 304] {
        let web_page = answering(to(status, "/ui".to_owned()));
        launch(&web_page.address(), "root").is_error(69, &["unexpected redirect", &status.to_string()]);
        assert_eq!(web_page.seen().len(), 1);
    }
}

#[test]
fn a_standby_that_redirects_to_a_dead_leader_is_named_and_asked_again() {
    let body = r#"{"data":{"data":{"A":"1"},"metadata":{"version":1}}}"#;
    let [port] = free_ports();
    let dead = format!("http://127.0.0.1:{port}");
    let location = format!("Location: {dead}/v1/secret/data/errors\r\n");
    let on = location.clone();
    let standby = answering(move |_, _| Reply::with(307, &on, ""));
    let refused = launch(&standby.address(), "root");
    refused.is_error(69, &[&format!("Vault at {} redirects requests to {dead}", standby.address()), "api_addr"]);
    assert!(standby.seen().len() > 1, "each new try begins at the address that was configured");
    // Once the cluster has a leader again, the same launch succeeds.
    let healing =
        answering(move |_, number| if number < 2 { Reply::with(307, &location, "") } else { Reply::json(200, body) });
    assert_eq!(launch(&healing.address(), "root").stdout, b"started\n");
    assert_eq!(healing.seen().len(), 3);
}

#[test]
fn a_redirect_from_tls_to_plain_http_is_refused() {
    let server = Server::shared();
    let certificates = &server.certificates;
    let thief = answering(|_, _| Reply::json(200, "{}"));
    let answer = format!("HTTP/1.1 307 X\r\nLocation: {}/v1/x\r\nContent-Length: 0\r\n\r\n", thief.address());
    let port = support::faults::answer_over_tls(&certificates.cert("good"), &certificates.key("good"), answer, 1);
    let ca = certificates.cert("ca");
    let config = "[[source]]\nkv = \"secret/errors\"\nversion = 2\n";
    let trusting = [("VAULT_CACERT", ca.to_str().unwrap())];
    launch_with(&format!("https://127.0.0.1:{port}"), "root", config, "5", &trusting).is_error(69, &["without TLS"]);
    assert!(thief.seen().is_empty(), "the token was not sent there");
}

#[test]
fn a_rate_limit_of_the_real_server_is_waited_for() {
    let server = Server::start();
    let source = |number: u32| {
        server.put(&format!("errors/{number}"), &json!({"A": "1"}));
        format!("[[source]]\nkv = \"secret/errors/{number}\"\nversion = 2\n")
    };
    let config: String = (0..3).map(source).collect();
    server.must("POST", "sys/quotas/rate-limit/slow", &json!({"path": "secret/", "rate": 1, "interval": "1s"}));
    let launch = || launch_with(&server.address(), "root", &config, "20", &[]);
    assert_eq!(at_least(Duration::from_secs(1), "it had to wait", launch).stdout, b"started\n");
}

#[test]
fn an_answer_that_is_cut_short_or_never_ends() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"data\":{\"data\":{\"A\":\"canary";
    let cut = answering(move |_, _| Reply::Close(head.into()));
    launch(&cut.address(), "root").is_error(65, &["is truncated"]);
    let chunked = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"dat";
    let cut = answering(move |_, _| Reply::Close(chunked.into()));
    launch(&cut.address(), "root").is_error(65, &["is truncated"]);
    let hanging = answering(move |_, _| Reply::Hang(head.into()));
    launch(&hanging.address(), "root").is_error(69, &["timed out", "is incomplete"]);
    let endless = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"canary\":\"";
    let dripping = answering(move |_, _| Reply::Drip(endless.into()));
    launch(&dripping.address(), "root").is_error(69, &["timed out", "is incomplete"]);
    let flooding = answering(move |_, _| Reply::Flood(endless.into()));
    launch_with(&flooding.address(), "root", "[[source]]\nkv = \"secret/errors\"\nversion = 2\n", "20", &[])
        .is_error(65, &["larger than 16 MiB"]);
    let promising = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n";
    let promising = answering(move |_, _| Reply::Hang(promising.into()));
    launch(&promising.address(), "root").is_error(65, &["larger than 16 MiB"]);
    let closing = answering(|_, _| Reply::Close(Vec::new()));
    launch(&closing.address(), "root").is_error(69, &["closed the connection"]);
}

#[test]
fn an_answer_that_is_not_from_vault_is_refused() {
    let cases: &[(Reply, i32, &str)] = &[
        (Reply::with(200, "Content-Type: text/html\r\n", "<html>canary</html>"), 65, "content type"),
        (Reply::with(200, "", r#"{"data":{"A":"canary"}}"#), 65, "content type"),
        (Reply::json(200, "canary"), 65, "is not JSON"),
        (Reply::json(200, ""), 65, "is not JSON"),
        (Reply::json(200, "[1]"), 65, "in Vault's format"),
        (Reply::json(200, r#"{"data":null}"#), 65, "in Vault's format"),
        (Reply::json(200, r#"{"data":{"data":["canary"],"metadata":{"version":1}}}"#), 65, "in Vault's format"),
        (Reply::json(200, r#"{"data":{"A":"canary"}}"#), 78, "version"),
        (Reply::json(200, "\u{feff}{}"), 65, "is not JSON"),
        (Reply::json(200, r#"{"data":{"data":{"A":"canary","A":"x"},"metadata":{"version":1}}}"#), 65, "key A twice"),
        (Reply::json(200, r#"{"data":{},"data":{}}"#), 65, "in Vault's format"),
        (
            Reply::json(200, r#"{"data":{"data":{"A":null},"metadata":{"version":1}}}"#),
            65,
            "A at secret/errors is null",
        ),
        (Reply::json(200, r#"{"data":{"data":{"A":"canary\u0000"},"metadata":{"version":1}}}"#), 65, "NUL"),
        (Reply::json(200, r#"{"data":{"data":{"A":"canary\ud800"},"metadata":{"version":1}}}"#), 65, "not valid text"),
        (Reply::with(404, "Content-Type: text/html\r\n", "<html>canary"), 65, "not like Vault"),
        (Reply::with(403, "Content-Type: text/html\r\n", "<html>canary"), 77, "not like Vault"),
        (Reply::Close(b"canary\r\n\r\n".to_vec()), 65, "not HTTP"),
        (Reply::Close(b"\x15\x03\x01\x00\x02\x02\x16".to_vec()), 65, "https://"),
    ];
    for (reply, code, fragment) in cases {
        let bytes = match reply {
            Reply::Bytes(bytes) | Reply::Close(bytes) => bytes.clone(),
            _ => unreachable!("only whole answers in the table"),
        };
        let closing = matches!(reply, Reply::Close(_));
        let faults =
            answering(move |_, _| if closing { Reply::Close(bytes.clone()) } else { Reply::Bytes(bytes.clone()) });
        launch(&faults.address(), "root").is_error(*code, &[fragment]);
    }
}

#[test]
fn deeply_nested_json_and_too_many_headers() {
    let deep = format!("{}{}", "[".repeat(300_000), "]".repeat(300_000));
    let value = format!(r#"{{"data":{{"data":{{"A":{deep}}},"metadata":{{"version":1}}}}}}"#);
    let faults = answering(move |_, _| Reply::json(200, &value));
    launch(&faults.address(), "root").is_error(65, &["nested", "A at secret/errors"]);
    let all = format!("{}{}", "{\"data\":".repeat(300_000), "{}".to_owned() + &"}".repeat(300_000));
    let faults = answering(move |_, _| Reply::json(200, &all));
    launch(&faults.address(), "root").is_error(65, &["nested", "secret/errors"]);
    let headers = "X-Canary: canary\r\n".repeat(10_000);
    let faults = answering(move |_, _| Reply::with(200, &headers, "{}"));
    launch(&faults.address(), "root").is_error(65, &["not HTTP, or not from Vault"]);
}

#[test]
fn one_deadline_holds_for_all_requests_together() {
    let body = r#"{"data":{"data":{"A":"1"},"metadata":{"version":1}}}"#;
    let faults = answering(move |_, _| {
        pause_ms(600, "each answer takes less than the time limit");
        Reply::json(200, body)
    });
    let source = |number| format!("[[source]]\nkv = \"secret/errors/{number}\"\nversion = 2\n");
    let config: String = (0..6).map(source).collect();
    launch_with(&faults.address(), "root", &config, "1500ms", &[]).is_error(69, &["timed out"]);
    assert!(faults.seen().len() < 6, "{:?}", faults.seen());
}

#[test]
fn the_command_starts_without_secrets_if_configured() {
    let [port] = free_ports();
    let scratch = Scratch::new();
    let options = ["--timeout", "1", "--on-error", "start-without", "--secrets", "secret/x"];
    let mut command = scratch.exec(&format!("http://127.0.0.1:{port}"), "canary", &options, &["/usr/bin/env", "-0"]);
    let outcome = run(command.env("KEPT", "1"));
    assert_eq!(outcome.environment()["KEPT"], "1");
    assert!(!outcome.environment().contains_key("VAULT_TOKEN"));
    assert_eq!(outcome.stderr.lines().count(), 2);
    assert!(outcome.stderr.contains("without secrets") && outcome.stderr.contains("refused"));
}

#[test]
fn without_arguments_the_commands_are_shown_and_an_unknown_one_gets_a_suggestion() {
    let ran = |arguments: &[&str]| run(Scratch::new().launcher().args(arguments));
    let bare = ran(&[]);
    let text = String::from_utf8_lossy(&bare.stdout).into_owned();
    assert!(text.contains("exec") && text.contains("Usage"), "{text}");
    assert!(bare.code() == Some(64) && bare.stderr.contains("no command given"), "{}", bare.stderr);
    for (word, meant) in [
        ("warp", "`jupyter-vault wrap`"),
        ("put", "`jupyter-vault secrets set NAME`"),
        ("add", "`jupyter-vault secrets set NAME`"),
        ("ls", "`jupyter-vault secrets list`"),
        ("exce", "`jupyter-vault exec`"),
    ] {
        ran(&[word]).is_error(64, &[&format!("unrecognized subcommand '{word}'"), &format!("did you mean {meant}?")]);
    }
    ran(&["frobnicate"]).is_error(64, &["see jupyter-vault --help"]);
    // A missing file is reported as such.
    let scratch = Scratch::new();
    let missing = run(scratch.launcher().args(["exec", "--config", "/no/such/file.toml", "--", "/bin/true"]));
    assert!(!missing.stderr.contains("entity not found"), "{}", missing.stderr);
    let folder = scratch.path("new/folder");
    assert_eq!(run(scratch.launcher().arg("man").arg(&folder)).code(), Some(0));
    assert!(folder.join("jupyter-vault.1").exists());
}

#[test]
fn a_wrong_command_line_is_64_and_shows_no_value() {
    for arguments in [
        &["exec"][..],
        &["exec", "--token=canary", "--", "x"],
        &["exec", "--timeout", "never", "--", "x"],
        &["exec", "--secrets", "canary-no-path", "--", "/bin/echo"],
        &["nothing"],
        &[],
    ] {
        let scratch = Scratch::new();
        let outcome =
            run(scratch.launcher().args(arguments).env("VAULT_ADDR", "http://127.0.0.1:1").env("VAULT_TOKEN", "t"));
        assert_eq!(outcome.code(), Some(64), "{arguments:?} {}", outcome.stderr);
        assert_eq!(outcome.stderr.lines().count(), 2, "{}", outcome.stderr);
        assert!(!outcome.stderr.contains("=canary"), "{}", outcome.stderr);
    }
    let help = run(Scratch::new().launcher().args(["exec", "--help"]));
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert_eq!(help.code(), Some(0));
    for word in [
        "--config",
        "--secrets",
        "--on-error",
        "--timeout",
        "--allow",
        "MOUNT/PATH#FIELD=NAME",
        "kernel.json",
        "77 denied",
    ] {
        assert!(text.contains(word), "{word}");
    }
}
