//! The moment between the diagnostic kernel and the real one: every request is answered by one of them, and no
//! cell that has run is reported as not run.
#![cfg(all(feature = "diagnose", target_os = "linux"))]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::crowd::{Crowd, cell, outcome};
use crate::support::faults::{Faults, Reply, Seen, relay_to};
use crate::support::front_end::{FrontEnd, config, ipykernel, kernelspec, program};
use crate::support::launcher::{Scratch, binary, eventually};
use crate::support::openbao::Server;
use crate::support::waiting::pause_ms;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

const LOOK: &str = "import os; print(len(os.environ['KERNEL_SECRET']), os.getpid())";

/// A diagnostic kernel, and a Vault that answers on command.
struct Scene {
    scratch: Scratch,
    front_end: FrontEnd,
    file: String,
    pid: i32,
    vault: Faults,
    gate: Arc<AtomicBool>,
}

impl Scene {
    fn start(transport: &str) -> Self {
        Self::with(transport, relay_to(Server::shared().port()))
    }

    fn with(transport: &str, vault: impl Fn(&Seen, usize) -> Reply + Send + Sync + 'static) -> Self {
        Server::shared().put("kernel", &json!({"KERNEL_SECRET": "canary-of-21-letters!"}));
        let scratch = Scratch::new();
        let command = ipykernel();
        let command: Vec<_> = command.iter().map(String::as_str).collect();
        let spec = kernelspec(&scratch, &config("no address", "kernel"), &[], &command);
        std::fs::write(spec.join("token"), "root").unwrap();
        let mut front_end = FrontEnd::new(&scratch);
        let started =
            front_end.ask("start", json!({"transport": transport, "connects": false, "name": "kernel-1.json"}));
        let file = started["file"].as_str().unwrap().to_owned();
        let pid = i32::try_from(started["pid"].as_i64().unwrap()).unwrap();
        let gate = Arc::new(AtomicBool::new(false));
        let opened = Arc::clone(&gate);
        let slow = Faults::start(move |request, number| {
            eventually("the gate is opened", || opened.load(Ordering::SeqCst));
            vault(request, number)
        });
        Self { scratch, front_end, file, pid, vault: slow, gate }
    }

    /// From now on the launch succeeds, once the gate is open.
    fn mend(&self) {
        self.scratch.file("home/kernels/vaulted/vault.toml", config(&self.vault.address(), "kernel"));
    }

    fn open(&self) {
        self.gate.store(true, Ordering::SeqCst);
    }

    fn wait_for_an_attempt(&self) {
        eventually("the launch is tried again", || !self.vault.seen().is_empty());
    }

    fn expected(&self) -> String {
        format!("21 {}", self.pid)
    }

    /// The numbers of the cells that have run, by their output.
    fn ran(&self) -> BTreeSet<u64> {
        let text = std::fs::read_to_string(self.scratch.path("ran")).unwrap_or_default();
        let numbers: Vec<u64> = text.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let once: BTreeSet<_> = numbers.iter().copied().collect();
        assert_eq!(numbers.len(), once.len(), "a cell has run twice: {numbers:?}");
        once
    }

    /// A cell that writes its number when it runs.
    fn leaves(&self, number: &str) -> String {
        format!("print({number}, file=open({:?}, 'a'), flush=True); {LOOK}", self.scratch.path("ran"))
    }
}

