//! The project's wheel, built and installed like a user installs it.
//!
//! The new environment contains only the wheel.

use std::fs::{File, read_dir, remove_dir_all};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use super::inner_cargo::inner_cargo;
use super::kernelspecs::bare_venv;
use super::launcher::Scratch;
use super::python::{maturin, python, target};

/// The wheel, built from this folder with the debug profile; or the one that `.ci/wheels` has built.
pub fn wheel() -> &'static Path {
    static WHEEL: LazyLock<PathBuf> = LazyLock::new(|| {
        if let Some(built) = std::env::var_os("JUPYTER_VAULT_TEST_WHEEL") {
            return PathBuf::from(built);
        }
        let folder = target().join("wheel");
        let lock = File::create(target().join("wheel.lock")).expect("the lock can be made");
        lock.lock().expect("the lock can be taken");
        let _ = remove_dir_all(&folder);
        let mut build = inner_cargo(maturin());
        build.args(["build", "--locked", "--profile", "dev", "--out"]).arg(&folder);
        step(build.current_dir(env!("CARGO_MANIFEST_DIR")), "maturin build");
        let mut files = read_dir(&folder).expect("the folder").map(|file| file.expect("an entry").path());
        files.find(|file| file.extension().is_some_and(|end| end == "whl")).expect("a wheel")
    });
    &WHEEL
}

/// A new environment with the wheel in it.
pub fn install(scratch: &Scratch) -> PathBuf {
    let venv = bare_venv(scratch);
    let mut pip = Command::new(python());
    pip.args(["-m", "pip", "--python"]).arg(venv.join("bin/python"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index"]).arg(wheel());
    step(&mut pip, "pip install");
    venv
}

/// Makes the packages of another environment visible in this one.
#[allow(dead_code, reason = "for the suites alone")]
pub fn add_packages(venv: &Path, other: &Path) {
    let packages = |venv: &Path| {
        let below = read_dir(venv.join("lib")).expect("lib").map(|folder| folder.expect("an entry").path());
        below.map(|folder| folder.join("site-packages")).find(|folder| folder.exists()).expect("packages")
    };
    let file = packages(venv).join("zz-suites.pth");
    std::fs::write(file, packages(other).display().to_string()).expect("a file");
}

fn step(command: &mut Command, what: &str) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|cause| panic!("{what}: {cause}"));
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}
