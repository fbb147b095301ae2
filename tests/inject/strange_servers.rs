//! Other servers in place of a Jupyter server, and failures in the middle of a connection to a kernel: each a
//! distinct error with its exit code, in limited time.
#![cfg(feature = "inject")]

use crate::support::certificates::Certificates;
use crate::support::faults::{Faults, Reply, Seen, answer_over_tls};
use crate::support::launcher::{Outcome, Scratch, run};
use crate::support::openbao::Server;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::json;

const ID: &str = "01234567-89ab-cdef-0123-456789abcdef";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

/// `inject` through the server at `url`.
fn inject(url: &str, options: &[&str]) -> Outcome {
    let (scratch, vault) = (Scratch::new(), Server::shared());
    vault.put("strange", &json!({"ONE": "canary-value"}));
    let token = scratch.file("token", "canary-token").display().to_string();
    let mut command = scratch.launcher();
    command.env("VAULT_ADDR", vault.address()).env("VAULT_TOKEN", "root").args(["inject", "--url", url]);
    command.args(["--token-file", &token, "--secrets", "secret/strange", "--timeout", "3"]).args(options);
    let mut outcome = run(&mut command);
    let lines = outcome.stderr.lines().filter(|line| !line.contains("waiting up to"));
    outcome.stderr = lines.collect::<Vec<_>>().join("\n");
    outcome
}

