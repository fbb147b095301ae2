//! The Secrets section in a real JupyterLab and a real browser, with a real OpenBao.
//!
//! Needs Chromium and npm, so `cargo test -- --ignored` runs it (CI installs them).
#![cfg(all(feature = "manage", target_os = "linux"))]

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;

use serde_json::{Value, json};
use support::dialogue::Dialogue;
use support::front_end::{FrontEnd, config, ipykernel, kernelspec, plain_kernelspec};
use support::launcher::{Scratch, binary, eventually, run, wait};
use support::openbao::{Server, free_ports};
use support::python;
use support::server::{JupyterServer, Kind, TOKEN};
use support::wheel;

const VALUE: &str = "canary-of-21-letters!";

/// JupyterLab in an environment with the whole wheel, two notebooks, and a user with a browser.
struct Site {
    scratch: Scratch,
    lab: JupyterServer,
    vault: Server,
    person: Dialogue,
}

fn chromium() -> &'static str {
    let places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    places.into_iter().find(|place| Path::new(place).exists()).expect("Chromium is installed (Debian: chromium)")
}

/// A user with a browser.
fn person(scratch: &Scratch) -> Dialogue {
    let mut command = Command::new(python::browser());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/section_page.py")).env("NO_PROXY", "*");
    let mut person = Dialogue::with(command.env("HOME", scratch.path("home")));
    person.ask("start", json!({"chromium": chromium()}));
    person
}

/// Builds the section to where the wheel takes it from; installing its packages takes a minute.
fn build() {
    let lock = File::create(python::target().join("section.lock")).unwrap();
    lock.lock().unwrap();
    let mut build = Command::new(python::python());
    build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/section.py")).stdin(Stdio::null());
    assert!(build.status().unwrap().success(), "the section is built");
}

/// The separate page, started on a terminal.
struct OwnPage {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
    /// With the one-time token.
    address: String,
}

impl OwnPage {
    fn command(scratch: &Scratch, venv: &Path, options: &[&str]) -> Command {
        let mut command = Command::new(venv.join("bin/jupyter-vault"));
        command.arg("ui").args(options).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", scratch.path("home"));
        command.env("JUPYTER_CONFIG_DIR", scratch.path("config")).env("JUPYTER_RUNTIME_DIR", scratch.path("runtime"));
        command
    }

    fn start(scratch: &Scratch, venv: &Path, options: &[&str]) -> Self {
        Self::of(Self::command(scratch, venv, options), scratch)
    }

    fn of(mut command: Command, scratch: &Scratch) -> Self {
        // Modules in a folder that others can write are ignored.
        std::fs::create_dir_all(scratch.path("home/tornado")).unwrap();
        scratch.file("home/tornado/__init__.py", "raise SystemExit(9)");
        let mut child = command.current_dir(scratch.path("home")).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let address = loop {
            let mut line = String::new();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "the page says its address");
            if line.trim().starts_with("http://") {
                break line.trim().to_owned();
            }
        };
        Self { child, said, address }
    }

    /// Without the token.
    fn place(&self) -> &str {
        self.address.split_once("/#").unwrap().0
    }

    fn token(&self) -> &str {
        self.address.split_once('#').unwrap().1
    }

    /// A request, with the status and the whole answer.
    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let host = self.place().trim_start_matches("http://");
        said_by(std::net::TcpStream::connect(host).unwrap(), host, &format!("{method} {path}"), headers, body)
    }

    fn interrupt(&mut self) -> String {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        self.end()
    }

    /// Waits until it exits, and returns its last output.
    fn end(&mut self) -> String {
        assert_eq!(wait(&mut self.child).code(), Some(0));
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        rest
    }
}

impl Drop for OwnPage {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The answer to a hand-written request (`line` is GET or another method, and the path), whose headers replace the default ones.
fn said_by(
    mut stream: impl Read + Write,
    host: &str,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let origin = format!("http://{host}");
    let length = body.len().to_string();
    let usual =
        [("Host", host), ("Origin", &origin), ("Content-Type", "application/json"), ("Content-Length", &length)];
    let usual = usual.into_iter().filter(|(name, _)| !headers.iter().any(|(other, _)| other == name));
    let lines: Vec<_> = usual.chain(headers.iter().copied()).map(|(name, value)| format!("{name}: {value}")).collect();
    let lines = lines.join("\r\n");
    let request = format!("{line} HTTP/1.1\r\n{lines}\r\nConnection: close\r\n\r\n{body}");
    let mut answer = Vec::new();
    // Another user's connection is closed at once.
    if stream.write_all(request.as_bytes()).is_ok() {
        let _ = stream.read_to_end(&mut answer);
    }
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer)
}

/// A scratch folder with a configuration, and an environment with the whole wheel.
fn installed(vault: &Server, path: &str) -> (Scratch, PathBuf) {
    static BUILT: Once = Once::new();
    BUILT.call_once(build);
    let scratch = Scratch::new();
    scratch.file("config/vault.toml", config(&vault.address(), path) + "optional = true\n");
    scratch.file("config/token", "root\n");
    let venv = wheel::install(&scratch);
    (scratch, venv)
}

