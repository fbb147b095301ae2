//! The diagnostic kernel at work: five sockets, one attempt at a time, requests in their order.
//!
//! Shell requests wait behind a cell, as in any kernel; control requests do not. A cell waits for an
//! attempt at the launch, its own or the one that runs already. Events are taken before an attempt's
//! outcome, so a shutdown that has arrived wins over a launch that has just succeeded.

mod cells;
mod hand_over;

use std::collections::VecDeque;
use std::future::pending;
use std::io::PipeWriter;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use self::hand_over::CLOSING;
use super::answer::{self, Answer, Cell, answer};
use super::attempt::{Attempt, Attempted};
use super::cell::{self, Shown};
use super::guards::{Guards, Why};
use super::language;
use super::pace::{Pace, is_worth_it};
use crate::config::value::parse_duration;
use crate::error::{Error, Kind, Result};
use crate::kernel::connection::{Channel, ConnectionFile, Endpoint};
use crate::kernel::message::{Refused, Request, Session};
use crate::kernel::signature::Signer;
use crate::kernel::socket::{Event, Origin, Socket};
use crate::kernel::zmtp::peer::Security;
use crate::launch::{Launch, Ready};

/// How long somebody may take to connect, if the variable below does not say otherwise.
const UNUSED: Duration = Duration::from_secs(300);
/// The variable that sets it, for the environment only.
pub const UNUSED_VARIABLE: &str = "JUPYTER_VAULT_UNUSED_TIMEOUT";
/// How much later than its shell connection a client's iopub connection may come (libzmq tries every 100 to
/// 200 ms, each connection by itself).
const LATE: Duration = Duration::from_secs(2);
/// The most requests that wait behind a cell.
const MOST_WAITING: usize = 1000;

/// How it ended.
#[derive(Debug)]
pub enum Outcome {
    /// The launch succeeded, the sockets are closed: become the kernel, and keep the pipe until then.
    Healed(Ready, Option<PipeWriter>),
    /// A client asked for the end.
    ShutDown,
    /// Something else ended it.
    Over(Why),
}

enum Step {
    Continue,
    Interrupt,
    ShutDown,
    Guard(Why),
    Attempted(Attempted),
}

/// A request that waits for its turn.
struct Waiting {
    channel: Channel,
    from: Origin,
    request: Request,
}

struct Running {
    from: Origin,
    request: Request,
    cell: Cell,
}

/// The kernel.
pub struct Kernel<'a> {
    launch: &'a Launch<'a>,
    sockets: Vec<Socket>,
    iopub: Endpoint,
    events: mpsc::Receiver<Event>,
    session: Session,
    language: String,
    by_hand: String,
    error: Error,
    count: u64,
    running: Option<Running>,
    waiting: VecDeque<Waiting>,
    /// The header of the last cell that failed.
    last: Vec<u8>,
    used: bool,
    trusted: bool,
    /// When the last shell connection came.
    newest: Option<Instant>,
}

impl<'a> Kernel<'a> {
    /// Binds all sockets of `file`; `error` is what cells will say.
    ///
    /// # Errors
    /// [`Kind::PortTaken`].
    pub async fn bind(launch: &'a Launch<'a>, file: &ConnectionFile, error: Error) -> Result<Self> {
        let security = Rc::new(file.curve().map_or(Security::Null, |keys| Security::Curve((*keys.secret).into())));
        let (sender, events) = mpsc::channel(256);
        let mut sockets = Vec::with_capacity(Channel::ALL.len());
        for channel in Channel::ALL {
            let endpoint = file.endpoint(channel);
            sockets.push(Socket::bind(channel, &endpoint, Rc::clone(&security), sender.clone()).await?);
        }
        Ok(Self {
            launch,
            sockets,
            iopub: file.endpoint(Channel::IoPub),
            events,
            session: Session::new(Signer::new(file.scheme(), file.key())),
            language: language::of(launch.request(), file, launch.parent()),
            by_hand: cell::by_hand(launch.request()),
            error,
            count: 0,
            running: None,
            waiting: VecDeque::new(),
            last: Vec::new(),
            used: false,
            trusted: false,
            newest: None,
        })
    }

