//! Every kernel under every server: docs/matrix.md shows the results.
//!
//! `JUPYTER_VAULT_WRITE_MATRIX=1 cargo test --test jupyter matrix -- --include-ignored --nocapture` writes it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::support::front_end::{Cell, config};
use crate::support::kernels::command;
use crate::support::launcher::{Scratch, binary};
use crate::support::openbao::Server;
use crate::support::remote;
use crate::support::server::{JupyterServer, Kind, User};
use serde_json::{Value, json};

/// A kernel's name in the tests, its usual name, and a cell that prints the secret's length.
const KERNELS: &[(&str, &str, &str)] = &[
    ("ipykernel", "ipykernel 7", "import os; print('length', len(os.environ['MATRIX_SECRET']))"),
    ("ipykernel6", "ipykernel 6", "import os; print('length', len(os.environ['MATRIX_SECRET']))"),
    ("xpython", "xeus-python", "import os; print('length', len(os.environ['MATRIX_SECRET']))"),
    ("bash_kernel", "bash_kernel", "printf 'length %s\\n' \"${#MATRIX_SECRET}\""),
    ("deno", "Deno", "console.log(`length ${Deno.env.get('MATRIX_SECRET').length}`)"),
    (
        "tslab",
        "tslab",
        "(globalThis as any).console.log(`length ${(globalThis as any).process.env.MATRIX_SECRET.length}`)",
    ),
    ("ir", "IRkernel", "cat('length', nchar(Sys.getenv('MATRIX_SECRET')))"),
    ("octave_kernel", "octave_kernel", "printf('length %d\\n', length(getenv('MATRIX_SECRET')))"),
];

/// Enterprise Gateway's process proxy for other hosts, which starts kernels with its own launchers.
const DISTRIBUTED: &str = "Enterprise Gateway, distributed";

const SERVERS: &[&str] = &[
    "Jupyter Server",
    "JupyterLab",
    "Kernel Gateway",
    "Enterprise Gateway",
    DISTRIBUTED,
    "Jupyter Server with a gateway",
];

/// A server that can't start that kernel, with or without jupyter-vault.
const NO_WAY: &str = "–";

const HEAD: &str = "# Kernels and servers\n\n\
    Each server started each kernel through the launcher: `yes` means that the secret was in the kernel's environment after the\n\
    start and after a restart. A test writes this table, and fails if it is wrong:\n\
    `JUPYTER_VAULT_WRITE_MATRIX=1 cargo test --test jupyter matrix -- --include-ignored`.\n\n";

const FOOT: &str = "\n\
    - `–`: Enterprise Gateway starts kernels on other hosts (`DistributedProcessProxy`) with its own launchers, which exist only\n  \
    for Python, R and Scala.\n\
    - ILua is left out: it hangs if a cell arrives before its Lua interpreter has started ([languages](languages.md)).\n";

/// The results for each kernel, by its name in the tests, under each server in the order of [`SERVERS`].
type Rows = BTreeMap<String, Vec<String>>;

/// Installs a kernelspec whose command follows the launcher.
fn install(scratch: &Scratch, server: &Server, name: &str, command: &[String], more: &Value) {
    let folder = format!("home/kernels/{}", name.replace('_', "-"));
    std::fs::create_dir_all(scratch.path(&folder)).unwrap();
    let launcher = ["exec", "--config", "{resource_dir}/vault.toml", "--"].map(str::to_owned);
    let argv = [binary().display().to_string()].into_iter().chain(launcher).chain(command.iter().cloned());
    let mut spec = json!({"argv": argv.collect::<Vec<_>>(), "display_name": name, "language": "any"});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    scratch.file(&format!("{folder}/kernel.json"), spec.to_string());
    scratch.file(&format!("{folder}/vault.toml"), config(&server.address(), "matrix"));
    scratch.file(&format!("{folder}/token"), "root");
}

/// Runs those kernels under every server.
fn run_all(names: &[&str]) -> Rows {
    let server = Server::shared();
    server.put("matrix", &json!({"MATRIX_SECRET": "canary-of-21-letters!"}));
    let (near, far) = (Scratch::new(), Scratch::new());
    for name in names {
        // A gateway does not pass on PATH, and some kernels need programs.
        let path = json!({"PATH": "/usr/local/bin:/usr/bin:/bin"});
        install(&near, server, name, &command(name), &json!({"env": path}));
        if let Some(command) = remote::command(name) {
            let proxy = json!({"process_proxy": {"class_name": remote::DISTRIBUTED}});
            let more = json!({"env": remote::variables(&far.path("home/modules")), "metadata": proxy});
            install(&far, server, name, &command, &more);
        }
    }
    // Most of the time is waiting.
    let columns: Vec<Vec<String>> = std::thread::scope(|scope| {
        let (near, far) = (&near, &far);
        let running: Vec<_> = SERVERS.iter().map(|which| scope.spawn(|| column(which, names, near, far))).collect();
        running.into_iter().map(|column| column.join().expect("a column")).collect()
    });
    let mut rows = Rows::new();
    for (number, name) in names.iter().enumerate() {
        rows.insert((*name).to_owned(), columns.iter().map(|column| column[number].clone()).collect());
    }
    rows
}

