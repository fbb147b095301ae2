//! `kernels`: real ipykernels, some with secrets and some without, and files of kernels that have exited.
#![cfg(all(feature = "manage", feature = "inject"))]

use std::path::{Path, PathBuf};

use crate::support::front_end::{FrontEnd, config, connection_file, ipykernel, kernelspec, plain_kernelspec};
use crate::support::launcher::{Scratch, eventually, run};
use crate::support::openbao::Server;
use crate::support::server::{JupyterServer, Kind, TOKEN, User};
use serde_json::{Value, json};

struct Kernel {
    front_end: FrontEnd,
    file: PathBuf,
    pid: u64,
}

fn start(scratch: &Scratch, name: &str) -> Kernel {
    plain_kernelspec(scratch, &ipykernel());
    let mut front_end = FrontEnd::new(scratch);
    let started = front_end.ask("start", json!({"kernel": "plain", "name": name}));
    front_end.ask("ready", json!({}));
    Kernel { front_end, file: started["file"].as_str().unwrap().into(), pid: started["pid"].as_u64().unwrap() }
}

/// The list as text and as JSON.
#[track_caller]
fn listed(scratch: &Scratch) -> (String, Value) {
    let ran = |options: &[&str]| {
        let outcome = run(scratch.launcher().arg("kernels").args(options));
        assert_eq!((outcome.code(), outcome.stderr.as_str()), (Some(0), ""));
        let text = String::from_utf8(outcome.stdout).unwrap();
        assert!(!text.contains("canary"), "{text}");
        text
    };
    (ran(&[]), serde_json::from_str(&ran(&["--json"])).unwrap())
}

fn of<'a>(list: &'a Value, file: &Path) -> &'a Value {
    let kernels = list["kernels"].as_array().unwrap().iter();
    let name = file.file_name().unwrap().to_str().unwrap();
    kernels
        .into_iter()
        .find(|kernel| kernel["connection_file"].as_str().unwrap().ends_with(name))
        .unwrap_or(&Value::Null)
}

#[test]
fn running_kernels_are_listed_with_their_secrets() {
    let server = Server::shared();
    server.put("kernels", &json!({"API_KEY": "canary-1", "DB_URL": "canary-2"}));
    let scratch = Scratch::new();
    let (with, mut without) = (start(&scratch, "kernel-with.json"), start(&scratch, "kernel-without.json"));
    let dead = connection_file(&scratch, "canary-key");
    scratch.file("runtime/kernel-broken.json", "{\"shell_port\": \"canary\"");
    let mut inject = scratch.launcher();
    inject.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", "root").arg("inject").arg(&with.file);
    let injected = run(inject.args(["--secrets", "secret/kernels"]));
    assert_eq!(injected.code(), Some(0), "{}", injected.stderr);

    let (text, list) = listed(&scratch);
    assert_eq!(list["schema"], 1);
    assert_eq!(list["kernels"].as_array().unwrap().len(), 2, "{list}");
    let given = of(&list, &with.file);
    assert_eq!((&given["pid"], &given["answers"]), (&json!(with.pid), &json!(true)));
    assert_eq!(given["secrets"]["how"], "inject");
    let at = given["secrets"]["at"].as_str().unwrap();
    assert!(at.starts_with("20") && at.ends_with('Z'), "{at}");
    let variables = json!({"API_KEY": {"path": "secret/kernels", "version": 1}, "DB_URL": {"path": "secret/kernels", "version": 1}});
    assert_eq!(given["secrets"]["variables"], variables);
    let bare = of(&list, &without.file);
    assert!(bare.is_object(), "{:?} is not in {list}", without.file);
    assert_eq!((&bare["pid"], &bare["answers"], &bare["secrets"]), (&json!(without.pid), &json!(true), &Value::Null));
    let gone: Vec<_> =
        list["gone"].as_array().unwrap().iter().map(|file| PathBuf::from(file.as_str().unwrap())).collect();
    assert_eq!(gone, [dead, scratch.path("runtime/kernel-broken.json")]);
    for line in [
        format!("pid {}): 2 variables by inject since {at}", with.pid),
        "  API_KEY  from secret/kernels, version 1".to_owned(),
        format!("pid {}): no secrets from jupyter-vault", without.pid),
        "running kernels: 2, with secrets from jupyter-vault: 1".to_owned(),
        "connection files without a running kernel: 2".to_owned(),
    ] {
        assert!(text.contains(&line), "no {line:?} in\n{text}");
    }

    let mut doctor = scratch.launcher();
    doctor.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", "root").env("JUPYTER_PATH", scratch.path("home"));
    kernelspec(&scratch, "", &[], &["true"]);
    let report = run(doctor.args(["doctor", "--secrets", "secret/kernels"]));
    let report = String::from_utf8(report.stdout).unwrap();
    for line in
        ["vaulted is wrapped (", "plain is not wrapped (", "running kernels: 2, without secrets from jupyter-vault: 1"]
    {
        assert!(report.contains(line), "no {line:?} in\n{report}");
    }

    // A busy kernel is still running; after a restart, the old record does not count.
    without.front_end.ask(
        "send",
        json!({"kind": "execute_request", "content": {"code": "import time; time.sleep(600)", "silent": false}}),
    );
    assert_eq!(of(&listed(&scratch).1, &without.file)["answers"], true);
    let mut with = with;
    let restarted = with.front_end.ask("restart", json!({}));
    with.front_end.ask("ready", json!({}));
    let (_, list) = listed(&scratch);
    assert_eq!(of(&list, &with.file)["secrets"], Value::Null, "{restarted} {list}");
    assert_eq!(list["kernels"].as_array().unwrap().len(), 2);
}

