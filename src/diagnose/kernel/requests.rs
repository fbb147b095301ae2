//! Incoming requests: some are answered at once, others wait.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::queue::{LARGEST_WAITING, LATE, ReceivedRequest, Running};
use super::{RELEASE_AFTER, StandIn, Step};
use crate::diagnose::answer::{self, Answer, answer};
use crate::error::{Error, Kind, Result};
use crate::kernel::endpoint::Channel;
use crate::kernel::message::{KernelRequest, Refused};
use crate::kernel::socket::{MessageOrigin, SocketEvent};

/// The most requests that wait behind a cell.
const MOST_WAITING: usize = 4096;
/// From this size on, in bytes, the memory of a request is returned to the system.
const LARGE: usize = 128 * 1024;

impl StandIn<'_> {
    pub(super) fn take(&mut self, event: SocketEvent) -> Result<Step> {
        match event {
            SocketEvent::Joined => self.used = true,
            SocketEvent::Subscribed { from, topic } => {
                let content = json!({"subscription": String::from_utf8_lossy(&topic)});
                let mut parts = if topic.is_empty() { Vec::new() } else { vec![topic] };
                parts.extend(self.session.frames("iopub_welcome", b"", &content));
                self.socket(Channel::IoPub).send(&from, parts);
            }
            SocketEvent::Message { channel: Channel::Heartbeat, from, parts } => {
                self.socket(Channel::Heartbeat).send(&from, parts);
            }
            SocketEvent::Message { channel: channel @ (Channel::Shell | Channel::Control), from, parts } => {
                match KernelRequest::parse(parts, self.session.signer()) {
                    Ok(request) => return Ok(self.receive(ReceivedRequest { channel, from, request })),
                    // Once a client has shown the right key, a wrong signature is a stranger on the port, and must not
                    // end the kernel.
                    Err(Refused::WrongSignature) if !self.trusted => {
                        return Err(Error::new(
                            Kind::WrongSignature,
                            "a client signs its messages with a key other than the connection file's",
                            "restart the kernel from Jupyter: its client uses a different connection file",
                        ));
                    }
                    Err(_) => {}
                }
            }
            SocketEvent::Message { .. } => {}
        }
        Ok(Step::Continue)
    }

    fn receive(&mut self, received: ReceivedRequest) -> Step {
        self.trusted = true;
        if received.request.size > LARGE {
            self.release_at = Some(Instant::now() + RELEASE_AFTER);
        }
        // An interruption of a cell is handled at once, on any channel that an old client may use.
        let is_for_now = matches!(received.request.header.msg_type.as_str(), "interrupt_request" | "shutdown_request");
        let waits = received.channel == Channel::Shell && !is_for_now && self.must_wait(&received.from);
        if waits && self.has_room(received.request.size) {
            self.waiting.push_back(received);
            Step::Continue
        } else if waits && received.request.header.msg_type == "execute_request" {
            self.abort(&received);
            Step::Continue
        } else {
            self.handle(received)
        }
    }

    fn has_room(&self, size: usize) -> bool {
        let waiting: usize = self.waiting.iter().map(|waiting| waiting.request.size).sum();
        self.waiting.len() < MOST_WAITING && (self.waiting.is_empty() || waiting + size <= LARGEST_WAITING)
    }

    /// The time until which a shell request waits, if it does: a client whose shell connection is new may have no
    /// iopub connection yet, and would miss the output of its first cell.
    pub(super) fn waits_until(&self, from: &MessageOrigin) -> Option<Instant> {
        let until = from.joined() + LATE;
        let are_missing = self.socket(Channel::IoPub).listeners() < self.socket(Channel::Shell).peers();
        (are_missing && Instant::now() < until).then_some(until)
    }

    /// Whether a cell of shell waits for an attempt.
    pub(super) fn is_busy(&self) -> bool {
        self.running.iter().any(|cell| cell.received.channel == Channel::Shell)
    }

    /// The same for the next request that waits.
    pub(super) fn next_waits_until(&self) -> Option<Instant> {
        self.waits_until(&self.waiting.front()?.from)
    }

    fn must_wait(&self, from: &MessageOrigin) -> bool {
        self.is_busy() || !self.waiting.is_empty() || self.waits_until(from).is_some()
    }

    /// Answers a request, or begins a cell.
    pub(super) fn handle(&mut self, mut received: ReceivedRequest) -> Step {
        let parent = received.request.raw_header.clone();
        self.status("busy", &parent);
        let step = match answer(&received.request, &self.language, &self.error) {
            Answer::Reply(kind, content) => {
                self.reply(&received, kind, &content);
                Step::Continue
            }
            Answer::Interrupt(kind, content) => {
                self.reply(&received, kind, &content);
                Step::Interrupt
            }
            Answer::ShutDown(kind, content) => {
                self.publish(kind, &parent, &content);
                self.reply(&received, kind, &content);
                Step::ShutDown
            }
            Answer::Publish(kind, content) => {
                self.publish(kind, &parent, &content);
                Step::Continue
            }
            Answer::Nothing => Step::Continue,
            Answer::Cell(cell) if cell.silent => {
                let failure = self.shown().failure();
                let reply = answer::failed(self.count, &failure);
                self.reply(&received, "execute_reply", &reply);
                Step::Continue
            }
            Answer::Cell(cell) => {
                received.request.content = Value::Null;
                self.count += u64::from(cell.store_history);
                let input = json!({"code": cell.code, "execution_count": self.count});
                self.publish("execute_input", &parent, &input);
                let (stop_on_error, since) = (cell.stop_on_error, Instant::now());
                self.running.push(Running { received, stop_on_error, since });
                return Step::Continue;
            }
        };
        self.status("idle", &parent);
        step
    }

    /// Tells a cell's client that the cell is not run.
    pub(super) fn abort(&mut self, received: &ReceivedRequest) {
        let header = &received.request.raw_header;
        self.status("busy", header);
        self.reply(received, "execute_reply", &answer::aborted());
        self.status("idle", header);
    }
}
