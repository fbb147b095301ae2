//! Secrets for kernels behind servers and gateways, and the choice of kernels: the real program, real servers, a
//! real OpenBao.
#![cfg(feature = "inject")]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use crate::support::certificates::Certificates;
use crate::support::faults::{Faults, Reply};
use crate::support::front_end::{Cell, ipykernel, plain_kernelspec};
use crate::support::kernels::command;
use crate::support::launcher::{Outcome, Scratch, eventually, finish, run};
use crate::support::openbao::Server;
use crate::support::server::{JupyterServer, Kind, TOKEN, User};
use serde_json::{Value, json};

const CANARY: &str = "canary-\"through\"-ünï-🗝";
const LOOK: &str = "import os; print(os.environ.get('SERVED'))";

fn scratch() -> Scratch {
    let scratch = Scratch::new();
    plain_kernelspec(&scratch, &ipykernel());
    scratch.file("token", format!("{TOKEN}\n"));
    Server::shared().put("served", &json!({ "SERVED": CANARY }));
    scratch
}

/// `jupyter-vault inject OPTIONS`, with a Vault token and no server token.
fn inject(scratch: &Scratch, options: &[&str]) -> Command {
    inject_of(scratch, "served", options)
}

/// The same with a secret that no other test writes.
fn inject_of(scratch: &Scratch, path: &str, options: &[&str]) -> Command {
    let mut command = scratch.launcher();
    command.env("VAULT_ADDR", Server::shared().address()).env("VAULT_TOKEN", "root");
    command.arg("inject").args(options).args(["--secrets", &format!("secret/{path}")]);
    command
}

/// The same through `server`, with its token in a file.
fn through(scratch: &Scratch, server: &JupyterServer, options: &[&str]) -> Outcome {
    let token = scratch.path("token").display().to_string();
    let mut all = vec!["--url", "", "--token-file", &token];
    let address = server.address() + "/";
    all[1] = &address;
    all.extend(options);
    run(&mut inject(scratch, &all))
}

fn launch(user: &mut User, kernel: &str) -> String {
    // Enterprise Gateway does not start kernels for root.
    let options = json!({"kernel": kernel, "name": "plain", "env": {"KERNEL_USERNAME": "alice"}});
    user.ask("launch", options)["id"].as_str().unwrap().to_owned()
}

fn look(user: &mut User, kernel: &str) -> String {
    Cell(user.ask("cell", json!({"code": LOOK, "kernel": kernel}))).printed()
}

#[track_caller]
fn succeeded(outcome: &Outcome) -> String {
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let said = String::from_utf8(outcome.stdout.clone()).unwrap();
    assert!(!said.contains("canary") && !outcome.stderr.contains("canary"), "{said}{}", outcome.stderr);
    said
}

/// By id, by its beginning, and as the only one; the server's log at its most verbose shows no value.
fn reached_through(kind: Kind, options: &[&str]) {
    let scratch = scratch();
    let server = JupyterServer::start_with(kind, &scratch, &[], options);
    let mut user = User::of(&server);
    let id = launch(&mut user, "one");
    assert_eq!(look(&mut user, "one"), "None");
    let said = succeeded(&through(&scratch, &server, &[&id]));
    assert_eq!(said, format!("{id}: set SERVED\n"));
    assert_eq!(look(&mut user, "one"), CANARY);
    let second = launch(&mut user, "two");
    let beginning = (1..36).map(|length| &second[..length]).find(|start| !id.starts_with(start)).unwrap();
    succeeded(&through(&scratch, &server, &[beginning]));
    assert_eq!(look(&mut user, "two"), CANARY);
    user.ask("delete", json!({"kernel": "one"}));
    succeeded(&through(&scratch, &server, &[]));
    let log = server.log();
    assert!(log.contains(&second) && !log.contains("canary"), "{log}");
}

#[test]
fn through_jupyter_server_by_its_subprotocol() {
    reached_through(Kind::JupyterServer, &["--debug"]);
}

