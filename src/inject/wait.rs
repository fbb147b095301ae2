//! Waiting for a kernel: bounded, told of, and with an eye for why it does not answer.
//!
//! After a moment without an answer we look around: control is asked, which kernels with a thread for it
//! answer while they are busy; iopub is listened to, where a kernel shows what it does for others and
//! which key it signs with; and the question is asked again on a new connection, because a kernel may
//! leave a request unread until one comes (ipykernel issue 1554). What was heard then decides whether
//! the kernel is busy or silent.

use std::time::Duration;

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
}

impl<'a> Wait<'a> {
    /// A wait until `end`, of which `progress` is told.
    pub(super) fn until(end: Instant, progress: &'a mut dyn FnMut(&str)) -> Self {
        let now = Instant::now();
        let (look, tell) = (Some(now + QUIET), now + PROGRESS);
        Self { progress, began: now, end, look, tell, on_control: false, for_others: false }
    }

    /// Waits until `end` at least.
    pub(super) fn extend(&mut self, end: Instant) {
        self.end = self.end.max(end);
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
            if now >= self.end {
                return Ok(None);
            }
            if self.look.is_some_and(|look| look <= now) {
                self.look = None;
                link.look_around().await?;
            }
            if self.tell <= now {
                self.tell();
            }
            let event = self.look.unwrap_or(self.tell).min(self.tell).min(self.end);
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
                let parent = message.parent.as_ref();
                if parent.is_some_and(|parent| parent.session != link.session_id()) {
                    self.for_others = true;
                    // That is all there is to learn, and it may be a flood.
                    link.leave_iopub();
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
