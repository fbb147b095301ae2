//! A kernel's `kernel_info_reply`, which it sends once it is idle.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::link::Link;
use super::wait::Wait;
use crate::error::{Error, Kind, Result};
use crate::kernel::endpoint::Channel;
use crate::kernel::message::KernelMessage;

/// The shortest time limit for the reply of an idle kernel.
pub(super) const LEAST: Duration = Duration::from_secs(1);

/// A kernel's description of itself.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct KernelInfo {
    /// The implementation, such as `ipython`.
    #[serde(default)]
    pub implementation: String,
    /// Its language.
    #[serde(default)]
    pub language_info: LanguageInfo,
    /// Its optional features, such as `kernel subshells`.
    #[serde(default)]
    pub supported_features: Vec<String>,
    /// The id of its own session; a restarted kernel has another one. `None` for kernels that answer in the client's
    /// session.
    #[serde(skip)]
    pub session: Option<String>,
}

/// A kernel's description of its language.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct LanguageInfo {
    /// The language's name, such as `python`.
    #[serde(default)]
    pub name: String,
}

impl KernelInfo {
    /// Reads a reply; `client` is the session id of the request.
    pub fn of(reply: KernelMessage, client: &str) -> Result<Self> {
        let info = Self::deserialize(reply.content).map_err(|_| {
            Error::new(Kind::NotAKernel, "the kernel's kernel_info reply is malformed", "restart it from Jupyter")
        })?;
        Ok(Self { session: Some(reply.header.session).filter(|own| own != client), ..info })
    }
}

/// Requests kernel_info.
pub async fn request_info(link: &mut Link, channel: Channel) -> Result<String> {
    link.send(channel, "kernel_info_request", None, &json!({})).await
}

/// Waits at most `wait` for the kernel's kernel_info, which it sends once it is idle; on control, also while a cell is
/// running.
pub(super) async fn kernel_info(
    link: &mut Link,
    channel: Channel,
    wait: Duration,
    progress: &mut dyn FnMut(&str),
) -> Result<KernelInfo> {
    request_info(link, channel).await?;
    let session = link.session_id().to_owned();
    let mut wait = Wait::until(Instant::now() + wait.max(LEAST), progress);
    let mut answers = |message: &KernelMessage| {
        message.channel == channel
            && message.header.msg_type == "kernel_info_reply"
            && message.parent.as_ref().is_some_and(|parent| parent.session == session)
    };
    match wait.next(link, &mut answers).await? {
        Some(reply) => KernelInfo::of(reply, &session),
        None => Err(wait.verdict(link).await),
    }
}

/// The error for a kernel whose environment can't be set.
pub(super) fn cannot(kernel: &str, why: &str) -> Error {
    Error::new(
        Kind::KernelCannot,
        format!("variables can't be set in a running {kernel} kernel: {why}"),
        "restart the kernel: a launch by jupyter-vault sets them before the kernel starts",
    )
}

/// The error for a kind of kernel that is not supported.
pub(super) fn unknown(info: &KernelInfo) -> Error {
    let (kernel, language) = (&info.implementation, &info.language_info.name);
    let kernel = if kernel.is_empty() { "nameless" } else { kernel };
    cannot(&format!("{kernel} ({language})"), "this kernel is not supported (--list-languages shows which are)")
}
