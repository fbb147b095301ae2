//! A real OpenBao agent, which logs in and adds its token to the requests that it passes on.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::launcher::{Scratch, eventually};
use super::openbao::{Server, free_ports};
use super::python::bao;

/// Ends its child when standard input closes.
const WATCH: &str = r#""$@" </dev/null & agent=$!; read -r _; kill "$agent"; wait "$agent""#;

/// A running agent, on a socket and on a port.
pub struct Agent {
    child: Child,
    socket: PathBuf,
    port: u16,
}

impl Agent {
    /// Starts an agent whose tokens have `policy`, and waits until it has logged in; `name` is its login mount.
    pub fn start(server: &Server, scratch: &Scratch, name: &str, policy: &str) -> Self {
        server.enable_auth("approle", name);
        let role = format!("auth/{name}/role/agent");
        server.must("POST", &role, &json!({ "token_policies": policy }));
        let id = |method: &str, what: &str, field: &str| {
            let answer = server.api(method, &format!("{role}/{what}"), Some(&json!({}))).1;
            scratch.file(&format!("agent-{what}"), answer["data"][field].as_str().expect("an id"))
        };
        let (role_file, secret_file) = (id("GET", "role-id", "role_id"), id("POST", "secret-id", "secret_id"));
        let socket = scratch.path("agent.sock");
        let [port] = free_ports();
        let config = format!(
            "vault {{ address = \"{}\" }}\nauto_auth {{ method \"approle\" {{ mount_path = \"auth/{name}\" config = {{ \
             role_id_file_path = {role_file:?} secret_id_file_path = {secret_file:?} \
             remove_secret_id_file_after_reading = false }} }} }}\napi_proxy {{ use_auto_auth_token = true }}\n\
             listener \"unix\" {{ address = {socket:?} tls_disable = true require_request_header = true }}\n\
             listener \"tcp\" {{ address = \"127.0.0.1:{port}\" tls_disable = true }}\n",
            server.address()
        );
        let config = scratch.file("agent.hcl", config);
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "sh"]).arg(bao()).args(["agent", "-config"]).arg(config);
        command.env("HOME", scratch.path("home")).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let agent = Self { child: command.spawn().expect("a shell"), socket, port };
        // With its token, any process may look itself up.
        let asking: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        let own = format!("{}/v1/auth/token/lookup-self", agent.by_port());
        eventually("the agent has logged in", || {
            agent.socket.exists() && asking.get(&own).call().is_ok_and(|answer| answer.status() == 200)
        });
        agent
    }

    /// `unix:///PATH`.
    pub fn by_socket(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// `http://127.0.0.1:PORT`.
    pub fn by_port(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
