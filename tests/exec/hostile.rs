//! Attacks: what a client of a gateway, another user or a careless administrator could cause. Each test is the
//! smallest input; docs/threats.md lists them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::faults::{Faults, Reply};
use crate::support::front_end::{ipykernel, kernelspec};
use crate::support::launcher::{Outcome, Scratch, run};
use crate::support::openbao::Server;
use crate::support::server::{JupyterServer, Kind, User};
use serde_json::json;

/// A listener that records what it receives, and answers nothing useful.
fn thief() -> Faults {
    Faults::start(|_, _| Reply::json(404, "{}"))
}

/// A service's vault.toml: address, token and source.
fn service(scratch: &Scratch, server: &Server, locked: &str) -> std::path::PathBuf {
    server.put("hostile", &json!({"SERVICE": "canary"}));
    server.put("hostile-other", &json!({"OTHER": "canary"}));
    scratch.file("token", "root");
    let text = format!(
        "[vault]\naddress = \"{}\"\n{locked}[auth]\nmethod = \"token\"\ntoken_file = \"token\"\n\
         [[source]]\nkv = \"secret/hostile\"\nversion = 2\n",
        server.address()
    );
    scratch.file("service.toml", text)
}

fn launch(scratch: &Scratch, config: &Path, variables: &[(&str, &str)]) -> Outcome {
    let mut command = scratch.launcher();
    command.envs(variables.iter().copied()).arg("exec").arg("--config").arg(config);
    run(command.args(["--timeout", "10", "--", "/usr/bin/env", "-0"]))
}

#[test]
fn no_variable_of_a_request_changes_what_a_locked_vault_toml_says() {
    let (server, thief, scratch) = (Server::shared(), thief(), Scratch::new());
    let config = service(&scratch, server, "locked = true\n");
    let elsewhere = thief.address();
    let other = scratch.file("other-token", "another-file");
    for (name, value) in [
        ("VAULT_ADDR", elsewhere.as_str()),
        ("BAO_ADDR", &elsewhere),
        ("JUPYTER_VAULT_ADDRESS", &elsewhere),
        ("VAULT_AGENT_ADDR", &elsewhere),
        ("JUPYTER_VAULT_PROXY", &elsewhere),
        ("VAULT_PROXY_ADDR", &elsewhere),
        ("http_proxy", &elsewhere),
        ("HTTP_PROXY", &elsewhere),
        ("JUPYTER_VAULT_TOKEN_FILE", other.to_str().unwrap()),
        ("JUPYTER_VAULT_SECRETS", "secret/hostile-other"),
        ("JUPYTER_VAULT_AUTH_METHOD", "agent"),
    ] {
        let environment = launch(&scratch, &config, &[(name, value)]).environment();
        assert_eq!(environment.get("SERVICE").map(String::as_str), Some("canary"), "{name}");
        assert!(!environment.contains_key("OTHER"), "{name}");
    }
    assert_eq!(thief.connections(), 0, "nothing reached the other host");
}

#[test]
fn a_login_of_a_file_is_not_sent_to_an_address_that_a_variable_names() {
    let (server, thief, scratch) = (Server::shared(), thief(), Scratch::new());
    let config = service(&scratch, server, "");
    for name in ["VAULT_ADDR", "BAO_ADDR", "JUPYTER_VAULT_ADDRESS", "VAULT_AGENT_ADDR"] {
        let refused = launch(&scratch, &config, &[(name, &thief.address())]);
        refused.is_error(78, &["is not the address in", "nothing was sent"]);
    }
    assert_eq!(thief.connections(), 0);
}

