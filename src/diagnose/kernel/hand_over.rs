//! From the diagnostic kernel to the real one: every request is answered, then every connection is closed.
//!
//! The process that has read a request must answer it: the diagnostic kernel, or the real kernel for requests that
//! were not read. So all connections are closed at a moment when nothing is in transit. This side closes first; then
//! everything that the peers sent before they noticed is read; and if there was anything, their clients may connect
//! again for an answer.

use std::time::Duration;

use serde_json::json;
use tokio::task::unconstrained;
use tokio::time::{Instant, timeout_at};

use super::queue::{ENDING, LARGEST_WAITING, LATE, ReceivedRequest};
use super::{Ending, StandIn, Step};
use crate::diagnose::{cell, hold};
use crate::error::Result;
use crate::kernel::endpoint::Channel;
use crate::kernel::message::KernelRequest;
use crate::kernel::socket::{Socket, SocketEvent};
use crate::launch::Ready;

/// How long a peer may take to send the rest of a message.
const REST: Duration = Duration::from_secs(2);
/// How long peers may take to close their side; until then everything that they send is read. On an idle machine they
/// close at once.
const CLOSING: Duration = Duration::from_secs(5);
/// How long a peer may take to reconnect for an answer.
const BACK: Duration = Duration::from_secs(2);
/// How long there must be silence before it counts as the end: random, because some clients ask at a fixed interval.
const QUIET: std::ops::Range<u64> = 3..20;
/// The channels on which clients ask and wait for an answer.
const REQUEST_CHANNELS: [Channel; 2] = [Channel::Shell, Channel::Control];
/// How often, and how long, clients may connect again: a client that asks without a pause must not delay the
/// hand-over.
const ROUNDS: usize = 20;
const ALL_ROUNDS: Duration = Duration::from_secs(10);
/// How long a client may take to reconnect to a port that listens (libzmq: 100 to 200 ms on an idle machine). Only a
/// client that has left meanwhile takes all of it.
const BACK_AT_ONCE: Duration = Duration::from_secs(2);

