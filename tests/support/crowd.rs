//! Any number of clients on a kernel's sockets: their requests, and the answers.

use std::process::Command;

use serde_json::{Value, json};

use super::dialogue::Dialogue;
use super::python::python;

/// The clients; they disconnect when this is dropped.
pub struct Crowd(Dialogue);

impl Crowd {
    /// That many clients of the kernel with that connection file; each has received an answer.
    #[track_caller]
    pub fn of(file: &str, count: usize) -> Self {
        let mut crowd = Self::empty();
        crowd.ask("connect", json!({"path": file, "count": count}));
        crowd
    }

    /// No client yet.
    pub fn empty() -> Self {
        let mut command = Command::new(python());
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/crowd.py"));
        Self(Dialogue::with(&mut command))
    }

    /// Sends an order that must succeed.
    #[track_caller]
    pub fn ask(&mut self, what: &str, options: Value) -> Value {
        self.0.ask(what, options)
    }

    /// Sends requests, each an object with `kind` and further members; returns their ids.
    #[track_caller]
    pub fn send(&mut self, requests: &[Value]) -> Value {
        self.ask("ask", json!({ "requests": requests }))["asked"].clone()
    }

    /// Waits until those requests have their reply and their `idle`.
    #[track_caller]
    pub fn collect(&mut self, asked: &Value) -> Vec<Value> {
        self.ask("collect", json!({ "ids": asked }))["answers"].as_array().expect("a list").clone()
    }

    /// Sends requests and waits for all answers.
    #[track_caller]
    pub fn answers(&mut self, requests: &[Value]) -> Vec<Value> {
        let asked = self.send(requests);
        self.collect(&asked)
    }

    /// What a cell prints, if the client receives all of it: a listener may reconnect later than the client that sends
    /// requests.
    #[track_caller]
    pub fn heard(&mut self, client: usize, code: &str) -> Option<String> {
        let asked = self.send(&[cell(client, code)]);
        let all = self.ask("collect_or_not", json!({"ids": asked, "timeout": 5}))["done"] == true;
        all.then(|| self.collect(&asked)[0]["text"].as_str().expect("text").trim().to_owned())
    }

    /// Runs a cell for one client until it has run, which may be once the secrets are set; returns its output.
    #[track_caller]
    pub fn run(&mut self, client: usize, code: &str) -> String {
        for _ in 0..20 {
            let answer = self.answers(&[cell(client, code)]).remove(0);
            if answer["reply"]["status"] == "ok" {
                return answer["text"].as_str().expect("text").trim().to_owned();
            }
            assert!(answer["reply"]["ename"].is_string(), "{answer}");
        }
        panic!("the kernel does not heal");
    }
}

/// A cell of that client.
pub fn cell(client: usize, code: &str) -> Value {
    json!({"client": client, "kind": "execute_request", "content": {"code": code}})
}

/// A cell's outcome: its error's name, or its status.
pub fn outcome(answer: &Value) -> &str {
    let reply = &answer["reply"];
    reply["ename"].as_str().or(reply["status"].as_str()).unwrap_or("nothing")
}