#[test]
fn a_login_of_a_file_does_not_go_through_a_proxy_of_a_variable_that_could_read_it() {
    let (thief, scratch) = (thief(), Scratch::new());
    let proxy = thief.address();
    scratch.file("token", "root");
    let config = |address: &str, more: &str| {
        let text = format!(
            "[vault]\naddress = \"{address}\"\n{more}[auth]\ntoken_file = \"token\"\n[[source]]\nkv = \"secret/x\"\n"
        );
        scratch.file("v.toml", text)
    };
    let plain = config("http://vault.example.org:8200", "");
    for name in ["http_proxy", "HTTP_PROXY", "JUPYTER_VAULT_PROXY", "VAULT_PROXY_ADDR"] {
        let refused = launch(&scratch, &plain, &[(name, &proxy)]);
        refused.is_error(
            78,
            &["would be sent through the proxy that", "in plain HTTP; nothing was sent", "write `proxy`"],
        );
    }
    let encrypted = config("https://vault.example.org:8200", "");
    for (name, value) in [("VAULT_SKIP_VERIFY", "1"), ("VAULT_CACERT", "/dev/null"), ("VAULT_TLS_SERVER_NAME", "x")] {
        let refused = launch(&scratch, &encrypted, &[("https_proxy", &proxy), (name, value)]);
        refused.is_error(78, &[&format!("({name}) sets the trusted CAs; nothing was sent")]);
    }
    assert_eq!(thief.connections(), 0, "nothing reached the proxy");
    // As in Go, the upper-case variable comes first, and an empty one counts as unset.
    for (upper, lower) in [(proxy.as_str(), "http://127.0.0.1:1"), ("", proxy.as_str())] {
        launch(&scratch, &encrypted, &[("HTTPS_PROXY", upper), ("https_proxy", lower)]).is_error(69, &["proxy"]);
        assert!(thief.connections() > 0, "{upper:?}");
    }
    // A proxy that can't read the login is allowed, and so is the file's own.
    launch(&scratch, &encrypted, &[("https_proxy", &proxy)]).is_error(69, &["proxy"]);
    let own = config("http://vault.example.org:8200", &format!("proxy = \"{proxy}\"\n"));
    assert_ne!(launch(&scratch, &own, &[("http_proxy", "http://127.0.0.1:1")]).code(), Some(78));
    assert!(thief.connections() >= 2);
}

#[test]
fn a_flag_that_has_no_effect_on_a_locked_vault_toml_is_refused() {
    let (server, scratch) = (Server::shared(), Scratch::new());
    let config = service(&scratch, server, "locked = true\n");
    let mut command = scratch.launcher();
    command.arg("exec").arg("--config").arg(config).args(["--secrets", "secret/hostile-other", "--", "/usr/bin/env"]);
    run(&mut command).is_error(78, &["--secrets has no effect", "is locked"]);
}

/// A kernelspec with a locked configuration and a token, for a gateway.
fn gateway_kernelspec(server: &Server, scratch: &Scratch) {
    server.put("hostile-gateway", &json!({"SERVICE": "canary-of-21-letters!"}));
    let command = ipykernel();
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    let text = format!(
        "[vault]\nlocked = true\naddress = \"{}\"\n[auth]\ntoken_file = \"token\"\n[[source]]\nkv = \"secret/hostile-gateway\"\n",
        server.address()
    );
    let spec = kernelspec(scratch, &text, &[], &command);
    std::fs::write(spec.join("token"), "root\n").unwrap();
}

#[test]
fn through_a_kernel_gateway_that_lets_the_address_through_the_token_stays() {
    let (server, thief, scratch) = (Server::shared(), thief(), Scratch::new());
    gateway_kernelspec(server, &scratch);
    let passed = "VAULT_ADDR,BAO_ADDR,JUPYTER_VAULT_ADDRESS,http_proxy";
    let gateway = JupyterServer::start(
        Kind::KernelGateway,
        &scratch,
        &[("KG_ALLOWED_ENVS", passed), ("KG_ENV_WHITELIST", passed)],
    );
    let mut user = User::of(&gateway);
    let forged = json!({"VAULT_ADDR": thief.address(), "BAO_ADDR": thief.address(), "http_proxy": thief.address()});
    user.ask("launch", json!({"env": forged}));
    let cell = user.shown("import os; print(len(os.environ.get('SERVICE', '')), os.environ.get('VAULT_ADDR', '')[:4])");
    assert_eq!(cell.printed().split_whitespace().collect::<Vec<_>>(), ["21", "http"], "{cell:?}");
    assert_eq!(thief.connections(), 0);
    user.ask("delete", json!({}));
}

