//! Waits for a kernel, with a time limit and progress messages, and explains why it does not answer.
//!
//! After a moment without an answer, the kernel is probed. kernel_info is requested on control, where many kernels
//! answer while they are busy. iopub is subscribed to, where a kernel shows its work for other clients and the key
//! that it signs with. And kernel_info is requested on a new shell connection, because a kernel may leave a request
//! unread until a new one comes (ipykernel issue 1554). The answers show whether it is busy or silent.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Kind, Result};
use crate::inject::link::Link;
use crate::kernel::endpoint::Channel;
use crate::kernel::message::KernelMessage;

/// The time without a reply after which the kernel is probed.
const QUIET: Duration = Duration::from_secs(2);
/// How often progress is reported.
const PROGRESS: Duration = Duration::from_secs(5);
/// The time limits of the probe at the end, and of a heartbeat.
const LAST_PROBE: Duration = Duration::from_secs(1);

/// One wait for a kernel.
pub(super) struct Wait<'a> {
    progress: &'a mut dyn FnMut(&str),
    began: Instant,
    end: Instant,
    probe: Option<Instant>,
    report: Instant,
    /// The kernel answered on control.
    answered_on_control: bool,
    /// The kernel works for another client.
    busy_elsewhere: bool,
    /// Code that may still request input after `end`, if it has begun.
    code: Option<SentCode>,
}

/// Code that has been sent.
struct SentCode {
    id: String,
    /// Until when its input request may arrive.
    until: Instant,
    /// Whether the kernel may have begun it; assumed until it is sent.
    may_run: bool,
}

impl<'a> Wait<'a> {
    /// A wait until `end`; `progress` gets a line now and then.
    pub(super) fn until(end: Instant, progress: &'a mut dyn FnMut(&str)) -> Self {
        let now = Instant::now();
        let (probe, report) = (Some(now + QUIET), now + PROGRESS);
        Self { progress, began: now, end, probe, report, answered_on_control: false, busy_elsewhere: false, code: None }
    }

    /// Extends the wait to `end` at least.
    pub(super) fn extend(&mut self, end: Instant) {
        self.end = self.end.max(end);
    }

    /// Lets code that has begun in time request input until `end`, even after the wait: otherwise the kernel would wait
    /// for an answer that never comes. Code that has not begun is not waited for.
    pub(super) fn extend_for_question(&mut self, end: Instant) {
        self.code = Some(SentCode { id: String::new(), until: end, may_run: true });
    }

    /// Sends a request to execute code; returns its id. If the wait may end before the code's input request comes,
    /// iopub is subscribed to first: the kernel's status shows whether the code has begun.
    pub(super) async fn execute(&mut self, link: &mut Link, content: &Value) -> Result<String> {
        let is_short = self.code.as_ref().is_some_and(|code| code.until > self.end);
        if is_short {
            link.open(Channel::IoPub).await?;
        }
        let id = link.send(Channel::Shell, "execute_request", None, content).await?;
        if let Some(code) = &mut self.code {
            code.id.clone_from(&id);
            code.may_run = false;
        }
        Ok(id)
    }

    /// When the wait ends.
    fn deadline(&self, link: &Link) -> Instant {
        match &self.code {
            Some(code) if code.may_run || link.is_flooded() => self.end.max(code.until),
            _ => self.end,
        }
    }

    /// The next message that is `wanted`, skipping others; `None` at the end of the wait.
    pub(super) async fn next(
        &mut self,
        link: &mut Link,
        wanted: &mut dyn FnMut(&KernelMessage) -> bool,
    ) -> Result<Option<KernelMessage>> {
        loop {
            // The time is checked first, because a flood never runs out of messages.
            let now = Instant::now();
            let end = self.deadline(link);
            if now >= end {
                return Ok(None);
            }
            if self.probe.is_some_and(|probe| probe <= now) {
                self.probe = None;
                link.probe().await?;
            }
            if self.report <= now {
                self.report();
            }
            let event = self.probe.unwrap_or(self.report).min(self.report).min(end);
            let Ok(message) = timeout_at(event, link.next()).await else { continue };
            let message = message?;
            self.note_status(link, &message);
            if wanted(&message) {
                return Ok(Some(message));
            }
        }
    }

    fn note_status(&mut self, link: &mut Link, message: &KernelMessage) {
        match message.channel {
            Channel::Control => self.answered_on_control = true,
            Channel::IoPub => {
                let Some(parent) = &message.parent else { return };
                if parent.session != link.session_id() {
                    self.busy_elsewhere = true;
                    // iopub has nothing more to show, and it may be flooded.
                    if self.code.as_ref().is_none_or(|code| code.may_run || code.until <= self.end) {
                        link.leave_iopub();
                    }
                } else if let Some(code) = self.code.as_mut().filter(|code| code.id == parent.msg_id) {
                    code.may_run = true;
                }
            }
            _ => {}
        }
    }

    fn report(&mut self) {
        self.report += PROGRESS;
        let left = self.end.saturating_duration_since(Instant::now()).as_secs();
        let what = if self.answered_on_control || self.busy_elsewhere { "is busy" } else { "does not answer yet" };
        (self.progress)(&format!("the kernel {what}; waiting up to {left} s more"));
    }

    /// The error that explains why there was no answer.
    pub(super) async fn verdict(&mut self, link: &mut Link) -> Error {
        let waited = self.began.elapsed().as_secs();
        self.end = Instant::now() + LAST_PROBE;
        self.code = None;
        if self.probe.take().is_some()
            && let Err(error) = link.probe().await
        {
            return error;
        }
        self.report = self.end + LAST_PROBE;
        if let Err(error) = self.next(link, &mut |message| message.channel == Channel::Control).await {
            return error;
        }
        if self.answered_on_control || self.busy_elsewhere || link.is_flooded() {
            return Error::new(
                Kind::KernelBusy,
                format!("the kernel was busy for {waited} s; nothing was set"),
                "try again once its cell has finished, or wait longer with --wait SECONDS",
            );
        }
        let (what, advice) = match link.beats(LAST_PROBE).await {
            Some(true) => (
                "answers its heartbeat, but did not answer the request",
                "it may be too busy to answer: wait longer with --wait SECONDS, or restart it",
            ),
            Some(false) => (
                "has its ports open, but answers nothing, not even a heartbeat",
                "it may be stopped (SIGSTOP, a debugger): continue it, or restart it",
            ),
            None => ("did not answer", "wait longer with --wait SECONDS, or restart it"),
        };
        Error::new(Kind::KernelSilent, format!("the kernel {what} within {waited} s"), advice)
    }
}
