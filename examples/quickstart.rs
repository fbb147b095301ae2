//! The main job, whole, on a fresh machine: a real OpenBao, a real notebook, a real kernel that gets
//! its user's secrets through the launcher. Prints names and lengths, never values.
//!
//! `cargo run --release --example quickstart`
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unnecessary_debug_formatting,
    clippy::needless_raw_string_hashes,
    clippy::too_many_lines,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what it shows is its output, and its fixtures are the tests'"
)]

#[path = "../tests/support/certificates.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod certificates;
#[path = "../tests/support/inner_cargo.rs"]
mod inner_cargo;
#[path = "../tests/support/openbao.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod openbao;
#[path = "../tests/support/python.rs"]
mod python;

use std::error::Error;
use std::fs::{create_dir_all, write};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// How many launches are timed.
const LAUNCHES: usize = 21;

/// Said to this program by itself: a download runs in a process that a signal can end.
const ENVIRONMENT_ONLY: &str = "--environment-only";

/// How often a step that takes long says that it goes on.
const SIGN_OF_LIFE: Duration = Duration::from_secs(4);

/// The notebook, as a user would write it; API stands for the address.
const CELLS: [&str; 3] = [
    r#"import os, urllib.request
request = urllib.request.Request("API/forecast", headers={"Authorization": "Bearer " + os.environ["API_KEY"]})
print(urllib.request.urlopen(request).read().decode())"#,
    r#"print({name: len(os.environ[name]) for name in ("API_KEY", "DB_PASSWORD")}, "VAULT_TOKEN" in os.environ)"#,
    "print(os.getpid())",
];

const NEXT: &str = "\
what next, with a Vault of your own:
  cargo install --path .        the program, on PATH
  jupyter-vault setup           asks where your Vault is, tries each answer, and offers to wrap your kernels
  jupyter lab                   a new notebook has os.environ[\"API_KEY\"]; README.md says the rest";

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(ENVIRONMENT_ONLY) {
        python::environment();
        return ExitCode::SUCCESS;
    }
    // A signal ends the wait below; the server, the kernel and the folder then go as on any other way out.
    let mut ending = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        ending.add(signal);
    }
    let outcome = ending.thread_block().map_err(Into::into).and_then(|()| run(ending));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(ending: SigSet) -> Result<(), Box<dyn Error>> {
    let stopper = Stopper::new(ending);
    let launcher = build_launcher(&stopper)?;
    step("Python environment with ipykernel and OpenBao (downloaded once, into target/)");
    stopper.run(Command::new(std::env::current_exe()?).arg(ENVIRONMENT_ONLY))?;
    step("OpenBao, in memory, on a loopback port");
    let server = openbao::Server::start();
    let key = random(32);
    server.put("users/ada", &json!({"API_KEY": key, "DB_PASSWORD": random(20)}));
    let api = api(key)?;
    server.policy("ada", "path \"secret/data/users/ada\" { capabilities = [\"read\"] }");
    let token = server.token(&["ada"], &json!({}));

    let folder = tempfile::tempdir()?;
    let config = kernelspec(folder.path(), &launcher, &server.address(), &token)?;
    step("a notebook, run by nbclient on the kernelspec");
    let cells = CELLS.map(|cell| cell.replace("API/", &format!("{api}/")));
    let mut notebook = Command::new(python::python());
    notebook.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/notebook.py")).arg(json!(cells).to_string());
    notebook.env("JUPYTER_PATH", folder.path()).env("JUPYTER_RUNTIME_DIR", folder.path().join("runtime"));
    let seen: Value = serde_json::from_slice(&stopper.run(&mut notebook)?)?;

    for (number, cell) in cells.iter().enumerate() {
        println!("In [{}]: {}", number + 1, cell.replace('\n', "\n        "));
        println!("        → {}", seen["outputs"][number].as_str().unwrap_or("?"));
    }
    println!("(the second cell: names and lengths, and whether the kernel has a Vault token)");
    let (kernel, spawned) = (seen["outputs"][2].as_str().unwrap_or("?"), seen["spawned"].to_string());
    let verdict = if kernel == spawned { "the same" } else { "NOT the same" };
    println!("pid of the launcher {spawned}, pid of the kernel {kernel}: {verdict}");
    let (bare, launched) = (median(&stopper, None)?, median(&stopper, Some((&launcher, &config)))?);
    let cost = launched.saturating_sub(bare).as_secs_f64() * 1e3;
    println!("the launcher costs {cost:.1} ms (median of {LAUNCHES} launches of `true`, over a bare one)");
    println!("{NEXT}");
    if kernel == spawned { Ok(()) } else { Err("the kernel is not the process that Jupyter started".into()) }
}

