//! No copy of a secret remains: the real process is stopped at its execve, and its whole memory is read.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;
#[path = "support/trace.rs"]
mod trace;

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use nix::libc;
use serde_json::json;
use support::launcher::{Scratch, binary, run};
use support::openbao::Server;
use trace::Stopped;

/// Assembled at run time, so that no binary or argument contains it.
fn canary(number: u32) -> String {
    format!("canary-{}-{}", number * 7919, "0f9e8d7c6b5a".repeat(2))
}

/// A server with canaries: short, long, escaped, a number, and a login.
fn prepared() -> &'static Server {
    let server = Server::shared();
    server.put(
        "hygiene",
        &json!({
            "SHORT": canary(1),
            "LONG": format!("{}{}", canary(2), "x".repeat(40_000)),
            "ESCAPED": format!("a\n\"b<{}>", canary(3)),
            "OBJECT": {"inner": canary(4)},
        }),
    );
    for number in 0..9 {
        server.put(&format!("hygiene-folder/F{number}"), &json!({"value": canary(20 + number)}));
    }
    server
}

/// Every canary occurs once, in the entry that execve would pass on; the credentials do not occur.
fn nothing_but_the_environment(stopped: &Stopped, canaries: &[String], credentials: &[&str]) {
    assert!(stopped.hardened, "the process made itself not dumpable");
    let entries = stopped.new_environment();
    for canary in canaries {
        let found = stopped.find(canary.as_bytes());
        let inside =
            entries.iter().filter(|(_, entry)| entry.windows(canary.len()).any(|window| window == canary.as_bytes()));
        assert_eq!((found.len(), inside.count()), (1, 1), "{canary}: {found:?}");
    }
    for credential in credentials {
        assert_eq!(stopped.find(credential.as_bytes()), Vec::<String>::new(), "a credential");
    }
}

#[test]
fn at_execve_each_value_is_in_memory_once_and_the_token_is_not() {
    let server = prepared();
    let token = server.token(&["root"], &json!({}));
    for (address, ca) in [(server.address(), None), (server.tls_address("good"), Some(server.certificates.cert("ca")))]
    {
        let scratch = Scratch::new();
        let mut command = scratch.exec(&address, &token, &["--secrets", "secret/hygiene"], &["/bin/true"]);
        if let Some(ca) = ca {
            command.env("VAULT_CACERT", ca);
        }
        let stopped = Stopped::at(&mut command, libc::SYS_execve, 0);
        nothing_but_the_environment(&stopped, &[canary(1), canary(2), canary(3), canary(4)], &[&token]);
        assert!(stopped.find(b"VAULT_TOKEN=").is_empty(), "the initial environment block is wiped");
    }
}

#[test]
fn logins_token_files_and_folders_leave_no_copy_either() {
    let server = prepared();
    server.enable_auth("userpass", "hygiene-users");
    server.policy("hygiene", "path \"secret/*\" { capabilities = [\"read\", \"list\"] }");
    let password = canary(9);
    server.must("POST", "auth/hygiene-users/users/ada", &json!({"password": password, "policies": "hygiene"}));
    let scratch = Scratch::new();
    let file = scratch.file("password", format!("{password}\n"));
    let config = format!(
        "[auth]\nmethod = \"userpass\"\nmount = \"hygiene-users\"\nusername = \"ada\"\npassword_file = {file:?}\n\
         [[source]]\nkv_folder = \"secret/hygiene-folder\"\n"
    );
    scratch.file("config/vault.toml", config);
    let mut command = scratch.exec(&server.address(), "", &[], &["/bin/true"]);
    let stopped = Stopped::at(&mut command, libc::SYS_execve, 0);
    let canaries: Vec<_> = (20..29).map(canary).collect();
    nothing_but_the_environment(&stopped, &canaries, &[&password]);
    // The login's token is not known here, but its prefix is, and so is the header name before it.
    for text in ["hvs.", "\"client_token\"", "x-vault-token: s."] {
        let found: Vec<_> = stopped.find(text.as_bytes()).into_iter().filter(|place| !place.contains('/')).collect();
        assert_eq!(found, Vec::<String>::new(), "{text}");
    }
}

