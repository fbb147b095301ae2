//! Real Jupyter servers and gateways, and a user of them.
//!
//! As with OpenBao, a small shell runs the server, and ends it when this process is gone.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::dialogue::Dialogue;
use super::front_end::{Cell, environment};
use super::kernels::npm;
use super::launcher::{Scratch, wait};
use super::openbao::free_ports;
use super::python;
use super::waiting::tick;

/// The token that the tests log in with.
pub const TOKEN: &str = "server-token";

/// Ends its child when standard input closes.
const WATCH: &str = r#""$@" </dev/null & server=$!; read -r _; kill "$server"; wait "$server""#;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    JupyterServer,
    JupyterLab,
    KernelGateway,
    EnterpriseGateway,
    /// Configured by `config/jupyterhub_config.py` in the test's folder.
    JupyterHub,
}

impl Kind {
    fn command(self, scratch: &Scratch, port: u16) -> Vec<String> {
        let program = |name: &str| python::environment().join("bin").join(name).display().to_string();
        let notebooks = scratch.path("home").display().to_string();
        match self {
            Self::JupyterServer | Self::JupyterLab => {
                let name = if self == Self::JupyterLab { "jupyter-lab" } else { "jupyter-server" };
                let options =
                    ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", "--ServerApp.port_retries=0"];
                let mut command = vec![program(name)];
                command.extend(options.map(str::to_owned));
                command.push(format!("--ServerApp.port={port}"));
                command.push(format!("--ServerApp.root_dir={notebooks}"));
                if self == Self::JupyterLab {
                    // No option that connects to the internet.
                    command.push("--LabApp.news_url=None".to_owned());
                    command.push("--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate".to_owned());
                }
                command
            }
            Self::KernelGateway => vec![
                program("jupyter-kernelgateway"),
                "--KernelGatewayApp.ip=127.0.0.1".to_owned(),
                "--KernelGatewayApp.port_retries=0".to_owned(),
                format!("--KernelGatewayApp.port={port}"),
                "--JupyterWebsocketPersonality.list_kernels=True".to_owned(),
            ],
            Self::EnterpriseGateway => vec![
                python::enterprise_gateway().join("bin/jupyter-enterprisegateway").display().to_string(),
                "--EnterpriseGatewayApp.ip=127.0.0.1".to_owned(),
                "--EnterpriseGatewayApp.port_retries=0".to_owned(),
                format!("--EnterpriseGatewayApp.port={port}"),
                "--EnterpriseGatewayApp.list_kernels=True".to_owned(),
            ],
            Self::JupyterHub => {
                let [hub, proxy] = free_ports();
                vec![
                    python::jupyterhub().join("bin/jupyterhub").display().to_string(),
                    "--config".to_owned(),
                    scratch.path("config/jupyterhub_config.py").display().to_string(),
                    format!("--JupyterHub.bind_url=http://127.0.0.1:{port}"),
                    format!("--JupyterHub.hub_port={hub}"),
                    format!("--ConfigurableHTTPProxy.api_url=http://127.0.0.1:{proxy}"),
                    format!("--ConfigurableHTTPProxy.command={}", npm("configurable-http-proxy").display()),
                ]
            }
        }
    }
}

/// A running server.
pub struct JupyterServer {
    port: u16,
    base: String,
    tls: bool,
    token: String,
    child: Child,
    log: PathBuf,
}

impl JupyterServer {
    /// Starts a server that finds the kernelspecs of `scratch`, and waits until it answers.
    pub fn start(kind: Kind, scratch: &Scratch, variables: &[(&str, &str)]) -> Self {
        Self::start_with(kind, scratch, variables, &[])
    }

    /// Like [`JupyterServer::start`], with more options on its command line.
    pub fn start_with(kind: Kind, scratch: &Scratch, variables: &[(&str, &str)], options: &[&str]) -> Self {
        let [port] = free_ports();
        Self::start_at(kind, scratch, variables, options, port)
    }

