//! A front end: Jupyter's own client in a separate process, which takes orders, one JSON line at a time.
//!
//! It starts the kernelspec `vaulted` like Jupyter does. When it is dropped, its kernel ends.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::dialogue::Dialogue;
use super::launcher::{Scratch, binary};
use super::openbao::free_ports;
use super::python::python;

/// Writes the kernelspec `vaulted`: the launcher, then `command`; `config` is its vault.toml.
pub fn kernelspec(scratch: &Scratch, config: &str, options: &[&str], command: &[&str]) -> PathBuf {
    let spec = scratch.path("home/kernels/vaulted");
    std::fs::create_dir_all(&spec).expect("a folder");
    std::fs::write(spec.join("vault.toml"), config).expect("a file");
    let mut argv = vec![binary().to_str().expect("a path"), "exec", "--config", "{resource_dir}/vault.toml"];
    argv.extend(options);
    argv.push("--");
    argv.extend(command);
    let text = json!({
        "argv": argv,
        "display_name": "Vaulted",
        "language": "python",
        "metadata": {"supported_encryption": "curve"},
    });
    std::fs::write(spec.join("kernel.json"), text.to_string()).expect("a file");
    spec
}

/// Writes the kernelspec `plain`: only `command`, without the launcher.
pub fn plain_kernelspec(scratch: &Scratch, command: &[String]) {
    let spec = scratch.path("home/kernels/plain");
    std::fs::create_dir_all(&spec).expect("a folder");
    let metadata = json!({"supported_encryption": "curve"});
    let text = json!({"argv": command, "display_name": "Plain", "language": "python", "metadata": metadata});
    std::fs::write(spec.join("kernel.json"), text.to_string()).expect("a file");
}

/// A connection file with free ports and that key, as Jupyter writes it.
pub fn connection_file(scratch: &Scratch, key: &str) -> PathBuf {
    let [shell, control, stdin, iopub, heartbeat] = free_ports();
    let content = json!({
        "shell_port": shell, "control_port": control, "stdin_port": stdin, "iopub_port": iopub, "hb_port": heartbeat,
        "ip": "127.0.0.1", "transport": "tcp", "key": key, "signature_scheme": "hmac-sha256",
    });
    scratch.file("runtime/kernel-1.json", content.to_string())
}

/// The command of ipykernel in a kernelspec.
pub fn ipykernel() -> Vec<String> {
    let python = python().display().to_string();
    [python.as_str(), "-m", "ipykernel_launcher", "-f", "{connection_file}"].map(str::to_owned).to_vec()
}

/// A vault.toml with a token file beside it, for the secret `secret/PATH`.
pub fn config(address: &str, path: &str) -> String {
    format!(
        "[vault]\naddress = \"{address}\"\n[auth]\ntoken_file = \"token\"\n[[source]]\nkv = \"secret/{path}\"\nversion = 2\n"
    )
}

/// An environment in which Jupyter finds that kernelspec, and nothing of this machine's user.
pub fn environment<'a>(command: &'a mut Command, scratch: &Scratch) -> &'a mut Command {
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", scratch.path("home"));
    command.env("JUPYTER_PATH", scratch.path("home")).env("JUPYTER_RUNTIME_DIR", scratch.path("runtime"));
    command.env("JUPYTER_CONFIG_DIR", scratch.path("config")).env("JUPYTER_PLATFORM_DIRS", "1");
    command.env("JUPYTER_CONFIG_PATH", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/kept_ports"));
    command.env("KERNEL_LOG", scratch.path("kernel.log")).env("NO_PROXY", "127.0.0.1,localhost")
}

/// The running front end.
pub struct FrontEnd {
    dialogue: Dialogue,
    log: PathBuf,
}

impl FrontEnd {
    /// Starts it; [`FrontEnd::start`] starts the kernel.
    pub fn new(scratch: &Scratch) -> Self {
        let mut command = Command::new(python());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/front_end.py"));
        environment(&mut command, scratch).current_dir(scratch.path("runtime"));
        Self { dialogue: Dialogue::with(&mut command), log: scratch.path("kernel.log") }
    }

    /// Sends an order that must succeed.
    #[track_caller]
    pub fn ask(&mut self, what: &str, options: Value) -> Value {
        self.dialogue.ask(what, options)
    }

    /// Starts the kernel and waits until it answers; returns its pid.
    #[track_caller]
    pub fn start(&mut self, options: Value) -> i32 {
        let pid = self.ask("start", options)["pid"].as_i64().expect("a pid");
        self.ask("ready", json!({}));
        i32::try_from(pid).expect("a pid")
    }

    /// Executes one cell.
    #[track_caller]
    pub fn cell(&mut self, code: &str) -> Cell {
        Cell(self.ask("execute", json!({"codes": [code]}))[0].clone())
    }

    /// The launcher's and the kernel's stderr.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }
}

/// A cell's outcome.
#[derive(Debug)]
pub struct Cell(pub Value);

impl Cell {
    /// The status of its reply: ok, error, aborted.
    pub fn status(&self) -> &str {
        self.0["reply"]["status"].as_str().unwrap_or_default()
    }

    /// The name of its error.
    pub fn error(&self) -> &str {
        self.0["reply"]["ename"].as_str().unwrap_or_default()
    }

    /// Its output on stdout.
    pub fn printed(&self) -> String {
        let texts = self.0["output"].as_array().into_iter().flatten().filter_map(|output| output["text"].as_str());
        texts.collect::<String>().trim().to_owned()
    }

    /// The first output of that type.
    pub fn output(&self, kind: &str) -> &Value {
        let outputs = self.0["output"].as_array().into_iter().flatten();
        outputs.into_iter().find(|output| output["kind"] == kind).unwrap_or(&Value::Null)
    }
}

/// The program that a process executes.
pub fn program(pid: i32) -> PathBuf {
    std::fs::read_link(Path::new("/proc").join(pid.to_string()).join("exe")).unwrap_or_default()
}