#[test]
fn queued_requests_are_answered_when_the_secrets_arrive_and_no_queued_cell_runs() {
    for (transport, stop_on_error) in [("tcp", true), ("ipc", true), ("tcp", false)] {
        let scene = Scene::start(transport);
        let mut crowd = Crowd::of(&scene.file, 3);
        scene.mend();
        let codes: Vec<_> = (0..5).map(|number| scene.leaves(&number.to_string())).collect();
        let cell = |client: usize, number: usize| {
            let content = json!({"code": codes[number], "stop_on_error": stop_on_error});
            json!({"client": client, "kind": "execute_request", "content": content})
        };
        let first = crowd.send(&[cell(0, 0)]);
        scene.wait_for_an_attempt();
        let cells = crowd.send(&[cell(0, 1), cell(0, 2), cell(1, 3), cell(2, 4)]);
        let mut questions = Vec::new();
        for kind in ["kernel_info", "complete", "inspect", "is_complete", "history", "comm_info", "connect"] {
            for (client, channel) in [(0, "shell"), (1, "shell"), (2, "control")] {
                let content = json!({"code": "x", "cursor_pos": 1});
                let kind = format!("{kind}_request");
                questions.push(json!({"client": client, "kind": kind, "channel": channel, "content": content}));
            }
        }
        for kind in ["comm_open", "comm_msg", "comm_close", "strange_request"] {
            let content = json!({"comm_id": "x", "target_name": "jupyter.widget", "data": {}});
            questions.push(json!({"client": 1, "kind": kind, "content": content, "answers": false}));
        }
        let others = crowd.send(&questions);
        scene.open();
        assert_eq!(outcome(&crowd.collect(&first)[0]), "SecretsReady");
        let expected = if stop_on_error { "aborted" } else { "SecretsReady" };
        for answer in crowd.collect(&cells) {
            assert_eq!(outcome(&answer), expected, "{transport}: {answer}");
            assert_eq!(answer["reply"]["of"], "execute_reply");
        }
        for (answer, question) in crowd.collect(&others).iter().zip(&questions) {
            let order = answer["order"].as_array().unwrap();
            assert_eq!((&order[0], order.last().unwrap()), (&json!("status:busy"), &json!("status:idle")), "{answer}");
            if question["answers"] != false {
                let reply = question["kind"].as_str().unwrap().replace("_request", "_reply");
                let status = if reply == "is_complete_reply" { "complete" } else { "ok" };
                assert_eq!((&answer["reply"]["of"], &answer["reply"]["status"]), (&json!(reply), &json!(status)));
                assert_eq!(answer["reply"]["channel"], question["channel"], "{answer}");
            }
        }
        for client in 0..3 {
            assert_eq!(crowd.run(client, LOOK), scene.expected(), "{transport}: client {client}");
        }
        assert_eq!(scene.ran(), BTreeSet::new());
        assert_ne!(program(scene.pid), binary());
    }
}

#[test]
fn each_cell_of_an_endless_stream_gets_a_true_answer() {
    for pause in [0.02, 0.1] {
        let mut scene = Scene::start("tcp");
        let mut crowd = Crowd::of(&scene.file, 2);
        scene.mend();
        scene.open();
        let order = json!({"code": scene.leaves("NUMBER"), "pause": pause, "until": scene.expected(), "after": 1});
        let asked = crowd.ask("stream", order)["asked"].clone();
        let answers = crowd.collect(&asked);
        let ran = scene.ran();
        let cells = answers.iter().filter(|answer| answer["kind"] == "execute_request");
        let mut seen = BTreeSet::new();
        for (number, cell) in (0..).zip(cells) {
            let outcome = outcome(cell);
            assert_eq!(outcome == "ok", ran.contains(&number), "{pause} s, cell {number}: {cell}");
            seen.insert(outcome.to_owned());
        }
        assert!(seen.contains("ok") && seen.contains("SecretsReady"), "{seen:?}");
        for question in answers.iter().filter(|answer| answer["kind"] == "kernel_info_request") {
            assert_eq!(question["reply"]["status"], "ok");
        }
        assert_eq!(scene.front_end.ask("alive", json!({}))["alive"], true);
    }
}