impl StandIn<'_> {
    /// Announces that the secrets have come, and closes every connection without losing a request.
    ///
    /// Iopub is last: a client that learns there that it should run a cell again, or that a cell has ended, and goes
    /// on at once, finds all of our sockets closed, and so reaches the real kernel.
    pub(super) async fn hand_over(&mut self, ready: Ready) -> Result<Ending> {
        if matches!(self.settle().await?, Step::ShutDown) || matches!(self.listen().await?, Step::ShutDown) {
            self.close().await;
            return Ok(Ending::ShutDown);
        }
        let (mut askers, begun) = ([0; 2], Instant::now());
        for round in 1.. {
            let mut ended = Vec::new();
            let mut step = self.say_run_again(&mut ended);
            // The maximum of all rounds: in a later one, some clients may not be back.
            for (askers, channel) in askers.iter_mut().zip(REQUEST_CHANNELS) {
                *askers = (*askers).max(self.socket(channel).peers());
            }
            let late = self.drain(&mut step, &mut ended).await?;
            for cell in ended {
                self.status("idle", &cell);
            }
            if matches!(step, Step::ShutDown) {
                self.close().await;
                return Ok(Ending::ShutDown);
            }
            if late.is_empty() || round == ROUNDS || begun.elapsed() > ALL_ROUNDS {
                break;
            }
            // These were in transit while we closed: their clients may connect again for an answer.
            for socket in request_sockets(&self.sockets) {
                socket.open();
            }
            self.wait_for(&late, askers).await?;
            self.waiting.extend(late);
        }
        self.announce();
        let iopub = self.socket(Channel::IoPub);
        let listeners = iopub.peers();
        iopub.finish(Duration::ZERO, ENDING).await;
        let [shell, control] = REQUEST_CHANNELS.map(|channel| self.socket(channel));
        let (mut held, more) =
            tokio::join!(shell.hold_back(askers[0], BACK_AT_ONCE), control.hold_back(askers[1], BACK_AT_ONCE));
        held.extend(more);
        Ok(Ending::Healed(ready, hold::start(&held, &self.iopub, listeners)))
    }

    /// Waits until new clients can receive their answers.
    async fn listen(&mut self) -> Result<Step> {
        let end = Instant::now() + LATE;
        while let Some(until) = self.waiting.iter().filter_map(|request| self.waits_until(&request.from)).max()
            && Instant::now() < end
        {
            let Ok(Some(event)) = timeout_at(until.min(end), self.events.recv()).await else { break };
            if matches!(self.take(event)?, Step::ShutDown) {
                return Ok(Step::ShutDown);
            }
        }
        Ok(Step::Continue)
    }

    /// Shows below the last failed cell that the secrets are set, unless a cell's reply has said so.
    fn announce(&mut self) {
        if !self.last.is_empty() {
            let last = std::mem::take(&mut self.last);
            let text = format!("jupyter-vault: {}\n", cell::RUN_AGAIN);
            self.publish("stream", &last, &json!({"name": "stdout", "text": text}));
        }
    }

    /// Answers everything that waits; no cell runs any more. For the cells in `ended`, `idle` is still to be sent.
    fn say_run_again(&mut self, ended: &mut Vec<Vec<u8>>) -> Step {
        let mut last = Step::Continue;
        let (display, failure) = (cell::ready(), cell::run_again());
        loop {
            for cell in std::mem::take(&mut self.running) {
                // It is shown as good news, but the reply is an error, which ends a run of the whole notebook.
                self.end_cell(&cell, &[("display_data", &display)], &failure);
                self.last.clear();
                ended.push(cell.received.request.raw_header);
                if cell.stop_on_error && cell.received.channel == Channel::Shell {
                    self.abort_waiting();
                }
            }
            let Some(waiting) = self.waiting.pop_front() else { return last };
            if matches!(self.handle(waiting), Step::ShutDown) {
                last = Step::ShutDown;
            }
        }
    }

    /// Closes all connections but iopub's. Requests that come before that are answered; later ones are returned, up
    /// to [`LARGEST_WAITING`] bytes of them.
    async fn drain(&mut self, step: &mut Step, ended: &mut Vec<Vec<u8>>) -> Result<Vec<ReceivedRequest>> {
        let (mut late, mut size) = (Vec::new(), 0);
        let closing =
            futures_util::future::join_all(request_sockets(&self.sockets).map(|socket| socket.finish(REST, CLOSING)));
        let closing = unconstrained(closing);
        futures_util::pin_mut!(closing);
        let mut closed = false;
        loop {
            let event = if closed {
                self.events.try_recv().ok()
            } else {
                tokio::select! {
                    biased;
                    event = self.events.recv() => event,
                    _ = &mut closing => { closed = true; continue }
                }
            };
            match event {
                None => return Ok(late),
                Some(SocketEvent::Message { channel: channel @ (Channel::Shell | Channel::Control), from, parts })
                    if !self.socket(channel).is_open() =>
                {
                    // A client that sends without a pause sends 100,000 requests before its side is closed.
                    if let Ok(request) = KernelRequest::parse(parts, self.session.signer())
                        && size + request.size <= LARGEST_WAITING
                    {
                        size += request.size;
                        late.push(ReceivedRequest { channel, from, request });
                    }
                }
                Some(event) => {
                    let taken = self.take(event)?;
                    let answered = self.say_run_again(ended);
                    if matches!(taken, Step::ShutDown) || matches!(answered, Step::ShutDown) {
                        *step = Step::ShutDown;
                    }
                }
            }
        }
    }

    /// Waits until the clients that asked are back, and as many in all as before: each sends at once what it had
    /// kept, and after the last of them nothing is in transit.
    async fn wait_for(&mut self, late: &[ReceivedRequest], askers: [usize; 2]) -> Result<()> {
        let end = Instant::now() + BACK;
        let quiet = Duration::from_millis(fastrand::u64(QUIET));
        loop {
            let are_back = late.iter().all(|waiting| self.socket(waiting.channel).reaches(&waiting.from))
                && REQUEST_CHANNELS.iter().zip(askers).all(|(channel, count)| self.socket(*channel).peers() >= count);
            let end = if are_back { end.min(Instant::now() + quiet) } else { end };
            let Ok(Some(event)) = timeout_at(end, self.events.recv()).await else { return Ok(()) };
            self.take(event)?;
            // The time-out only fires if no event comes.
            if Instant::now() > end {
                return Ok(());
            }
        }
    }
}

/// Every socket but iopub, which receives no requests.
fn request_sockets(sockets: &[Socket]) -> impl Iterator<Item = &Socket> {
    let iopub = Channel::IoPub as usize;
    sockets.iter().enumerate().filter(move |(place, _)| *place != iopub).map(|(_, socket)| socket)
}
