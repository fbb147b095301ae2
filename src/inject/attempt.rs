//! One attempt to have code run in a kernel: what is sent, and what became of it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::{Error, Kind};
use crate::kernel::message::Arrived;

/// How long a kernel that has got the values may take to say so.
pub(super) const ANSWER: Duration = Duration::from_secs(30);

/// What became of code that was sent.
pub(super) enum Taken {
    /// It ran, and the kernel has the variables but those that it kept as they were.
    All { kept: Vec<String> },
    /// It began too late to do anything, or was thrown away.
    Late,
    /// The kernel does not evaluate such code.
    Unread,
}

/// The content of the request to execute `code`, and `expressions` after it.
pub(super) fn request(code: &str, expressions: &Value) -> Value {
    json!({
        "code": code, "silent": true, "store_history": false, "user_expressions": expressions,
        "allow_stdin": true, "stop_on_error": false,
    })
}

/// Whether a reply says that the request was thrown away, as after another client's error.
pub(super) fn not_begun(reply: &Arrived) -> bool {
    matches!(reply.content["status"].as_str(), Some("aborted" | "abort"))
}

/// An error's text may quote anything; its class is one of a language's words.
pub(super) fn failed(class: &str) -> Error {
    let class: String = class.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    Error::new(
        Kind::KernelFailed,
        format!("the kernel could not set the variables ({class})"),
        "restart the kernel: a launch through jupyter-vault sets them before it starts",
    )
}
