//! A cluster of three real nodes with raft storage: its leader is killed, it is sealed, a node hangs. No launch
//! that still has time fails.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::support::launcher::{Outcome, Scratch, eventually, finish, run};
use crate::support::openbao::free_ports;
use crate::support::python::bao;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// One node; its process may be ended and started again.
struct Node {
    config: PathBuf,
    log: PathBuf,
    port: u16,
    process: Child,
}

impl Node {
    fn new(scratch: &Scratch, number: usize) -> Self {
        let [port, cluster] = free_ports();
        let folder = scratch.path(&format!("node-{number}"));
        std::fs::create_dir(&folder).unwrap();
        let text = format!(
            "storage \"raft\" {{\n path = {folder:?}\n node_id = \"node-{number}\"\n performance_multiplier = 1\n}}\n\
             listener \"tcp\" {{\n address = \"127.0.0.1:{port}\"\n cluster_address = \"127.0.0.1:{cluster}\"\n\
             tls_disable = true\n}}\napi_addr = \"http://127.0.0.1:{port}\"\n\
             cluster_addr = \"https://127.0.0.1:{cluster}\"\n"
        );
        let config = scratch.file(&format!("node-{number}.hcl"), text);
        let log = scratch.path(&format!("node-{number}.log"));
        let process = Self::spawn(&config, &log);
        Self { config, log, port, process }
    }

    fn spawn(config: &PathBuf, log: &PathBuf) -> Child {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = Command::new(bao());
        command.args(["server", "-config"]).arg(config).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.process.id()).unwrap()), signal).unwrap();
    }

    fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    fn start_again(&mut self) {
        self.process = Self::spawn(&self.config, &self.log);
    }

    fn call(&self, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let limit = Some(Duration::from_secs(5));
        let config = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).timeout_global(limit);
        let agent: ureq::Agent = config.build().into();
        let request = ureq::http::Request::builder().method(method).uri(format!("{}/v1/{path}", self.address()));
        let request = request.header("X-Vault-Token", token).body(body.to_string()).unwrap();
        match agent.run(agent.configure_request(request).allow_non_standard_methods(true).build()) {
            Ok(mut response) => {
                let text = response.body_mut().read_to_string().unwrap_or_default();
                (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
            }
            Err(_) => (0, Value::Null),
        }
    }

    /// 200: the active node; 429: a standby; 503: sealed.
    fn health(&self) -> u16 {
        self.call("", "GET", "sys/health", &json!({})).0
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(i32::try_from(self.process.id()).unwrap()), Signal::SIGCONT);
        self.kill();
    }
}

/// Three nodes with one leader, and a secret.
struct Cluster {
    scratch: Scratch,
    nodes: Vec<Node>,
    key: String,
    token: String,
}

