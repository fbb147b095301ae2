//! Another user of the same machine and a kernel that has its secrets: neither its memory, nor its files, nor its
//! ports reveal one.
#![cfg(all(feature = "inject", target_os = "linux"))]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::front_end::{FrontEnd, config, ipykernel, kernelspec};
use crate::support::launcher::{Outcome, Scratch, binary, run};
use crate::support::openbao::Server;
use serde_json::{Value, json};

/// A user id that no user of the machine needs to have.
const STRANGER: &str = "65533";

/// A command as another user, with a separate home and runtime folder.
fn stranger(scratch: &Scratch, program: &Path, arguments: &[&str]) -> Outcome {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", STRANGER, "--regid", STRANGER, "--clear-groups", "--"]).arg(program).args(arguments);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", scratch.path("strange"));
    run(command.env("JUPYTER_RUNTIME_DIR", scratch.path("strange/runtime")))
}

fn open_to_all(path: &Path) {
    std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
}

#[test]
#[ignore = "needs root, to run programs as another user"]
fn another_user_of_the_machine_gets_nothing_from_a_running_kernel() {
    assert!(nix::unistd::geteuid().is_root(), "only root can try this as another user");
    let server = Server::shared();
    server.put("strangers", &json!({"OWN_SECRET": "canary-of-21-letters!"}));
    server.put("strangers-other", &json!({"PLANTED": "canary-planted"}));
    let scratch = Scratch::new();
    let command = ipykernel();
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    let spec = kernelspec(&scratch, &config(&server.address(), "strangers"), &[], &command);
    std::fs::write(spec.join("token"), "root\n").unwrap();
    let mut front_end = FrontEnd::new(&scratch);
    let started = front_end.ask("start", json!({"name": "kernel-own.json"}));
    front_end.ask("ready", json!({}));
    let pid = started["pid"].as_i64().unwrap();
    assert_eq!(front_end.cell("import os; print(len(os.environ['OWN_SECRET']))").printed(), "21");

    // The other user can enter all folders that others may enter, and has the program.
    open_to_all(&scratch.path("."));
    let strange = scratch.path("strange/runtime");
    std::fs::create_dir_all(&strange).unwrap();
    let program = scratch.path("jupyter-vault");
    std::fs::copy(binary(), &program).unwrap();
    for folder in [scratch.path("strange"), strange.clone()] {
        std::os::unix::fs::chown(folder, Some(STRANGER.parse().unwrap()), Some(STRANGER.parse().unwrap())).unwrap();
    }
    let file = scratch.path("runtime/kernel-own.json");

    // What the system shows of the process, and what the program stores.
    let mut kept: Vec<PathBuf> = ["environ", "mem"].map(|name| PathBuf::from(format!("/proc/{pid}/{name}"))).into();
    kept.push(file.clone());
    for folder in [scratch.path("runtime/jupyter-vault"), scratch.path("runtime/jupyter-vault/kernels")] {
        assert!(folder.is_dir(), "{}", folder.display());
        let listed = stranger(&scratch, Path::new("/bin/ls"), &[folder.to_str().unwrap()]);
        assert_ne!(listed.code(), Some(0), "{}: {listed:?}", folder.display());
    }
    for path in &kept {
        let read = stranger(&scratch, Path::new("/bin/cat"), &[path.to_str().unwrap()]);
        assert!(read.code() != Some(0) && read.stdout.is_empty(), "{}: {read:?}", path.display());
    }

    // The kernel's ports: without its key, a hand-made connection file gets no answer, and changes nothing.
    let mut content: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    for key in ["", "a-key-of-the-strangers-own"] {
        content["key"] = json!(key);
        let forged = strange.join("kernel-forged.json");
        std::fs::write(&forged, content.to_string()).unwrap();
        std::os::unix::fs::chown(&forged, Some(STRANGER.parse().unwrap()), None).unwrap();
        let settings = ["inject", "--wait", "2", "--secrets", "secret/strangers-other"];
        let mut command = Command::new("setpriv");
        command.args(["--reuid", STRANGER, "--regid", STRANGER, "--clear-groups", "--"]).arg(&program).args(settings);
        command.arg(&forged).env_clear().env("HOME", scratch.path("strange")).env("JUPYTER_RUNTIME_DIR", &strange);
        let refused = run(command.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", "root"));
        assert_ne!(refused.code(), Some(0), "{key:?}: {refused:?}");
    }
    let listed = stranger(&scratch, &program, &["kernels", "--json"]);
    assert!(!String::from_utf8_lossy(&listed.stdout).contains("OWN_SECRET"), "{listed:?}");
    let seen = front_end.cell("print(len(os.environ['OWN_SECRET']), 'PLANTED' in os.environ)").printed();
    assert_eq!(seen, "21 False");
}
