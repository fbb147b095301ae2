//! The running diagnostic kernel: five sockets, one attempt at a time, requests in order.
//!
//! Shell requests wait behind a cell, as in any kernel; control requests do not. A cell waits for an attempt at the
//! launch. If an attempt is already under way when it comes, its success counts for the cell, but its failure does
//! not. Events are handled before an attempt's outcome, so a shutdown that has arrived wins over a launch that has
//! just succeeded. A client that sends without a pause must not stop the rest, so the rest is polled outside tokio's
//! budget, which such a client uses up.

mod cells;
mod hand_over;
mod queue;
mod requests;

use std::collections::VecDeque;
use std::future::pending;
use std::io::PipeWriter;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::unconstrained;
use tokio::time::{Instant, sleep, sleep_until};

use self::queue::{ENDING, ReceivedRequest, Running};
use super::attempt::{Attempt, Attempted};
use super::cell::{self, Shown};
use super::guards::{EndCause, Guards};
use super::language;
use super::pace::{Pace, may_retry};
use crate::config::value::parse_duration;
use crate::error::{Error, Kind, Result};
use crate::kernel::connection::ConnectionFile;
use crate::kernel::endpoint::{Channel, Endpoint};
use crate::kernel::message::Session;
use crate::kernel::signature::Signer;
use crate::kernel::socket::{Socket, SocketEvent};
use crate::kernel::zmtp::peer::Security;
use crate::launch::{Launch, Ready};
use crate::sys::alloc::release_memory;

/// How long a client may take to connect, unless the variable below says otherwise.
const UNUSED: Duration = Duration::from_secs(300);
/// The environment variable for it; there is no setting in a file.
pub const UNUSED_VARIABLE: &str = "JUPYTER_VAULT_UNUSED_TIMEOUT";
/// How long after a large request its memory is returned to the system: it has been sent on and freed by then.
const RELEASE_AFTER: Duration = Duration::from_millis(500);

/// How the diagnostic kernel ended.
#[derive(Debug)]
pub enum Ending {
    /// The launch succeeded and the sockets are closed: become the kernel, and keep the pipe until then.
    Healed(Ready, Option<PipeWriter>),
    /// A client asked for a shutdown.
    ShutDown,
    /// Any other end.
    Over(EndCause),
}

enum Step {
    Continue,
    Interrupt,
    ShutDown,
    Guard(EndCause),
    Attempted(Attempted),
}

/// The diagnostic kernel.
pub struct StandIn<'a> {
    launch: &'a Launch<'a>,
    sockets: Vec<Socket>,
    iopub: Endpoint,
    events: mpsc::Receiver<SocketEvent>,
    session: Session,
    language: String,
    error: Error,
    count: u64,
    /// The cell of shell, and those of control, in order of arrival.
    running: Vec<Running>,
    waiting: VecDeque<ReceivedRequest>,
    /// The header of the last failed cell.
    last: Vec<u8>,
    used: bool,
    trusted: bool,
    /// When to return the memory of a large request.
    release_at: Option<Instant>,
}

impl<'a> StandIn<'a> {
    /// Binds all sockets of `file`; `error` is what cells will show.
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
            error,
            count: 0,
            running: Vec::new(),
            waiting: VecDeque::new(),
            last: Vec::new(),
            used: false,
            trusted: false,
            release_at: None,
        })
    }

    /// Answers requests until the end.
    pub async fn run(&mut self, guards: Guards) -> Result<Ending> {
        let launch = self.launch;
        let limit = launch.parent().text(UNUSED_VARIABLE).ok().flatten().and_then(parse_duration);
        let unused = sleep(limit.unwrap_or(UNUSED));
        futures_util::pin_mut!(unused);
        let mut pace = Pace::after(self.error.kind());
        let mut attempt: Option<Attempt<'_>> = None;
        loop {
            if !self.running.is_empty() && attempt.is_none() {
                attempt = Some(Attempt::start(launch, true));
            }
            let next = pace.next();
            let deaf = self.next_waits_until().filter(|_| !self.is_busy());
            let step = tokio::select! {
                biased;
                why = guards.next() => Step::Guard(why),
                Some(event) = self.events.recv() => self.take(event)?,
                outcome = unconstrained(Attempt::outcome(attempt.as_mut())) => Step::Attempted(outcome),
                () = unconstrained(until(deaf)), if deaf.is_some() => Step::Continue,
                () = unconstrained(until(self.release_at)), if self.release_at.is_some() => {
                    self.release_at = None;
                    release_memory();
                    Step::Continue
                }
                () = unconstrained(until(next)), if attempt.is_none() => {
                    attempt = Some(Attempt::start(launch, false));
                    Step::Continue
                }
                () = &mut unused, if !self.used => Step::Guard(EndCause::NoClient),
            };
            let step = match step {
                Step::Attempted(outcome) => {
                    let begun = attempt.take().map(|attempt| attempt.begun());
                    match outcome {
                        Ok(Ok(ready)) => {
                            let outcome = self.hand_over(ready).await?;
                            return Ok(guards.pending_end().map_or(outcome, Ending::Over));
                        }
                        Ok(Err(error)) => {
                            pace.failed(error.kind());
                            self.learn(error);
                            self.fail_cells(begun).await?
                        }
                        Err(()) => self.fail_cells(None).await?,
                    }
                }
                Step::Continue => self.answer_waiting(Step::Continue),
                other => other,
            };
            match step {
                Step::Interrupt | Step::Guard(EndCause::Signal(Signal::SIGINT)) => {
                    if let Some(attempt) = attempt.as_mut().filter(|_| !self.running.is_empty()) {
                        attempt.stop();
                    }
                }
                Step::Guard(why) => {
                    Attempt::end(attempt).await;
                    // An interrupt that came at the same time must not win.
                    let _ = guards.pending_end();
                    return Ok(Ending::Over(why));
                }
                Step::ShutDown => {
                    self.answer_all();
                    Attempt::end(attempt).await;
                    self.close().await;
                    return Ok(Ending::ShutDown);
                }
                Step::Continue | Step::Attempted(_) => {}
            }
        }
    }

    /// Keeps the first cause: that an earlier attempt has used up a wrapping token explains nothing.
    fn learn(&mut self, error: Error) {
        if error.kind() != Kind::WrappedTokenUsed {
            self.error = error;
        } else if self.error.kind() != Kind::WrappedTokenUsed {
            let advice = format!("{}; then restart the kernel with a new wrapped token", self.error.advice());
            self.error = Error::new(Kind::WrappedTokenUsed, self.error.what(), advice);
        }
    }

    async fn close(&mut self) {
        let closing = self.sockets.iter().map(|socket| socket.finish(Duration::ZERO, ENDING));
        let _ = futures_util::future::join_all(closing).await;
    }

    fn shown(&self) -> Shown<'_> {
        let command = cell::by_hand(self.launch.request(), &self.error);
        Shown { error: &self.error, by_itself: may_retry(self.error.kind()), command }
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

    fn reply(&mut self, to: &ReceivedRequest, kind: &str, content: &Value) {
        let mut parts = to.request.routing.clone();
        parts.extend(self.session.frames(kind, &to.request.raw_header, content));
        self.socket(to.channel).send(&to.from, parts);
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}
