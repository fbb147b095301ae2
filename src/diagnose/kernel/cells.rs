//! The end of a cell, and what waits behind it.

use std::time::Duration;

use serde_json::Value;
use tokio::time::timeout;

use super::{Kernel, MOST_WAITING, Running, Step, Waiting};
use crate::diagnose::answer;
use crate::error::Result;
use crate::kernel::connection::Channel;
use crate::kernel::message::Request;
use crate::kernel::socket::Origin;

/// How long requests that were sent together may take to come in together.
const SETTLE: Duration = Duration::from_millis(50);

impl Kernel<'_> {
    /// Tells the cell that waits, if there is one, and aborts those behind it; then answers the rest.
    pub(super) async fn fail_cell(&mut self) -> Result<Step> {
        let step = self.settle().await?;
        if let Some(Running { from, request, cell }) = self.running.take() {
            let shown = self.shown();
            let (display, failure) = (shown.display(), shown.failure());
            self.end_cell(&from, &request, &display, &failure);
            self.status("idle", &request.raw_header);
            self.last = request.raw_header;
            if cell.stop_on_error {
                self.abort_waiting();
            }
        }
        Ok(self.answer_waiting(step))
    }

    /// Shows and tells a cell how it ended; whoever calls says `idle` then.
    pub(super) fn end_cell(&mut self, from: &Origin, request: &Request, display: &Value, failure: &Value) {
        let parent = &request.raw_header;
        self.publish("display_data", parent, display);
        self.publish("error", parent, failure);
        let reply = answer::failed(self.count, failure);
        self.reply(Channel::Shell, from, request, "execute_reply", &reply);
    }

    /// Takes what was sent together with the cell that is about to be answered.
    pub(super) async fn settle(&mut self) -> Result<Step> {
        let mut step = Step::Continue;
        if self.running.is_some() {
            for _ in 0..MOST_WAITING {
                let Ok(Some(event)) = timeout(SETTLE, self.events.recv()).await else { break };
                match self.take(event)? {
                    Step::Continue => {}
                    more => step = more,
                }
            }
        }
        Ok(step)
    }

    pub(super) fn abort_waiting(&mut self) {
        for Waiting { channel, from, request } in std::mem::take(&mut self.waiting) {
            if request.header.msg_type == "execute_request" {
                self.status("busy", &request.raw_header);
                let reply = answer::aborted(self.count);
                self.reply(Channel::Shell, &from, &request, "execute_reply", &reply);
                self.status("idle", &request.raw_header);
            } else {
                self.waiting.push_back(Waiting { channel, from, request });
            }
        }
    }

    /// Answers what waits, up to the next cell; a shutdown among it is kept in mind.
    pub(super) fn answer_waiting(&mut self, mut step: Step) -> Step {
        while self.running.is_none() && self.deaf_until().is_none() {
            let Some(Waiting { channel, from, request }) = self.waiting.pop_front() else { break };
            match self.handle(channel, &from, request) {
                Step::ShutDown => step = Step::ShutDown,
                Step::Interrupt if matches!(step, Step::Continue) => step = Step::Interrupt,
                _ => {}
            }
        }
        step
    }
}
