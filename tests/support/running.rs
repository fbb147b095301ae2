//! A running kernel that jupyter-vault did not start, for `inject` to find.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::front_end::{Cell, FrontEnd, ipykernel, plain_kernelspec};
use super::launcher::{Outcome, Scratch};
use super::openbao::Server;

/// The kernel, Jupyter's own client of it, and their folder.
pub struct Running {
    pub scratch: Scratch,
    pub front_end: FrontEnd,
    pub file: PathBuf,
    pub pid: i32,
}

impl Running {
    /// Starts ipykernel and waits until it answers; `options` are those of the front end's `start`.
    pub fn start(options: &Value) -> Self {
        Self::of(&ipykernel(), options)
    }

    /// Starts the kernel with that command.
    pub fn of(command: &[String], options: &Value) -> Self {
        let scratch = Scratch::new();
        plain_kernelspec(&scratch, command);
        let mut front_end = FrontEnd::new(&scratch);
        let mut all = json!({"kernel": "plain"});
        for (key, value) in options.as_object().expect("options") {
            all[key] = value.clone();
        }
        let started = front_end.ask("start", all);
        let file = started["file"].as_str().expect("a file").into();
        let pid = i32::try_from(started["pid"].as_i64().expect("a pid")).expect("a pid");
        front_end.ask("ready", json!({}));
        Self { scratch, front_end, file, pid }
    }

    /// `jupyter-vault inject` for it, with a token for the shared server.
    pub fn inject(&self, options: &[&str]) -> Command {
        let mut command = self.scratch.launcher();
        command.env("VAULT_ADDR", Server::shared().address()).env("VAULT_TOKEN", "root");
        // The folder of Jupyter's client, which ipc socket names are relative to.
        command.arg("inject").arg(&self.file).args(options).current_dir(self.scratch.path("runtime"));
        command
    }

    /// Sends a cell without waiting for it; returns its id.
    pub fn begin(&mut self, code: &str) -> Value {
        self.front_end.ask("execute", json!({"codes": [code], "wait": false}))["sent"][0].clone()
    }

    /// Waits for a cell that was sent before.
    pub fn end(&mut self, id: &Value) -> Cell {
        let [cell] = self.ends(std::array::from_ref(id));
        cell
    }

    /// Waits for cells that were sent before.
    pub fn ends<const N: usize>(&mut self, ids: &[Value; N]) -> [Cell; N] {
        let cells = self.front_end.ask("collect", json!({"wanted": ids.as_slice()}));
        std::array::from_fn(|place| Cell(cells[place].clone()))
    }
}

/// Checks that it succeeded; returns its output.
#[track_caller]
pub fn said(outcome: &Outcome) -> String {
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let line = String::from_utf8(outcome.stdout.clone()).expect("text");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(!line.contains("canary") && !outcome.stderr.contains("canary"), "{line}{}", outcome.stderr);
    line.trim_end().split_once(": ").expect("a kernel's name").1.to_owned()
}
