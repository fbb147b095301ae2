//! The project's wheel, built and installed as a user installs it.
//!
//! The new environment has nothing of its own but the wheel; what it needs of Jupyter it sees in the shared
//! one, and Jupyter's programs are there as an installer writes them, with its own Python in their first line.

use std::fs::{File, Permissions, read_dir, read_to_string, remove_dir_all, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use super::launcher::Scratch;
use super::python::{environment, maturin, python, target};

/// Jupyter's programs that the tests use.
const PROGRAMS: [&str; 6] =
    ["jupyter", "jupyter-lab", "jupyter-server", "jupyter-console", "jupyter-execute", "papermill"];

/// The wheel, built from this folder with the debug profile.
pub fn wheel() -> &'static Path {
    static WHEEL: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = target().join("wheel");
        let lock = File::create(target().join("wheel.lock")).expect("the lock can be made");
        lock.lock().expect("the lock can be taken");
        let _ = remove_dir_all(&folder);
        let mut build = Command::new(maturin());
        build.args(["build", "--locked", "--profile", "dev", "--out"]).arg(&folder);
        step(build.current_dir(env!("CARGO_MANIFEST_DIR")), "maturin build");
        let mut files = read_dir(&folder).expect("the folder").map(|file| file.expect("an entry").path());
        files.find(|file| file.extension().is_some_and(|end| end == "whl")).expect("a wheel")
    });
    &WHEEL
}

/// A new environment with the wheel in it.
pub fn install(scratch: &Scratch) -> PathBuf {
    let venv = scratch.path("venv");
    step(Command::new(python()).args(["-m", "venv", "--without-pip"]).arg(&venv), "python -m venv");
    let shared = packages(environment());
    write(packages(&venv).join("shared.pth"), shared.display().to_string()).expect("a file");
    let mut pip = Command::new(python());
    pip.args(["-m", "pip", "--python"]).arg(venv.join("bin/python"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]).arg(wheel());
    step(&mut pip, "pip install");
    for name in PROGRAMS {
        let script = read_to_string(environment().join("bin").join(name)).expect("a script");
        let (_, rest) = script.split_once('\n').expect("lines");
        let program = venv.join("bin").join(name);
        write(&program, format!("#!{}\n{rest}", venv.join("bin/python").display())).expect("a file");
        set_permissions(&program, Permissions::from_mode(0o755)).expect("its mode");
    }
    venv
}

fn packages(venv: &Path) -> PathBuf {
    let mut folders = read_dir(venv.join("lib")).expect("lib").map(|folder| folder.expect("an entry").path());
    folders.find(|folder| folder.join("site-packages").exists()).expect("a Python").join("site-packages")
}

fn step(command: &mut Command, what: &str) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|cause| panic!("{what}: {cause}"));
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}
