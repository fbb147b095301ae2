//! Kernelspecs in a test's own folders, and Jupyter's list of those it finds.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::launcher::{Outcome, Scratch, run};
use super::python::{environment, python};

/// A kernel.json like that of ipykernel's wheel.
pub const IPYKERNEL: &str = r#"{
 "argv": [
  "python",
  "-m",
  "ipykernel_launcher",
  "-f",
  "{connection_file}"
 ],
 "display_name": "Python 3 (ipykernel)",
 "language": "python",
 "metadata": {
  "debugger": true,
  "supported_encryption": [
   "curve"
  ]
 },
 "kernel_protocol_version": "5.5"
}"#;

/// The Jupyter programs that the tests use.
const PROGRAMS: [&str; 7] = [
    "jupyter",
    "jupyter-kernelspec",
    "jupyter-lab",
    "jupyter-server",
    "jupyter-console",
    "jupyter-execute",
    "papermill",
];

/// Writes a kernelspec with a logo into `folder/NAME`.
pub fn spec(folder: &Path, name: &str, text: &str) -> PathBuf {
    let spec = folder.join(name);
    std::fs::create_dir_all(&spec).expect("a folder");
    std::fs::write(spec.join("kernel.json"), text).expect("a file");
    std::fs::write(spec.join("logo-64x64.png"), b"\x89PNG\r\n\x1a\n\0canary").expect("a file");
    spec
}

/// The user's kernelspec folder.
pub fn user(scratch: &Scratch) -> PathBuf {
    scratch.path("home/.local/share/jupyter/kernels")
}

/// An environment with Jupyter on PATH, in which it finds nothing of this machine's user.
pub fn jupyter<'a>(command: &'a mut Command, scratch: &Scratch) -> &'a mut Command {
    let path = format!("{}:/usr/bin:/bin", environment().join("bin").display());
    command.env_clear().env("PATH", path).env("HOME", scratch.path("home"));
    command.env("JUPYTER_CONFIG_DIR", scratch.path("config")).env("JUPYTER_RUNTIME_DIR", scratch.path("runtime"));
    // The environment of the tests has its own kernelspecs, which tests must not change.
    command.env("JUPYTER_PREFER_ENV_PATH", "0").env("PYTHONDONTWRITEBYTECODE", "1").current_dir(scratch.path("home"))
}

/// A new virtual environment at `venv`. It sees Jupyter's packages in the shared environment, and has Jupyter's
/// programs as an installer writes them, with its own Python in their first line.
pub fn bare_venv(scratch: &Scratch) -> PathBuf {
    let venv = scratch.path("venv");
    succeed(Command::new(python()).args(["-m", "venv", "--without-pip"]).arg(&venv));
    let shared = packages(environment());
    std::fs::write(packages(&venv).join("shared.pth"), shared.display().to_string()).expect("a file");
    for name in PROGRAMS {
        let script = std::fs::read_to_string(environment().join("bin").join(name)).expect("a script");
        let (_, rest) = script.split_once('\n').expect("lines");
        let program = venv.join("bin").join(name);
        std::fs::write(&program, format!("#!{}\n{rest}", venv.join("bin/python").display())).expect("a file");
        std::fs::set_permissions(&program, Permissions::from_mode(0o755)).expect("its mode");
    }
    venv
}

fn packages(venv: &Path) -> PathBuf {
    let mut folders = std::fs::read_dir(venv.join("lib")).expect("lib").map(|folder| folder.expect("an entry").path());
    folders.find(|folder| folder.join("site-packages").exists()).expect("a Python").join("site-packages")
}

/// The program under test, in the environment of Jupyter.
pub fn vault(scratch: &Scratch, arguments: &[&str]) -> Command {
    let mut command = scratch.launcher();
    jupyter(&mut command, scratch).args(arguments);
    command
}

/// Runs it; it must succeed.
#[track_caller]
pub fn succeed(command: &mut Command) -> Outcome {
    let outcome = run(command);
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    outcome
}

/// The output of `jupyter kernelspec list --json`: name to folder.
#[track_caller]
pub fn listed(command: &mut Command) -> BTreeMap<String, PathBuf> {
    let outcome = run(command.args(["kernelspec", "list", "--json"]));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let answer: Value = serde_json::from_slice(&outcome.stdout).expect("JSON");
    let kernels = answer["kernelspecs"].as_object().expect("kernelspecs");
    let folder = |kernel: &Value| PathBuf::from(kernel["resource_dir"].as_str().expect("a folder"));
    kernels.iter().map(|(name, kernel)| (name.clone(), folder(kernel))).collect()
}

/// Every file below `folder`: path, permission bits, and content or a link's target.
pub fn tree(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(at) = waiting.pop() {
        for entry in std::fs::read_dir(&at).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            let metadata = path.symlink_metadata().expect("metadata");
            let content = if metadata.is_symlink() {
                path.read_link().expect("a link").into_os_string().into_encoded_bytes()
            } else if metadata.is_dir() {
                waiting.push(path.clone());
                Vec::new()
            } else {
                std::fs::read(&path).expect("a file")
            };
            files.insert(path, (metadata.permissions().mode(), content));
        }
    }
    files
}