#[test]
fn a_large_cell_that_is_still_arriving_is_answered() {
    let scene = Scene::start("tcp");
    let mut crowd = Crowd::of(&scene.file, 2);
    scene.mend();
    let first = crowd.send(&[cell(0, "1")]);
    scene.wait_for_an_attempt();
    scene.open();
    // Each takes about ten milliseconds to send, so some are under way when the connections end.
    let large = json!({"client": 1, "kind": "execute_request", "letters": 8_000_000});
    let sent = crowd.send(&vec![large; 4]);
    assert_eq!(outcome(&crowd.collect(&first)[0]), "SecretsReady");
    for answer in crowd.collect(&sent) {
        assert!(["aborted", "SecretsReady", "ok"].contains(&outcome(&answer)), "{answer}");
    }
    assert_eq!(crowd.run(1, LOOK), scene.expected());
}

#[test]
fn an_interrupt_a_client_that_leaves_and_one_that_comes_do_not_disturb_it() {
    for _ in 0..3 {
        let scene = Scene::start("tcp");
        let mut crowd = Crowd::of(&scene.file, 4);
        scene.mend();
        let first = crowd.send(&[cell(0, "1")]);
        scene.wait_for_an_attempt();
        scene.open();
        assert_eq!(outcome(&crowd.collect(&first)[0]), "SecretsReady");
        kill(Pid::from_raw(scene.pid), Signal::SIGINT).unwrap();
        crowd.ask("leave", json!({"count": 2}));
        let mut newcomer = Crowd::of(&scene.file, 1);
        assert_eq!(newcomer.run(0, LOOK), scene.expected());
        for client in 0..2 {
            // A new client may be taken for one that reconnects, and earlier output does not reach it.
            eventually("the others hear it too", || crowd.run(client, LOOK) == scene.expected());
        }
    }
}

#[test]
fn a_shutdown_at_any_moment_of_it_ends_the_process() {
    for (pause, restart) in [(0, false), (30, true), (120, false), (300, true)] {
        let mut scene = Scene::start("tcp");
        let mut crowd = Crowd::of(&scene.file, 2);
        scene.mend();
        let first = crowd.send(&[cell(0, "1")]);
        scene.wait_for_an_attempt();
        scene.open();
        assert_eq!(outcome(&crowd.collect(&first)[0]), "SecretsReady");
        pause_ms(pause, "the moment is what varies");
        let content = json!({"restart": restart});
        let order = json!({"client": 1, "kind": "shutdown_request", "channel": "control", "content": content});
        let asked = crowd.send(&[order]);
        eventually("it has ended", || scene.front_end.ask("alive", json!({}))["alive"] == false);
        // A kernel that exits may lose its last output, but not the reply.
        let reply = &crowd.ask("replies", json!({ "ids": asked }))["replies"][0];
        assert_eq!(reply["restart"], restart, "{pause} ms: {reply}");
        assert_eq!(scene.front_end.ask("alive", json!({}))["code"], 0, "{pause} ms");
    }
}

#[test]
fn a_cell_sent_during_an_attempt_gets_its_own_attempt_if_that_fails() {
    let scene = Scene::with("tcp", |_, _| Reply::json(500, "{}"));
    let mut crowd = Crowd::of(&scene.file, 1);
    scene.mend();
    let before = crowd.send(&[cell(0, "1")]);
    scene.wait_for_an_attempt();
    // That attempt hangs, with the old configuration, when the user corrects it and runs a cell.
    scene.scratch.file("home/kernels/vaulted/vault.toml", config(&Server::shared().address(), "kernel"));
    let on_control = json!({"kind": "execute_request", "channel": "control", "content": {"code": "2"}});
    let after = crowd.send(&[on_control]);
    crowd.ask("begun", json!({ "ids": after }));
    scene.open();
    let (before, after) = (crowd.collect(&before).remove(0), crowd.collect(&after).remove(0));
    assert_eq!((outcome(&before), outcome(&after)), ("SecretsUnavailable", "SecretsReady"), "{before}\n{after}");
    assert_eq!(crowd.run(0, LOOK), scene.expected());
}
