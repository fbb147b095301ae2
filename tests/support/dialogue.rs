//! A Python program that takes orders: one JSON object per line in, one out.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::launcher::wait;

/// A running program; it exits when this is dropped, because its input ends.
pub struct Dialogue {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Dialogue {
    /// Starts it.
    pub fn with(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let to = child.stdin.take();
        let from = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, to, from }
    }

    /// Sends an order that must succeed.
    #[track_caller]
    pub fn ask(&mut self, what: &str, mut options: Value) -> Value {
        options["do"] = json!(what);
        let to = self.to.as_mut().expect("it is open");
        writeln!(to, "{options}").and_then(|()| to.flush()).expect("the program lives");
        let mut line = String::new();
        self.from.read_line(&mut line).expect("an answer");
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{what}: no JSON: {line}"));
        assert!(answer.get("failed").is_none(), "{what}: {answer}");
        answer
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        drop(self.to.take());
        if std::thread::panicking() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        } else {
            wait(&mut self.child);
        }
    }
}
