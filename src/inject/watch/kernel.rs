//! One watched kernel: what it has, what it waits for, and how its end is noticed.
//!
//! A kernel of this machine is held by a connection to its heartbeat on which nothing is sent: it ends
//! with the process, at a restart too, without a message or a timer. A kernel behind a server is known
//! by the server's list alone: a connection would keep it from being culled, and a message would count
//! as activity. What the list says of its last activity tells that there may be something new to see,
//! and only then, and only while a front end is there, it is asked which session it is.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use futures_util::future::AbortHandle;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Kind, Result};
use crate::inject::KernelInfo;
use crate::inject::link::Link;
use crate::inject::target::{Target, Way};
use crate::kernel::client::{Pulse, Sockets};
use crate::kernel::connection::ConnectionFile;
use crate::kernel::endpoint::Channel;
use crate::net::deadline::Deadline;
use crate::record::Variable;
use crate::server::rest::Listed;

/// The first pause before a kernel that does not listen yet is tried again, and the longest while it is new.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long a kernel counts as new: it may still be starting.
const NEW: Duration = Duration::from_secs(120);
/// After this without an answer it is asked once more, on a new connection (ipykernel issue 1554).
const QUIET: Duration = Duration::from_secs(5);
/// How long a busy kernel is waited for before the connection is made anew; waiting costs nothing.
const BUSY: Duration = Duration::from_secs(3600);
/// The same through a server, whose list says when the kernel is idle again.
const BUSY_THROUGH_SERVER: Duration = Duration::from_secs(20);

/// Where a kernel stands.
#[derive(Debug)]
pub enum State {
    /// It lacks something; asked from that moment on (`None`: at the next round).
    Wanting(Option<Instant>),
    /// It is being asked whether it is free.
    Asked(AbortHandle),
    /// It has everything, as far as we know.
    Has,
}

/// A kernel that is watched.
#[derive(Debug)]
pub struct Kernel {
    /// Which.
    pub target: Target,
    /// Where it stands.
    pub state: State,
    /// The variables that we have set, by the process that runs now.
    pub variables: BTreeMap<String, Variable>,
    /// The session that it answered with: another one is another process.
    pub session: Option<String>,
    /// Whether its heartbeat is held.
    pub held: bool,
    /// What the list said of its last activity when all was well.
    pub activity: String,
    /// It lacks a new version, and waits for a front end.
    pub outdated: bool,
    /// It is asked only to see whether it is still the same process.
    pub only_looked_at: bool,
    /// The error that was told last.
    pub told: Option<Kind>,
    /// What tells its connection file from a later one.
    mark: Option<(SystemTime, u64)>,
    since: Instant,
    pause: Duration,
}

/// What a free kernel said.
pub type Answer = (Link, KernelInfo);

impl Kernel {
    /// One that has just been seen.
    pub fn new(target: Target) -> Self {
        let now = Instant::now();
        let age = match &target.way {
            Way::File(path) => mark(path).and_then(|(written, _)| written.elapsed().ok()).unwrap_or_default(),
            Way::Server(_) => Duration::ZERO,
        };
        Self {
            mark: if let Way::File(path) = &target.way { mark(path) } else { None },
            target,
            state: State::Wanting(Some(now)),
            variables: BTreeMap::new(),
            session: None,
            held: false,
            activity: String::new(),
            outdated: false,
            only_looked_at: false,
            told: None,
            since: now.checked_sub(age).unwrap_or(now),
            pause: PAUSES.0,
        }
    }

    /// Whether it may be another process than before, and can't say so.
    pub const fn is_doubtful(&self) -> bool {
        self.only_looked_at && self.session.is_none()
    }

    /// Whether it is to be asked now.
    pub fn is_due(&self, now: Instant) -> bool {
        matches!(self.state, State::Wanting(Some(due)) if due <= now)
    }

    /// When it is to be asked, if a moment is set.
    pub const fn due(&self) -> Option<Instant> {
        if let State::Wanting(due) = self.state { due } else { None }
    }

    /// Its process has ended: nothing of what it had is left.
    pub fn restarted(&mut self) {
        self.variables.clear();
        self.session = None;
        self.told = None;
        self.since = Instant::now();
        self.pause = PAUSES.0;
        self.want();
    }

