//! A real OpenBao server for a test process, with plain and TLS listeners.
//!
//! A test process can end in any way, a static is never dropped, and no server may remain. So a small shell runs
//! the server, and ends it when its standard input is closed, which happens when the test process ends.

use std::fs::{File, write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

use super::certificates::Certificates;
use super::python::bao;
use super::waiting::tick;

/// Ends its child when standard input closes.
const WATCH: &str = r#""$@" </dev/null & server=$!; read -r _; kill "$server"; wait "$server""#;

/// A running server. Its root token is `root`.
pub struct Server {
    port: u16,
    tls: [u16; LISTENERS.len()],
    child: Child,
    folder: TempDir,
    pub certificates: Certificates,
}

/// The TLS listeners, by the name of their certificate.
const LISTENERS: [&str; 9] =
    ["good", "expired", "elsewhere", "own", "own-expired", "own-elsewhere", "p521", "p521-tls12", "rsa1024"];

impl Server {
    /// The server that the tests of one process share.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Server> = LazyLock::new(Server::start);
        &SHARED
    }

    /// Starts a server and waits until it answers.
    pub fn start() -> Self {
        for _ in 0..5 {
            let [port] = free_ports();
            if let Some(server) = Self::at(port) {
                return server;
            }
        }
        panic!("OpenBao did not start in five attempts");
    }

    /// Starts a server on `port`, if that is free. An earlier server there has left nothing.
    pub fn at(port: u16) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let certificates = Certificates::make(&folder.path().join("tls"));
        let tls = free_ports::<{ LISTENERS.len() }>();
        let listener = |port: u16, name: &str| {
            format!(
                "listener \"tcp\" {{ address = \"127.0.0.1:{port}\" tls_cert_file = {:?} tls_key_file = {:?} tls_client_ca_file = {:?} tls_max_version = {:?} }}\n",
                certificates.cert(name),
                certificates.key(name),
                certificates.cert("ca"),
                if name.ends_with("-tls12") { "tls12" } else { "tls13" }
            )
        };
        let config = folder.path().join("server.hcl");
        let text: String = LISTENERS.iter().zip(tls).map(|(name, port)| listener(port, name)).collect();
        write(&config, text).expect("the configuration is written");
        let log = File::create(folder.path().join("log")).expect("the log");
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "sh"]).arg(bao()).args(["server", "-dev", "-dev-root-token-id=root"]);
        command.arg(format!("-dev-listen-address=127.0.0.1:{port}")).arg("-config").arg(&config);
        command.env("HOME", folder.path()).stdin(Stdio::piped()).stderr(log.try_clone().expect("the log")).stdout(log);
        let child = command.spawn().expect("a shell");
        let mut server = Self { port, tls, child, folder, certificates };
        server.wait_until_ready().then_some(server)
    }

    fn wait_until_ready(&mut self) -> bool {
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end {
            if self.child.try_wait().expect("the shell is ours").is_some() {
                return false;
            }
            let listening = TcpStream::connect(("127.0.0.1", self.port)).is_ok();
            // While KV version 2 prepares its storage, it answers with 400.
            let answers = |path: &str| self.api("GET", path, None).0;
            if listening && answers("sys/internal/ui/mounts/secret/x") == 200 && answers("secret/data/x") == 404 {
                return true;
            }
            tick();
        }
        false
    }

    /// `http://127.0.0.1:PORT`.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whether it has namespaces: HashiCorp Vault without a licence ignores the namespace header, and says so.
    pub fn has_namespaces(&self) -> bool {
        self.api("GET", "sys/health", None).1["enterprise"] != json!(false)
    }

    /// The port of the plain listener.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address of a TLS listener with a good, an expired or another host's certificate.
    pub fn tls_address(&self, which: &str) -> String {
        let place = LISTENERS.iter().position(|name| *name == which).expect("a listener");
        format!("https://127.0.0.1:{}", self.tls[place])
    }

    /// A folder that exists as long as the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A request with the root token; panics only if there is no answer.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        self.api_with(&[("X-Vault-Token", "root")], method, path, body)
    }

    /// A request with the given headers.
    pub fn api_with(&self, headers: &[(&str, &str)], method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        let mut request = ureq::http::Request::builder().method(method).uri(format!("{}/v1/{path}", self.address()));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let text = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(text).expect("a request");
        let agent_config = agent.configure_request(request).allow_non_standard_methods(true).build();
        match agent.run(agent_config) {
            Ok(mut response) => {
                let text = response.body_mut().read_to_string().unwrap_or_default();
                (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
            }
            Err(_) => (0, Value::Null),
        }
    }

    /// A request with the root token that must succeed; returns the answer.
    pub fn must(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.api(method, path, Some(body));
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Writes a secret below the KV v2 mount `secret`.
    pub fn put(&self, path: &str, fields: &Value) {
        self.must("POST", &format!("secret/data/{path}"), &json!({ "data": fields }));
    }

    /// Mounts a KV engine.
    pub fn mount_kv(&self, path: &str, version: u8) {
        self.must(
            "POST",
            &format!("sys/mounts/{path}"),
            &json!({"type": "kv", "options": {"version": version.to_string()}}),
        );
        // Version 2 upgrades its storage in the background.
        let end = Instant::now() + Duration::from_secs(10);
        while self
            .api(
                "POST",
                &format!("{path}/{}ready", if version == 2 { "data/" } else { "" }),
                Some(&json!({"data": {"a": "b"}})),
            )
            .0
            >= 300
        {
            assert!(Instant::now() < end, "the mount {path} does not become ready");
        }
    }

    /// Enables a login method.
    pub fn enable_auth(&self, kind: &str, path: &str) {
        self.must("POST", &format!("sys/auth/{path}"), &json!({ "type": kind }));
    }

    /// Writes a policy.
    pub fn policy(&self, name: &str, text: &str) {
        self.must("PUT", &format!("sys/policies/acl/{name}"), &json!({ "policy": text }));
    }

    /// A token; the members of `more` are added to the request.
    pub fn token(&self, policies: &[&str], more: &Value) -> String {
        let mut body = json!({ "policies": policies, "ttl": "10m" });
        for (key, value) in more.as_object().into_iter().flatten() {
            body[key] = value.clone();
        }
        let answer = self.must("POST", "auth/token/create", &body);
        answer["auth"]["client_token"].as_str().expect("a token").to_owned()
    }

    /// Whether a token is still valid.
    pub fn is_alive(&self, token: &str) -> bool {
        self.api("POST", "auth/token/lookup", Some(&json!({ "token": token }))).0 == 200
    }

    /// Unseals the server with the key that a development server prints.
    pub fn unseal(&self) {
        let log = std::fs::read_to_string(self.folder.path().join("log")).expect("the log");
        let key = log.lines().find_map(|line| line.trim().strip_prefix("Unseal Key: ")).expect("the key in the log");
        self.must("PUT", "sys/unseal", &json!({ "key": key }));
    }

    /// A wrapped answer to a POST.
    pub fn wrapped(&self, path: &str, body: &Value) -> String {
        let headers = [("X-Vault-Token", "root"), ("X-Vault-Wrap-TTL", "120")];
        let (status, answer) = self.api_with(&headers, "POST", path, Some(body));
        assert_eq!(status, 200, "{answer}");
        answer["wrap_info"]["token"].as_str().expect("a wrapping token").to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Free ports, all different, which no other process gets while this process runs: each is bound by a socket that
/// does not listen. A program that sets SO_REUSEADDR, as servers do, can listen there.
pub fn free_ports<const N: usize>() -> [u16; N] {
    static RESERVED: Mutex<Vec<Socket>> = Mutex::new(Vec::new());
    let mut reserved = RESERVED.lock().expect("a lock");
    std::array::from_fn(|_| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.set_reuse_address(true).expect("an option");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a free port");
        let address = socket.local_addr().expect("its address");
        reserved.push(socket);
        address.as_socket().expect("an address of IPv4").port()
    })
}
