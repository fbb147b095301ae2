//! A real MariaDB on loopback, from Debian's packages, and OpenBao's database engine for it.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;
use tempfile::TempDir;

use super::openbao::{Server, free_ports};
use super::waiting::eventually;

/// A server; ended when dropped.
pub struct MariaDb {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl MariaDb {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = format!("--datadir={}", folder.path().join("data").display());
        let mut install = Command::new("mariadb-install-db");
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--user=root"]);
        let made = install.arg(&data).stdin(Stdio::null()).output().expect("mariadb-server-core");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let [port] = free_ports();
        let mut command = Command::new("/usr/sbin/mariadbd");
        command.args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1", &format!("--port={port}"), &data]);
        command.arg(format!("--socket={}", folder.path().join("socket").display()));
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { folder, port, process };
        eventually("MariaDB answers", || server.query("select 1").is_some());
        server
    }

    /// The result of an administrator's query, a line per row; `None` if it fails.
    pub fn query(&self, sql: &str) -> Option<Vec<String>> {
        let mut client = Command::new("mariadb");
        client.args(["--no-defaults", "--user=root", "--skip-column-names", "--batch", "--execute", sql]);
        client.arg(format!("--socket={}", self.folder.path().join("socket").display()));
        let output = client.stdin(Stdio::null()).output().expect("mariadb-client-core");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then(|| text.lines().map(str::to_owned).collect())
    }

    /// The user that MariaDB's own client logs in as with an option file; `None` if it can't.
    pub fn user_by(option_file: &Path) -> Option<String> {
        let mut client = Command::new("mariadb");
        client.arg(format!("--defaults-file={}", option_file.display()));
        client.args(["--skip-column-names", "--batch", "--execute", "select user()"]);
        let output = client.stdin(Stdio::null()).output().expect("mariadb-client-core");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The users that Vault has created.
    pub fn users(&self) -> Vec<String> {
        self.query("select user from mysql.user where user like 'v-%'").expect("an answer")
    }

    /// The database engine at `mount` with the role `kernel`, whose leases have these times.
    pub fn serve(&self, server: &Server, mount: &str, ttl: &str, max: &str) {
        for sql in [
            "create database sales",
            "create user vault@'%' identified by 'vault'",
            "grant all on *.* to vault@'%' with grant option",
        ] {
            self.query(sql).expect("an administrator for Vault");
        }
        server.must("POST", &format!("sys/mounts/{mount}"), &json!({"type": "database"}));
        let config = json!({
            "plugin_name": "mysql-database-plugin", "allowed_roles": "*", "username": "vault", "password": "vault",
            "connection_url": format!("{{{{username}}}}:{{{{password}}}}@tcp(127.0.0.1:{})/", self.port),
        });
        server.must("POST", &format!("{mount}/config/own"), &config);
        let role = json!({"db_name": "own", "default_ttl": ttl, "max_ttl": max, "creation_statements": [
            "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'; GRANT SELECT ON sales.* TO '{{name}}'@'%';"]});
        server.must("POST", &format!("{mount}/roles/kernel"), &role);
    }

    /// Its address.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
