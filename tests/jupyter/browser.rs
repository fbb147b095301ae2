//! JupyterLab in a real browser: a cell shows the error, OpenBao starts, and the next run has the secret.
//!
//! Needs Chromium, so `cargo test -- --ignored` runs it (CI installs Chromium).
#![cfg(all(feature = "diagnose", target_os = "linux"))]

use std::path::Path;
use std::process::Command;

use crate::support::dialogue::Dialogue;
use crate::support::front_end::{config, ipykernel, kernelspec};
use crate::support::launcher::Scratch;
use crate::support::openbao::{Server, free_ports};
use crate::support::python;
use crate::support::server::{JupyterServer, Kind, TOKEN};
use serde_json::json;

fn chromium() -> &'static str {
    let places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    places.into_iter().find(|place| Path::new(place).exists()).expect("Chromium is installed (Debian: chromium)")
}

#[test]
#[ignore = "needs Chromium"]
fn a_cell_in_jupyterlab_shows_the_error_and_then_the_secret() {
    let scratch = Scratch::new();
    let [port] = free_ports();
    let command = ipykernel();
    let command: Vec<_> = command.iter().map(String::as_str).collect();
    let config = config(&format!("http://127.0.0.1:{port}"), "kernel");
    let spec = kernelspec(&scratch, &config, &["--timeout", "3"], &command);
    std::fs::write(spec.join("token"), "root\n").unwrap();
    let source = "import os\nprint(len(os.environ[\"DB_PASSWORD\"]), \"letters, pid\", os.getpid())";
    let cell = json!({"cell_type": "code", "id": "a", "metadata": {}, "source": source, "outputs": [], "execution_count": null});
    let kernel = json!({"name": "vaulted", "display_name": "Vaulted", "language": "python"});
    let notebook = json!({"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5});
    scratch.file("home/Report.ipynb", notebook.to_string());

    let lab = JupyterServer::start(Kind::JupyterLab, &scratch, &[]);
    let mut command = Command::new(python::browser());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/lab.py")).env("NO_PROXY", "*");
    let mut person = Dialogue::with(command.env("HOME", scratch.path("home")));
    let url = format!("{}/doc/tree/Report.ipynb?token={TOKEN}", lab.address());
    person.ask("open_notebook", json!({"url": url, "chromium": chromium()}));
    let said = person.ask("run_cell", json!({"number": 0}))["text"].as_str().unwrap().to_owned();
    for part in ["This kernel has no secrets from Vault yet", "refused the connection", "What to do: check the address"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    // Takes the README's screenshot: `JUPYTER_VAULT_SCREENSHOT=docs/cell.png cargo test -- --ignored`.
    let picture = std::env::var_os("JUPYTER_VAULT_SCREENSHOT");
    let picture =
        picture.map_or_else(|| scratch.path("cell.png"), |place| Path::new(env!("CARGO_MANIFEST_DIR")).join(place));
    person.ask("picture", json!({"path": picture}));
    assert!(std::fs::metadata(&picture).unwrap().len() > 10_000);

    let server = Server::at(port).expect("the port is free");
    server.put("kernel", &json!({"DB_PASSWORD": "canary-of-21-letters!"}));
    let mut said = String::new();
    for _ in 0..5 {
        person.ask("run_cell", json!({"number": 0}))["text"].as_str().unwrap().clone_into(&mut said);
        if said.contains("21 letters") {
            break;
        }
    }
    assert!(said.contains("21 letters"), "{said}");
    assert_eq!(person.ask("dialogs", json!({}))["text"], json!([]), "no dialog asked for a restart");
    assert!(!said.contains("canary"));
}
