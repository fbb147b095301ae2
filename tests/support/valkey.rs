//! A real Valkey on loopback, from Debian's packages (Redis before Debian 13), and OpenBao's database engine for
//! it.

use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::openbao::{Server, free_ports};
use super::waiting::eventually;

/// A server; ended when dropped.
pub struct Valkey {
    /// Its working folder.
    _folder: TempDir,
    port: u16,
    process: Child,
}

impl Valkey {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [port] = free_ports();
        let mut command = Command::new(either("valkey-server", "redis-server"));
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--requirepass", "owner"]);
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        let server = Self { _folder: folder, port, process };
        let owner = server.url("default", "owner");
        eventually("Valkey answers", || Self::asked(&owner, &["ping"]).as_deref() == Some("PONG"));
        server
    }

    /// Its answer to a client with that URL; `None` if that can't log in.
    pub fn asked(url: &str, words: &[&str]) -> Option<String> {
        let mut client = Command::new(either("valkey-cli", "redis-cli"));
        let output =
            client.args(["--no-auth-warning", "-e", "-u", url]).args(words).stdin(Stdio::null()).output().unwrap();
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The users that Vault has created.
    pub fn users(&self) -> Vec<String> {
        let all = Self::asked(&self.url("default", "owner"), &["acl", "users"]).expect("an answer");
        all.lines().filter(|user| *user != "default").map(str::to_owned).collect()
    }

    pub fn url(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@127.0.0.1:{}", self.port)
    }

    /// The database engine at `mount` with the role `kernel`, whose leases have these times.
    pub fn serve(&self, server: &Server, mount: &str, ttl: &str, max: &str) {
        server.must("POST", &format!("sys/mounts/{mount}"), &json!({"type": "database"}));
        let config = json!({
            "plugin_name": "valkey-database-plugin", "allowed_roles": "*", "host": "127.0.0.1", "port": self.port,
            "username": "default", "password": "owner",
        });
        server.must("POST", &format!("{mount}/config/own"), &config);
        let rules = json!(["~*", "+@all", "-@admin", "-@dangerous"]).to_string();
        let role = json!({"db_name": "own", "default_ttl": ttl, "max_ttl": max, "creation_statements": [rules]});
        server.must("POST", &format!("{mount}/roles/kernel"), &role);
    }
}

impl Drop for Valkey {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program, by its present name or its former one.
fn either<'name>(name: &'name str, before: &'name str) -> &'name str {
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(name).exists()) { name } else { before }
}