    /// Answers until it is over.
    ///
    /// # Errors
    /// [`Kind::WrongSignature`] when the first to speak signs with another key than ours.
    pub async fn run(&mut self, guards: Guards) -> Result<Outcome> {
        let launch = self.launch;
        let limit = launch.parent().text(UNUSED_VARIABLE).ok().flatten().and_then(parse_duration);
        let unused = sleep(limit.unwrap_or(UNUSED));
        futures_util::pin_mut!(unused);
        let mut pace = Pace::after(self.error.kind());
        let mut attempt: Option<Attempt<'_>> = None;
        loop {
            if self.running.is_some() && attempt.is_none() {
                attempt = Some(Attempt::start(launch));
            }
            let next = pace.next();
            let deaf = self.deaf_until().filter(|_| self.running.is_none() && !self.waiting.is_empty());
            let step = tokio::select! {
                biased;
                why = guards.next() => Step::Guard(why),
                Some(event) = self.events.recv() => self.take(event)?,
                outcome = Attempt::outcome(attempt.as_mut()) => Step::Attempted(outcome),
                () = until(deaf), if deaf.is_some() => Step::Continue,
                () = until(next), if attempt.is_none() => {
                    attempt = Some(Attempt::start(launch));
                    Step::Continue
                }
                () = &mut unused, if !self.used => Step::Guard(Why::NobodyCame),
            };
            let step = match step {
                Step::Attempted(outcome) => {
                    attempt = None;
                    match outcome {
                        Ok(Ok(ready)) => {
                            let outcome = self.hand_over(ready).await?;
                            return Ok(guards.last_word().map_or(outcome, Outcome::Over));
                        }
                        Ok(Err(error)) => {
                            pace.failed(error.kind());
                            self.learn(error);
                        }
                        Err(()) => {}
                    }
                    self.fail_cell().await?
                }
                Step::Continue => self.answer_waiting(Step::Continue),
                other => other,
            };
            match step {
                Step::Interrupt | Step::Guard(Why::Signal(Signal::SIGINT)) => {
                    if let Some(attempt) = attempt.as_mut().filter(|_| self.running.is_some()) {
                        attempt.stop();
                    }
                }
                Step::Guard(why) => {
                    Attempt::end(attempt).await;
                    // An interrupt that came with it must not have the last word.
                    let _ = guards.last_word();
                    return Ok(Outcome::Over(why));
                }
                Step::ShutDown => {
                    Attempt::end(attempt).await;
                    self.close().await;
                    return Ok(Outcome::ShutDown);
                }
                Step::Continue | Step::Attempted(_) => {}
            }
        }
    }

    /// Keeps the cause: a wrapping token that an earlier attempt has used up explains nothing by itself.
    fn learn(&mut self, error: Error) {
        if error.kind() != Kind::WrappedTokenUsed {
            self.error = error;
        } else if self.error.kind() != Kind::WrappedTokenUsed {
            let advice = format!("{}; then restart the kernel with a new wrapped token", self.error.advice());
            self.error = Error::new(Kind::WrappedTokenUsed, self.error.what(), advice);
        }
    }