impl Cluster {
    fn start() -> Self {
        let scratch = Scratch::new();
        let nodes: Vec<_> = (0..3).map(|number| Node::new(&scratch, number)).collect();
        for node in &nodes {
            eventually("a node listens", || node.health() != 0);
        }
        let shares = json!({"secret_shares": 1, "secret_threshold": 1});
        let (status, made) = nodes[0].call("", "PUT", "sys/init", &shares);
        assert_eq!(status, 200, "{made}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (key, token) = (text(&made["keys_base64"][0]), text(&made["root_token"]));
        let cluster = Self { scratch, nodes, key, token };
        cluster.unseal(0);
        eventually("it leads", || cluster.nodes[0].health() == 200);
        for number in [1, 2] {
            let leader = json!({"leader_api_addr": cluster.nodes[0].address()});
            eventually("a node joins", || {
                cluster.nodes[number].call("", "POST", "sys/storage/raft/join", &leader).0 == 200
            });
            cluster.unseal(number);
        }
        let voters = || {
            let (_, answer) =
                cluster.nodes[0].call(&cluster.token, "GET", "sys/storage/raft/configuration", &json!({}));
            let servers = answer["data"]["config"]["servers"].as_array().cloned().unwrap_or_default();
            servers.iter().filter(|server| server["voter"] == true).count()
        };
        eventually("all of them vote", || voters() == 3);
        let mount = json!({"type": "kv", "options": {"version": "2"}});
        let made = |path: &str, body: &Value| cluster.nodes[0].call(&cluster.token, "POST", path, body).0 < 300;
        assert!(made("sys/mounts/secret", &mount));
        eventually("it takes a secret", || made("secret/data/raft", &json!({"data": {"KEPT": "canary"}})));
        std::fs::write(cluster.scratch.path("token"), &cluster.token).unwrap();
        cluster
    }

    fn unseal(&self, number: usize) {
        let key = json!({"key": self.key});
        eventually("a node takes the key", || {
            let (status, answer) = self.nodes[number].call("", "PUT", "sys/unseal", &key);
            status == 200 && answer["sealed"] == false || matches!(self.nodes[number].health(), 200 | 429)
        });
    }

    fn leads(&self) -> Option<usize> {
        (0..3).find(|number| self.nodes[*number].health() == 200)
    }

    /// Waits until one leads.
    fn leader(&self) -> usize {
        eventually("a node leads", || self.leads().is_some());
        self.leads().expect("it has just led")
    }

    /// A launch with all addresses, beginning with `first`.
    fn command(&self, first: usize, timeout: u32) -> Command {
        let addresses: Vec<_> = (0..3).map(|step| self.nodes[(first + step) % 3].address()).collect();
        let text = format!(
            "[vault]\naddress = {addresses:?}\ntimeout = {timeout}\n[auth]\ntoken_file = {:?}\n\
             [[source]]\nkv = \"secret/raft\"\nversion = 2\n",
            self.scratch.path("token")
        );
        let config = self.scratch.path(&format!("launch-{first}-{timeout}.toml"));
        if !config.exists() {
            std::fs::write(&config, text).unwrap();
        }
        let mut command = self.scratch.launcher();
        command.args(["exec", "--config"]).arg(config).args(["--", "/usr/bin/env", "-0"]);
        command
    }

    fn launch(&self, first: usize) -> Outcome {
        run(&mut self.command(first, 40))
    }
}

#[test]
fn no_launch_is_lost_when_a_node_of_a_cluster_dies_hangs_or_is_sealed() {
    let mut cluster = Cluster::start();
    for first in 0..3 {
        assert_eq!(cluster.launch(first).environment()["KEPT"], "canary", "standbys send on: {first}");
    }

    // The leader is killed while launches run: each finds another node, or the new leader.
    let leader = cluster.leader();
    let running: Vec<_> = (0..12)
        .map(|number| {
            let mut command = cluster.command(number % 3, 40);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    cluster.nodes[leader].kill();
    for child in running {
        assert_eq!(finish(child).environment()["KEPT"], "canary");
    }
    for first in 0..3 {
        assert_eq!(cluster.launch(first).environment()["KEPT"], "canary", "with one dead node: {first}");
    }
    cluster.nodes[leader].start_again();
    eventually("it is back", || cluster.nodes[leader].health() != 0);
    cluster.unseal(leader);
    eventually("it follows", || matches!(cluster.nodes[leader].health(), 200 | 429));

    // A follower hangs, as if its host were cut off.
    let leader = cluster.leader();
    let follower = (leader + 1) % 3;
    cluster.nodes[follower].signal(Signal::SIGSTOP);
    let outcome = cluster.launch(follower);
    cluster.nodes[follower].signal(Signal::SIGCONT);
    assert_eq!(outcome.environment()["KEPT"], "canary", "the hanging node is the first of the list");

    // All are sealed: a launch waits as long as its time limit allows, and says why it failed; once unsealed, one
    // succeeds.
    for number in 0..3 {
        eventually("it is sealed", || {
            let _ = cluster.nodes[number].call(&cluster.token, "PUT", "sys/seal", &json!({}));
            cluster.nodes[number].health() == 503
        });
        if cluster.leads().is_none() && number < 2 {
            // Two of three are sealed or without a leader: the last one is ended and starts sealed.
            for rest in number + 1..3 {
                cluster.nodes[rest].kill();
                cluster.nodes[rest].start_again();
                eventually("it listens", || cluster.nodes[rest].health() != 0);
            }
        }
    }
    run(&mut cluster.command(0, 2)).is_error(75, &["none of Vault's 3 addresses can be used", "answered with 503"]);
    let waiting = {
        let mut command = cluster.command(0, 40);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    for number in 0..3 {
        cluster.unseal(number);
    }
    assert_eq!(finish(waiting).environment()["KEPT"], "canary");
}