impl Site {
    fn new() -> Self {
        Self::with(&[], |_| ())
    }

    /// With more options and environment variables for the server.
    fn with(options: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        static BUILT: Once = Once::new();
        BUILT.call_once(build);
        let [port] = free_ports();
        let vault = Server::at(port).expect("the port is free");
        let scratch = Scratch::new();
        let settings = config(&vault.address(), "page") + "optional = true\n";
        let command = ipykernel();
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        let spec = kernelspec(&scratch, &settings, &[], &command);
        std::fs::write(spec.join("token"), "root\n").unwrap();
        scratch.file("config/vault.toml", &settings);
        scratch.file("config/token", "root\n");
        for name in ["Report", "Later"] {
            let source = "import os\nprint(len(os.environ.get(\"OPENAI_API_KEY\", \"\")), \"letters\")";
            let cell = json!({"cell_type": "code", "id": "a", "metadata": {}, "source": source, "outputs": [], "execution_count": null});
            let kernel = json!({"name": "vaulted", "display_name": "Vaulted", "language": "python"});
            let notebook =
                json!({"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5});
            scratch.file(&format!("home/{name}.ipynb"), notebook.to_string());
        }
        let venv = wheel::install(&scratch);
        prepare(&venv);
        let variables = [("VIRTUAL_ENV", venv.to_str().unwrap())];
        let options: Vec<_> = std::iter::once("--LabApp.expose_app_in_browser=True").chain(options.to_vec()).collect();
        let lab = JupyterServer::start_with(Kind::JupyterLab, &scratch, &variables, &options);
        let person = person(&scratch);
        let mut site = Self { scratch, lab, vault, person };
        site.open("Report");
        site
    }

    fn open(&mut self, notebook: &str) {
        let url = format!("{}/lab/tree/{notebook}.ipynb?token={TOKEN}", self.lab.address());
        self.ask("open_page", json!({ "url": url }));
        self.ask("show", json!({}));
    }

    #[track_caller]
    fn ask(&mut self, what: &str, options: Value) -> Value {
        self.person.ask(what, options)
    }

    #[track_caller]
    fn says(&mut self, text: &str) -> String {
        self.ask("says", json!({ "text": text }))["text"].as_str().unwrap().to_owned()
    }

    #[track_caller]
    fn click(&mut self, name: &str) {
        self.ask("click", json!({ "name": name }));
    }

    #[track_caller]
    fn fill(&mut self, label: &str, text: &str) {
        self.ask("fill", json!({"label": label, "text": text}));
    }

    /// axe finds no problem, in the light theme.
    #[track_caller]
    fn is_accessible(&mut self, state: &str) {
        let found = self.ask("axe", json!({"theme": "JupyterLab Light"}));
        assert_eq!(found["violations"], json!([]), "{state}");
    }

    /// Runs different code in the first cell.
    #[track_caller]
    fn runs(&mut self, code: &str) -> String {
        self.ask("run_cell", json!({ "code": code }))["text"].as_str().unwrap().trim().to_owned()
    }

    #[track_caller]
    fn told(&mut self, text: &str) -> String {
        self.ask("told", json!({ "text": text }))["text"].to_string()
    }

    #[track_caller]
    fn below(&mut self, text: &str) -> String {
        self.ask("below", json!({ "text": text }))["text"].to_string()
    }

    /// Clicks a button outside the panel.
    #[track_caller]
    fn click_anywhere(&mut self, name: &str) {
        self.ask("click", json!({"name": name, "anywhere": true}));
    }

    /// Opens the form for a new value, and types it.
    #[track_caller]
    fn type_another(&mut self, secret: &str, value: &str) {
        self.ask("focus", json!({ "secret": secret }));
        self.ask("keys", json!({"presses": ["Enter"]}));
        self.click("Replace");
        self.fill("Value", value);
    }

    /// From the value's field to the form's button.
    #[track_caller]
    fn submit(&mut self) {
        self.ask("keys", json!({"presses": ["Tab", "Tab", "Enter"]}));
    }

    fn has_button(&mut self, name: &str) -> bool {
        self.ask("buttons", json!({}))["names"].as_array().unwrap().contains(&json!(name))
    }

    #[track_caller]
    fn cell(&mut self) -> String {
        self.ask("run_cell", json!({}))["text"].as_str().unwrap().trim().to_owned()
    }

    #[track_caller]
    fn add(&mut self, name: &str, value: &str) {
        self.click("Add a secret");
        self.fill("Name", name);
        self.fill("Value", value);
        self.fill("Description", "for the embeddings");
        self.click("Add");
        self.says(&format!("Stored {name}"));
    }
}

#[test]
#[ignore = "needs Chromium and npm"]
fn a_secret_is_added_in_jupyterlab_and_reaches_a_running_and_a_new_kernel() {
    let mut site = Site::new();
    site.says("No secrets yet");
    assert_eq!(site.cell(), "0 letters");
    site.add("OPENAI_API_KEY", VALUE);
    site.says("for the embeddings");
    assert_eq!(site.ask("traces", json!({"text": VALUE}))["found"], json!([]), "the value is nowhere");

    site.says("1 running kernel does not have the latest secrets");
    site.click("Apply");
    site.says("Report.ipynb has the latest secrets");
    assert_eq!(site.cell(), "21 letters");

    // A new value: the row shows the kernel's version.
    site.ask("focus", json!({"secret": "OPENAI_API_KEY"}));
    site.ask("keys", json!({"presses": ["Enter"]}));
    site.click("Replace");
    site.fill("Value", "canary-2");
    site.ask("keys", json!({"presses": ["Tab", "Tab", "Enter"]}));
    site.says("Report.ipynb has v1, Vault has v2.");
    site.click("Apply now");
    site.says("Report.ipynb has the latest secrets");
    assert_eq!(site.cell(), "8 letters");
    let traces = site.ask("traces", json!({"text": "canary"}));
    assert_eq!(traces["found"], json!([]), "nor the other one");
    assert!(traces["answers"].as_u64().unwrap() > 4, "{traces}");
    site.open("Later");
    assert_eq!(site.cell(), "8 letters", "a new kernel has it");
    assert!(!site.lab.log().contains("canary"));
}

#[test]
#[ignore = "needs Chromium and npm"]
fn the_section_is_used_by_keyboard_undoes_imports_and_says_when_vault_is_away() {
    let mut site = Site::new();
    site.says("No secrets yet");
    site.add("FIRST", VALUE);
    site.ask("choose", json!({"name": "work.env", "content": "SECOND=canary-two\nFIRST=canary-one\n"}));
    let shown = site.says("add: SECOND");
    assert!(shown.contains("replace: FIRST"), "{shown}");
    site.click("Write 2 secrets");
    site.says("Stored 2 secrets");

    // Both rows exist.
    site.ask("focus", json!({"secret": "SECOND"}));
    site.ask("focus", json!({"secret": "FIRST"}));
    let there = site.ask("keys", json!({"presses": ["ArrowDown"]}));
    assert!(there["focus"].as_str().unwrap().starts_with("SECOND"), "{there}");
    site.ask("keys", json!({"presses": ["Enter"]}));
    site.says("Versions");
    site.ask("keys", json!({"presses": ["Escape", "Delete"]}));
    site.says("Deleted SECOND.");
    site.ask("gone", json!({"text": "SECOND"}));
    site.ask("click", json!({"name": "Undo", "anywhere": true}));
    site.says("Restored SECOND.");

    for theme in ["JupyterLab Dark", "JupyterLab Light"] {
        assert_eq!(site.ask("axe", json!({ "theme": theme }))["violations"], json!([]), "{theme}");
    }
    // Takes the README's screenshot: `JUPYTER_VAULT_SCREENSHOT=docs/section.png cargo test -- --ignored`.
    let picture = std::env::var_os("JUPYTER_VAULT_SCREENSHOT");
    let picture = picture
        .map_or_else(|| site.scratch.path("section.png"), |place| Path::new(env!("CARGO_MANIFEST_DIR")).join(place));
    site.ask("picture", json!({ "path": picture }));

    // Names are text, and none looks like another one: here LIVE, reversed.
    site.vault.put("page", &json!({"<b>bold</b>": "x", "\u{202e}EVIL": "x"}));
    site.click("Refresh");
    site.says("<b>bold</b>");
    site.says("\\u202eEVIL");

    let port = site.vault.port();
    site.vault.must("PUT", "sys/seal", &Value::Null);
    site.click("Refresh");
    let sealed = site.says("Running kernels keep their secrets");
    assert!(sealed.contains("sealed"), "{sealed}");
    site.vault.unseal();
    site.click("Try again");
    site.ask("gone", json!({"text": "Running kernels keep their secrets."}));
    assert_eq!(site.vault.port(), port);
    assert_eq!(site.ask("traces", json!({"text": "canary"}))["found"], json!([]));
}

#[test]
#[ignore = "needs Chromium and npm"]
fn a_failed_cell_leads_to_the_form_and_a_secret_is_withheld_from_a_notebook() {
    let mut site = Site::new();
    site.says("No secrets yet");
    let key = "import os; print(len(os.environ['NEEDED_KEY']), 'letters')";
    assert!(site.runs(key).contains("KeyError"));
    site.below("NEEDED_KEY is not among your secrets.");
    let found = site.ask("axe", json!({"theme": "JupyterLab Light", "part": ".jp-VaultSection-answer"}));
    assert_eq!(found["violations"], json!([]), "the answer below the cell");
    site.click_anywhere("Add NEEDED_KEY");
    assert_eq!(site.ask("value_of", json!({"label": "Name"}))["value"], "NEEDED_KEY");
    site.fill("Value", VALUE);
    site.click("Add");
    site.says("Stored NEEDED_KEY");
    assert!(site.runs(key).contains("KeyError"));
    site.below("Vault has NEEDED_KEY, but this kernel does not.");
    site.click_anywhere("Apply to this kernel");
    site.told("Report.ipynb has the latest secrets.");
    assert_eq!(site.runs(key), "21 letters");
    // A dictionary's key is not a variable.
    assert!(site.runs("{}['ANOTHER_KEY']").contains("KeyError"));
    assert!(site.runs("os.environ['THIRD_KEY']").contains("KeyError"));
    let told = site.below("THIRD_KEY is not among your secrets.");
    assert!(!told.contains("ANOTHER_KEY"), "{told}");

    site.says("Report.ipynb gets all of these secrets.");
    site.click("Change…");
    site.ask("switch", json!({"name": "NEEDED_KEY"}));
    site.says("Report.ipynb does not get NEEDED_KEY.");
    site.is_accessible("the switches");
    let own = site.scratch.path("home/Report.ipynb");
    let rule = format!("[notebook.{own:?}]\nwithout = [\"NEEDED_KEY\"]\n");
    let settings = std::fs::read_to_string(site.scratch.path("config/vault.toml")).unwrap();
    assert!(settings.ends_with(&rule), "{settings}");
    site.says("Its kernel still has NEEDED_KEY.");
    site.click("Remove now");
    site.says("Report.ipynb has the latest secrets");
    assert!(site.runs(key).contains("KeyError"));
    site.below("NEEDED_KEY is off for this notebook.");
    site.open("Later");
    assert_eq!(site.runs(key), "21 letters", "another notebook has it");
    site.open("Report");
    assert!(site.runs(key).contains("KeyError"));
    site.below("NEEDED_KEY is off for this notebook.");
    site.click_anywhere("Turn it on");
    site.told("Report.ipynb has the latest secrets.");
    assert_eq!(site.runs(key), "21 letters");
    let settings = std::fs::read_to_string(site.scratch.path("config/vault.toml")).unwrap();
    assert!(!settings.contains("notebook"), "{settings}");
    let saved = std::fs::read_to_string(&own).unwrap();
    assert!(saved.contains("OPENAI_API_KEY"), "the notebook's code is as it was: {saved}");
}

#[test]
#[ignore = "needs Chromium and npm"]
fn a_kernel_that_takes_secrets_at_its_start_is_restarted_and_a_data_source_is_removed() {
    let mut site = Site::new();
    let settings = std::fs::read_to_string(site.scratch.path("config/vault.toml")).unwrap();
    let settings = settings + "[[source]]\ndata_sources = \"secret/sources\"\noptional = true\n";
    let file = site.scratch.file("config/vault.toml", settings);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/lookup_kernel.py");
    let argv = json!([binary(), "exec", "--config", file, "--", python::python(), script, "-f", "{connection_file}"]);
    std::fs::create_dir_all(site.scratch.path("home/kernels/lookup")).unwrap();
    let spec = json!({"argv": argv, "display_name": "Lookup", "language": "lookup"});
    site.scratch.file("home/kernels/lookup/kernel.json", spec.to_string());
    let cell = json!({"cell_type": "code", "id": "a", "metadata": {}, "source": "FIRST_KEY", "outputs": [], "execution_count": null});
    let kernel = json!({"name": "lookup", "display_name": "Lookup", "language": "lookup"});
    let notebook = json!({"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5});
    site.scratch.file("home/Lookup.ipynb", notebook.to_string());
    site.open("Lookup");
    assert_eq!(site.cell(), "0 letters");
    site.add("FIRST_KEY", VALUE);
    site.click("Apply");
    site.says("Lookup.ipynb: this kernel can only get secrets when it starts.");
    site.is_accessible("a kernel to restart");
    site.click("Restart kernel");
    site.ask("answer", json!({"agrees": false}));
    assert_eq!(site.cell(), "0 letters", "it was not restarted");
    site.click("Restart kernel");
    site.ask("answer", json!({"agrees": true}));
    site.says("Restarted the kernel of Lookup.ipynb.");
    assert_eq!(site.cell(), "21 letters", "a cell that is run at once");

    let fields =
        json!({"kind": "clickhouse", "host": "db.example.org", "user": "ada", "password": "canary-of-a-source"});
    site.vault.put("sources/events", &fields);
    site.vault.put("sources/broken", &json!({"kind": "nothing"}));
    site.click("Refresh");
    site.says("clickhouse · db.example.org");
    site.is_accessible("data sources");
    site.ask("open_source", json!({"name": "events"}));
    let copied = site.ask("copied", json!({"name": "Copy the code"}))["text"].as_str().unwrap().to_owned();
    assert!(copied.contains("os.environ[\"EVENTS_"), "{copied}");
    site.click("Remove");
    site.ask("answer", json!({"agrees": true}));
    site.says("Removed events.");
    assert_eq!(site.vault.api("GET", "secret/data/sources/events", None).0, 404);
    assert_eq!(site.ask("traces", json!({"text": "canary"}))["found"], json!([]));
}

#[test]
#[ignore = "needs Chromium and npm"]
fn the_secrets_of_another_extension_are_kept_in_vault_where_a_site_says_so() {
    let manager = |venv: &Path| {
        let mut pip = Command::new(python::python());
        pip.args(["-m", "pip", "--python"]).arg(venv.join("bin/python")).args(["install", "--quiet", "--no-deps"]);
        pip.args(["--disable-pip-version-check", "jupyter-secrets-manager==0.5.1"]);
        assert!(pip.status().unwrap().success(), "pip install");
    };
    let mut site = Site::with(&["--VaultSection.connector=secret/manager"], manager);
    site.told("Secrets of extensions are not kept in Vault yet.");
    let rules = site.scratch.path("venv/etc/jupyter/labconfig");
    std::fs::create_dir_all(&rules).unwrap();
    std::fs::write(
        rules.join("page_config.json"),
        r#"{"disabledExtensions": {"jupyter-secrets-manager:connector": true}}"#,
    )
    .unwrap();
    site.open("Report");
    assert_eq!(site.ask("attach", json!({"id": "key"}))["value"], "");
    site.ask("type_into", json!({"text": VALUE}));
    let kept = |site: &Site| site.vault.api("GET", "secret/data/manager", None);
    eventually("it is kept", || kept(&site).1.to_string().contains(VALUE));
    let version = kept(&site).1["data"]["metadata"]["version"].as_u64().unwrap();
    assert!(version < 5, "not at each of {} keys: {version}", VALUE.len());
    site.open("Later");
    assert_eq!(site.ask("attach", json!({"id": "key"}))["value"], VALUE, "it is filled in");
    assert_eq!(site.ask("attach", json!({"id": "another"}))["value"], "");
    // No kernel gets it, and the list does not contain it.
    assert_eq!(site.runs("import os; print([name for name in os.environ if name.startswith('manager')])"), "[]");
    site.says("No secrets yet");
    assert!(!site.lab.log().contains(VALUE));
}

#[test]
#[ignore = "needs Chromium and npm"]
fn the_section_says_why_it_can_not_be_used_and_what_helps() {
    let mut site = Site::new();
    site.says("No secrets yet");
    site.is_accessible("no secrets");
    site.click("Add a secret");
    site.is_accessible("the form");
    site.ask("keys", json!({"presses": ["Escape"]}));
    site.add("SHARED_WITH_A_LONG_NAME_THAT_NO_PANEL_SHOWS", VALUE);
    site.add("SHARED", VALUE);

    // Two tabs at once: a change in one is not replaced by the other without notice.
    site.ask("tab", json!({"number": 2}));
    site.open("Later");
    site.says("SHARED");
    site.type_another("SHARED", "canary of mine");
    site.ask("tab", json!({"number": 1}));
    site.type_another("SHARED", "canary of theirs");
    site.submit();
    let stored = |site: &Site| site.vault.must("GET", "secret/data/page", &Value::Null)["data"]["data"].clone();
    // The message that it is stored came earlier.
    eventually("it is stored", || stored(&site)["SHARED"] == "canary of theirs");
    site.ask("tab", json!({"number": 2}));
    site.submit();
    site.says("SHARED was changed elsewhere (v3");
    site.is_accessible("changed elsewhere");
    site.click("Keep v3");
    assert_eq!(stored(&site)["SHARED"], "canary of theirs");
    site.type_another("SHARED", "canary of mine");
    site.submit();
    site.says("Stored SHARED");
    assert_eq!(stored(&site)["SHARED"], "canary of mine");
    assert_eq!(site.ask("traces", json!({"text": "canary"}))["found"], json!([]));

    // A page of another origin, with the user's cookies.
    let evil = site.ask("evil", json!({"url": site.lab.address()}));
    assert_eq!(evil["with_cookies"], true, "{evil}");
    assert!(!evil["said"].to_string().contains("SHARED"), "{evil}");
    assert!(stored(&site).get("STOLEN").is_none(), "{evil}");

    let narrow = site.ask("narrow", json!({"width": 240}));
    assert_eq!((&narrow["out"], &narrow["scrolls"]), (&json!([]), &json!(false)), "{narrow}");
    site.ask("high_contrast", json!({"on": true}));
    site.is_accessible("high contrast");
    site.ask("high_contrast", json!({"on": false}));

    // Read only.
    let read = "path \"secret/data/page\" { capabilities = [\"read\"] }\npath \"secret/metadata/page\" { capabilities = [\"read\"] }\n";
    site.vault.policy("reader", read);
    let token = |site: &Site| {
        let made = site.vault.must("POST", "auth/token/create", &json!({"policies": ["reader"]}));
        let token = made["auth"]["client_token"].as_str().unwrap().to_owned();
        site.scratch.file("config/token", format!("{token}\n"));
        token
    };
    let reader = token(&site);
    site.click("Refresh");
    site.says("You can read these secrets but not change them.");
    site.is_accessible("read only");
    assert!(!site.has_button("Add a secret") && !site.has_button("Import a .env file"));
    site.ask("focus", json!({"secret": "SHARED"}));
    site.ask("keys", json!({"presses": ["Delete", "Enter"]}));
    site.says("Versions");
    assert!(!site.has_button("Replace") && !site.has_button("Delete"));
    let line = site.ask("copied", json!({"name": "Copy the missing policy line"}))["text"].as_str().unwrap().to_owned();
    site.vault.policy("reader", &format!("{line}\n{read}").replacen(read.lines().next().unwrap(), "", 1));
    site.click("Refresh");
    site.ask("shows", json!({"name": "Add a secret"}));

    // The token expires.
    site.vault.must("POST", "auth/token/revoke", &json!({ "token": reader }));
    site.click("Refresh");
    site.says("rejected the token");
    site.is_accessible("the token ended");
    site.vault.enable_auth("userpass", "userpass");
    let user = json!({"password": VALUE, "policies": "reader", "token_ttl": "3h"});
    site.vault.must("POST", "auth/userpass/users/ada", &user);
    site.click("Log in");
    site.is_accessible("the login form");
    site.fill("User", "ada");
    site.fill("Password", "canary of a typing error");
    site.ask("keys", json!({"presses": ["Enter"]}));
    site.says("refused the login");
    assert_eq!(site.ask("value_of", json!({"label": "Password"}))["value"], "");
    site.fill("Password", VALUE);
    site.ask("keys", json!({"presses": ["Enter"]}));
    site.says("Logged in as ada.");
    // It expires within a day.
    let line = site.says("ada · 127.0.0.1:");
    assert!(line.contains("until "), "{line}");
    site.says("This login is valid");
    site.is_accessible("a login that ends soon");
    site.click("Log in again");
    assert_eq!(site.ask("value_of", json!({"label": "User"}))["value"], "ada");
    site.ask("keys", json!({"presses": ["Escape"]}));
    let kept = std::fs::read_to_string(site.scratch.path("config/token")).unwrap();
    for secret in ["canary", kept.trim()] {
        assert_eq!(site.ask("traces", json!({"text": secret}))["found"], json!([]));
        assert!(!site.lab.log().contains(secret));
    }
    // Denied.
    site.vault.policy("reader", "path \"secret/data/other\" { capabilities = [\"read\"] }");
    token(&site);
    site.click("Refresh");
    site.says("forbid reading secret/page");
    let line = site.ask("copied", json!({"name": "Copy the missing policy line"}))["text"].as_str().unwrap().to_owned();
    assert_eq!(line, "path \"secret/data/page\" { capabilities = [\"read\"] }");
    // One of two sources is denied.
    let settings = std::fs::read_to_string(site.scratch.path("config/vault.toml")).unwrap();
    site.scratch.file("config/vault.toml", format!("{settings}[[source]]\nkv = \"secret/other\"\n"));
    site.vault.put("other", &json!({"ELSEWHERE": VALUE}));
    site.click("Refresh");
    site.says("ELSEWHERE");
    site.says("forbid reading secret/page");
    site.is_accessible("a source that can't be read");
    let copied = site.ask("copied", json!({"name": "Copy the policy line to ask for"}));
    assert_eq!(copied["text"], json!(line), "{copied}");
    site.scratch.file("config/vault.toml", &settings);

    // No configuration.
    site.scratch.file("config/vault.toml", "");
    site.click("Refresh");
    site.says("No Vault is set up for this server.");
    site.is_accessible("no configuration");
    assert_eq!(site.ask("copied", json!({"name": "Copy the command"}))["text"], "jupyter-vault setup");
    site.scratch.file("config/vault.toml", settings);
    site.scratch.file("config/token", "root\n");
    site.click("Try again");
    site.ask("gone", json!({"text": "No Vault is set up for this server."}));

    let took: Vec<_> = (0..5).map(|_| site.ask("until_filled", json!({}))["ms"].as_f64().unwrap().round()).collect();
    println!("the panel is filled {took:?} ms after the click");

    site.ask("log_out", json!({}));
    site.click("Refresh");
    site.says("Your session on the Jupyter server has ended.");
    site.is_accessible("the session is over");
    assert!(site.has_button("Reload"));
}

#[test]
#[ignore = "needs Chromium and npm"]
fn the_separate_page_stores_applies_and_undoes_for_one_browser() {
    let vault = Server::start();
    let (scratch, venv) = installed(&vault, "own");
    plain_kernelspec(&scratch, &ipykernel());
    let mut page = OwnPage::start(&scratch, &venv, &["--no-browser"]);
    let mut front_end = FrontEnd::new(&scratch);
    let notebook = scratch.path("home/Report.ipynb");
    let named = json!({"JPY_SESSION_NAME": notebook});
    front_end.start(json!({"kernel": "plain", "name": "kernel-plain.json", "extra_env": named}));
    let mut person = person(&scratch);
    let opened = person.ask("open_own", json!({ "url": page.address }));
    assert_eq!(opened["url"], format!("{}/", page.place()), "the token leaves the address");
    let cookie = &opened["cookies"][0];
    assert_eq!((&cookie["httpOnly"], &cookie["sameSite"]), (&json!(true), &json!("Strict")), "{opened}");
    let says = |person: &mut Dialogue, text: &str| person.ask("says", json!({ "text": text }));
    let click = |person: &mut Dialogue, name: &str| person.ask("click", json!({"name": name, "anywhere": true}));
    let is_accessible = |person: &mut Dialogue, state: &str| {
        assert_eq!(person.ask("axe_own", json!({}))["violations"], json!([]), "{state}");
    };
    says(&mut person, "No secrets yet");
    is_accessible(&mut person, "no secrets");
    click(&mut person, "Add a secret");
    for (label, text) in [("Name", "OPENAI_API_KEY"), ("Value", VALUE), ("Description", "<img src=x onerror=alert(1)>")]
    {
        person.ask("fill", json!({"label": label, "text": text}));
    }
    is_accessible(&mut person, "the form");
    click(&mut person, "Add");
    says(&mut person, "Stored OPENAI_API_KEY");
    says(&mut person, "<img src=x onerror=alert(1)>");
    let stored = |vault: &Server| vault.must("GET", "secret/data/own", &Value::Null)["data"]["data"].clone();
    assert_eq!(stored(&vault), json!({"OPENAI_API_KEY": VALUE}));
    let token = page.token().to_owned();
    for secret in [VALUE, &token, cookie["value"].as_str().unwrap()] {
        assert_eq!(person.ask("traces", json!({ "text": secret }))["found"], json!([]));
    }

    says(&mut person, "1 running kernel does not have the latest secrets.");
    click(&mut person, "Apply");
    says(&mut person, "Report.ipynb has the latest secrets.");
    let cell = front_end.cell("import os; print(len(os.environ['OPENAI_API_KEY']))");
    assert_eq!(cell.printed(), "21");

    person.ask("select", json!({"label": "Switches for the notebook", "option": "Report.ipynb"}));
    click(&mut person, "Change…");
    person.ask("switch", json!({"name": "OPENAI_API_KEY"}));
    says(&mut person, "Report.ipynb does not get OPENAI_API_KEY.");
    is_accessible(&mut person, "the switches");
    let settings = std::fs::read_to_string(scratch.path("config/vault.toml")).unwrap();
    assert!(settings.ends_with(&format!("[notebook.{notebook:?}]\nwithout = [\"OPENAI_API_KEY\"]\n")), "{settings}");

    person.ask("focus", json!({"secret": "OPENAI_API_KEY"}));
    person.ask("keys", json!({"presses": ["Delete"]}));
    click(&mut person, "Undo");
    says(&mut person, "Restored OPENAI_API_KEY.");
    person.ask("focus", json!({"secret": "OPENAI_API_KEY"}));
    person.ask("keys", json!({"presses": ["Delete"]}));
    says(&mut person, "Deleted OPENAI_API_KEY.");
    // The notice disappears after ten seconds, which may not be enough for axe on a slow machine.
    is_accessible(&mut person, "a notice");
    vault.put("own", &json!({"OPENAI_API_KEY": VALUE}));

    // A page of another origin on this machine.
    let evil = person.ask("evil", json!({"url": page.place(), "place": "api"}));
    assert!(!evil["said"].to_string().contains("OPENAI_API_KEY"), "{evil}");
    assert_eq!(stored(&vault), json!({"OPENAI_API_KEY": VALUE}), "{evil}");

    // The address again: in the same browser the cookie works, in another one nothing does.
    person.ask("open_own", json!({ "url": page.address }));
    says(&mut person, "OPENAI_API_KEY");
    let other = person.ask("open_own", json!({"url": page.address, "stranger": true}));
    assert_eq!(other["cookies"], json!([]));
    says(&mut person, "This address was already used");
    is_accessible(&mut person, "a used address");
    person.ask("tab", json!({"number": 1}));
    page.interrupt();
    click(&mut person, "Refresh");
    says(&mut person, "The program behind this page has ended.");
    is_accessible(&mut person, "the program has ended");
}

#[test]
#[ignore = "needs npm"]
fn the_separate_page_refuses_other_users_and_exits_when_unused() {
    let vault = Server::start();
    let (scratch, venv) = installed(&vault, "own");
    let mut page = OwnPage::start(&scratch, &venv, &["--no-browser"]);
    let action = json!({"name": "A", "value": VALUE}).to_string();
    for path in ["/", "/page.js", "/api/secrets"] {
        let (status, _) = page.send("GET", path, &[("Host", "evil.example.org:8080")], "");
        assert_eq!(status, 403, "{path}: DNS rebinding");
    }
    let (status, answer) = page.send("GET", "/", &[], "");
    assert_eq!(status, 200);
    for header in ["default-src 'none'", "frame-ancestors 'none'", "no-store", "no-referrer", "nosniff"] {
        assert!(answer.contains(header), "{header}: {answer}");
    }
    assert_eq!(page.send("GET", "/api/secrets", &[], "").0, 403, "no cookie");
    let session = |token: &str, headers: &[(&str, &str)]| {
        page.send("POST", "/api/session", headers, &json!({ "token": token }).to_string())
    };
    assert_eq!(session("wrong", &[]).0, 403);
    assert_eq!(session(page.token(), &[("Origin", "http://127.0.0.1:1")]).0, 403, "another page");
    assert_eq!(session(page.token(), &[("Content-Type", "text/plain")]).0, 415, "a form");
    let (status, answer) = session(page.token(), &[]);
    assert_eq!(status, 200, "{answer}");
    let cookie = answer.split("Set-Cookie: ").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    assert_eq!(session(page.token(), &[]).0, 403, "a second time");
    let known = ("Cookie", cookie);
    assert_eq!(page.send("GET", "/api/secrets", &[known], "").0, 200);
    assert_eq!(page.send("GET", "/api/secrets", &[("Cookie", "jupyter-vault=")], "").0, 403);
    let evil = [known, ("Origin", "https://evil.example.org")];
    assert_eq!(page.send("POST", "/api/set", &evil, &action).0, 403);
    assert_eq!(page.send("POST", "/api/set", &[known, ("Origin", "null")], &action).0, 403);
    assert_eq!(page.send("POST", "/api/exec", &[known], &action).0, 404);
    assert_eq!(page.send("POST", "/api/set", &[known], "not JSON canary").0, 400);
    let (status, answer) = page.send("GET", "/api/secrets", &[known], "");
    assert!(status == 200 && answer.contains("\"secrets\": []"), "{answer}");
    let (status, answer) = page.send("POST", "/api/set", &[known], &action);
    assert!(status == 200 && !answer.contains(VALUE), "{answer}");

    if nix::unistd::geteuid().is_root() {
        // Another user of the machine is not even read from, with the cookie or without.
        let ask = "import sys, urllib.request as web; print(web.urlopen(web.Request(sys.argv[1], headers={'Cookie': sys.argv[2]})).status)";
        let by = |user: &str| {
            let mut stranger = Command::new("setpriv");
            stranger.args(["--reuid", user, "--regid", user, "--clear-groups", "--", "python3", "-c", ask]);
            stranger.arg(format!("{}/api/secrets", page.place())).arg(cookie).env("NO_PROXY", "*");
            run(&mut stranger)
        };
        assert_eq!(by("0").code(), Some(0), "the same for this user");
        let refused = by("65533");
        assert!(refused.code() != Some(0) && refused.stdout.is_empty(), "{refused:?}");
    } else {
        eprintln!("only root can try this as another user");
    }
    // Its port is in use.
    let port = page.place().rsplit(':').next().unwrap();
    let second = run(&mut OwnPage::command(&scratch, &venv, &["--no-browser", "--port", port]));
    second.is_error(71, &["can't listen on port", "--port"]);
    page.interrupt();

    let socket = scratch.path("home/own.sock");
    let name = socket.to_str().unwrap();
    let mut page = OwnPage::start(&scratch, &venv, &["--socket", name]);
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let by_socket = |path: &str| {
        let stream = UnixStream::connect(&socket).unwrap();
        said_by(stream, "localhost:8888", &format!("GET {path}"), &[], "")
    };
    assert_eq!((by_socket("/").0, by_socket("/api/secrets").0), (200, 403));
    run(&mut OwnPage::command(&scratch, &venv, &["--socket", name])).is_error(71, &["another program listens"]);
    page.interrupt();
    assert!(!socket.exists());
    let file = scratch.file("home/file", "");
    run(&mut OwnPage::command(&scratch, &venv, &["--socket", file.to_str().unwrap()]))
        .is_error(71, &["can't create a socket"]);

    // The browser gets a file that only its user can read, and that is removed with the token.
    let text = "#!/bin/sh\nfile=${1#file://}\ncp -p \"$file\" \"$HOME/shown\"\necho \"$1\" >\"$HOME/told.new\"\nmv \"$HOME/told.new\" \"$HOME/told\"\n";
    let browser = scratch.file("browser", text);
    std::fs::set_permissions(&browser, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = OwnPage::command(&scratch, &venv, &[]);
    command.env("BROWSER", &browser);
    let mut page = OwnPage::of(command, &scratch);
    eventually("a browser is opened", || scratch.path("home/told").exists());
    let told = std::fs::read_to_string(scratch.path("home/told")).unwrap();
    assert!(!told.contains(page.token()), "no process's arguments hold the token");
    let file = PathBuf::from(told.trim().strip_prefix("file://").unwrap());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::metadata(file.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(std::fs::read_to_string(scratch.path("home/shown")).unwrap().contains(&page.address));
    let session = json!({"token": page.token()}).to_string();
    assert_eq!(page.send("POST", "/api/session", &[], &session).0, 200);
    assert!(!file.exists(), "it is gone with its token");
    page.interrupt();
    assert!(!file.parent().unwrap().exists());

    let mut page = OwnPage::start(&scratch, &venv, &["--no-browser", "--idle", "1"]);
    assert!(page.end().contains("There was no request for"));
    let missing = run(&mut OwnPage::command(&scratch, &venv, &["--config", "/nonexistent/vault.toml"]));
    missing.is_error(78, &["there is no file"]);
}
