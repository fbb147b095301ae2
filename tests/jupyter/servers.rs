//! Each server that starts kernels: a real kernel with its secrets is launched, used, interrupted, restarted and
//! shut down.

use std::path::Path;

use crate::support::front_end::{config, ipykernel, kernelspec, program};
use crate::support::launcher::{Scratch, binary, eventually};
use crate::support::openbao::Server;
use crate::support::remote;
use crate::support::server::{JupyterServer, Kind, User};
use serde_json::{Value, json};

const LOOK: &str = "import os, json; print(json.dumps({'pid': os.getpid(), \
    'length': len(os.environ.get('SERVED_SECRET', '')), \
    'credentials': [n for n in os.environ if 'VAULT' in n], \
    'child': len(os.popen('printf %s \"$SERVED_SECRET\"').read())}))";

/// A kernelspec `vaulted` for the secret of these tests.
fn vaulted(command: &[String]) -> Scratch {
    let server = Server::shared();
    server.put("served", &json!({"SERVED_SECRET": "canary-of-21-letters!"}));
    let scratch = Scratch::new();
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    let spec = kernelspec(&scratch, &config(&server.address(), "served"), &[], &command);
    std::fs::write(spec.join("token"), "root\n").unwrap();
    scratch
}

/// What the kernel sees; checks for the secret, and for credentials that should not be there.
#[track_caller]
fn look(user: &mut User) -> i32 {
    let cell = user.shown(LOOK);
    let seen: Value = serde_json::from_str(&cell.printed()).unwrap_or_else(|_| panic!("{cell:?}"));
    assert_eq!((&seen["length"], &seen["child"]), (&json!(21), &json!(21)), "{seen}");
    assert_eq!(seen["credentials"], json!([]), "{seen}");
    let pid = i32::try_from(seen["pid"].as_i64().unwrap()).unwrap();
    assert_ne!(program(pid), binary());
    pid
}

/// A kernel's whole life through `server`.
fn lives(server: &JupyterServer) {
    let mut user = User::of(server);
    // Enterprise Gateway does not start kernels for root.
    user.ask("launch", json!({"env": {"KERNEL_USERNAME": "ada"}}));
    let first = look(&mut user);
    let asleep = "import time; print('asleep', flush=True); time.sleep(50)";
    assert_eq!(user.ask("interrupted", json!({"code": asleep}))["error"], "KeyboardInterrupt");
    assert_eq!(look(&mut user), first, "an interrupt keeps the process");
    assert_eq!(user.ask("restart", json!({}))["status"], 200);
    let second = look(&mut user);
    assert_ne!(first, second, "a restart is another process");
    eventually("the first one is gone", || !Path::new("/proc").join(first.to_string()).exists());
    assert_eq!(user.ask("delete", json!({}))["status"], 204);
    eventually("the kernel ends", || !Path::new("/proc").join(second.to_string()).exists());
    let log = server.log();
    assert!(!log.contains("canary"), "{log}");
}

#[test]
fn through_jupyter_server() {
    let scratch = vaulted(&ipykernel());
    lives(&JupyterServer::start(Kind::JupyterServer, &scratch, &[]));
}

#[test]
fn through_jupyterlab() {
    let scratch = vaulted(&ipykernel());
    lives(&JupyterServer::start(Kind::JupyterLab, &scratch, &[]));
}

#[test]
fn through_kernel_gateway() {
    let scratch = vaulted(&ipykernel());
    lives(&JupyterServer::start(Kind::KernelGateway, &scratch, &[]));
}

#[test]
fn through_enterprise_gateways_local_process_proxy() {
    let scratch = vaulted(&ipykernel());
    lives(&JupyterServer::start(Kind::EnterpriseGateway, &scratch, &[]));
}

/// Adds a process proxy to the kernelspec.
fn with_process_proxy(scratch: &Scratch, class: &str) {
    let file = scratch.path("home/kernels/vaulted/kernel.json");
    let mut spec: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    spec["metadata"] = json!({"process_proxy": {"class_name": class}});
    std::fs::write(file, spec.to_string()).unwrap();
}

#[test]
fn through_enterprise_gateways_distributed_process_proxy() {
    let scratch = vaulted(&remote::command("remote").unwrap());
    with_process_proxy(&scratch, remote::DISTRIBUTED);
    let logs = scratch.path("runtime").display().to_string();
    // A host that is this machine is reached without ssh.
    let options = ["--EnterpriseGatewayApp.remote_hosts=localhost"];
    let server =
        JupyterServer::start_with(Kind::EnterpriseGateway, &scratch, &[("EG_KERNEL_LOG_DIR", &logs)], &options);
    lives(&server);
}

#[test]
fn through_a_jupyter_server_that_uses_a_gateway() {
    for kind in [Kind::KernelGateway, Kind::EnterpriseGateway] {
        let scratch = vaulted(&ipykernel());
        let gateway = JupyterServer::start(kind, &scratch, &[]);
        let own = Scratch::new();
        let url = format!("--GatewayClient.url={}", gateway.address());
        let options = [url.as_str(), "--GatewayClient.auth_token=server-token"];
        let variables = [("KERNEL_USERNAME", "ada")];
        let server = JupyterServer::start_with(Kind::JupyterServer, &own, &variables, &options);
        lives(&server);
        assert!(!gateway.log().contains("canary"), "{}", gateway.log());
    }
}