/// Builds the launcher beside this example, as fast as it will be.
fn build_launcher(stopper: &Stopper) -> Result<PathBuf, Box<dyn Error>> {
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

/// Writes the kernelspec `vaulted`, wrapped; gives the path of its vault.toml.
fn kernelspec(folder: &Path, launcher: &Path, address: &str, token: &str) -> Result<PathBuf, Box<dyn Error>> {
    let spec = folder.join("kernels/vaulted");
    create_dir_all(&spec)?;
    let config = spec.join("vault.toml");
    let text = format!(
        "[vault]\naddress = \"{address}\"\n\n[auth]\nmethod = \"token\"\ntoken_file = \"token\"\n\n\
         [[source]]\nkv = \"secret/users/ada\"\nversion = 2\n"
    );
    write(&config, text)?;
    write(spec.join("token"), token)?;
    std::fs::set_permissions(spec.join("token"), PermissionsExt::from_mode(0o600))?;
    let argv = json!([
        launcher,
        "exec",
        "--config",
        "{resource_dir}/vault.toml",
        "--",
        python::python(),
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}"
    ]);
    let kernel = json!({"argv": argv, "display_name": "Python 3 with secrets", "language": "python"});
    write(spec.join("kernel.json"), serde_json::to_string_pretty(&kernel)?)?;
    Ok(config)
}

fn median(stopper: &Stopper, launcher: Option<(&Path, &Path)>) -> Result<Duration, Box<dyn Error>> {
    let mut times = Vec::with_capacity(LAUNCHES);
    for _ in 0..LAUNCHES {
        let mut command = match launcher {
            None => Command::new("/bin/true"),
            Some((launcher, config)) => {
                let mut command = Command::new(launcher);
                command.args(["exec", "--config"]).arg(config).args(["--", "/bin/true"]);
                command
            }
        };
        let start = Instant::now();
        stopper.run(&mut command)?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(times[LAUNCHES / 2])
}

/// Runs children in process groups of their own, and ends the current one when a signal comes.
struct Stopper {
    current: std::sync::Arc<std::sync::Mutex<(bool, Option<i32>)>>,
}

impl Stopper {
    fn new(ending: SigSet) -> Self {
        let current = std::sync::Arc::new(std::sync::Mutex::new((false, None)));
        let shared = std::sync::Arc::clone(&current);
        std::thread::spawn(move || {
            while ending.wait().is_ok() {
                let mut current = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                current.0 = true;
                if let Some(group) = current.1 {
                    // nbclient shuts its kernel down on this; cargo and pip end.
                    let _ = killpg(Pid::from_raw(group), Signal::SIGINT);
                }
            }
        });
        Self { current }
    }

    fn run(&self, command: &mut Command) -> Result<Vec<u8>, Box<dyn Error>> {
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

/// A service on loopback that wants its key, and gives the address of it.
fn api(key: String) -> Result<String, Box<dyn Error>> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let address = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines: Vec<_> =
                BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
            let is_known = lines.iter().any(|line| *line == format!("Authorization: Bearer {key}"));
            let (status, body) =
                if is_known { ("200 OK", "sunny, 21 degrees") } else { ("401 Unauthorized", "who are you?") };
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    Ok(address)
}

fn step(what: &str) {
    eprintln!("• {what}");
}

fn random(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(length).collect()
}