#[test]
fn without_any_kernel_there_is_an_empty_list() {
    let scratch = Scratch::new();
    let (text, list) = listed(&scratch);
    assert_eq!(text, "running kernels: 0, with secrets from jupyter-vault: 0\n");
    assert_eq!(list, json!({"schema": 1, "kernels": [], "elsewhere": [], "gone": [], "login": null}));
    std::fs::remove_dir(scratch.path("runtime")).unwrap();
    assert_eq!(listed(&scratch).1["kernels"], json!([]));
}

#[test]
fn a_servers_kernel_is_listed_with_the_server_and_its_state() {
    let scratch = Scratch::new();
    plain_kernelspec(&scratch, &ipykernel());
    let server = JupyterServer::start(Kind::JupyterServer, &scratch, &[]);
    let mut user = User::of(&server);
    user.ask("launch", json!({"name": "plain"}));
    eventually("the kernel is listed with its server", || {
        let (text, list) = listed(&scratch);
        let kernel = &list["kernels"][0];
        let told = kernel["server"]["address"].as_str().is_some_and(|address| address.starts_with(&server.address()));
        told && kernel["kernelspec"] == "plain" && text.contains(&format!(" at {}", server.address()))
    });
    assert_eq!(listed(&scratch).1["elsewhere"], json!([]));
}

#[test]
fn a_kernel_behind_a_gateway_is_listed_as_running_elsewhere() {
    let (here, there) = (Scratch::new(), Scratch::new());
    plain_kernelspec(&there, &ipykernel());
    let gateway = JupyterServer::start(Kind::KernelGateway, &there, &[]);
    let address = gateway.address();
    let variables = [("JUPYTER_GATEWAY_URL", address.as_str()), ("JUPYTER_GATEWAY_AUTH_TOKEN", TOKEN)];
    let server = JupyterServer::start(Kind::JupyterServer, &here, &variables);
    let mut user = User::of(&server);
    user.ask("launch", json!({"name": "plain"}));
    eventually("the kernel is listed", || {
        let (text, list) = listed(&here);
        list["elsewhere"][0]["kernelspec"] == "plain"
            && text.contains("runs on another machine; its secrets are not known here")
    });
    assert_eq!(listed(&here).1["kernels"], json!([]));
    assert_eq!(listed(&there).1["kernels"][0]["kernelspec"], "plain");
}

#[test]
fn a_kernel_without_a_name_is_listed_with_a_dash() {
    let scratch = Scratch::new();
    let kernel = start(&scratch, "kernel-nameless.json");
    for name in [json!(""), Value::Null] {
        let mut file: Value = serde_json::from_slice(&std::fs::read(&kernel.file).unwrap()).unwrap();
        file["kernel_name"] = name;
        std::fs::write(&kernel.file, file.to_string()).unwrap();
        let (text, _) = listed(&scratch);
        assert!(text.contains(&format!("nameless (-, pid {})", kernel.pid)), "{text}");
    }
}

#[test]
fn a_kernel_that_was_launched_with_secrets_is_listed_with_them() {
    let server = Server::shared();
    server.put("kernels-launched", &json!({"API_KEY": "canary-1"}));
    let scratch = Scratch::new();
    let command = ipykernel();
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    let spec = kernelspec(&scratch, &config(&server.address(), "kernels-launched"), &[], &command);
    std::fs::write(spec.join("token"), "root").unwrap();
    let mut front_end = FrontEnd::new(&scratch);
    let file: PathBuf =
        front_end.ask("start", json!({"name": "kernel-launched.json"}))["file"].as_str().unwrap().into();
    front_end.ask("ready", json!({}));
    let (text, list) = listed(&scratch);
    let secrets = &of(&list, &file)["secrets"];
    assert_eq!(secrets["how"], "launch", "{list}");
    assert_eq!(secrets["variables"], json!({"API_KEY": {"path": "secret/kernels-launched", "version": 1}}));
    assert!(text.contains("1 variable by launch since 20"), "{text}");
}