    /// Like [`JupyterServer::start_with`], on the port of an earlier server.
    pub fn start_at(kind: Kind, scratch: &Scratch, variables: &[(&str, &str)], options: &[&str], port: u16) -> Self {
        let log = scratch.path("server.log");
        let file = File::create(&log).expect("the log");
        let mut words = kind.command(scratch, port);
        if let Some((_, other)) = variables.iter().find(|(name, _)| *name == "VIRTUAL_ENV") {
            words[0] = words[0].replace(python::environment().to_str().expect("a path"), other);
        }
        let mut command = Command::new("sh");
        let socket = options.iter().any(|option| option.starts_with("--ServerApp.sock="));
        let name = |option: &str| option.split('=').next().map(str::to_owned);
        // Each option occurs once, and a server has either a port or a socket.
        let replaced = |usual: &str| {
            options.iter().any(|option| name(option) == name(usual)) || socket && usual.contains(".port=")
        };
        let usual = words.into_iter().filter(|usual| !replaced(usual));
        command.args(["-c", WATCH, "sh"]).args(usual).args(options);
        environment(&mut command, scratch).current_dir(scratch.path("home"));
        command.env("JUPYTER_TOKEN", TOKEN).env("KG_AUTH_TOKEN", TOKEN).env("EG_AUTH_TOKEN", TOKEN);
        command.env("EG_LIST_KERNELS", "True").envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stderr(file.try_clone().expect("the log")).stdout(file);
        let child = command.spawn().expect("a shell");
        let said = |name: &str| options.iter().find_map(|option| option.strip_prefix(name)).map(str::to_owned);
        let base = said("--ServerApp.base_url=").unwrap_or_default().trim_end_matches('/').to_owned();
        let tls = said("--ServerApp.certfile=").is_some();
        let token = variables.iter().find(|(name, _)| *name == "JUPYTER_TOKEN").map_or(TOKEN, |(_, token)| *token);
        let mut server = Self { port, base, tls, token: token.to_owned(), child, log };
        if tls || socket {
            server.wait_for_its_file(scratch);
        } else {
            server.wait_until_ready(if kind == Kind::JupyterHub { "hub/health" } else { "api/kernelspecs" });
        }
        server
    }

    /// A server that can't be reached by plain requests writes its file when it listens.
    fn wait_for_its_file(&mut self, scratch: &Scratch) {
        let end = Instant::now() + Duration::from_secs(60);
        let is_its = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().starts_with("jpserver-");
        let listed = || std::fs::read_dir(scratch.path("runtime")).expect("the folder").filter_map(Result::ok);
        // The file is written first, then the port opens.
        let listens = |tls: bool, port: u16| !tls || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        while !(listed().any(is_its) && listens(self.tls, self.port)) {
            let ended = self.child.try_wait().expect("the shell is ours").is_some();
            assert!(!ended && Instant::now() < end, "the server does not start: {}", self.log());
            tick();
        }
    }

    fn wait_until_ready(&mut self, path: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
        let address = format!("{}/{path}", self.address());
        loop {
            let request = agent.get(&address).header("Authorization", format!("token {}", self.token));
            if request.call().is_ok_and(|answer| answer.status() == 200) {
                return;
            }
            let ended = self.child.try_wait().expect("the shell is ours").is_some();
            assert!(!ended && Instant::now() < end, "the server does not start: {}", self.log());
            tick();
        }
    }

    /// `http://127.0.0.1:PORT`, with the base URL if it has one.
    pub fn address(&self) -> String {
        format!("{}://127.0.0.1:{}{}", if self.tls { "https" } else { "http" }, self.port, self.base)
    }

    /// The output of the server and its kernels.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

impl Drop for JupyterServer {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if std::thread::panicking() {
            eprintln!("the server's log: {}", self.log());
            let _ = self.child.wait();
            return;
        }
        wait(&mut self.child);
    }
}

/// A user of servers.
pub struct User(Dialogue);

impl User {
    /// A user of that server.
    pub fn of(server: &JupyterServer) -> Self {
        Self::trusting(server, None)
    }

    /// A user who trusts that CA.
    pub fn trusting(server: &JupyterServer, ca: Option<&Path>) -> Self {
        let mut command = Command::new(python::python());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/server_client.py")).env("NO_PROXY", "*");
        if let Some(ca) = ca {
            command.env("SSL_CERT_FILE", ca).env("WEBSOCKET_CLIENT_CA_BUNDLE", ca);
        }
        let mut user = Self(Dialogue::with(&mut command));
        user.ask("server", json!({"at": server.address(), "secret": server.token}));
        user
    }

    /// A user who logs in to that hub, and gets a separate server there.
    pub fn of_hub(hub: &JupyterServer, name: &str, password: &str) -> Self {
        let mut user = Self::of(hub);
        user.ask("hub", json!({"at": hub.address(), "user": name, "password": password}));
        user
    }

    /// Sends an order that must succeed.
    #[track_caller]
    pub fn ask(&mut self, what: &str, options: Value) -> Value {
        self.0.ask(what, options)
    }

    /// Executes one cell.
    #[track_caller]
    pub fn cell(&mut self, code: &str) -> Cell {
        Cell(self.ask("cell", json!({ "code": code })))
    }

    /// Executes a cell that prints something, which may arrive after the kernel reports idle; again if needed:
    /// after an error, ipykernel briefly refuses queued cells, and a gateway that has not yet joined a new kernel's
    /// iopub misses the output of its first cell.
    #[track_caller]
    pub fn shown(&mut self, code: &str) -> Cell {
        let look = json!({"code": code, "shows": 5});
        let mut cell = Cell(self.ask("cell", look.clone()));
        super::launcher::eventually("the cell prints something", || {
            if cell.status() == "aborted" || (cell.status() == "ok" && cell.printed().is_empty()) {
                cell = Cell(self.ask("cell", look.clone()));
            }
            cell.status() == "error" || !cell.printed().is_empty()
        });
        cell
    }
}
