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
    clippy::too_many_lines,
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

    /// Nothing that axe knows is wrong, in the light theme.
    #[track_caller]
    fn is_accessible(&mut self, state: &str) {
        let found = self.ask("axe", json!({"theme": "JupyterLab Light"}));
        assert_eq!(found["violations"], json!([]), "{state}");
    }

    /// Runs other code in the first cell.
    #[track_caller]
    fn runs(&mut self, code: &str) -> String {
        self.ask("run_cell", json!({ "code": code }))["text"].as_str().unwrap().trim().to_owned()
    }

    #[track_caller]
    fn told(&mut self, text: &str) -> String {
        self.ask("told", json!({ "text": text }))["text"].to_string()
    }

    /// Clicks a button that is not the panel's.
    #[track_caller]
    fn click_anywhere(&mut self, name: &str) {
        self.ask("click", json!({"name": name, "anywhere": true}));
    }

    /// Opens the form for another value, and types it.
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

    for theme in ["JupyterLab Dark", "JupyterLab Light"] {
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

#[test]
#[ignore = "needs Chromium and npm"]
fn a_failed_cell_leads_to_the_form_and_a_notebook_goes_without_a_secret() {
    let mut site = Site::new();
    site.says("No secrets yet");
    let key = "import os; print(len(os.environ['NEEDED_KEY']), 'letters')";
    assert!(site.runs(key).contains("KeyError"));
    site.told("NEEDED_KEY is not among your secrets.");
    site.click_anywhere("Add NEEDED_KEY");
    assert_eq!(site.ask("value_of", json!({"label": "Name"}))["value"], "NEEDED_KEY");
    site.fill("Value", VALUE);
    site.click("Add");
    site.says("NEEDED_KEY is stored");
    assert!(site.runs(key).contains("KeyError"));
    site.told("Vault has NEEDED_KEY, and this kernel was not given it.");
    site.click_anywhere("Apply to this kernel");
    site.told("Report.ipynb has them.");
    assert_eq!(site.runs(key), "21 letters");
    // A dictionary's key is no variable.
    assert!(site.runs("{}['ANOTHER_KEY']").contains("KeyError"));
    assert!(site.runs("os.environ['THIRD_KEY']").contains("KeyError"));
    let told = site.told("THIRD_KEY is not among your secrets.");
    assert!(!told.contains("ANOTHER_KEY"), "{told}");

    site.says("Report.ipynb gets all of these secrets.");
    site.click("Change…");
    site.ask("switch", json!({"name": "NEEDED_KEY"}));
    site.says("Report.ipynb goes without NEEDED_KEY.");
    site.is_accessible("the switches");
    let own = site.scratch.path("home/Report.ipynb");
    let rule = format!("[notebook.{own:?}]\nwithout = [\"NEEDED_KEY\"]\n");
    let settings = std::fs::read_to_string(site.scratch.path("config/vault.toml")).unwrap();
    assert!(settings.ends_with(&rule), "{settings}");
    site.says("Its kernel still has NEEDED_KEY.");
    site.click("Take away");
    site.says("Report.ipynb has them");
    assert!(site.runs(key).contains("KeyError"));
    site.told("NEEDED_KEY is off for this notebook.");
    site.open("Later");
    assert_eq!(site.runs(key), "21 letters", "another notebook has it");
    site.open("Report");
    assert!(site.runs(key).contains("KeyError"));
    site.told("NEEDED_KEY is off for this notebook.");
    site.click_anywhere("Give it");
    site.told("Report.ipynb has them.");
    assert_eq!(site.runs(key), "21 letters");
    let settings = std::fs::read_to_string(site.scratch.path("config/vault.toml")).unwrap();
    assert!(!settings.contains("notebook"), "{settings}");
    let saved = std::fs::read_to_string(&own).unwrap();
    assert!(saved.contains("OPENAI_API_KEY"), "the notebook's code is as it was: {saved}");
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

    // Two tabs at once: what one of them changed is not replaced unseen by the other.
    site.ask("tab", json!({"number": 2}));
    site.open("Later");
    site.says("SHARED");
    site.type_another("SHARED", "canary of mine");
    site.ask("tab", json!({"number": 1}));
    site.type_another("SHARED", "canary of theirs");
    site.submit();
    site.says("SHARED is stored");
    site.ask("tab", json!({"number": 2}));
    site.submit();
    site.says("SHARED was changed elsewhere (v3");
    site.is_accessible("changed elsewhere");
    site.click("Keep v3");
    let stored = |site: &Site| site.vault.must("GET", "secret/data/page", &Value::Null)["data"]["data"].clone();
    assert_eq!(stored(&site)["SHARED"], "canary of theirs");
    site.type_another("SHARED", "canary of mine");
    site.submit();
    site.says("SHARED is stored");
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
    site.says("You may read these, not change them.");
    site.is_accessible("read only");
    assert!(!site.has_button("Add a secret") && !site.has_button("Import a .env"));
    site.ask("focus", json!({"secret": "SHARED"}));
    site.ask("keys", json!({"presses": ["Delete", "Enter"]}));
    site.says("Versions");
    assert!(!site.has_button("Replace") && !site.has_button("Delete"));
    let line =
        site.ask("copied", json!({"name": "Copy the policy line to ask for"}))["text"].as_str().unwrap().to_owned();
    site.vault.policy("reader", &format!("{line}\n{read}").replacen(read.lines().next().unwrap(), "", 1));
    site.click("Refresh");
    site.ask("shows", json!({"name": "Add a secret"}));

    // The token ends.
    site.vault.must("POST", "auth/token/revoke", &json!({ "token": reader }));
    site.click("Refresh");
    site.says("does not accept the token");
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
    site.says("ada is logged in.");
    // It ends within a day.
    let line = site.says("ada · 127.0.0.1:");
    assert!(line.contains("until "), "{line}");
    site.says("This login ends");
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
    let line =
        site.ask("copied", json!({"name": "Copy the policy line to ask for"}))["text"].as_str().unwrap().to_owned();
    assert_eq!(line, "path \"secret/data/page\" { capabilities = [\"read\"] }");

    // No configuration.
    let settings = std::fs::read_to_string(site.scratch.path("config/vault.toml")).unwrap();
    site.scratch.file("config/vault.toml", "");
    site.click("Refresh");
    site.says("No Vault is set up for this server.");
    site.is_accessible("no configuration");
    assert_eq!(site.ask("copied", json!({"name": "Copy the command"}))["text"], "jupyter-vault setup");
    site.scratch.file("config/vault.toml", settings);
    site.scratch.file("config/token", "root\n");
    site.click("Try now");
    site.ask("gone", json!({"text": "No Vault is set up for this server."}));

    let took: Vec<_> = (0..5).map(|_| site.ask("until_filled", json!({}))["ms"].as_f64().unwrap().round()).collect();
    println!("the panel is filled {took:?} ms after the click");

    site.ask("log_out", json!({}));
    site.click("Refresh");
    site.says("Your session at the Jupyter server is over.");
    site.is_accessible("the session is over");
    assert!(site.has_button("Reload"));
}
