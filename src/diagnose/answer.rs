//! The answer to each request, without any I/O: message types of the kernel protocol 5.4, for a kernel that runs
//! nothing.
//!
//! Source: <https://jupyter-client.readthedocs.io/en/stable/messaging.html>.

use serde_json::{Value, json};

use super::cell::lacks_secrets;
use super::language;
use crate::error::Error;
use crate::kernel::message::{KernelRequest, PROTOCOL};

/// The effect of a request.
#[derive(Debug, PartialEq)]
pub enum Answer {
    /// A reply of that type, at once.
    Reply(&'static str, Value),
    /// A cell: an attempt at the launch, then a reply.
    Cell(Cell),
    /// A reply, and the interruption of a cell's attempt.
    Interrupt(&'static str, Value),
    /// A reply, and the end of the kernel.
    ShutDown(&'static str, Value),
    /// A broadcast without a reply.
    Publish(&'static str, Value),
    /// An unknown request.
    Nothing,
}

/// A cell to execute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// Its code, which `execute_input` repeats.
    pub code: String,
    /// Whether the output is for the client that asked alone.
    pub silent: bool,
    /// Whether it increments the execution count.
    pub store_history: bool,
    /// Whether its failure aborts the requests behind it.
    pub stop_on_error: bool,
}

/// Answers a request of any channel: as in ipykernel, control also accepts the requests of shell. `error` says why
/// there is no real kernel.
pub fn answer(request: &KernelRequest, language: &str, error: &Error) -> Answer {
    let content = &request.content;
    match request.header.msg_type.as_str() {
        "kernel_info_request" => Answer::Reply("kernel_info_reply", kernel_info(language, error)),
        "execute_request" => Answer::Cell(Cell::new(content)),
        "complete_request" => {
            let cursor = cursor(content);
            let found = json!({"status": "ok", "matches": [], "cursor_start": cursor, "cursor_end": cursor,
                "metadata": {}});
            Answer::Reply("complete_reply", found)
        }
        "inspect_request" => {
            Answer::Reply("inspect_reply", json!({"status": "ok", "found": false, "data": {}, "metadata": {}}))
        }
        // Any code leads to the same outcome.
        "is_complete_request" => Answer::Reply("is_complete_reply", json!({"status": "complete"})),
        "history_request" => Answer::Reply("history_reply", json!({"status": "ok", "history": []})),
        "comm_info_request" => Answer::Reply("comm_info_reply", json!({"status": "ok", "comms": {}})),
        // There is no kernel to talk to, which the client must know.
        "comm_open" => match content["comm_id"].as_str() {
            Some(id) => Answer::Publish("comm_close", json!({"comm_id": id, "data": {}})),
            None => Answer::Nothing,
        },
        "connect_request" => Answer::Reply("connect_reply", json!({"status": "ok"})),
        "interrupt_request" => Answer::Interrupt("interrupt_reply", json!({"status": "ok"})),
        "shutdown_request" => {
            let restart = content["restart"].as_bool().unwrap_or(false);
            Answer::ShutDown("shutdown_reply", json!({"status": "ok", "restart": restart}))
        }
        _ => Answer::Nothing,
    }
}

impl Cell {
    /// Reads the content of an `execute_request`; a missing or mistyped part gets its default.
    fn new(content: &Value) -> Self {
        let flag = |key: &str, default| content[key].as_bool().unwrap_or(default);
        let silent = flag("silent", false);
        Self {
            code: content["code"].as_str().unwrap_or_default().to_owned(),
            silent,
            store_history: flag("store_history", true) && !silent,
            stop_on_error: flag("stop_on_error", true),
        }
    }
}

fn kernel_info(language: &str, error: &Error) -> Value {
    let why = if lacks_secrets(error) { "has no secrets" } else { "can't be started" };
    let banner = format!("jupyter-vault stands in for the kernel, which {why} yet:\n{error}");
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL,
        "implementation": "jupyter-vault",
        "implementation_version": env!("CARGO_PKG_VERSION"),
        "language_info": language::info(language),
        "banner": banner,
        "help_links": [],
        "debugger": false,
        "supported_features": [],
    })
}

/// A cursor position in code, counted in characters and at most at its end.
fn cursor(content: &Value) -> usize {
    let length = content["code"].as_str().unwrap_or_default().chars().count();
    let place = content["cursor_pos"].as_u64().and_then(|place| usize::try_from(place).ok());
    place.unwrap_or(length).min(length)
}

/// The reply to a cell that ended with an error, from that error's content.
pub fn failed(count: u64, failure: &Value) -> Value {
    let mut reply = failure.clone();
    reply["status"] = json!("error");
    reply["execution_count"] = json!(count);
    reply["user_expressions"] = json!({});
    reply["payload"] = json!([]);
    reply
}

/// The reply to a cell that was aborted because an earlier cell failed: without a number, as in ipykernel, so that
/// the cell shows none.
pub fn aborted() -> Value {
    json!({"status": "aborted"})
}
