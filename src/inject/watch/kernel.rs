//! One watched kernel: what it has, what it lacks, and how its end is detected.
//!
//! The end of a local kernel is detected by its heartbeat: a connection stays open without traffic, and closes when
//! the process ends, also at a restart. A kernel behind a server is followed only in the server's list, because a
//! connection would keep the server from culling it and a message would count as activity. When the list shows new
//! activity and a front end is connected, the kernel is asked for its session.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use futures_util::future::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Kind, Result};
use crate::inject::info::{KernelInfo, request_info};
use crate::inject::link::Link;
use crate::inject::target::{Route, Target};
use crate::kernel::client::{Pulse, Sockets};
use crate::kernel::connection::ConnectionFile;
use crate::kernel::endpoint::Channel;
use crate::net::deadline::Deadline;
use crate::record::Variable;
use crate::server::rest::ListedKernel;

/// The first pause before a kernel that does not listen yet is tried again, and the longest while it is new.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// How long a kernel counts as new: it may still be starting.
const NEW: Duration = Duration::from_secs(120);
/// The time without a reply after which the request is repeated, on a new connection (ipykernel issue 1554).
const QUIET: Duration = Duration::from_secs(5);
/// The time limit for a busy kernel's reply before reconnecting; waiting costs nothing.
const BUSY: Duration = Duration::from_secs(3600);
/// [`BUSY`] through a server, whose list shows when the kernel is idle again.
const BUSY_THROUGH_SERVER: Duration = Duration::from_secs(20);

/// Why a kernel's kernel_info is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It lacks variables, or versions of them.
    Lacks,
    /// It may have restarted.
    Check,
}

/// The state of a watched kernel.
#[derive(Debug)]
pub enum KernelState {
    /// It will be asked at this time; for `None`, when its server reports that it is not busy, or in the next round.
    Due(Option<Instant>, Reason),
    /// It has been asked, and replies when it is idle.
    Asked(AbortHandle, Reason),
    /// It has everything, as far as known.
    UpToDate,
    /// It lacks a new version, and is asked when a front end connects.
    Outdated,
}

/// A kernel that is watched.
#[derive(Debug)]
pub struct Kernel {
    /// Which kernel.
    pub target: Target,
    /// Its state.
    pub state: KernelState,
    /// The variables that the present process got.
    pub variables: BTreeMap<String, Variable>,
    /// The session in its reply: another session means another process.
    pub session: Option<String>,
    /// Whether its heartbeat is connected.
    pub is_followed: bool,
    /// Whether it has requested an update, and has no answer yet.
    pub wants_update: bool,
    /// Its last activity in the server's list when it was up to date.
    pub activity: String,
    /// The modification time and inode of its connection file, which distinguish it from a later one.
    mark: Option<(SystemTime, u64)>,
    since: Instant,
    pause: Duration,
}

/// The reply of an idle kernel.
pub type IdleKernel = (Link, KernelInfo);

impl Kernel {
    /// A kernel that has just appeared.
    pub fn new(target: Target) -> Self {
        let now = Instant::now();
        let age = match &target.route {
            Route::File(path) => mark(path).and_then(|(written, _)| written.elapsed().ok()).unwrap_or_default(),
            Route::Server(_) => Duration::ZERO,
        };
        Self {
            mark: if let Route::File(path) = &target.route { mark(path) } else { None },
            target,
            state: KernelState::Due(Some(now), Reason::Lacks),
            variables: BTreeMap::new(),
            session: None,
            is_followed: false,
            wants_update: false,
            activity: String::new(),
            since: now.checked_sub(age).unwrap_or(now),
            pause: PAUSES.0,
        }
    }

    /// Why it is asked; `Lacks` for a kernel that is not asked.
    pub const fn reason(&self) -> Reason {
        match self.state {
            KernelState::Due(_, reason) | KernelState::Asked(_, reason) => reason,
            KernelState::UpToDate | KernelState::Outdated => Reason::Lacks,
        }
    }

    /// Whether it may be another process than before, without a session that would show it.
    pub fn may_have_restarted(&self) -> bool {
        self.reason() == Reason::Check && self.session.is_none()
    }

    /// When it must be asked, if a time is set.
    pub const fn due(&self) -> Option<Instant> {
        if let KernelState::Due(due, _) = self.state { due } else { None }
    }

    /// Resets the state after the process has ended.
    pub fn restarted(&mut self) {
        self.variables.clear();
        self.session = None;
        self.since = Instant::now();
        self.pause = PAUSES.0;
        self.ask(Reason::Lacks);
    }

    /// Makes it due as soon as possible.
    pub fn ask(&mut self, reason: Reason) {
        self.abort();
        self.state = KernelState::Due(Some(Instant::now()), reason);
    }

