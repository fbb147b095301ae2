//! Secrets removed from notebooks: real secrets of a real OpenBao, in files, in a pipe, and when a real server
//! saves.
#![cfg(all(feature = "manage", target_os = "linux"))]

mod support;

use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::{Value, json};
use support::front_end::config;
use support::launcher::{Outcome, Scratch, finish, run};
use support::openbao::{Server, free_ports};
use support::server::{JupyterServer, Kind, TOKEN};
use support::wheel;

const KEY: &str = "canary-\"quoted\"/né+w";
const LONG: &str = "canary-a-longer-one";

/// A user with secrets, and a folder of notebooks.
struct User {
    scratch: Scratch,
}

impl User {
    fn new(path: &str) -> Self {
        let server = Server::shared();
        let several = "canary line one\ncanary line two\n";
        server.put(
            path,
            &json!({"KEY": KEY, "LONG": LONG, "SEVERAL": several, "PIN": "canary", "NUMBER": 1_234_567_890}),
        );
        let scratch = Scratch::new();
        scratch.file("config/vault.toml", config(&server.address(), path));
        scratch.file("config/token", "root\n");
        std::fs::create_dir(scratch.path("home/work")).unwrap();
        Self { scratch }
    }

    fn notebook(&self, name: &str, text: &str) -> PathBuf {
        self.scratch.file(&format!("home/work/{name}"), text)
    }

    fn scrub(&self, arguments: &[&str]) -> Outcome {
        let mut command = self.scratch.launcher();
        let outcome = run(command.arg("scrub").args(arguments).current_dir(self.scratch.path("home/work")));
        let said = String::from_utf8_lossy(&outcome.stdout).into_owned() + &outcome.stderr;
        assert!(!said.contains("canary"), "{said}");
        outcome
    }
}

