//! Shared by the examples: children that a signal ends, the launcher's build, a kernelspec.

use std::error::Error;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::inner_cargo;

/// An example passes this to itself, so that downloads run in a process that a signal can end.
const ENVIRONMENT_ONLY: &str = "--environment-only";

/// How often a long step reports that it is still running.
const SIGN_OF_LIFE: Duration = Duration::from_secs(4);

/// An example's `main`; `environment` creates the Python environments that it needs.
pub fn main(
    name: &str,
    run: impl FnOnce(&Stopper) -> Result<(), Box<dyn Error>>,
    environment: impl FnOnce(),
) -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(ENVIRONMENT_ONLY) {
        environment();
        return ExitCode::SUCCESS;
    }
    // A signal ends the wait below; the server, the kernel and the folder are then removed as usual.
    let mut ending = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        ending.add(signal);
    }
    let outcome = ending.thread_block().map_err(Into::into).and_then(|()| run(&Stopper::new(ending)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Builds the launcher beside this example, with the same profile.
pub fn build_launcher(stopper: &Stopper) -> Result<PathBuf, Box<dyn Error>> {
    let examples = std::env::current_exe()?;
    let target = examples.parent().and_then(Path::parent).ok_or("an example outside of target/")?;
    step("the launcher");
    let mut cargo = inner_cargo::inner_cargo(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--bin", "jupyter-vault"]).current_dir(env!("CARGO_MANIFEST_DIR"));
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    stopper.run(&mut cargo)?;
    Ok(target.join("jupyter-vault"))
}

/// The kernel.json of a Python kernel that `launcher` starts, with the `vault.toml` beside it.
pub fn kernel_json(launcher: &Path, python: &Path, env: &Value) -> Result<String, Box<dyn Error>> {
    let words = ["-m", "ipykernel_launcher", "-f", "{connection_file}"];
    let argv = json!([
        launcher,
        "exec",
        "--config",
        "{resource_dir}/vault.toml",
        "--",
        python,
        words[0],
        words[1],
        words[2],
        words[3]
    ]);
    let kernel = json!({"argv": argv, "display_name": "Python 3 with secrets", "language": "python", "env": env});
    Ok(serde_json::to_string_pretty(&kernel)?)
}

/// Runs each child in its own process group, and ends the current one when a signal arrives.
pub struct Stopper {
    current: std::sync::Arc<std::sync::Mutex<(bool, Option<i32>)>>,
}

impl Stopper {
    /// Creates the Python environments, in a process that a signal can end.
    pub fn environment(&self) -> Result<(), Box<dyn Error>> {
        self.run(Command::new(std::env::current_exe()?).arg(ENVIRONMENT_ONLY)).map(drop)
    }

    fn new(ending: SigSet) -> Self {
        let current = std::sync::Arc::new(std::sync::Mutex::new((false, None)));
        let shared = std::sync::Arc::clone(&current);
        std::thread::spawn(move || {
            while ending.wait().is_ok() {
                let mut current = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                current.0 = true;
                if let Some(group) = current.1 {
                    // nbclient then shuts its kernel down; cargo and pip exit.
                    let _ = killpg(Pid::from_raw(group), Signal::SIGINT);
                }
            }
        });
        Self { current }
    }

    pub fn run(&self, command: &mut Command) -> Result<Vec<u8>, Box<dyn Error>> {
        let mut child = self.spawn(command)?;
        let mut output = Vec::new();
        let (over, goes_on) = std::sync::mpsc::channel::<()>();
        let telling = std::thread::spawn(move || {
            let start = Instant::now();
            while goes_on.recv_timeout(SIGN_OF_LIFE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                eprintln!("  … {} s", start.elapsed().as_secs());
            }
        });
        let read = child.stdout.as_mut().map_or(Ok(0), |stdout| stdout.read_to_end(&mut output));
        let status = child.wait();
        drop(over);
        let _ = telling.join();
        let (_, status) = (read?, status?);
        let mut current = self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        current.1 = None;
        match status {
            _ if current.0 => Err("stopped; everything that was started is gone".into()),
            status if status.success() => Ok(output),
            status => Err(format!("{} failed: {status}", command.get_program().display()).into()),
        }
    }

    fn spawn(&self, command: &mut Command) -> Result<Child, Box<dyn Error>> {
        let mut current = self.current.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if current.0 {
            return Err("stopped; everything that was started is gone".into());
        }
        // The standard library gives a child an empty signal mask.
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0).spawn()?;
        current.1 = Some(i32::try_from(child.id())?);
        Ok(child)
    }
}

/// Runs a notebook with these `cells` with nbclient and the kernelspec `vaulted` in `folder`; returns their output.
pub fn notebook(stopper: &Stopper, python: &Path, folder: &Path, cells: &Value) -> Result<Value, Box<dyn Error>> {
    let mut notebook = Command::new(python);
    notebook.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/notebook.py")).arg(cells.to_string());
    notebook.env("JUPYTER_PATH", folder).env("JUPYTER_RUNTIME_DIR", folder.join("runtime"));
    Ok(serde_json::from_slice(&stopper.run(&mut notebook)?)?)
}

/// Prints the current step on stderr.
pub fn step(what: &str) {
    eprintln!("• {what}");
}