#[test]
fn an_endless_file_and_a_fifo_are_refused_at_once() {
    let server = Server::shared();
    let scratch = Scratch::new();
    let fifo = scratch.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let fifo = fifo.to_str().unwrap();
    let certificate = server.certificates.cert("good").display().to_string();
    for bad in [fifo, "/dev/zero", "/"] {
        for settings in [
            format!("ca_cert = {bad:?}"),
            format!("client_cert = {bad:?}\nclient_key = {bad:?}"),
            format!("client_cert = {certificate:?}\nclient_key = {bad:?}"),
        ] {
            let address = server.tls_address("good");
            let text = format!("[vault]\naddress = {address:?}\n{settings}\n[[source]]\nkv = \"secret/x\"\n");
            let config = scratch.file("config.toml", text);
            let refused = launch(&scratch, &config, &[("VAULT_TOKEN", "root")]);
            refused.is_error(78, &[bad, "is not a plain file"]);
        }
    }
}

#[test]
fn a_credential_that_every_user_can_write_is_refused() {
    let (server, scratch) = (Server::shared(), Scratch::new());
    let config = service(&scratch, server, "");
    std::fs::set_permissions(scratch.path("token"), std::fs::Permissions::from_mode(0o666)).unwrap();
    launch(&scratch, &config, &[]).is_error(78, &["is writable by every user", "chmod o-w"]);
}

#[test]
fn a_vault_toml_in_a_folder_that_every_user_can_write_is_refused() {
    let (server, scratch) = (Server::shared(), Scratch::new());
    let config = service(&scratch, server, "");
    let folder = config.parent().unwrap();
    let before = std::fs::metadata(folder).unwrap().permissions();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    launch(&scratch, &config, &[]).is_error(78, &["every user can replace it"]);
    // With the sticky bit, only its owner can replace it.
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o1777)).unwrap();
    assert!(launch(&scratch, &config, &[]).environment().contains_key("SERVICE"));
    std::fs::set_permissions(folder, before).unwrap();
}

#[test]
fn an_encrypted_client_key_is_reported_as_encrypted() {
    let (server, scratch) = (Server::shared(), Scratch::new());
    let key = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIBvTBXBgkq\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let key = scratch.file("key.pem", key);
    let certificate = server.certificates.cert("good");
    let address = server.tls_address("good");
    let text = format!(
        "[vault]\naddress = {address:?}\nclient_cert = {certificate:?}\nclient_key = {key:?}\n[[source]]\nkv = \"secret/x\"\n"
    );
    let config = scratch.file("config.toml", text);
    launch(&scratch, &config, &[("VAULT_TOKEN", "root")]).is_error(78, &["is encrypted", "openssl pkey"]);
}

