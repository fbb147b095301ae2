//! The whole program on a new machine: a real OpenBao, and a real notebook whose kernel gets its user's secrets through
//! the launcher. Prints names and lengths, never values.
//!
//! `cargo run --release --example quickstart`

#[path = "../tests/support/certificates.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod certificates;
#[allow(dead_code, reason = "another example uses more of it")]
mod common;
#[path = "../tests/support/inner_cargo.rs"]
mod inner_cargo;
#[path = "../tests/support/openbao.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod openbao;
#[path = "../tests/support/python.rs"]
mod python;
#[path = "../tests/support/waiting.rs"]
mod waiting;

use std::error::Error;
use std::fs::{create_dir_all, write};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use common::{Stopper, build_launcher, step};
use serde_json::json;

/// How many launches are timed.
const LAUNCHES: usize = 21;

/// The notebook, as a user would write it; API is replaced by the address.
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
    common::main("quickstart", run, || {
        python::environment();
    })
}

fn run(stopper: &Stopper) -> Result<(), Box<dyn Error>> {
    let launcher = build_launcher(stopper)?;
    step("Python environment with ipykernel and OpenBao (downloaded once, into target/)");
    stopper.environment()?;
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
    let seen = common::notebook(stopper, &python::python(), folder.path(), &json!(cells))?;

    for (number, cell) in cells.iter().enumerate() {
        println!("In [{}]: {}", number + 1, cell.replace('\n', "\n        "));
        println!("        → {}", seen["outputs"][number].as_str().unwrap_or("?"));
    }
    println!("(the second cell: names and lengths, and whether the kernel has a Vault token)");
    let (kernel, spawned) = (seen["outputs"][2].as_str().unwrap_or("?"), seen["spawned"].to_string());
    let verdict = if kernel == spawned { "the same" } else { "NOT the same" };
    println!("pid of the launcher {spawned}, pid of the kernel {kernel}: {verdict}");
    let (bare, launched) = (median(stopper, None)?, median(stopper, Some((&launcher, &config)))?);
    let cost = launched.saturating_sub(bare).as_secs_f64() * 1e3;
    println!("the launcher costs {cost:.1} ms (median of {LAUNCHES} launches of `true`, over a bare one)");
    println!("{NEXT}");
    if kernel == spawned { Ok(()) } else { Err("the kernel is not the process that Jupyter started".into()) }
}

/// Writes the wrapped kernelspec `vaulted`; returns the path of its vault.toml.
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
    write(spec.join("kernel.json"), common::kernel_json(launcher, &python::python(), &json!({}))?)?;
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

/// Starts a service on loopback that requires its key; returns its address.
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

fn random(length: usize) -> String {
    std::iter::repeat_with(fastrand::alphanumeric).take(length).collect()
}
