//! A real ipykernel, started by Jupyter through the launcher with secrets from a real OpenBao.

use std::process::Command;

use crate::support::launcher::{Scratch, binary, run};
use crate::support::openbao::Server;
use crate::support::python::python;
use serde_json::{Value, json};

/// A kernelspec called `vaulted` in a folder for `JUPYTER_PATH`, and a Python that finds it.
fn jupyter(scratch: &Scratch, server: &Server, token: &str, script: &str) -> Command {
    let spec = scratch.path("home/kernels/vaulted");
    std::fs::create_dir_all(&spec).unwrap();
    let config = format!(
        "[vault]\naddress = \"{}\"\n[auth]\ntoken_file = \"token\"\n[[source]]\nkv = \"secret/kernel\"\nversion = 2\n",
        server.address()
    );
    std::fs::write(spec.join("vault.toml"), config).unwrap();
    std::fs::write(spec.join("token"), format!("{token}\n")).unwrap();
    let argv = json!([
        binary(),
        "exec",
        "--config",
        "{resource_dir}/vault.toml",
        "--",
        python(),
        "-m",
        "ipykernel_launcher",
        "-f",
        "{connection_file}"
    ]);
    std::fs::write(
        spec.join("kernel.json"),
        json!({"argv": argv, "display_name": "x", "language": "python"}).to_string(),
    )
    .unwrap();
    let mut command = Command::new(python());
    command.arg(format!("{}/tests/support/{script}", env!("CARGO_MANIFEST_DIR"))).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("HOME", scratch.path("home")).env("JUPYTER_PATH", scratch.path("home"));
    command.env("JUPYTER_RUNTIME_DIR", scratch.path("runtime")).env("VAULT_TOKEN", "stray-canary");
    command
}

fn answer(command: &mut Command) -> Value {
    let outcome = run(command);
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("canary"), "{}", outcome.stderr);
    serde_json::from_slice(&outcome.stdout).unwrap()
}

#[test]
fn a_kernel_has_its_users_secrets_and_can_be_interrupted_restarted_and_shut_down() {
    let server = Server::shared();
    server.put("kernel", &json!({"KERNEL_SECRET": "canary-of-21-letters!"}));
    server.policy("kernel", "path \"secret/data/kernel\" { capabilities = [\"read\"] }");
    let token = server.token(&["kernel"], &json!({}));
    let scratch = Scratch::new();
    let seen = answer(&mut jupyter(&scratch, server, &token, "kernel.py"));
    for (run, spawned) in [("first", "spawned"), ("second", "respawned")] {
        assert_eq!(seen[run]["pid"], seen[spawned], "the kernel's pid is the launcher's: {seen}");
        assert_eq!((&seen[run]["length"], &seen[run]["child"]), (&json!(21), &json!(21)), "{seen}");
        assert_eq!(seen[run]["credentials"], json!([]), "{seen}");
    }
    assert_ne!(seen["spawned"], seen["respawned"]);
    assert!(seen["executable"].as_str().unwrap().starts_with("python"), "{seen}");
    assert_eq!(seen["interrupted"], "KeyboardInterrupt");
    assert_eq!(seen["left"], false);
    assert!(server.is_alive(&token));
}

#[test]
fn a_notebook_runs_through_nbclient() {
    let server = Server::shared();
    server.put("kernel", &json!({"KERNEL_SECRET": "canary-of-21-letters!"}));
    let scratch = Scratch::new();
    let mut command = jupyter(&scratch, server, "root", "notebook.py");
    command.arg(json!(["import os; print(len(os.environ['KERNEL_SECRET']))", "print(os.getpid())"]).to_string());
    let seen = answer(&mut command);
    assert_eq!(seen["outputs"][0], "21");
    assert_eq!(seen["outputs"][1], seen["spawned"].to_string());
}
