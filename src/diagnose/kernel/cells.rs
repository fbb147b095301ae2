//! The end of a cell, and of the requests behind it.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, timeout};

use super::queue::{ReceivedRequest, Running};
use super::{StandIn, Step};
use crate::diagnose::answer;
use crate::error::Result;
use crate::kernel::endpoint::Channel;

/// How long requests that were sent together may take to arrive: each, and all of them.
const SETTLE: Duration = Duration::from_millis(50);
const ALL_SETTLE: Duration = Duration::from_secs(1);

impl StandIn<'_> {
    /// Ends the cells that wait, and aborts those behind the one of shell; then answers the rest. The failure of an
    /// attempt that had `begun` before a cell came does not count for it: it gets its own attempt.
    pub(super) async fn fail_cells(&mut self, begun: Option<Instant>) -> Result<Step> {
        let step = self.settle().await?;
        let is_its_own = |cell: &mut Running| begun.is_none_or(|begun| begun >= cell.since);
        let failed: Vec<_> = self.running.extract_if(.., is_its_own).collect();
        self.end_cells(failed);
        Ok(self.answer_waiting(step))
    }

    fn end_cells(&mut self, cells: Vec<Running>) {
        let shown = self.shown();
        let (display, failure) = (shown.display(), shown.failure());
        for cell in cells {
            self.end_cell(&cell, &[("display_data", &display), ("error", &failure)], &failure);
            self.status("idle", &cell.received.request.raw_header);
            self.last = cell.received.request.raw_header;
            if cell.stop_on_error && cell.received.channel == Channel::Shell {
                self.abort_waiting();
            }
        }
    }

    /// Shows a cell's outcome and replies; `idle` is sent later.
    pub(super) fn end_cell(&mut self, cell: &Running, shown: &[(&str, &Value)], failure: &Value) {
        for (kind, content) in shown {
            self.publish(kind, &cell.received.request.raw_header, content);
        }
        let reply = answer::failed(self.count, failure);
        self.reply(&cell.received, "execute_reply", &reply);
    }

    /// Answers every request that is left, before the process exits.
    pub(super) fn answer_all(&mut self) {
        let cells = std::mem::take(&mut self.running);
        self.end_cells(cells);
        self.abort_waiting();
        while let Some(waiting) = self.waiting.pop_front() {
            self.handle(waiting);
        }
    }

    /// Receives the requests that were sent together with the cell that is about to be answered.
    pub(super) async fn settle(&mut self) -> Result<Step> {
        let mut step = Step::Continue;
        if !self.running.is_empty() {
            let end = Instant::now() + ALL_SETTLE;
            while Instant::now() < end {
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
        for waiting in std::mem::take(&mut self.waiting) {
            if waiting.request.header.msg_type == "execute_request" {
                self.abort(&waiting);
            } else {
                self.waiting.push_back(waiting);
            }
        }
    }

    /// Answers what waits, up to the next cell; remembers a shutdown among it.
    pub(super) fn answer_waiting(&mut self, mut step: Step) -> Step {
        while !self.is_busy() && self.next_waits_until().is_none() {
            let Some(waiting): Option<ReceivedRequest> = self.waiting.pop_front() else { break };
            match self.handle(waiting) {
                Step::ShutDown => step = Step::ShutDown,
                Step::Interrupt if matches!(step, Step::Continue) => step = Step::Interrupt,
                _ => {}
            }
        }
        step
    }
}