fn text(outcome: &Outcome) -> String {
    String::from_utf8(outcome.stdout.clone()).unwrap()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// A notebook as Jupyter writes it: indented by one space, with a line feed at its end.
fn jupyter(cells: &Value) -> String {
    let notebook =
        json!({"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5});
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b" ");
    serde::Serialize::serialize(&notebook, &mut serde_json::Serializer::with_formatter(&mut bytes, formatter)).unwrap();
    String::from_utf8(bytes).unwrap() + "\n"
}

fn cell(source: &Value, outputs: &Value) -> Value {
    json!({"cell_type": "code", "execution_count": 1, "id": "a", "metadata": {}, "outputs": outputs, "source": source})
}

fn stream(name: &str, text: &Value) -> Value {
    json!({"name": name, "output_type": "stream", "text": text})
}

#[test]
fn secrets_are_replaced_and_every_other_byte_is_unchanged() {
    let user = User::new("scrub/bytes");
    let base64 = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(format!("user:{LONG}"))
    };
    let cells = json!([
        cell(&json!(["import os\n", format!("key = '{LONG}'\n"), "print(key)"]), &json!([
            stream("stdout", &json!([format!("{LONG}\n"), "canary-\"quo"])),
            stream("stderr", &json!("a warning\n")),
            stream("stdout", &json!("ted\"/né+w\n")),
        ])),
        cell(&json!("x"), &json!([
            {"data": {"text/html": [format!("<td>{}</td>", KEY.replace('"', "&quot;"))], "text/plain": [format!("{KEY:?}")]},
             "execution_count": 2, "metadata": {}, "output_type": "execute_result"},
            {"ename": "E", "evalue": format!("https://h/?k={}", "canary-%22quoted%22%2Fn%c3%a9%2bw"), "output_type": "error",
             "traceback": [format!("Basic {base64}"), "canary line one\ncanary line two"]},
        ])),
        {"cell_type": "markdown", "id": "b", "metadata": {"note": LONG, "number": 1_234_567_890}, "source": "fine",
         "attachments": {"a.png": {"image/png": "aGk="}}},
    ]);
    let before = jupyter(&cells);
    let path = user.notebook("Report.ipynb", &before);
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();

    let checked = user.scrub(&["--check", "Report.ipynb"]);
    assert_eq!(checked.code(), Some(88), "{checked:?}");
    let said = text(&checked);
    for line in [
        "Report.ipynb\n",
        "  cell 1, source: LONG\n",
        "  cell 1, output 1: KEY\n",
        "  cell 1, output 1: LONG\n",
        "  cell 2, output 1: KEY (escaped)\n",
        "  cell 2, output 1: KEY (as HTML)\n",
        "  cell 2, output 2: KEY (percent-encoded)\n",
        "  cell 2, output 2: LONG (base64)\n",
        "  cell 2, output 2: SEVERAL\n",
        "  cell 3, metadata: LONG\n",
        "  cell 3, metadata: NUMBER\n",
        "note: not searched for, as shorter than 8 characters: PIN\n",
        "note: not searched: 1 image or other binary data\n",
        "secrets found: 10, in 1 of 1 notebook; nothing was changed\n",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
    assert_eq!(read(&path), before);

    let outcome = user.scrub(&["Report.ipynb"]);
    assert_eq!(outcome.code(), Some(0), "{outcome:?}");
    assert!(text(&outcome).contains("replaced by [secret NAME]"));
    let after = read(&path);
    assert!(!after.contains("canary") && !after.contains(&base64[8..24]), "{after}");
    let notebook: Value = serde_json::from_str(&after).unwrap();
    let output = |cell: usize, output: usize| &notebook["cells"][cell]["outputs"][output];
    assert_eq!(notebook["cells"][0]["source"], json!(["import os\n", "key = '[secret LONG]'\n", "print(key)"]));
    assert_eq!(output(0, 0)["text"], json!(["[secret LONG]\n", "[secret KEY]"]));
    assert_eq!((&output(0, 1)["text"], &output(0, 2)["text"]), (&json!("a warning\n"), &json!("\n")));
    assert_eq!(output(1, 0)["data"]["text/plain"], json!(["\"[secret KEY]\""]));
    assert_eq!(notebook["cells"][2]["metadata"], json!({"note": "[secret LONG]", "number": "[secret NUMBER]"}));
    // Compared line by line, only the lines with secrets differ.
    let changed = before.lines().zip(after.lines()).filter(|(old, new)| old != new);
    assert!(changed.clone().all(|(old, _)| old.contains("canary")
        || old.contains("ted\\\"")
        || old.contains("1234567890")
        || old.contains("Basic")));
    assert_eq!(
        (before.lines().count(), after.ends_with("\n}\n") || after.ends_with("}\n")),
        (after.lines().count(), true)
    );
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);

    let again = user.scrub(&["--check", "Report.ipynb"]);
    assert_eq!(again.code(), Some(0), "{again:?}");
}

#[test]
fn a_notebook_without_secrets_is_not_written_and_a_malformed_one_does_not_stop_the_others() {
    let user = User::new("scrub/many");
    let clean = user.notebook("clean.ipynb", "{\"cells\":[], \"odd\" : [ 1.50e+3,\"\\u00e9\" ]}");
    let before = std::fs::metadata(&clean).unwrap();
    let dirty = jupyter(&json!([cell(&json!(LONG), &json!([]))]));
    std::fs::create_dir_all(user.scratch.path("home/work/deep/.ipynb_checkpoints")).unwrap();
    let checkpoint = user.notebook("deep/.ipynb_checkpoints/a-checkpoint.ipynb", &dirty);
    let deep = user.notebook("deep/a.ipynb", &dirty);
    let other = user.notebook("deep/a.txt", &dirty);
    let target = user.scratch.file("home/target.ipynb", &dirty);
    let link = user.scratch.path("home/work/link.ipynb");
    symlink(&target, &link).unwrap();
    let broken = user.notebook("broken.ipynb", "{\"cells\": [{\"source\": \"canary");
    let outcome = user.scrub(&[".", "missing.ipynb"]);
    assert_eq!(outcome.code(), Some(65), "{outcome:?}");
    let said = text(&outcome);
    for part in [
        "broken.ipynb can't be parsed as a notebook",
        "a string is not closed",
        "missing.ipynb does not exist",
        "found: 2, in 2 of 3",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let now = std::fs::metadata(&clean).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (now.ino(), now.mtime_nsec()), "it is not written");
    for path in [&checkpoint, &deep] {
        assert!(read(path).contains("[secret LONG]"), "{}", path.display());
    }
    assert_eq!(read(&other), dirty);
    assert_eq!(read(&target), dirty, "no link is followed below a folder");
    assert!(read(&broken).ends_with("canary"));
    // A symlink stays one, and its target is scrubbed.
    assert_eq!(user.scrub(&["link.ipynb"]).code(), Some(0));
    assert!(link.symlink_metadata().unwrap().is_symlink() && read(&target).contains("[secret LONG]"));
    // With --check, a secret takes precedence over a malformed file.
    user.notebook("deep/a.ipynb", &dirty);
    assert_eq!(user.scrub(&["--check", "."]).code(), Some(88));
    let said: Value = serde_json::from_slice(&user.scrub(&["--check", "--json", "."]).stdout).unwrap();
    assert_eq!(said["too_short"], json!(["PIN"]));
    let of = |name: &str| said["notebooks"].as_array().unwrap().iter().find(|one| one["file"] == name).unwrap().clone();
    let place = json!({"cell": 1, "part": "source", "output": null, "name": "LONG", "form": "plain", "count": 1});
    assert_eq!(of("./deep/a.ipynb")["found"], json!([place]), "{said}");
    assert_eq!(of("./broken.ipynb")["error"]["exit_code"], 65);
    assert_eq!(user.scrub(&["--check", "--except", "LONG", "deep"]).code(), Some(0));
}

#[test]
fn a_value_that_was_replaced_is_found_by_its_version() {
    for (form, path, field) in [("kv", "scrub/rotated", "KEY"), ("kv_folder", "scrub/rotating", "value")] {
        let user = User::new("scrub/present");
        let source = format!("[[source]]\n{form} = \"secret/{path}\"\n");
        let config = read(&user.scratch.path("config/vault.toml"));
        let (begin, _) = config.split_once("[[source]]").unwrap();
        user.scratch.file("config/vault.toml", begin.to_owned() + &source);
        let secret = if form == "kv" { path.to_owned() } else { format!("{path}/KEY") };
        for value in ["canary-first", "canary-second", "canary-third"] {
            Server::shared().put(&secret, &json!({field: value}));
        }
        let all = json!("canary-first canary-second canary-third");
        let notebook = user.notebook("a.ipynb", &jupyter(&json!([cell(&all, &json!([]))])));
        for (versions, found) in [("0", 1), ("1", 2), ("9", 3)] {
            let said = text(&user.scrub(&["--check", "--versions", versions, "a.ipynb"]));
            assert!(said.contains(&format!("secrets found: {found},")), "{form} {versions}: {said}");
        }
        assert_eq!(user.scrub(&["--versions", "9", "a.ipynb"]).code(), Some(0));
        assert!(read(&notebook).contains("\"[secret KEY] [secret KEY] [secret KEY]\""), "{}", read(&notebook));
    }
}

#[test]
fn a_notebook_or_source_that_cannot_be_read_or_written_is_reported() {
    let user = User::new("scrub/refused");
    let dirty = jupyter(&json!([cell(&json!(LONG), &json!([]))]));
    let path = user.notebook("a.ipynb", &dirty);
    user.scrub(&[]).is_error(64, &["NOTEBOOK"]);
    user.scrub(&["-", "a.ipynb"]).is_error(64, &["standard input"]);
    let config = read(&user.scratch.path("config/vault.toml"));
    let [port] = free_ports();
    let away = config.replace(&Server::shared().address(), &format!("http://127.0.0.1:{port}"));
    user.scratch.file("config/vault.toml", away);
    user.scrub(&["--timeout", "1", "a.ipynb"]).is_error(69, &["refused the connection"]);
    // If a source is denied, no notebook is reported as clean.
    let token = Server::shared().token(&["default"], &json!({}));
    user.scratch.file("config/vault.toml", config);
    user.scratch.file("config/token", token);
    user.scrub(&["--check", "a.ipynb"]).is_error(77, &["forbid reading secret/scrub/refused"]);
    assert_eq!(read(&path), dirty);
}

#[test]
fn in_a_pipe_the_notebook_is_on_stdout_and_the_report_on_stderr() {
    let user = User::new("scrub/pipe");
    let piped = |arguments: &[&str], input: &str| {
        let mut command = user.scratch.launcher();
        command.arg("scrub").args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        finish(child)
    };
    let dirty = jupyter(&json!([cell(&json!(LONG), &json!([]))]));
    let outcome = piped(&["-"], &dirty);
    assert_eq!(outcome.code(), Some(0));
    assert_eq!(text(&outcome), dirty.replace(LONG, "[secret LONG]"));
    assert!(outcome.stderr.contains("cell 1, source: LONG"), "{}", outcome.stderr);
    let clean = text(&outcome);
    assert_eq!(text(&piped(&["-"], &clean)), clean);
    let checked = piped(&["--check", "-"], &dirty);
    assert_eq!(checked.code(), Some(88));
    assert!(text(&checked).contains("cell 1, source: LONG"));
    piped(&["-"], "{\"cells\": [").is_error(65, &["standard input can't be parsed as a notebook"]);
}

/// Saves a notebook through the server's API; returns the status and the message.
fn save(server: &JupyterServer, name: &str, notebook: &Value) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).proxy(None).build().into();
    let request = agent.put(format!("{}/api/contents/{name}", server.address()));
    let request = request.header("Authorization", format!("token {TOKEN}")).header("Content-Type", "application/json");
    let body = json!({"type": "notebook", "format": "json", "content": notebook}).to_string();
    let mut answer = request.send(body).unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