    /// It lacks something.
    pub fn want(&mut self) {
        self.halt();
        self.only_looked_at = false;
        self.state = State::Wanting(Some(Instant::now()));
    }

    /// It did not answer, or did not take it. Whether that is what a kernel does that starts: its file is
    /// half written, its ports are closed.
    pub fn failed(&mut self, error: &Error) -> bool {
        if matches!(error.kind(), Kind::KernelCannot | Kind::KernelFailed) {
            self.give_up();
            return false;
        }
        let starting =
            matches!(error.kind(), Kind::KernelGone | Kind::KernelDied | Kind::NotAKernel | Kind::ConnectionFile);
        let soon = starting && matches!(self.target.way, Way::File(_)) && self.since.elapsed() < NEW;
        self.state = State::Wanting(soon.then(|| Instant::now() + self.pause));
        self.pause = (self.pause * 2).min(PAUSES.1);
        soon
    }

    /// It can't be given what it lacks: not before it is another process, or that has changed.
    pub fn give_up(&mut self) {
        self.state = State::Has;
        (self.outdated, self.only_looked_at) = (false, false);
    }

    /// It has everything.
    pub fn satisfied(&mut self) {
        self.state = State::Has;
        (self.outdated, self.only_looked_at, self.told, self.pause) = (false, false, None, PAUSES.0);
    }

    /// Ends what is under way.
    pub fn halt(&self) {
        if let State::Asked(asking) = &self.state {
            asking.abort();
        }
    }

    /// Heeds its connection file: one that was written anew may be another kernel's.
    pub fn look_at_file(&mut self) {
        let Way::File(path) = &self.target.way else { return };
        let now = mark(path);
        if now == self.mark {
            return;
        }
        self.mark = now;
        // One that is only completed by the kernel itself names the same process; its record tells.
        if matches!(self.state, State::Wanting(_)) {
            self.since = Instant::now();
            self.pause = PAUSES.0;
            self.want();
        }
    }

    /// Heeds what its server says of it.
    pub fn look_at(&mut self, listed: &Listed) {
        let state = listed.execution_state.as_deref().unwrap_or_default();
        let deserted = listed.connections.is_some_and(|count| count <= 0);
        match &self.state {
            State::Wanting(Some(_)) if state == "busy" => self.state = State::Wanting(None),
            State::Wanting(None) if state != "busy" => self.want(),
            State::Has if matches!(state, "starting" | "restarting") => {
                self.restarted();
                self.state = State::Wanting(None);
            }
            State::Has if state == "busy" || deserted => {}
            State::Has if self.outdated => self.want(),
            State::Has if self.activity != listed.last_activity => {
                self.want();
                self.only_looked_at = true;
            }
            _ => {}
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.halt();
    }
}

fn mark(path: &Path) -> Option<(SystemTime, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.ino()))
}

/// Waits until the kernel says what it is: until it is free.
pub async fn free(target: Target) -> Result<Answer> {
    let through_server = matches!(target.way, Way::Server(_));
    let patience: &[Duration] = if through_server { &[BUSY_THROUGH_SERVER] } else { &[QUIET, BUSY] };
    for &limit in patience {
        let end = Instant::now() + limit;
        let mut link = target.link(Deadline::after(limit)).await?;
        link.send(Channel::Shell, "kernel_info_request", None, &json!({})).await?;
        while let Ok(message) = timeout_at(end, link.next()).await {
            let message = message?;
            if message.channel == Channel::Shell && message.header.msg_type == "kernel_info_reply" {
                let info: KernelInfo = serde_json::from_value(message.content).unwrap_or_default();
                // Some kernels answer in the name of whoever asks.
                let session = Some(message.header.session).filter(|own| own != link.session_id());
                return Ok((link, KernelInfo { session, ..info }));
            }
        }
        link.close().await;
    }
    Err(Error::new(Kind::KernelBusy, "the kernel is busy, or does not answer", "it is asked again"))
}

/// Connects to the kernel's heartbeat, by which its end shows; `None` when it has ended already.
pub async fn pulse(target: Target) -> Option<Pulse> {
    let Way::File(path) = &target.way else { return None };
    let file = ConnectionFile::read_ours(path).ok()?;
    Sockets::connect(file, &[Channel::Heartbeat]).await.ok()?.into_pulse()
}
