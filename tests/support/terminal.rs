//! A command on its own terminal, and a user who types there.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::json;

use super::dialogue::Dialogue;
use super::python::python;

/// The command on its terminal.
pub struct Terminal(pub Dialogue);

impl Terminal {
    /// Starts `command`, whose environment contains only what was set on it.
    pub fn start(command: &Command) -> Self {
        let mut driver = Command::new(python());
        driver.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/terminal.py"));
        let mut terminal = Self(Dialogue::with(&mut driver));
        let text = |word: &std::ffi::OsStr| word.to_str().expect("UTF-8").to_owned();
        let argv: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).map(text).collect();
        let set = command.get_envs().filter_map(|(name, value)| Some((text(name), text(value?))));
        let env: BTreeMap<_, _> = set.collect();
        terminal.0.ask("start", json!({"argv": argv, "env": env, "cwd": command.get_current_dir()}));
        terminal
    }

    /// Waits for a question and answers it.
    #[track_caller]
    pub fn answer(&mut self, question: &str, answer: &str) {
        self.expect(question);
        self.0.ask("send", json!({"text": format!("{answer}\n")}));
    }

    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        self.0.ask("expect", json!({ "text": text }));
    }

    /// Everything shown so far, up to the last text that was waited for.
    pub fn shown(&mut self) -> String {
        self.0.ask("so_far", json!({}))["shown"].as_str().expect("text").to_owned()
    }

    /// Answers a hidden prompt: the terminal does not echo.
    #[track_caller]
    pub fn answer_unseen(&mut self, question: &str, answer: &str) {
        self.expect(question);
        assert_eq!(self.0.ask("echo", json!({}))["on"], false);
        self.0.ask("send", json!({"text": format!("{answer}\n")}));
    }

    /// Its end: exit code, stdout, and everything that the terminal showed. The terminal echoes again.
    #[track_caller]
    pub fn end(mut self) -> (i64, String, String) {
        let end = self.0.ask("end", json!({}));
        assert_eq!(self.0.ask("echo", json!({}))["on"], true);
        let text = |key: &str| end[key].as_str().expect("text").to_owned();
        (end["code"].as_i64().expect("a code"), text("stdout"), text("shown"))
    }
}
