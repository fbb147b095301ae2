//! The real binary, run like Jupyter runs it, in a controlled environment.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Instant;

use tempfile::TempDir;

pub use super::waiting::eventually;
use super::waiting::{LIMIT, tick};

/// A folder for one test: home, configuration and runtime folder; removed afterwards.
pub struct Scratch(TempDir);

impl Scratch {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["home", "config", "runtime"] {
            std::fs::create_dir(folder.path().join(name)).expect("a folder");
        }
        Self(folder)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file and returns its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file");
        path
    }

    /// The launcher's binary with this folder as its home, and nothing else in its environment.
    pub fn launcher(&self) -> Command {
        let mut command = Command::new(binary());
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", self.path("home"));
        command.env("JUPYTER_CONFIG_DIR", self.path("config")).env("JUPYTER_RUNTIME_DIR", self.path("runtime"));
        command
    }

    /// Like [`Scratch::launcher`], set up for `exec` with a token at `address`.
    pub fn exec(&self, address: &str, token: &str, options: &[&str], argv: &[&str]) -> Command {
        let mut command = self.launcher();
        command.env("VAULT_ADDR", address).env("VAULT_TOKEN", token);
        command.arg("exec").args(options).arg("--").args(argv);
        command
    }
}

/// The binary under test.
pub fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_jupyter-vault"))
}

/// The outcome of a run.
#[derive(Debug)]
pub struct Outcome {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Outcome {
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// The output of `env -0`.
    pub fn environment(&self) -> BTreeMap<String, String> {
        assert_eq!(self.code(), Some(0), "{}", self.stderr);
        let entries = self.stdout.split(|byte| *byte == 0).filter(|entry| !entry.is_empty());
        entries
            .filter_map(|entry| {
                let text = String::from_utf8_lossy(entry).into_owned();
                text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
            })
            .collect()
    }

    /// Checks an error: its code, its two lines, an empty stdout, the texts that it must contain, and that it
    /// shows no canary.
    #[track_caller]
    pub fn is_error(&self, code: i32, fragments: &[&str]) {
        assert_eq!(self.code(), Some(code), "{}", self.stderr);
        assert!(self.stdout.is_empty(), "stdout is not silent: {:?}", String::from_utf8_lossy(&self.stdout));
        let lines: Vec<_> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{}", self.stderr);
        assert!(lines[0].starts_with("jupyter-vault: ") && lines[1].starts_with("  "), "{}", self.stderr);
        for fragment in fragments {
            assert!(self.stderr.contains(fragment), "no {fragment:?} in {}", self.stderr);
        }
        for secret in ["canary", "hvs.", "s.tok"] {
            assert!(!self.stderr.contains(secret), "{secret:?} in {}", self.stderr);
        }
    }
}

/// Runs to the end, with a time limit.
pub fn run(command: &mut Command) -> Outcome {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    finish(child.expect("the program starts"))
}

/// Waits for a child with piped output, with a time limit.
pub fn finish(mut child: Child) -> Outcome {
    let mut out = child.stdout.take();
    let mut err = child.stderr.take();
    let reading = std::thread::spawn(move || {
        let mut stdout = Vec::new();
        let _ = out.as_mut().map(|out| out.read_to_end(&mut stdout));
        stdout
    });
    let reading_errors = std::thread::spawn(move || {
        let mut stderr = Vec::new();
        let _ = err.as_mut().map(|err| err.read_to_end(&mut stderr));
        String::from_utf8_lossy(&stderr).into_owned()
    });
    let status = wait(&mut child);
    Outcome { status, stdout: reading.join().expect("stdout"), stderr: reading_errors.join().expect("stderr") }
}

/// Waits until a child exits; kills it and fails if it takes too long.
pub fn wait(child: &mut Child) -> ExitStatus {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(status) = child.try_wait().expect("a child of ours") {
            return status;
        }
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            panic!("a run did not end in {LIMIT:?}");
        }
        tick();
    }
}