#[test]
fn an_invalid_port_is_refused_and_the_token_is_not_sent() {
    // The scheme's default port; only root may listen there.
    let host = "127.0.0.9";
    let listeners = [80, 443].map(|port| std::net::TcpListener::bind((host, port)).ok());
    for listener in listeners.iter().flatten() {
        listener.set_nonblocking(true).unwrap();
    }
    assert!(listeners.iter().all(Option::is_some) || !nix::unistd::geteuid().is_root(), "root listens");
    let scratch = Scratch::new();
    let config = scratch.file("config.toml", "[[source]]\nkv = \"secret/x\"\n");
    for port in ["82000", "65536", "82x0", "-1", "", "0"] {
        for scheme in ["http", "https"] {
            let address = format!("{scheme}://{host}:{port}");
            for name in ["VAULT_ADDR", "BAO_ADDR", "JUPYTER_VAULT_ADDRESS", "VAULT_AGENT_ADDR"] {
                launch(&scratch, &config, &[("VAULT_TOKEN", "root"), (name, &address)])
                    .is_error(78, &["port that is not 1–65535"]);
            }
            let text = format!("[vault]\naddress = \"{address}\"\n[[source]]\nkv = \"secret/x\"\n");
            let file = scratch.file("address.toml", text);
            launch(&scratch, &file, &[("VAULT_TOKEN", "root")]).is_error(78, &["port that is not 1–65535"]);
        }
        let proxy = format!("http://{host}:{port}");
        for name in ["VAULT_PROXY_ADDR", "http_proxy"] {
            let variables = [("VAULT_TOKEN", "root"), ("VAULT_ADDR", "http://192.0.2.1:8200"), (name, proxy.as_str())];
            launch(&scratch, &config, &variables).is_error(78, &["port that is not 1–65535"]);
        }
        let mut inject = scratch.launcher();
        inject.env("VAULT_ADDR", "http://127.0.0.1:1").env("VAULT_TOKEN", "root").env("JUPYTER_TOKEN", "canary");
        inject.args(["inject", "--secrets", "secret/x", "--url", &proxy]);
        assert_ne!(run(&mut inject).code(), Some(0));
    }
    for listener in listeners.iter().flatten() {
        assert!(listener.accept().is_err(), "nothing was sent to {:?}", listener.local_addr());
    }
}

#[test]
fn spaces_in_a_password_are_kept() {
    let (server, scratch) = (Server::shared(), Scratch::new());
    server.enable_auth("userpass", "spaces");
    server.policy("spaces", "path \"secret/data/hostile\" { capabilities = [\"read\"] }");
    server.must("POST", "auth/spaces/users/ada", &json!({"password": " two  spaces ", "policies": "spaces"}));
    server.put("hostile", &json!({"SERVICE": "canary"}));
    let text = format!(
        "[vault]\naddress = \"{}\"\n[auth]\nmethod = \"userpass\"\nmount = \"spaces\"\nusername = \"ada\"\n\
         password_file = \"password\"\n[[source]]\nkv = \"secret/hostile\"\nversion = 2\n",
        server.address()
    );
    let config = scratch.file("config.toml", text.clone());
    for content in [" two  spaces ", " two  spaces \n", " two  spaces \r\n"] {
        scratch.file("password", content);
        assert!(launch(&scratch, &config, &[]).environment().contains_key("SERVICE"), "{content:?}");
    }
    let config = scratch.file("config.toml", text.replace("password_file = \"password\"\n", ""));
    let by_variable = launch(&scratch, &config, &[("JUPYTER_VAULT_PASSWORD", " two  spaces ")]);
    assert!(by_variable.environment().contains_key("SERVICE"));
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "needs root, to make a pid namespace"]
fn a_launch_in_another_pid_namespace_keeps_the_files_of_running_kernels() {
    assert!(nix::unistd::geteuid().is_root(), "only root makes a pid namespace here");
    let (server, scratch) = (Server::shared(), Scratch::new());
    server.put("hostile-file", &json!({"KEY": "canary"}));
    let text = format!(
        "[vault]\naddress = \"{}\"\n[[source]]\nkv = \"secret/hostile-file\"\nversion = 2\nfield = \"KEY\"\nfile = \"KEY_FILE\"\n",
        server.address()
    );
    let config = scratch.file("config.toml", text);
    let launcher = |outer: &[&str], command: &[&str]| {
        let plain = scratch.launcher();
        let program = plain.get_program().to_owned();
        let mut words: Vec<std::ffi::OsString> = outer.iter().map(Into::into).collect();
        words.push(program);
        let mut launch = std::process::Command::new(&words[0]);
        launch.args(&words[1..]).arg("exec").arg("--config").arg(&config).arg("--").args(command);
        launch.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        launch.env("VAULT_TOKEN", "root");
        launch
    };
    let lives = |outer: &[&str], other: &[&str]| {
        let script = "echo \"$KEY_FILE\"; read -r _; cat \"$KEY_FILE\"";
        let mut kernel = launcher(outer, &["/bin/sh", "-c", script])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = std::io::BufReader::new(kernel.stdout.take().unwrap());
        let mut path = String::new();
        std::io::BufRead::read_line(&mut out, &mut path).unwrap();
        let second = run(&mut launcher(other, &["/bin/true"]));
        assert_eq!(second.code(), Some(0), "{}", second.stderr);
        drop(kernel.stdin.take());
        let mut content = String::new();
        std::io::Read::read_to_string(&mut out, &mut content).unwrap();
        kernel.wait().unwrap();
        assert_eq!(content, "canary", "the file {path} is gone while its kernel runs");
    };
    let apart = ["/usr/bin/unshare", "-p", "-f", "--mount-proc"];
    lives(&[], &apart);
    lives(&apart, &[]);
    lives(&apart, &apart);
    lives(&[], &[]);
}

