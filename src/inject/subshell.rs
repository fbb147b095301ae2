//! Changes a kernel while a cell runs: with a subshell, which is a thread of the kernel with its own queue.
//!
//! If a kernel has subshells (ipykernel 7), one is created over control, gets the code, and is deleted. All threads
//! share one stdin, so a cell that waits for its user's input could receive our reply instead. So the values are in a
//! file.
//!
//! Source: "Kernel subshells", Jupyter enhancement proposal 91.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::info::KernelInfo;
use super::injection::Changes;
use super::wait::Wait;
use crate::error::{Error, Kind, Result};
use crate::inject::link::Link;
use crate::kernel::endpoint::Channel;

/// How long the kernel may take to create or delete a subshell.
const CONTROL: Duration = Duration::from_secs(10);

/// Whether a kernel has subshells.
pub(super) fn are_supported(info: &KernelInfo) -> bool {
    info.supported_features.iter().any(|feature| feature == "kernel subshells")
}

/// Creates a subshell, and directs the link's requests to it; returns its id.
pub(super) async fn enter(link: &mut Link, progress: &mut dyn FnMut(&str)) -> Result<String> {
    let reply = ask(link, "create_subshell", &json!({}), progress).await?;
    let id = reply["subshell_id"].as_str().filter(|_| reply["status"] == "ok").map(str::to_owned);
    let id = id.ok_or_else(|| {
        let what = "the kernel announces subshells, but did not create one";
        Error::new(Kind::KernelFailed, what, "leave out --now, to wait for the kernel")
    })?;
    link.set_subshell(Some(id.clone()));
    Ok(id)
}

/// Deletes the subshell, also after a failure; returns the result of the work in it.
pub(super) async fn leave(
    link: &mut Link,
    id: &str,
    outcome: Result<Changes>,
    progress: &mut dyn FnMut(&str),
) -> Result<Changes> {
    link.set_subshell(None);
    let deleted = ask(link, "delete_subshell", &json!({ "subshell_id": id }), progress).await;
    let outcome = outcome?;
    deleted.map(|_| outcome)
}

async fn ask(link: &mut Link, what: &str, content: &Value, progress: &mut dyn FnMut(&str)) -> Result<Value> {
    let id = link.send(Channel::Control, &format!("{what}_request"), None, content).await?;
    let reply = format!("{what}_reply");
    let mut patience = Wait::until(Instant::now() + CONTROL, progress);
    match patience.next(link, &mut |message| message.is(&reply, &id)).await? {
        Some(reply) => Ok(reply.content),
        None => Err(patience.verdict(link).await),
    }
}