#[test]
#[cfg(all(feature = "diagnose", target_os = "linux"))]
fn a_launch_after_a_retry_leaves_no_copy_either() {
    let server = prepared();
    let token = server.token(&["root"], &json!({}));
    let pass = support::faults::relay_to(server.port());
    let broken_once = support::faults::Faults::start(move |request, number| {
        if number == 0 { support::faults::Reply::json(500, "{}") } else { pass(request, number) }
    });
    let scratch = Scratch::new();
    let file = support::front_end::connection_file(&scratch, &canary(40));
    let argv = ["/bin/true", "-f", file.to_str().unwrap()];
    let mut command = scratch.exec(&broken_once.address(), &token, &["--secrets", "secret/hygiene"], &argv);
    let stopped = Stopped::at(&mut command, libc::SYS_execve, 0);
    assert!(broken_once.seen().len() >= 2, "it has failed before");
    let key = canary(40);
    nothing_but_the_environment(&stopped, &[canary(1), canary(2), canary(3), canary(4)], &[&token, &key]);
}

#[test]
fn after_a_failed_exec_there_is_no_copy_of_either() {
    let server = prepared();
    let token = server.token(&["root"], &json!({}));
    let scratch = Scratch::new();
    let garbage = scratch.file("garbage", b"\x7fELF\0\0\0");
    std::fs::set_permissions(&garbage, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command =
        scratch.exec(&server.address(), &token, &["--secrets", "secret/hygiene"], &[garbage.to_str().unwrap()]);
    assert_eq!(run(&mut command).code(), Some(126));
    let stopped = Stopped::at(&mut command, libc::SYS_exit_group, 0);
    for number in 1..=4 {
        assert_eq!(stopped.find(canary(number).as_bytes()), Vec::<String>::new());
    }
    assert_eq!(stopped.find(token.as_bytes()), Vec::<String>::new());
}

#[test]
fn the_scan_finds_what_is_there() {
    // Without this check, the others could pass by never finding anything: a shell's environment contains what it
    // was given.
    let secret = canary(5);
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "exec /bin/true"]).env("KEPT", &secret);
    let stopped = Stopped::at(&mut shell, libc::SYS_execve, 0);
    assert!(!stopped.find(secret.as_bytes()).is_empty());
    assert!(!stopped.hardened);
}

