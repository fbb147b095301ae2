//! One request to execute code in a kernel, and its outcome.

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Error, Kind};
use crate::kernel::message::KernelMessage;

/// The time limit for a kernel to confirm that it has received the values.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// The outcome of the code.
pub(super) enum CodeOutcome {
    /// It ran: the kernel has the variables, except for those that it kept as they were.
    All { kept: Vec<String> },
    /// It began too late and did nothing, or was dropped from the queue.
    Late,
    /// The kernel does not evaluate expressions.
    Unread,
}

/// The content of a request to execute `code`, and then `expressions`.
pub(super) fn request(code: &str, expressions: &Value) -> Value {
    json!({
        "code": code, "silent": true, "store_history": false, "user_expressions": expressions,
        "allow_stdin": true, "stop_on_error": false,
    })
}

/// Whether the kernel dropped the request from its queue, for example after another client's error.
pub(super) fn not_begun(reply: &KernelMessage) -> bool {
    matches!(reply.content["status"].as_str(), Some("aborted" | "abort"))
}

/// The error for failed code. Its text may quote anything, so only its class is shown.
pub(super) fn failed(class: &str) -> Error {
    let class: String = class.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    Error::new(
        Kind::KernelFailed,
        format!("the kernel could not set the variables ({class})"),
        "restart the kernel: a launch by jupyter-vault sets them before the kernel starts",
    )
}