    /// Postpones asking it; the reason stays.
    pub fn postpone(&mut self, until: Option<Instant>) {
        self.state = KernelState::Due(until, self.reason());
    }

    /// Updates the state after an error of the kernel. Returns whether the kernel may just be starting: its file is
    /// incomplete, or its ports are closed.
    pub fn failed(&mut self, error: &Error) -> bool {
        if matches!(error.kind(), Kind::KernelCannot | Kind::KernelFailed) {
            // It would fail again until it restarts or the secrets change.
            self.state = KernelState::UpToDate;
            return false;
        }
        let starting =
            matches!(error.kind(), Kind::KernelGone | Kind::KernelDied | Kind::NotAKernel | Kind::ConnectionFile);
        let soon = starting && matches!(self.target.route, Route::File(_)) && self.since.elapsed() < NEW;
        self.postpone(soon.then(|| Instant::now() + self.pause));
        self.pause = (self.pause * 2).min(PAUSES.1);
        soon
    }

    /// Marks it as up to date.
    pub fn is_up_to_date(&mut self) {
        self.state = KernelState::UpToDate;
        self.pause = PAUSES.0;
    }

    /// Updates the state after a change of the secrets in Vault.
    pub fn secrets_changed(&mut self) {
        match (&mut self.state, &self.target.route) {
            (KernelState::UpToDate, Route::File(_)) => self.ask(Reason::Lacks),
            // While no front end is connected, the server keeps output for it; a connection of ours would consume
            // that output.
            (KernelState::UpToDate, Route::Server(_)) => self.state = KernelState::Outdated,
            (KernelState::Due(_, reason) | KernelState::Asked(_, reason), Route::Server(_)) => *reason = Reason::Lacks,
            _ => {}
        }
    }

    fn abort(&self) {
        if let KernelState::Asked(asking, _) = &self.state {
            asking.abort();
        }
    }

    /// Checks whether its connection file was rewritten: it may be another kernel's.
    pub fn check_file(&mut self) {
        let Route::File(path) = &self.target.route else { return };
        let now = mark(path);
        if now == self.mark {
            return;
        }
        self.mark = now;
        // A kernel may complete its own file; then the record still names the same process.
        if matches!(self.state, KernelState::Due(..)) {
            self.since = Instant::now();
            self.pause = PAUSES.0;
            self.ask(Reason::Lacks);
        }
    }

    /// Updates the state from its server's list.
    pub fn check_listed(&mut self, listed: &ListedKernel) {
        let state = listed.execution_state.as_deref().unwrap_or_default();
        let deserted = listed.connections.is_some_and(|count| count <= 0);
        match &self.state {
            KernelState::Due(Some(_), _) if state == "busy" => self.postpone(None),
            KernelState::Due(None, _) if state != "busy" => self.ask(Reason::Lacks),
            KernelState::UpToDate | KernelState::Outdated if matches!(state, "starting" | "restarting") => {
                self.restarted();
                self.postpone(None);
            }
            KernelState::UpToDate | KernelState::Outdated if state == "busy" || deserted => {}
            KernelState::Outdated => self.ask(Reason::Lacks),
            KernelState::UpToDate if self.activity != listed.last_activity => self.ask(Reason::Check),
            _ => {}
        }
    }
}

impl Drop for Kernel {
    fn drop(&mut self) {
        self.abort();
    }
}

fn mark(path: &Path) -> Option<(SystemTime, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.ino()))
}

/// Waits until the kernel is idle and answers kernel_info.
pub async fn until_free(target: Target) -> Result<IdleKernel> {
    let through_server = matches!(target.route, Route::Server(_));
    let limits: &[Duration] = if through_server { &[BUSY_THROUGH_SERVER] } else { &[QUIET, BUSY] };
    for &limit in limits {
        let end = Instant::now() + limit;
        let mut link = target.link(Deadline::after(limit)).await?;
        request_info(&mut link, Channel::Shell).await?;
        while let Ok(message) = timeout_at(end, link.next()).await {
            let message = message?;
            if message.channel == Channel::Shell && message.header.msg_type == "kernel_info_reply" {
                let info = KernelInfo::of(message, link.session_id()).unwrap_or_default();
                return Ok((link, info));
            }
        }
        link.close().await;
    }
    Err(Error::new(Kind::KernelBusy, "the kernel is busy, or does not answer", "it will be asked again"))
}

/// Connects to the kernel's heartbeat, which closes when the kernel ends; `None` if it has ended already.
pub async fn pulse(target: Target) -> Option<Pulse> {
    let Route::File(path) = &target.route else { return None };
    let file = ConnectionFile::read_ours(path).ok()?;
    Sockets::connect(file, &[Channel::Heartbeat]).await.ok()?.into_pulse()
}
