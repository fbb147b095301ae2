//! The real kernels of many languages: how each is started, and the code that shows a variable.
//!
//! pip installs kernels to `target/python-kernels`, npm installs tslab; R, Octave and Lua are Debian packages, so the
//! tests of their kernels are ignored by default.

use std::fs::{File, create_dir_all, read_to_string, remove_dir_all, write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::dialogue::Dialogue;
use super::front_end::environment;
use super::launcher::Scratch;
use super::openbao::Server;
use super::python;

/// The command of the kernel with that name, as in a kernelspec.
pub fn command(kernel: &str) -> Vec<String> {
    let python = |folder: &Path, module: &str| {
        vec![folder.join("bin/python").display().to_string(), "-m".to_owned(), module.to_owned()]
    };
    let (mut words, option) = match kernel {
        "ipykernel" => (python(python::environment(), "ipykernel_launcher"), Some("-f")),
        "ipykernel6" => (python(python::ipykernel6(), "ipykernel_launcher"), Some("-f")),
        "xpython" | "xpython-raw" => (python(python::kernels(), "xpython_launcher"), Some("-f")),
        "bash_kernel" => (python(python::kernels(), "bash_kernel"), Some("-f")),
        "octave_kernel" => (python(python::kernels(), "octave_kernel"), Some("-f")),
        "ilua" => (python(python::kernels(), "ilua.app"), Some("-c")),
        "deno" => {
            let deno = python::kernels().join("bin/deno").display().to_string();
            ([deno.as_str(), "jupyter", "--kernel"].map(str::to_owned).to_vec(), Some("--conn"))
        }
        "tslab" => (vec![npm("tslab").display().to_string(), "kernel".to_owned()], None),
        "ir" => (["R", "--slave", "-e", "IRkernel::main()", "--args"].map(str::to_owned).to_vec(), None),
        _ => panic!("no kernel is called {kernel}"),
    };
    match (kernel, option) {
        ("tslab", _) => words.push("--config-path={connection_file}".to_owned()),
        (_, Some(option)) => words.extend([option.to_owned(), "{connection_file}".to_owned()]),
        (_, None) => words.push("{connection_file}".to_owned()),
    }
    if kernel == "xpython-raw" {
        words.push("--raw".to_owned());
    }
    words
}

/// A program from npm, installed if needed, in the versions of `tests/npm/package-lock.json`.
pub fn npm(program: &str) -> PathBuf {
    let folder = python::target().join("npm-kernels");
    create_dir_all(python::target()).expect("the target folder can be made");
    let lock = File::create(python::target().join("npm-kernels.lock")).expect("the lock can be made");
    lock.lock().expect("the lock can be taken");
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/npm");
    let wanted = read_to_string(lists.join("package-lock.json")).expect("the list can be read");
    let mark = folder.join("complete");
    if !read_to_string(&mark).is_ok_and(|built| built == wanted) {
        let _ = remove_dir_all(&folder);
        create_dir_all(&folder).expect("a folder");
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(lists.join(name), folder.join(name)).expect("a copy");
        }
        // zeromq's package contains a built library; its script would only download or compile another.
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
        let status = npm.stdin(Stdio::null()).stdout(std::io::stderr()).status().expect("npm starts");
        assert!(status.success(), "npm ci failed: {status}");
        write(&mark, wanted).expect("the mark can be written");
    }
    folder.join("node_modules/.bin").join(program)
}

/// A running kernel, a client that uses it, and one that listens.
pub struct Kernel {
    pub scratch: Scratch,
    dialogue: Dialogue,
    pub name: &'static str,
    pub file: PathBuf,
    pub pid: u32,
}

impl Kernel {
    /// Starts the kernel with that name and further variables, and waits until it answers.
    pub fn start(name: &'static str, variables: &[(&str, &str)]) -> Self {
        Self::of(name, &command(name), variables, true)
    }

    /// Starts a kernel that reports too little on iopub for the listener.
    pub fn deaf(name: &'static str) -> Self {
        Self::of(name, &command(name), &[], false)
    }

    /// Starts a kernel by its command.
    pub fn of(name: &'static str, command: &[String], variables: &[(&str, &str)], listen: bool) -> Self {
        let scratch = Scratch::new();
        let mut onlooker = Command::new(python::kernels().join("bin/python"));
        onlooker.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/onlooker.py"));
        environment(&mut onlooker, &scratch).current_dir(scratch.path("home"));
        onlooker.env("LANG", "C.UTF-8").env("IPYTHONDIR", scratch.path("ipython")).env("DENO_NO_UPDATE_CHECK", "1");
        onlooker.envs(variables.iter().copied());
        let mut dialogue = Dialogue::with(&mut onlooker);
        let started = dialogue.ask("start", json!({"command": command, "listen": listen}));
        let file = started["file"].as_str().expect("a file").into();
        let pid = started["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()).expect("a pid");
        Self { scratch, dialogue, name, file, pid }
    }

    /// Executes a cell; returns its output.
    #[track_caller]
    pub fn cell(&mut self, code: &str) -> String {
        self.dialogue.ask("cell", json!({ "code": code }))["text"].as_str().expect("text").to_owned()
    }

    /// Executes a cell that shows something; returns that, however late it arrives.
    #[track_caller]
    pub fn shown(&mut self, code: &str) -> String {
        self.dialogue.ask("cell", json!({ "code": code, "shows": true }))["text"].as_str().expect("text").to_owned()
    }

    /// Executes a cell; returns its number.
    #[track_caller]
    pub fn number(&mut self, code: &str) -> i64 {
        self.dialogue.ask("cell", json!({ "code": code }))["reply"]["execution_count"].as_i64().expect("a number")
    }

    /// The messages that the listener has received since the last call, except `status`.
    #[track_caller]
    pub fn heard(&mut self) -> Vec<Value> {
        let heard = self.dialogue.ask("heard", json!({}))["heard"].clone();
        heard.as_array().expect("a list").iter().filter(|one| one["kind"] != "status").cloned().collect()
    }

    /// The kernel's history, as any client can request it.
    #[track_caller]
    pub fn history(&mut self) -> String {
        self.dialogue.ask("history", json!({}))["history"].to_string()
    }

    /// `jupyter-vault inject` for it, with a token for the shared server.
    pub fn inject(&self, options: &[&str]) -> Command {
        let mut command = self.scratch.launcher();
        command.env("VAULT_ADDR", Server::shared().address()).env("VAULT_TOKEN", "root");
        command.arg("inject").arg(&self.file).args(options);
        command
    }

    /// What the kernel has written to its standard output and error.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.scratch.path("kernel.log")).unwrap_or_default()).into_owned()
    }
}
