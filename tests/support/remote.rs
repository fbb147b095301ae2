//! Kernels on other hosts: Enterprise Gateway starts them with its own launcher for each language, which sends
//! the connection back. It has one for Python, R and Scala, and its process proxies can start nothing else.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::python;

/// The class of the process proxy that starts kernels by ssh, and on its own host without ssh.
pub const DISTRIBUTED: &str = "enterprise_gateway.services.processproxies.distributed.DistributedProcessProxy";

/// The command of that kernel through the gateway's launcher, as in its kernelspecs; `None` if there is no
/// launcher.
pub fn command(kernel: &str) -> Option<Vec<String>> {
    let (program, script) = match kernel {
        "ipykernel" => (python::python(), "python/scripts/launch_ipykernel.py"),
        "ipykernel6" => (python::ipykernel6().join("bin/python"), "python/scripts/launch_ipykernel.py"),
        "remote" => (python::remote_kernel(), "python/scripts/launch_ipykernel.py"),
        "ir" => (PathBuf::from("/usr/bin/Rscript"), "R/scripts/launch_IRkernel.R"),
        _ => return None,
    };
    let script = python::enterprise_gateway_files().join("kernel-launchers").join(script);
    let mut command = vec![program.display().to_string(), script.display().to_string()];
    for option in ["kernel-id", "response-address", "public-key", "port-range"] {
        command.extend([format!("--{option}"), format!("{{{}}}", option.replace('-', "_"))]);
    }
    command.extend(["--spark-context-initialization-mode", "none"].map(str::to_owned));
    Some(command)
}

/// The variables of a kernelspec whose kernel finds the modules that those launchers import; `folder` is only for
/// that.
pub fn variables(folder: &Path) -> Value {
    let python = python::remote_kernel();
    let bin = python.parent().expect("a folder");
    let lib = bin.parent().expect("a folder").join("lib").read_dir().expect("lib").next().expect("a Python");
    // Nothing else: the kernel's own packages have other versions.
    let module = lib.expect("an entry").path().join("site-packages/Cryptodome");
    if !folder.join("Cryptodome").exists() {
        std::fs::create_dir_all(folder).expect("a folder");
        std::os::unix::fs::symlink(module, folder.join("Cryptodome")).expect("a link");
    }
    json!({"PATH": format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()), "PYTHONPATH": folder})
}