    fn take(&mut self, event: Event) -> Result<Step> {
        match event {
            Event::Joined(channel) => {
                self.used = true;
                if channel == Channel::Shell {
                    self.newest = Some(Instant::now());
                }
            }
            Event::Subscribed { from, topic } => {
                let content = json!({"subscription": String::from_utf8_lossy(&topic)});
                let mut parts = if topic.is_empty() { Vec::new() } else { vec![topic] };
                parts.extend(self.session.frames("iopub_welcome", b"", &content));
                self.socket(Channel::IoPub).send(&from, parts);
            }
            Event::Message { channel: Channel::Heartbeat, from, parts } => {
                self.socket(Channel::Heartbeat).send(&from, parts);
            }
            Event::Message { channel: channel @ (Channel::Shell | Channel::Control), from, parts } => {
                match Request::parse(parts, self.session.signer()) {
                    Ok(request) => {
                        self.trusted = true;
                        if channel == Channel::Shell && self.must_wait() {
                            self.queue(Waiting { channel, from, request });
                        } else {
                            return Ok(self.handle(channel, &from, request));
                        }
                    }
                    // Who has shown the key before is right: a stranger on the port must not end it.
                    Err(Refused::WrongSignature) if !self.trusted => {
                        return Err(Error::new(
                            Kind::WrongSignature,
                            "a client signs its messages with another key than the connection file's",
                            "restart the kernel from Jupyter: the connection file is not the one that its client uses",
                        ));
                    }
                    Err(_) => {}
                }
            }
            Event::Message { .. } => {}
        }
        Ok(Step::Continue)
    }

    /// Until when shell requests wait, if they do: a client whose shell connection is new may have no
    /// other yet, and would never see what its first cell says.
    fn deaf_until(&self) -> Option<Instant> {
        let until = self.newest? + LATE;
        let are_missing = self.socket(Channel::IoPub).listeners() < self.socket(Channel::Shell).peers();
        (are_missing && Instant::now() < until).then_some(until)
    }

    fn must_wait(&self) -> bool {
        self.running.is_some() || !self.waiting.is_empty() || self.deaf_until().is_some()
    }

    fn queue(&mut self, waiting: Waiting) {
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push_back(waiting);
        }
    }

    fn handle(&mut self, channel: Channel, from: &Origin, request: Request) -> Step {
        let parent = request.raw_header.clone();
        self.status("busy", &parent);
        let step = match answer(channel, &request, &self.language, &self.error) {
            Answer::Reply(kind, content) => {
                self.reply(channel, from, &request, kind, &content);
                Step::Continue
            }
            Answer::Interrupt(kind, content) => {
                self.reply(channel, from, &request, kind, &content);
                Step::Interrupt
            }
            Answer::ShutDown(kind, content) => {
                self.publish(kind, &parent, &content);
                self.reply(channel, from, &request, kind, &content);
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
                self.reply(channel, from, &request, "execute_reply", &reply);
                Step::Continue
            }
            Answer::Cell(cell) => {
                self.count += u64::from(cell.store_history);
                let input = json!({"code": cell.code, "execution_count": self.count});
                self.publish("execute_input", &parent, &input);
                self.running = Some(Running { from: from.clone(), request, cell });
                return Step::Continue;
            }
        };
        self.status("idle", &parent);
        step
    }

    async fn close(&mut self) {
        let closing = futures_util::future::join_all(self.sockets.iter().map(|socket| socket.finish(CLOSING)));
        let _ = closing.await;
    }

    fn shown(&self) -> Shown<'_> {
        Shown { error: &self.error, by_itself: is_worth_it(self.error.kind()), command: &self.by_hand }
    }

    fn socket(&self, channel: Channel) -> &Socket {
        &self.sockets[channel as usize]
    }

    fn status(&mut self, state: &str, parent: &[u8]) {
        self.publish("status", parent, &json!({"execution_state": state}));
    }

    fn publish(&mut self, kind: &str, parent: &[u8], content: &Value) {
        let mut parts = vec![format!("kernel.{}.{kind}", self.session.id()).into_bytes()];
        parts.extend(self.session.frames(kind, parent, content));
        self.socket(Channel::IoPub).publish(parts);
    }

    fn reply(&mut self, channel: Channel, to: &Origin, request: &Request, kind: &str, content: &Value) {
        let mut parts = request.routing.clone();
        parts.extend(self.session.frames(kind, &request.raw_header, content));
        self.socket(channel).send(to, parts);
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