/// A server that always answers like this.
fn answering(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Faults {
    Faults::start(move |_, _| reply())
}

#[test]
fn other_answers_in_place_of_a_servers_are_distinguished() {
    let close = |text: &str| {
        let text = text.to_owned();
        answering(move || Reply::Close(text.clone().into_bytes()))
    };
    let status = |code: u16| answering(move || Reply::with(code, "", ""));
    for (server, code, fragments) in [
        (status(401), 84, ["the Jupyter server at", "refuses the token from"]),
        (status(403), 84, ["the Jupyter server at", "check the token"]),
        (close("HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n"), 84, ["refuses the token", ""]),
        // A hub on which that user's server does not run; a proxy that requires TLS.
        (
            close("HTTP/1.1 302 Found\r\nLocation: /hub/user/ada/api\r\nContent-Length: 0\r\n\r\n"),
            85,
            ["not started (302)", "start it"],
        ),
        (
            close("HTTP/1.1 301 Moved\r\nLocation: https://127.0.0.1/api\r\nContent-Length: 0\r\n\r\n"),
            86,
            ["redirects to https://", ""],
        ),
        (status(404), 86, ["has no Jupyter API at that path", "/user/NAME/"]),
        (status(204), 86, ["not answer like a Jupyter server (204)", "Jupyter server's"]),
        (status(500), 85, ["the Jupyter server at", "failed (500)"]),
        (status(503), 85, ["is not started (503)", "start it"]),
        (
            close(&format!("{OK}Content-Length: 2\r\n\r\nno")),
            86,
            ["does not answer with a Jupyter server's JSON", "base URL"],
        ),
        (
            close(&format!("{OK}Content-Length: 17\r\n\r\n[{{\"id\": \"canary\"")),
            86,
            ["closed the connection during", ""],
        ),
        (
            close(&format!("{OK}Content-Length: 12\r\n\r\n[{{\"name\": 1}}]")),
            86,
            ["does not answer with a Jupyter server's JSON", ""],
        ),
        (close("SSH-2.0-canary\r\n"), 86, ["does not speak HTTP", ""]),
        (close(""), 85, ["closed the connection before it answered", ""]),
        (answering(|| Reply::Flood(format!("{OK}\r\n[").into_bytes())), 86, ["sends too large an answer", ""]),
        (answering(|| Reply::Flood(b"HTTP/1.1 200 OK\r\nX: y".to_vec())), 86, ["does not speak HTTP", ""]),
        (answering(|| Reply::Flood(Vec::new())), 86, ["does not speak HTTP", ""]),
        (answering(|| Reply::Drip(format!("{OK}\r\n[").into_bytes())), 85, ["its answer is incomplete", ""]),
        (answering(|| Reply::Drip(b"HTTP/1.1 200 OK\r\nX: y".to_vec())), 85, ["it did not answer the request", ""]),
        (answering(|| Reply::Hang(Vec::new())), 85, ["it did not answer the request", "firewall"]),
    ] {
        inject(&server.address(), &[]).is_error(code, &fragments);
    }
    inject("http://127.0.0.1:1", &[]).is_error(85, &["the Jupyter server at 127.0.0.1:1 refused"]);
    inject("http://nowhere.invalid", &[]).is_error(85, &["nowhere.invalid does not resolve"]);
    inject("unix:///nowhere.sock", &[]).is_error(85, &["/nowhere.sock", "Jupyter server runs"]);
}

#[test]
fn vault_in_place_of_a_jupyter_server_is_recognised() {
    // OpenBao answers unknown paths with 404, HashiCorp Vault with 403.
    inject(&Server::shared().address(), &[]).is_error(86, &["check that the address is a Jupyter server's"]);
    let hashicorps = answering(|| Reply::json(403, r#"{"errors":["permission denied"]}"#));
    inject(&hashicorps.address(), &[]).is_error(86, &["answers like Vault", "a Jupyter server's"]);
    let jupyters = answering(|| Reply::json(403, r#"{"message":"Forbidden","reason":null,"errors":[]}"#));
    inject(&jupyters.address(), &[]).is_error(84, &["refuses the token"]);
}

#[test]
fn tls_failures_of_a_server_and_of_vault_are_distinguished() {
    let scratch = Scratch::new();
    let certificates = Certificates::make(&scratch.path("tls"));
    let ca = certificates.cert("ca").display().to_string();
    let serve = |name: &str| {
        let body = "[]";
        let answer = format!("{OK}Content-Length: {}\r\n\r\n{body}", body.len());
        answer_over_tls(&certificates.cert(name), &certificates.key(name), answer, 4)
    };
    let at = |port: u16| format!("https://127.0.0.1:{port}");
    inject(&at(serve("good")), &[]).is_error(85, &["no TLS connection to the Jupyter server", "--ca-cert"]);
    inject(&at(serve("expired")), &["--ca-cert", &ca]).is_error(85, &["the Jupyter server", "expired"]);
    inject(&at(serve("elsewhere")), &["--ca-cert", &ca]).is_error(85, &["another host name", "--url"]);
    let plain = Server::shared().address().replace("http", "https");
    inject(&plain, &["--ca-cert", &ca]).is_error(85, &["does not speak TLS"]);
    let none = scratch.file("none.pem", "no PEM certificate").display().to_string();
    inject("https://127.0.0.1:1", &["--ca-cert", &none]).is_error(78, &["none.pem", "--ca-cert FILE"]);
    inject("https://127.0.0.1:1", &["--ca-cert", "/nowhere.pem"]).is_error(78, &["/nowhere.pem", "--ca-cert FILE"]);
}

/// The answer to a request for a websocket, as RFC 6455 has it.
fn upgraded(request: &Seen) -> Vec<u8> {
    let key = request.header("Sec-WebSocket-Key").expect("a key").to_owned();
    let accept = digest(&SHA1_FOR_LEGACY_USE_ONLY, (key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").as_bytes());
    let accept = STANDARD.encode(accept);
    format!("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n")
        .into_bytes()
}

/// A frame of text, as a server sends it.
fn text(content: &str) -> Vec<u8> {
    let mut frame = vec![0x81, 126];
    frame.extend_from_slice(&u16::try_from(content.len()).unwrap().to_be_bytes());
    frame.extend_from_slice(content.as_bytes());
    frame
}

/// A server that has the kernel, and answers a connection like this.
fn channels(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Faults {
    Faults::start(move |request, _| {
        if request.path.contains("/channels") {
            return reply(request);
        }
        Reply::json(200, &json!({"id": ID, "name": "x", "version": "x"}).to_string())
    })
}

#[test]
fn failures_of_a_connection_to_a_kernel_are_distinguished() {
    let busy = json!({
        "channel": "iopub", "header": {"msg_id": "1", "msg_type": "status", "session": "s"},
        "parent_header": {"msg_id": "2", "msg_type": "execute_request", "session": "another"},
        "metadata": {}, "content": {"execution_state": "busy"}, "buffers": [],
    });
    let crowd = text(&busy.to_string()).repeat(200);
    let nonsense = text(&format!("{{\"channel\": \"canary{}", "[".repeat(9000))).repeat(20);
    let closing = |then: Vec<u8>| move |request: &Seen| Reply::Close([upgraded(request), then.clone()].concat());
    let hanging = |then: Vec<u8>| move |request: &Seen| Reply::Hang([upgraded(request), then.clone()].concat());
    for (server, code, fragments) in [
        (channels(|_| Reply::json(200, "{}")), 86, ["does not open a websocket", "a proxy on the way"]),
        (
            channels(|_| Reply::with(400, "", "Can \"Upgrade\" only to \"WebSocket\".")),
            86,
            ["does not open a websocket", ""],
        ),
        (
            channels(|_| {
                Reply::Close(b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: canary\r\n\r\n".to_vec())
            }),
            86,
            ["does not open a websocket", ""],
        ),
        (channels(|_| Reply::with(403, "", "")), 84, ["refuses the token", ""]),
        (channels(|_| Reply::with(404, "", "")), 67, ["has no kernel 01234567", ""]),
        (channels(|_| Reply::with(503, "", "")), 85, ["is not started (503)", ""]),
        (channels(|_| Reply::Hang(Vec::new())), 80, ["did not connect to the kernel", "--wait"]),
        (channels(closing(Vec::new())), 74, ["or its server", "exited or restarted meanwhile"]),
        // The beginning of a frame.
        (channels(closing(vec![0x81, 126, 1])), 74, ["or its server", "exited or restarted meanwhile"]),
        // A server closes the connection on purpose.
        (channels(closing(vec![0x88, 2, 3, 0xe9])), 74, ["or its server", "exited or restarted meanwhile"]),
        (channels(hanging(b"    canary".repeat(9))), 86, ["invalid websocket data", ""]),
        // A frame of a terabyte is announced.
        (channels(hanging(vec![0x82, 127, 0, 0, 1, 0, 0, 0, 0, 0])), 86, ["too large", ""]),
        (channels(hanging(vec![0x81, 2, 0xff, 0xff])), 86, ["invalid websocket data", ""]),
        (channels(hanging(Vec::new())), 81, ["the kernel did not answer within", ""]),
        (channels(hanging(nonsense)), 81, ["the kernel did not answer within", ""]),
        (channels(move |request| Reply::Again(upgraded(request), crowd.clone())), 80, ["the kernel was busy", ""]),
    ] {
        println!("{fragments:?}");
        inject(&server.address(), &[ID, "--wait", "3"]).is_error(code, &fragments);
    }
}

#[test]
fn a_server_list_with_invalid_kernel_ids_is_not_followed() {
    let odd = json!([{"id": "../../canary"}, {"id": ""}, {"id": ".."}, {"id": "a b"}, {"id": "x\r\nX: y"}]).to_string();
    let server = Faults::start(move |request, _| {
        if request.path.starts_with("/api/sessions") { Reply::json(200, "[]") } else { Reply::json(200, &odd) }
    });
    inject(&server.address(), &["--all"]).is_error(67, &["no kernel is running at"]);
    inject(&server.address(), &["../../x"]).is_error(67, &["no kernel or notebook called ../../x"]);
    assert!(server.seen().iter().all(|request| !request.path.contains("..")), "{:?}", server.seen());
}