#[test]
fn through_jupyter_server_by_json() {
    reached_through(Kind::JupyterServer, &["--debug", "--ZMQChannelsWebsocketConnection.kernel_ws_protocol="]);
}

#[test]
fn through_kernel_gateway() {
    reached_through(Kind::KernelGateway, &["--debug"]);
}

#[test]
fn through_enterprise_gateway() {
    reached_through(Kind::EnterpriseGateway, &["--debug"]);
}

#[test]
fn a_gateway_that_does_not_list_kernels_accepts_a_full_id() {
    let scratch = scratch();
    let options = ["--JupyterWebsocketPersonality.list_kernels=False"];
    let server = JupyterServer::start_with(Kind::KernelGateway, &scratch, &[], &options);
    let mut user = User::of(&server);
    let id = launch(&mut user, "one");
    through(&scratch, &server, &["--all"]).is_error(84, &["refuses the token", "name a kernel by its full id"]);
    succeeded(&through(&scratch, &server, &[&id]));
    assert_eq!(look(&mut user, "one"), CANARY);
}

#[test]
fn a_notebook_selects_a_kernel_behind_a_hubs_prefix() {
    let scratch = scratch();
    let server = JupyterServer::start_with(Kind::JupyterServer, &scratch, &[], &["--ServerApp.base_url=/user/ada/"]);
    let mut user = User::of(&server);
    for (kernel, path) in [("one", "work/one.ipynb"), ("two", "work/two.ipynb"), ("three", "other/two.ipynb")] {
        launch(&mut user, kernel);
        user.ask("open_notebook", json!({"path": path, "kernel": kernel}));
    }
    for meant in ["one", "one.ipynb", "work/one.ipynb", "/work/one.ipynb"] {
        let said = succeeded(&through(&scratch, &server, &[meant]));
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    succeeded(&through(&scratch, &server, &["other/two.ipynb"]));
    assert_eq!(["one", "two", "three"].map(|kernel| look(&mut user, kernel)), [CANARY, "None", CANARY]);
    through(&scratch, &server, &["two.ipynb"])
        .is_error(67, &["2 kernels match two.ipynb", "(work/two.ipynb)", "(other/two.ipynb)"]);
    through(&scratch, &server, &["three.ipynb"]).is_error(67, &["no kernel or notebook called three.ipynb"]);
    // An address from a browser works; one without the prefix is reported as such.
    let token = scratch.path("token").display().to_string();
    let page = server.address() + "/lab";
    succeeded(&run(&mut inject(&scratch, &["--url", &page, "--token-file", &token, "one"])));
    let bare = server.address().replace("/user/ada", "");
    run(&mut inject(&scratch, &["--url", &bare, "--token-file", &token, "one"])).is_error(86, &["/user/NAME/"]);
}

#[test]
fn all_kernels_of_a_server_get_them_even_if_one_fails() {
    let scratch = scratch();
    let server = JupyterServer::start(Kind::JupyterServer, &scratch, &[]);
    let mut user = User::of(&server);
    let ids = ["one", "two", "three"].map(|kernel| launch(&mut user, kernel));
    let all = |options: &[&str]| {
        let address = server.address();
        let mut command = inject_of(&scratch, "served-all", &[&["--all", "--url", &address], options].concat());
        run(command.env("JUPYTER_TOKEN", TOKEN))
    };
    Server::shared().put("served-all", &json!({ "SERVED": CANARY }));
    let said = succeeded(&all(&[]));
    assert!(ids.iter().all(|id| said.contains(&format!("{id}: set SERVED"))), "{said}");
    assert_eq!(look(&mut user, "three"), CANARY);
    user.ask("start_cell", json!({"kernel": "two", "code": "import time; print(1, flush=True); time.sleep(600)"}));
    Server::shared().put("served-all", &json!({ "SERVED": CANARY }));
    let outcome = all(&["--wait", "10"]);
    assert_eq!(outcome.code(), Some(80), "{}", outcome.stderr);
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(said.contains(&ids[0]) && said.contains(&ids[2]) && !said.contains(&ids[1]), "{said}");
    assert!(outcome.stderr.contains(&format!("(kernel {})", ids[1])), "{}", outcome.stderr);
}

#[test]
fn a_server_with_tls_is_used_only_with_its_ca() {
    let scratch = scratch();
    let certificates = Certificates::make(&scratch.path("tls"));
    let option = |name: &str, path: std::path::PathBuf| format!("--ServerApp.{name}={}", path.display());
    let options = [option("certfile", certificates.cert("good")), option("keyfile", certificates.key("good"))];
    let options = options.each_ref().map(String::as_str);
    let server = JupyterServer::start_with(Kind::JupyterServer, &scratch, &[], &options);
    let mut user = User::trusting(&server, Some(&certificates.cert("ca")));
    launch(&mut user, "one");
    let ca = certificates.cert("ca").display().to_string();
    succeeded(&through(&scratch, &server, &["--ca-cert", &ca]));
    assert_eq!(look(&mut user, "one"), CANARY);
    through(&scratch, &server, &[]).is_error(85, &["the Jupyter server at", "unknown issuer", "--ca-cert"]);
    let token = scratch.path("token").display().to_string();
    let plain = server.address().replace("https", "http");
    run(&mut inject(&scratch, &["--url", &plain, "--token-file", &token])).is_error(85, &["Jupyter server"]);
}

#[test]
fn by_a_unix_socket_that_the_servers_own_file_names() {
    let scratch = scratch();
    let socket = scratch.path("jupyter.sock");
    let option = format!("--ServerApp.sock={}", socket.display());
    let _server = JupyterServer::start_with(Kind::JupyterServer, &scratch, &[], &[&option]);
    // Its file is written before it listens.
    eventually("the socket is there", || UnixStream::connect(&socket).is_ok());
    let ask = |method: &str, path: &str, body: &str| -> Value {
        let mut stream = UnixStream::connect(&socket).unwrap();
        let length = body.len();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {TOKEN}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).unwrap_or_default()
    };
    let id = ask("POST", "/api/kernels", r#"{"name": "plain"}"#)["id"].as_str().unwrap().to_owned();
    let body = json!({"path": "n.ipynb", "name": "n.ipynb", "type": "notebook", "kernel": {"id": id}}).to_string();
    ask("POST", "/api/sessions", &body);
    // Through the socket, with a token in a file, in the environment, or from the server's file.
    let url = format!("unix://{}", socket.display());
    let encoded = format!("http+unix://{}/", socket.display().to_string().replace('/', "%2F"));
    let token = scratch.path("token").display().to_string();
    succeeded(&run(&mut inject(&scratch, &["--url", &url, "--token-file", &token, "n.ipynb"])));
    succeeded(&run(&mut inject(&scratch, &["--url", &encoded, "n"])));
    std::fs::rename(scratch.path("runtime"), scratch.path("elsewhere")).unwrap();
    std::fs::create_dir(scratch.path("runtime")).unwrap();
    succeeded(&run(inject(&scratch, &["--url", &url, "n"]).env("JUPYTER_TOKEN", TOKEN)));
    run(&mut inject(&scratch, &["--url", &url, "n"])).is_error(84, &["requires a token", "--token-file"]);
    // Without options, the file in the runtime folder leads to the server, and that to the notebook.
    std::fs::remove_dir_all(scratch.path("runtime")).unwrap();
    std::fs::rename(scratch.path("elsewhere"), scratch.path("runtime")).unwrap();
    Server::shared().put("served-socket", &json!({ "SERVED": CANARY }));
    let by_notebook = || succeeded(&run(&mut inject_of(&scratch, "served-socket", &["n"])));
    assert_eq!(by_notebook(), format!("kernel-{id}: set SERVED\n"));
}

#[test]
fn by_a_unix_socket_below_a_base_url() {
    let scratch = scratch();
    let socket = scratch.path("jupyter.sock");
    let options = [format!("--ServerApp.sock={}", socket.display()), "--ServerApp.base_url=/user/ada/".to_owned()];
    let options = options.each_ref().map(String::as_str);
    let _server = JupyterServer::start_with(Kind::JupyterServer, &scratch, &[], &options);
    eventually("the socket is there", || UnixStream::connect(&socket).is_ok());
    let mut stream = UnixStream::connect(&socket).unwrap();
    let body = r#"{"name": "plain", "path": "n.ipynb", "type": "notebook", "kernel": {"name": "plain"}}"#;
    let length = body.len();
    write!(stream, "POST /user/ada/api/sessions HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {TOKEN}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    // By the socket alone, by the server's own file, and by the whole URL without a file.
    let url = format!("unix://{}", socket.display());
    let encoded = format!("http+unix://{}/user/ada/", socket.display().to_string().replace('/', "%2F"));
    succeeded(&run(&mut inject(&scratch, &["--url", &url, "n"])));
    succeeded(&run(&mut inject(&scratch, &["n"])));
    let elsewhere = Scratch::new();
    succeeded(&run(inject(&elsewhere, &["--url", &encoded, "n"]).env("JUPYTER_TOKEN", TOKEN)));
}

#[test]
fn without_a_name_the_only_kernel_is_used_and_several_are_listed() {
    let scratch = scratch();
    run(&mut inject(&scratch, &[])).is_error(67, &["no kernel is running", "jupyter --runtime-dir"]);
    // Files of a killed kernel and a killed server.
    let stale = json!({"shell_port": 1, "control_port": 1, "stdin_port": 1, "iopub_port": 1, "hb_port": 1, "key": "k"});
    scratch.file("runtime/kernel-stale.json", stale.to_string());
    scratch.file("runtime/jpserver-2147483647.json", r#"{"pid": 2147483647, "port": 1, "token": "canary"}"#);
    let server = JupyterServer::start(Kind::JupyterServer, &scratch, &[]);
    let mut user = User::of(&server);
    let one = launch(&mut user, "one");
    user.ask("open_notebook", json!({"path": "deep/one.ipynb", "kernel": "one"}));
    let said = succeeded(&run(&mut inject(&scratch, &[])));
    assert_eq!(said, format!("kernel-{one}: set SERVED\n"));
    assert_eq!(look(&mut user, "one"), CANARY);
    let two = launch(&mut user, "two");
    run(&mut inject(&scratch, &[]))
        .is_error(67, &["2 kernels are running", &format!("{one} (deep/one.ipynb)"), &two, "--all"]);
    let said = succeeded(&run(&mut inject(&scratch, &["--all"])));
    assert!(said.lines().count() == 2 && said.contains(&two), "{said}");
    // By notebook, without naming a server; by the beginning of an id; by the name of a file in the folder.
    assert_eq!(
        succeeded(&run(&mut inject(&scratch, &["one.ipynb"]))),
        format!("kernel-{one}: nothing to do, it already has the same versions\n")
    );
    succeeded(&run(&mut inject(&scratch, &[&two[..35]])));
    succeeded(&run(&mut inject(&scratch, &[&format!("kernel-{two}.json")])));
    run(&mut inject(&scratch, &["stale"])).is_error(68, &["nothing listens there"]);
    run(&mut inject(&scratch, &["kernel-none.json"])).is_error(67, &["there is no file kernel-none.json"]);
    run(&mut inject(&scratch, &["--all", "stale"])).is_error(64, &["cannot be used with"]);
}

#[test]
fn each_failure_to_reach_a_server_has_its_own_error() {
    let scratch = scratch();
    let server = JupyterServer::start(Kind::JupyterServer, &scratch, &[]);
    let mut user = User::of(&server);
    launch(&mut user, "one");
    let wrong = scratch.file("wrong", "canary-wrong-token").display().to_string();
    let with = |file: &str, kernel: &str| {
        run(&mut inject(&scratch, &["--url", &server.address(), "--token-file", file, kernel]))
    };
    with(&wrong, "one").is_error(84, &["refuses the token from", "wrong"]);
    with("/nowhere", "one").is_error(78, &["/nowhere"]);
    let broken = scratch.file("broken", "canary two words").display().to_string();
    with(&broken, "one").is_error(78, &["characters that a token can't have"]);
    let none = "01234567-89ab-cdef-0123-456789abcdef";
    through(&scratch, &server, &[none]).is_error(67, &["has no kernel 01234567"]);
    let token = scratch.path("token").display().to_string();
    let at = |url: &str| run(&mut inject(&scratch, &["--url", url, "--token-file", &token, none]));
    at("http://127.0.0.1:1/").is_error(85, &["the Jupyter server at 127.0.0.1:1 refused"]);
    at("http://127.0.0.1:1/?token=canary").is_error(64, &["--url has a query", "--token-file"]);
    at("nonsense").is_error(64, &["--url"]);
    // Vault is not a Jupyter server.
    at(&Server::shared().address()).is_error(86, &["whole base URL"]);
    let stopped = Faults::start(|_, _| Reply::with(424, "", ""));
    at(&stopped.address()).is_error(85, &["is not started (424)"]);
}

#[test]
fn a_server_that_exits_meanwhile_ends_the_wait() {
    let scratch = scratch();
    let server = JupyterServer::start(Kind::JupyterServer, &scratch, &[]);
    let mut user = User::of(&server);
    let id = launch(&mut user, "one");
    user.ask("start_cell", json!({"code": "import time; print(1, flush=True); time.sleep(600)"}));
    let token = scratch.path("token").display().to_string();
    let mut command = inject(&scratch, &["--url", &server.address(), "--token-file", &token, &id, "--wait", "600"]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The user, and the program.
    eventually("the server counts our connection", || {
        user.ask("running", json!({}))["kernels"][0]["connections"].as_i64() == Some(2)
    });
    drop(server);
    let outcome = finish(child);
    // It may have said before that it is waiting.
    assert_eq!(outcome.code(), Some(74), "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("exited or restarted meanwhile") && outcome.stdout.is_empty(),
        "{}",
        outcome.stderr
    );
}

/// The output of an injection of `secret/PATH` through the server, without the kernel's name. With another
/// runtime folder than the server's, the kernel's process is not visible.
fn from(folder: &Scratch, server: &JupyterServer, path: &str, id: &str) -> String {
    let address = server.address();
    let mut command = inject_of(folder, path, &["--url", &address, id]);
    let said = succeeded(&run(command.env("JUPYTER_TOKEN", TOKEN)));
    said.strip_prefix(&format!("{id}: ")).expect("the kernel's id").trim_end().to_owned()
}

#[test]
fn through_a_server_unchanged_versions_are_not_set_again_and_removed_secrets_are_unset() {
    let (scratch, elsewhere) = (scratch(), Scratch::new());
    let server = JupyterServer::start(Kind::JupyterServer, &scratch, &[]);
    let mut user = User::of(&server);
    let vault = Server::shared();
    let look = "import os; print([n for n in ['SERVED', 'MORE'] if n in os.environ])";
    // With the server's own runtime folder there is a record; without it, the kernel's session id is known.
    for (kernel, folder) in [("one", &scratch), ("two", &elsewhere)] {
        vault.put("served-again", &json!({"SERVED": CANARY, "MORE": "canary"}));
        let id = launch(&mut user, kernel);
        let said = || from(folder, &server, "served-again", &id);
        assert_eq!(said(), "set MORE, SERVED", "{kernel}");
        assert_eq!(said(), "nothing to do, it already has the same versions", "{kernel}");
        vault.put("served-again", &json!({ "SERVED": CANARY }));
        assert_eq!(said(), "set SERVED; unset MORE", "{kernel}");
        let cell = Cell(user.ask("cell", json!({"code": look, "kernel": kernel})));
        assert_eq!(cell.printed(), "['SERVED']", "{kernel}");
        user.ask("restart", json!({"kernel": kernel}));
        user.ask("cell", json!({"code": "1", "kernel": kernel}));
        assert_eq!(said(), "set SERVED", "{kernel}: a restarted kernel has nothing of it, under the same id");
        assert_eq!(said(), "nothing to do, it already has the same versions", "{kernel}");
    }
    let kept = std::fs::read_dir(elsewhere.path("runtime/jupyter-vault/elsewhere")).unwrap().flatten();
    let kept: Vec<_> = kept.map(|entry| std::fs::read_to_string(entry.path()).unwrap()).collect();
    assert!(kept.len() == 1 && kept[0].contains("SERVED") && !kept[0].contains("canary"), "{kept:?}");
    assert!(!elsewhere.path("runtime/jupyter-vault/kernels").exists(), "no record of a process that is not seen");
}

#[test]
#[ignore = "needs npm"]
fn a_kernel_that_answers_with_its_clients_session_id_is_set_each_time() {
    let (scratch, elsewhere) = (scratch(), Scratch::new());
    plain_kernelspec(&scratch, &command("tslab"));
    let server = JupyterServer::start(Kind::JupyterServer, &scratch, &[]);
    let mut user = User::of(&server);
    let id = launch(&mut user, "one");
    Server::shared().put("served-tslab", &json!({ "SERVED": CANARY }));
    let said = |folder: &Scratch| from(folder, &server, "served-tslab", &id);
    assert_eq!((said(&elsewhere).as_str(), said(&elsewhere).as_str()), ("set SERVED", "set SERVED"));
    assert_eq!(said(&scratch), "set SERVED");
    assert!(said(&scratch).starts_with("nothing to do"), "its process is seen");
}

#[test]
fn kernels_are_listed_without_contacting_vault() {
    let scratch = scratch();
    let list = |options: &[&str]| {
        let mut command = scratch.launcher();
        succeeded(&run(command.args(["inject", "--list"]).args(options)))
    };
    assert_eq!(list(&[]), "");
    let server = JupyterServer::start(Kind::JupyterServer, &scratch, &[]);
    let mut user = User::of(&server);
    let one = launch(&mut user, "one");
    user.ask("open_notebook", json!({"path": "deep/one.ipynb", "kernel": "one"}));
    let two = launch(&mut user, "two");
    let file = |id: &str| scratch.path(&format!("runtime/kernel-{id}.json")).display().to_string();
    let found = list(&[]);
    assert_eq!(found.lines().count(), 2, "{found}");
    assert!(found.contains(&format!("{one} (deep/one.ipynb): {}\n", file(&one))), "{found}");
    assert!(found.contains(&format!("{two}: {}\n", file(&two))), "{found}");
    let address = server.address();
    assert_eq!(list(&["--url", &address, "one"]), format!("{one} (deep/one.ipynb): {address}\n"));
}

#[test]
fn jupyters_runtime_folder_and_the_sessions_may_differ() {
    let scratch = scratch();
    let server = JupyterServer::start(Kind::JupyterServer, &scratch, &[]);
    let mut user = User::of(&server);
    let id = launch(&mut user, "one");
    // A desktop session: no Jupyter variables, and a runtime folder of the session that Jupyter does not use.
    let data = scratch.path("home/.local/share/jupyter");
    std::fs::create_dir_all(&data).unwrap();
    std::os::unix::fs::symlink(scratch.path("runtime"), data.join("runtime")).unwrap();
    let session = scratch.path("session");
    std::fs::create_dir(&session).unwrap();
    let mut command = inject(&scratch, &[]);
    command.env_remove("JUPYTER_RUNTIME_DIR").env("XDG_RUNTIME_DIR", &session);
    assert_eq!(succeeded(&run(&mut command)), format!("kernel-{id}: set SERVED\n"));
    assert!(session.join(format!("jupyter/jupyter-vault/kernels/kernel-{id}.json")).exists());
}