#[test]
fn a_server_refuses_replaces_or_warns_when_a_notebook_with_a_secret_is_saved() {
    let user = User::new("scrub/saved");
    let venv = wheel::install(&user.scratch);
    let dirty: Value = serde_json::from_str(&jupyter(&json!([cell(&json!(LONG), &json!([]))]))).unwrap();
    let clean: Value = serde_json::from_str(&jupyter(&json!([cell(&json!("1"), &json!([]))]))).unwrap();
    let variables = [("VIRTUAL_ENV", venv.to_str().unwrap())];
    let [port] = free_ports();
    let config = read(&user.scratch.path("config/vault.toml"));
    let away = config.replace(&Server::shared().address(), &format!("http://127.0.0.1:{port}"));
    for (word, status, saved, while_away) in
        [("refuse", 400, None, 201), ("replace", 201, Some("[secret LONG]"), 503), ("warn", 201, Some("canary"), 201)]
    {
        user.scratch.file("config/vault.toml", &config);
        let mut options = vec![format!("--VaultScrub.on_save={word}"), "--VaultScrub.timeout=30".to_owned()];
        options.extend((while_away == 503).then(|| "--VaultScrub.on_error=refuse".to_owned()));
        let options: Vec<_> = options.iter().map(String::as_str).collect();
        let server = JupyterServer::start_with(Kind::JupyterServer, &user.scratch, &variables, &options);
        let name = format!("{word}.ipynb");
        let (answered, said) = save(&server, &name, &dirty);
        assert_eq!(answered, status, "{word}: {said}");
        assert!(!said.contains("canary"), "{said}");
        let file = user.scratch.path(&format!("home/{name}"));
        match saved {
            Some(text) => assert!(read(&file).contains(text), "{word}: {}", read(&file)),
            None => assert!(!file.exists() && said.contains("LONG in cell 1, source"), "{said}"),
        }
        if word == "warn" {
            assert!(server.log().contains("was saved with secrets in it: LONG in cell 1, source"), "{}", server.log());
        }
        assert!(!server.log().contains("canary"), "{}", server.log());
        assert_eq!(save(&server, &format!("clean-{word}.ipynb"), &clean).0, 201);
        // Vault is unreachable: the notebook is saved anyway, unless the site configured otherwise.
        user.scratch.file("config/vault.toml", away.replace("[vault]\n", "[vault]\nmax_retries = 0\n"));
        let (answered, said) = save(&server, &format!("away-{word}.ipynb"), &clean);
        assert_eq!(answered, while_away, "{said}");
    }
}
