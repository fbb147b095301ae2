//! Waiting for a kernel: bounded, told of, and with an eye for why it does not answer.
//!
//! After a moment without an answer we look around: control is asked, which kernels with a thread for it
//! answer while they are busy; iopub is listened to, where a kernel shows what it does for others and
//! which key it signs with; and the question is asked again on a new connection, because a kernel may
//! leave a request unread until one comes (ipykernel issue 1554). What was heard then decides whether
//! the kernel is busy or silent.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Kind, Result};
use crate::inject::link::Link;
use crate::kernel::endpoint::Channel;
use crate::kernel::message::Arrived;

/// How long an answer may take before we look around.
const QUIET: Duration = Duration::from_secs(2);
/// How often one is told that the kernel is waited for.
const PROGRESS: Duration = Duration::from_secs(5);
/// How long a look around at the end may take, and how long a heartbeat.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// One wait.
pub(super) struct Wait<'a> {
    progress: &'a mut dyn FnMut(&str),
    began: Instant,
    end: Instant,
    look: Option<Instant>,
    tell: Instant,
    /// The kernel answered on control.
    on_control: bool,
    /// The kernel does something for another client.
    for_others: bool,
    /// Code that may still ask after `end`, if it has begun.
    code: Option<Code>,
}

/// Code that was sent.
struct Code {
    id: String,
    /// Until when its question may be on its way.
    until: Instant,
    /// Whether the kernel was seen to begin it, or nobody looked.
    may_run: bool,
}

impl<'a> Wait<'a> {
    /// A wait until `end`, of which `progress` is told.
    pub(super) fn until(end: Instant, progress: &'a mut dyn FnMut(&str)) -> Self {
        let now = Instant::now();
        let (look, tell) = (Some(now + QUIET), now + PROGRESS);
        Self { progress, began: now, end, look, tell, on_control: false, for_others: false, code: None }
    }

    /// Waits until `end` at least.
    pub(super) fn extend(&mut self, end: Instant) {
        self.end = self.end.max(end);
    }

    /// Lets code that has begun in time ask until `end`, though the wait be over: else the kernel would wait for
    /// an answer that does not come. Code that has not begun is not waited for.
    pub(super) fn let_ask_until(&mut self, end: Instant) {
        self.code = Some(Code { id: String::new(), until: end, may_run: true });
    }

    /// Sends a request to execute code; gives its id. Where the wait may be over before the code's question
    /// comes, the kernel's status is listened to beforehand: it tells whether the code has begun.
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

    /// When the wait is over.
    fn over(&self, link: &Link) -> Instant {
        match &self.code {
            Some(code) if code.may_run || link.is_flooded() => self.end.max(code.until),
            _ => self.end,
        }
    }

    /// The next message that is `wanted`; `None` at the end. Others are passed over.
    pub(super) async fn next(
        &mut self,
        link: &mut Link,
        wanted: &mut dyn FnMut(&Arrived) -> bool,
    ) -> Result<Option<Arrived>> {
        loop {
            // Time is looked at first: in a flood there is always a next message.
            let now = Instant::now();
            let end = self.over(link);
            if now >= end {
                return Ok(None);
            }
            if self.look.is_some_and(|look| look <= now) {
                self.look = None;
                link.look_around().await?;
            }
            if self.tell <= now {
                self.tell();
            }
            let event = self.look.unwrap_or(self.tell).min(self.tell).min(end);
            let Ok(message) = timeout_at(event, link.next()).await else { continue };
            let message = message?;
            self.learn(link, &message);
            if wanted(&message) {
                return Ok(Some(message));
            }
        }
    }

    fn learn(&mut self, link: &mut Link, message: &Arrived) {
        match message.channel {
            Channel::Control => self.on_control = true,
            Channel::IoPub => {
                let Some(parent) = &message.parent else { return };
                if parent.session != link.session_id() {
                    self.for_others = true;
                    // That is all there is to learn, and it may be a flood.
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

    fn tell(&mut self) {
        self.tell += PROGRESS;
        let left = self.end.saturating_duration_since(Instant::now()).as_secs();
        let what = if self.on_control || self.for_others { "is busy" } else { "does not answer yet" };
        (self.progress)(&format!("the kernel {what}; waiting up to {left} s more"));
    }

    /// Why there was no answer.
    pub(super) async fn verdict(&mut self, link: &mut Link) -> Error {
        let waited = self.began.elapsed().as_secs();
        self.end = Instant::now() + LAST_LOOK;
        self.code = None;
        if self.look.take().is_some()
            && let Err(error) = link.look_around().await
        {
            return error;
        }
        self.tell = self.end + LAST_LOOK;
        if let Err(error) = self.next(link, &mut |message| message.channel == Channel::Control).await {
            return error;
        }
        if self.on_control || self.for_others || link.is_flooded() {
            return Error::new(
                Kind::KernelBusy,
                format!("the kernel was busy for {waited} s, nothing was set"),
                "try again when its cell has ended, or wait longer with --wait SECONDS",
            );
        }
        let (what, advice) = match link.beats(LAST_LOOK).await {
            Some(true) => (
                "lives, its heartbeat comes back, but it did not answer",
                "it may be busy, and does nothing beside that: wait longer with --wait SECONDS, or restart it",
            ),
            Some(false) => (
                "has its ports open, but answers nothing, not even the heartbeat",
                "it may be stopped (SIGSTOP, a debugger): let it go on, or restart it",
            ),
            None => ("did not answer", "wait longer with --wait SECONDS, or restart it"),
        };
        Error::new(Kind::KernelSilent, format!("the kernel {what} within {waited} s"), advice)
    }
}