#[test]
fn sources_with_the_same_path_are_read_once_and_have_one_version() {
    let (server, scratch) = (Server::shared(), Scratch::new());
    server.put("hostile-pair", &json!({"USER": "u", "PASSWORD": "canary"}));
    let relay = Faults::start(crate::support::faults::relay_to(server.port()));
    let source = |field: &str| format!("[[source]]\nkv = \"secret/hostile-pair\"\nversion = 2\nfield = \"{field}\"\n");
    let text = format!("[vault]\naddress = \"{}\"\n{}{}", relay.address(), source("USER"), source("PASSWORD"));
    let config = scratch.file("config.toml", text);
    let environment = launch(&scratch, &config, &[("VAULT_TOKEN", "root")]).environment();
    assert_eq!((environment["USER"].as_str(), environment["PASSWORD"].as_str()), ("u", "canary"));
    let reads = relay.seen().iter().filter(|seen| seen.path.contains("hostile-pair")).count();
    assert_eq!(reads, 1, "{:?}", relay.seen());
}

#[test]
fn a_file_in_place_of_a_socket_is_reported_at_once() {
    let scratch = Scratch::new();
    let file = scratch.file("plain", "");
    for place in [file, scratch.path("home")] {
        let text =
            format!("[vault]\naddress = \"unix://{}\"\n[[source]]\nkv = \"secret/x\"\nversion = 2\n", place.display());
        let config = scratch.file("config.toml", text);
        let mut command = scratch.launcher();
        command.arg("exec").arg("--config").arg(&config).args(["--timeout", "1000", "--", "/bin/true"]);
        // It is not tried again: this limit is longer than any run may take.
        run(&mut command).is_error(69, &["is not a socket"]);
    }
}

#[test]
fn a_socket_whose_backlog_is_full_is_tried_again() {
    use std::os::unix::net::UnixStream;

    let (server, scratch) = (Server::shared(), Scratch::new());
    server.put("hostile", &json!({"SERVICE": "canary"}));
    let path = scratch.path("agent.sock");
    let listener = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    listener.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    listener.listen(0).unwrap();
    // Connections that are never accepted, until the backlog is full.
    let mut waiting = Vec::new();
    loop {
        let stream = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
        stream.set_nonblocking(true).unwrap();
        if stream.connect(&socket2::SockAddr::unix(&path).unwrap()).is_err() {
            break;
        }
        waiting.push(stream);
    }
    let text = format!(
        "[vault]\naddress = \"unix://{}\"\n[auth]\ntoken_file = \"token\"\n[[source]]\nkv = \"secret/hostile\"\nversion = 2\n",
        path.display()
    );
    scratch.file("token", "root");
    let config = scratch.file("config.toml", text);
    let port = server.port();
    let mut command = scratch.launcher();
    command.arg("exec").arg("--config").arg(&config).args(["--timeout", "20", "--", "/usr/bin/env", "-0"]);
    let child = command
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // The launcher has met the full backlog once it sleeps between two attempts.
    crate::support::launcher::eventually("the launcher waits", || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
    });
    drop(waiting);
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            let agent = UnixStream::from(std::os::fd::OwnedFd::from(stream));
            let Ok(upstream) = std::net::TcpStream::connect(("127.0.0.1", port)) else { continue };
            let (mut from, mut to) = (agent.try_clone().unwrap(), upstream.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let (mut back, mut out) = (upstream, agent);
            std::thread::spawn(move || std::io::copy(&mut back, &mut out));
        }
    });
    assert_eq!(crate::support::launcher::finish(child).environment()["SERVICE"], "canary");
}