/// Runs those kernels under one server: with the kernelspecs of `near`, or those for other hosts in `far`.
fn column(which: &str, names: &[&str], near: &Scratch, far: &Scratch) -> Vec<String> {
    // Each server has its own folders, but the same kernelspecs.
    let scratch = Scratch::new();
    let kernels = if which == DISTRIBUTED { far } else { near }.path("home/kernels");
    std::os::unix::fs::symlink(kernels, scratch.path("home/kernels")).unwrap();
    let own = Scratch::new();
    let (first, second) = match which {
        "Jupyter Server" => (JupyterServer::start(Kind::JupyterServer, &scratch, &[]), None),
        "JupyterLab" => (JupyterServer::start(Kind::JupyterLab, &scratch, &[]), None),
        "Kernel Gateway" => (JupyterServer::start(Kind::KernelGateway, &scratch, &[]), None),
        "Enterprise Gateway" => (JupyterServer::start(Kind::EnterpriseGateway, &scratch, &[]), None),
        DISTRIBUTED => {
            let logs = scratch.path("runtime").display().to_string();
            let variables = [("EG_KERNEL_LOG_DIR", logs.as_str()), ("EG_KERNEL_LAUNCH_TIMEOUT", "60")];
            let options = ["--EnterpriseGatewayApp.remote_hosts=localhost"];
            (JupyterServer::start_with(Kind::EnterpriseGateway, &scratch, &variables, &options), None)
        }
        _ => {
            let gateway = JupyterServer::start(Kind::KernelGateway, &scratch, &[]);
            let url = format!("--GatewayClient.url={}", gateway.address());
            let options = [url.as_str(), "--GatewayClient.auth_token=server-token"];
            (JupyterServer::start_with(Kind::JupyterServer, &own, &[], &options), Some(gateway))
        }
    };
    let mut user = User::of(&first);
    let mut outcomes = Vec::new();
    for name in names {
        let none = which == DISTRIBUTED && remote::command(name).is_none();
        let outcome = if none { NO_WAY.to_owned() } else { one(&mut user, name) };
        println!("{name} under {which}: {outcome}");
        outcomes.push(outcome);
    }
    drop((user, first, second));
    outcomes
}

/// Starts, checks, restarts, checks again.
fn one(user: &mut User, name: &str) -> String {
    let code = KERNELS.iter().find(|(kernel, ..)| *kernel == name).expect("a kernel").2;
    user.ask("launch", json!({"name": name.replace('_', "-"), "env": {"KERNEL_USERNAME": "ada"}}));
    let started = look(user, code);
    user.ask("restart", json!({}));
    let restarted = look(user, code);
    user.ask("delete", json!({}));
    if has_it(&started) && has_it(&restarted) {
        "yes".to_owned()
    } else {
        eprintln!("{name}: {started:?} {restarted:?}");
        "no".to_owned()
    }
}

fn has_it(cell: &Cell) -> bool {
    cell.printed().contains("length 21")
}

/// Some kernels print after they have reported idle, and a gateway that has not yet joined a new kernel's iopub
/// misses the output of its first cell.
fn look(user: &mut User, code: &str) -> Cell {
    let mut look = || Cell(user.ask("cell", json!({"code": code, "shows": 10})));
    let cell = look();
    if cell.printed().is_empty() && cell.status() == "ok" { look() } else { cell }
}

fn file() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/matrix.md"))
}

/// The rows in the document.
fn written() -> Rows {
    let text = std::fs::read_to_string(file()).unwrap_or_default();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let lines = text.lines().map(cells).filter(|cells| cells.len() == SERVERS.len() + 3);
    let known = |shown: &str| KERNELS.iter().find(|(_, name, _)| *name == shown).map(|(name, ..)| (*name).to_owned());
    lines.filter_map(|cells| Some((known(&cells[1])?, cells[2..2 + SERVERS.len()].to_vec()))).collect()
}

fn text(rows: &Rows) -> String {
    let mut text = format!("{HEAD}| kernel | {} |\n|---{}|\n", SERVERS.join(" | "), "|---".repeat(SERVERS.len()));
    for (name, shown, _) in KERNELS {
        if let Some(row) = rows.get(*name) {
            text.extend(["| ", shown, " | ", &row.join(" | "), " |\n"]);
        }
    }
    text + FOOT
}

/// Two tests write the same file.
static WRITING: Mutex<()> = Mutex::new(());

/// Runs those kernels; compares their rows with the document, or writes them to it.
fn check(names: &[&str]) {
    let rows = run_all(names);
    println!("{}", text(&rows).trim_end_matches(FOOT));
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut docs = written();
    if std::env::var_os("JUPYTER_VAULT_WRITE_MATRIX").is_some() {
        docs.extend(rows);
        std::fs::write(file(), text(&docs)).unwrap();
        return;
    }
    for (name, row) in rows {
        assert_eq!(Some(&row), docs.get(&name), "{name}: docs/matrix.md differs");
    }
    let whole = std::fs::read_to_string(file()).unwrap();
    assert_eq!(whole, text(&docs), "docs/matrix.md was written by hand");
}

#[test]
fn the_matrix_of_kernels_and_servers_is_as_the_docs_say() {
    check(&["ipykernel", "ipykernel6", "xpython", "bash_kernel", "deno", "tslab"]);
}

#[test]
#[ignore = "needs R and Octave: Debian's r-cran-irkernel, r-cran-argparse, r-cran-stringr, octave"]
fn the_matrix_of_debians_kernels_is_as_the_docs_say() {
    check(&["ir", "octave_kernel"]);
}