#[test]
fn there_is_no_core_file_while_vault_is_asked_and_the_command_gets_its_limit_back() {
    let faults = support::faults::Faults::start(|_, _| support::faults::Reply::Hang(Vec::new()));
    let scratch = Scratch::new();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -S -c unlimited; exec \"$@\"", "sh"]).arg(binary());
    command.args(["exec", "--secrets", "secret/x", "--", "/bin/true"]).env_clear();
    command.env("VAULT_ADDR", faults.address()).env("VAULT_TOKEN", "root").env("HOME", scratch.path("home"));
    let mut child = command.spawn().unwrap();
    support::launcher::eventually("Vault is asked", || !faults.seen().is_empty());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", child.id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    let environ = std::fs::read(format!("/proc/{}/environ", child.id()));
    if let Ok(environ) = environ {
        assert!(!String::from_utf8_lossy(&environ).contains("VAULT_TOKEN"), "only root can look, and finds it wiped");
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
#[cfg(feature = "inject")]
fn after_an_inject_there_is_no_copy_of_a_value_a_token_or_the_kernels_key() {
    let server = prepared();
    let token = server.token(&["root"], &json!({}));
    for curve in [false, true] {
        let mut kernel = support::running::Running::start(&json!({ "curve": curve }));
        let file: serde_json::Value = serde_json::from_slice(&std::fs::read(&kernel.file).unwrap()).unwrap();
        let key = file["key"].as_str().unwrap();
        let mut command = kernel.inject(&["--secrets", "secret/hygiene"]);
        command.env("VAULT_TOKEN", &token).current_dir("/");
        let stopped = Stopped::at(&mut command, libc::SYS_exit_group, 0);
        assert!(stopped.hardened, "the process made itself not dumpable");
        for secret in [canary(1), canary(2), canary(3), canary(4), token.clone(), key.to_owned()] {
            assert_eq!(stopped.find(secret.as_bytes()), Vec::<String>::new(), "curve: {curve}");
            // What a hash or a cipher holds of it at a time.
            for part in secret.as_bytes().chunks_exact(20) {
                assert_eq!(stopped.find(part), Vec::<String>::new(), "a part, curve: {curve}");
            }
        }
        drop(stopped);
        let look = "import os; print(len(os.environ['LONG']))";
        assert_eq!(kernel.front_end.cell(look).printed(), format!("{}", canary(2).len() + 40_000));
    }
}

/// The process's memory contains none of these, nor the blocks that a hash or a cipher holds.
#[cfg(feature = "inject")]
#[track_caller]
fn no_copy_of(stopped: &Stopped, secrets: &[String], when: &str) {
    assert!(stopped.hardened, "the process made itself not dumpable");
    for secret in secrets {
        for part in std::iter::once(secret.as_bytes()).chain(secret.as_bytes().chunks_exact(20)) {
            assert_eq!(stopped.find(part), Vec::<String>::new(), "{when}: a secret, or a part of it");
        }
    }
}

#[test]
#[cfg(feature = "inject")]
fn after_an_inject_through_a_server_there_is_no_copy_of_a_value_or_a_token() {
    use support::certificates::Certificates;
    use support::front_end::{ipykernel, plain_kernelspec};
    use support::server::{JupyterServer, Kind, TOKEN, User};

    let vault = prepared();
    let token = vault.token(&["root"], &json!({}));
    let option = |name: &str, path: std::path::PathBuf| format!("--ServerApp.{name}={}", path.display());
    // With the subprotocol, with JSON, with TLS.
    for way in ["v1", "json", "tls"] {
        let scratch = Scratch::new();
        plain_kernelspec(&scratch, &ipykernel());
        let certificates = Certificates::make(&scratch.path("tls"));
        let options = match way {
            "v1" => vec![],
            "json" => vec!["--ZMQChannelsWebsocketConnection.kernel_ws_protocol=".to_owned()],
            _ => vec![option("certfile", certificates.cert("good")), option("keyfile", certificates.key("good"))],
        };
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let server = JupyterServer::start_with(Kind::JupyterServer, &scratch, &[], &options);
        let mut user = User::trusting(&server, Some(&certificates.cert("ca")));
        user.ask("launch", json!({"name": "plain"}));
        let file = scratch.file("token", TOKEN);
        let mut command = scratch.launcher();
        command.env("VAULT_ADDR", vault.address()).env("VAULT_TOKEN", &token).arg("inject");
        command.args(["--secrets", "secret/hygiene", "--url", &server.address(), "--token-file"]).arg(&file);
        command.arg("--ca-cert").arg(certificates.cert("ca")).current_dir("/");
        let stopped = Stopped::at(&mut command, libc::SYS_exit_group, 0);
        let values = [1, 2, 3, 4].map(canary).to_vec();
        no_copy_of(&stopped, &values, way);
        for whole in [&token, TOKEN] {
            assert_eq!(stopped.find(whole.as_bytes()), Vec::<String>::new(), "{way}: a token");
        }
        drop(stopped);
        let look = "import os; print(len(os.environ['LONG']))";
        assert_eq!(user.cell(look).printed(), format!("{}", canary(2).len() + 40_000), "{way}");
    }
}

#[test]
#[cfg(feature = "inject")]
fn between_two_rounds_a_sidecar_has_no_copy_of_a_value() {
    let vault = prepared();
    let kernel = support::running::Running::start(&json!({"name": "kernel-one.json"}));
    let mut command = kernel.scratch.launcher();
    command.env("VAULT_ADDR", vault.address()).env("VAULT_TOKEN", "root").current_dir("/");
    command.args(["watch", "--interval", "60", "--secrets", "secret/hygiene"]);
    let record = kernel.scratch.path("runtime/jupyter-vault/kernels/kernel-one.json");
    let stopped = Stopped::idle(&mut command, || record.exists());
    no_copy_of(&stopped, &[1, 2, 3, 4].map(canary), "beside the kernel");
}

#[test]
#[cfg(feature = "inject")]
fn between_two_rounds_a_sidecar_of_a_server_has_no_copy_of_a_value() {
    use support::front_end::{ipykernel, plain_kernelspec};
    use support::server::{JupyterServer, Kind, TOKEN, User};

    let vault = prepared();
    let scratch = Scratch::new();
    plain_kernelspec(&scratch, &ipykernel());
    let server = JupyterServer::start(Kind::JupyterServer, &scratch, &[]);
    let mut user = User::of(&server);
    let id = user.ask("launch", json!({"name": "plain"}))["id"].as_str().unwrap().to_owned();
    let mut command = scratch.launcher();
    command.env("VAULT_ADDR", vault.address()).env("VAULT_TOKEN", "root").current_dir("/");
    command.args(["watch", "--interval", "2", "--secrets", "secret/hygiene", "--url", &server.address()]);
    command.arg("--token-file").arg(scratch.file("token", TOKEN));
    let record = scratch.path(&format!("runtime/jupyter-vault/kernels/kernel-{id}.json"));
    // It also waits for the server in the middle of a round; a second later the next round begins.
    let age = || std::time::SystemTime::now().duration_since(std::fs::metadata(&record).ok()?.modified().ok()?).ok();
    let stopped = Stopped::idle(&mut command, || age().is_some_and(|age| age.as_secs() >= 1));
    no_copy_of(&stopped, &[1, 2, 3, 4].map(canary), "through its server");
}