#[test]
fn a_long_name_does_not_flood_the_log() {
    let (server, scratch) = (Server::shared(), Scratch::new());
    server.put("hostile-long", &json!({format!("LD_{}", "x".repeat(100_000)): "canary"}));
    let text =
        format!("[vault]\naddress = \"{}\"\n[[source]]\nkv = \"secret/hostile-long\"\nversion = 2\n", server.address());
    let config = scratch.file("config.toml", text);
    let refused = launch(&scratch, &config, &[("VAULT_TOKEN", "root")]);
    refused.is_error(65, &["can take over the process", "characters) …"]);
    assert!(refused.stderr.len() < 5_000, "{}", refused.stderr.len());
}

#[test]
fn a_secret_that_is_removed_while_its_folder_is_read_is_left_out_and_reported() {
    let scratch = Scratch::new();
    let gone = Faults::start(|request, _| match request.path.split('?').next().unwrap() {
        "/v1/secret/metadata/folder" => Reply::json(200, r#"{"data":{"keys":["KEPT","GONE","below/"]}}"#),
        "/v1/secret/data/folder/KEPT" => {
            Reply::json(200, r#"{"data":{"data":{"value":"canary"},"metadata":{"version":1}}}"#)
        }
        _ => Reply::json(404, r#"{"errors":[]}"#),
    });
    let text =
        format!("[vault]\naddress = \"{}\"\n[[source]]\nkv_folder = \"secret/folder\"\nversion = 2\n", gone.address());
    let config = scratch.file("config.toml", text);
    let outcome = launch(&scratch, &config, &[("VAULT_TOKEN", "root")]);
    assert_eq!(outcome.environment()["KEPT"], "canary");
    assert!(
        outcome.stderr.contains("GONE in secret/folder was removed while the folder was read"),
        "{}",
        outcome.stderr
    );
    assert!(outcome.stderr.contains("the folders in secret/folder are not read: below"), "{}", outcome.stderr);
    let lists = gone.seen().iter().filter(|seen| seen.path.contains("metadata")).count();
    assert_eq!(lists, 2, "listed and read once more");
}

#[test]
fn names_that_load_code_or_change_trust_are_refused_and_a_proxy_causes_a_warning() {
    let (server, scratch) = (Server::shared(), Scratch::new());
    let config = |path: &str| {
        let text =
            format!("[vault]\naddress = \"{}\"\n[[source]]\nkv = \"secret/{path}\"\nversion = 2\n", server.address());
        scratch.file("config.toml", text)
    };
    for name in [
        "JULIA_LOAD_PATH",
        "JULIA_DEPOT_PATH",
        "DOTNET_STARTUP_HOOKS",
        "CLASSPATH",
        "LUA_INIT_5_4",
        "GIT_SSH_COMMAND",
        "SSL_CERT_FILE",
        "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE",
        "OPENBAO_TOKEN",
        "A\nB",
    ] {
        server.put("hostile-name", &json!({name: "canary"}));
        let refused = launch(&scratch, &config("hostile-name"), &[("VAULT_TOKEN", "root")]);
        assert_eq!(refused.code(), Some(65), "{name}: {}", refused.stderr);
    }
    server.put("hostile-name", &json!({"HTTPS_PROXY": "canary"}));
    let path = config("hostile-name");
    assert!(launch(&scratch, &path, &[("VAULT_TOKEN", "root")]).environment().contains_key("HTTPS_PROXY"));
    let mut doctor = scratch.launcher();
    let checked = run(doctor.env("VAULT_TOKEN", "root").arg("doctor").arg("--config").arg(&path));
    let text = String::from_utf8(checked.stdout).unwrap();
    assert!(text.contains("HTTPS_PROXY") && text.contains("goes through it"), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_launcher_that_crashes_leaves_no_core() {
    use std::os::unix::process::{CommandExt, ExitStatusExt};

    let hanging = Faults::start(|_, _| Reply::Hang(Vec::new()));
    let scratch = Scratch::new();
    let text = format!("[vault]\naddress = \"{}\"\n[[source]]\nkv = \"secret/x\"\nversion = 2\n", hanging.address());
    let config = scratch.file("config.toml", text);
    let unlimited = || {
        nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, u64::MAX, u64::MAX).map_err(Into::into)
    };
    let crashes = |command: &mut std::process::Command, ready: &dyn Fn() -> bool| {
        // SAFETY: setrlimit is safe between fork and exec.
        #[allow(unsafe_code, reason = "the limit must be the child's alone")]
        unsafe {
            command.pre_exec(unlimited);
        }
        let mut child = command
            .current_dir(scratch.path("home"))
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        crate::support::launcher::eventually("it runs", ready);
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        // The first signal only ends the standard library's handling of it.
        let mut ended = None;
        crate::support::launcher::eventually("it crashes", || {
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSEGV);
            ended = child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    };
    let mut launcher = scratch.launcher();
    launcher.env("VAULT_TOKEN", "canary").arg("exec").arg("--config").arg(&config).args([
        "--timeout",
        "60",
        "--",
        "/bin/true",
    ]);
    let ended = crashes(&mut launcher, &|| !hanging.seen().is_empty());
    assert_eq!(ended.signal(), Some(11));
    assert!(!ended.core_dumped(), "a core was dumped");
    assert_eq!(std::fs::read_dir(scratch.path("home")).unwrap().count(), 0);
    // What this machine does with another program, so that the test is known to be able to fail.
    let sleeping = crashes(std::process::Command::new("/bin/sleep").arg("60"), &|| true);
    assert!(sleeping.core_dumped(), "this machine dumps no core of any program, so this test shows nothing");
}

#[test]
fn through_an_enterprise_gateway_forged_variables_change_nothing() {
    let (server, thief, scratch) = (Server::shared(), thief(), Scratch::new());
    gateway_kernelspec(server, &scratch);
    let passed = "VAULT_ADDR,BAO_ADDR,JUPYTER_VAULT_ADDRESS,http_proxy,JUPYTER_VAULT_SECRETS";
    let variables = [("EG_CLIENT_ENVS", passed), ("EG_ENV_WHITELIST", passed)];
    let gateway = JupyterServer::start(Kind::EnterpriseGateway, &scratch, &variables);
    let mut user = User::of(&gateway);
    let forged = json!({
        "KERNEL_USERNAME": "ada", "VAULT_ADDR": thief.address(), "BAO_ADDR": thief.address(),
        "http_proxy": thief.address(), "JUPYTER_VAULT_SECRETS": "secret/hostile-other",
    });
    user.ask("launch", json!({"env": forged}));
    let look = "import os; print(len(os.environ.get('SERVICE', '')), 'OTHER' in os.environ, os.environ.get('VAULT_ADDR', '')[:4])";
    let cell = user.shown(look);
    assert_eq!(cell.printed().split_whitespace().collect::<Vec<_>>(), ["21", "False", "http"], "{cell:?}");
    assert_eq!(thief.connections(), 0);
    user.ask("delete", json!({}));
}
