//! The Secrets section in a real JupyterLab and a real browser, before a real OpenBao.
//!
//! Needs Chromium and npm, so it is run by `cargo test -- --ignored` (CI installs them).
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unnecessary_debug_formatting,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]
#![cfg(all(feature = "manage", target_os = "linux"))]

mod support;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Once;

use serde_json::{Value, json};
use support::dialogue::Dialogue;
use support::front_end::{config, ipykernel, kernelspec};
use support::launcher::Scratch;
use support::openbao::{Server, free_ports};
use support::python;
use support::server::{JupyterServer, Kind, TOKEN};
use support::wheel;

const VALUE: &str = "canary-of-21-letters!";

/// JupyterLab in an environment with the whole wheel, two notebooks, and a person in a browser.
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

/// Builds the section to where the wheel takes it from; its packages take a minute to come.
fn build() {
    let lock = File::create(python::target().join("section.lock")).unwrap();
    lock.lock().unwrap();
    let mut build = Command::new(python::python());
    build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/section.py")).stdin(Stdio::null());
    assert!(build.status().unwrap().success(), "the section is built");
}

impl Site {
    fn new() -> Self {
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
        let variables = [("VIRTUAL_ENV", venv.to_str().unwrap())];
        let lab =
            JupyterServer::start_with(Kind::JupyterLab, &scratch, &variables, &["--LabApp.expose_app_in_browser=True"]);
        let mut command = Command::new(python::browser());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/section_page.py")).env("NO_PROXY", "*");
        let mut person = Dialogue::with(command.env("HOME", scratch.path("home")));
        person.ask("start", json!({"chromium": chromium()}));
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
        self.says(&format!("{name} is stored"));
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

    site.says("1 running kernel lacks the latest");
    site.click("Apply");
    site.says("Report.ipynb has them");
    assert_eq!(site.cell(), "21 letters");

    // Another value: the row says what the kernel has.
    site.ask("focus", json!({"secret": "OPENAI_API_KEY"}));
    site.ask("keys", json!({"presses": ["Enter"]}));
    site.click("Replace");
    site.fill("Value", "canary-2");
    site.ask("keys", json!({"presses": ["Tab", "Tab", "Enter"]}));
    site.says("Report.ipynb has v1, Vault has v2.");
    site.click("Apply now");
    site.says("Report.ipynb has them");
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
    site.says("2 secrets are stored");

    site.ask("focus", json!({"secret": "FIRST"}));
    let there = site.ask("keys", json!({"presses": ["ArrowDown"]}));
    assert!(there["focus"].as_str().unwrap().starts_with("SECOND"), "{there}");
    site.ask("keys", json!({"presses": ["Enter"]}));
    site.says("Versions");
    site.ask("keys", json!({"presses": ["Escape", "Delete"]}));
    site.says("SECOND is deleted.");
    site.ask("gone", json!({"text": "SECOND"}));
    site.ask("click", json!({"name": "Undo", "anywhere": true}));
    site.says("SECOND is there again.");

    for theme in ["JupyterLab Light", "JupyterLab Dark"] {
        assert_eq!(site.ask("axe", json!({ "theme": theme }))["violations"], json!([]), "{theme}");
    }
    // For the README: `JUPYTER_VAULT_SCREENSHOT=docs/section.png cargo test -- --ignored`.
    let picture = std::env::var_os("JUPYTER_VAULT_SCREENSHOT");
    let picture = picture
        .map_or_else(|| site.scratch.path("section.png"), |place| Path::new(env!("CARGO_MANIFEST_DIR")).join(place));
    site.ask("picture", json!({ "path": picture }));

    let port = site.vault.port();
    site.vault.must("PUT", "sys/seal", &Value::Null);
    site.click("Refresh");
    let sealed = site.says("Running kernels keep what they have");
    assert!(sealed.contains("sealed"), "{sealed}");
    site.vault.unseal();
    site.click("Try now");
    site.ask("gone", json!({"text": "Running kernels keep what they have."}));
    assert_eq!(site.vault.port(), port);
    assert_eq!(site.ask("traces", json!({"text": "canary"}))["found"], json!([]));
}
