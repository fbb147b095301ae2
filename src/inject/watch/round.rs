//! The rounds of a sidecar: which kernels there are, who is asked, who gets what.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{FutureExt, LocalBoxFuture, abortable};
use futures_util::stream::FuturesUnordered;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};

use super::kernel::{Answer, Kernel, State, free};
use super::log::Log;
use super::ready::ReadyFile;
use super::vault::{Vault, jittered};
use crate::error::{Error, Kind, Result};
use crate::inject::choose::Places;
use crate::inject::target::{Target, Way};
use crate::kernel::client::Pulse;
use crate::launch::versions::Seen;
use crate::net::deadline::Deadline;
use crate::record::{Record, stem};
use crate::server::rest::Listed;
use crate::sys::alloc::give_back;
use crate::sys::readable::{FolderWatch, readable};

/// How long answers are gathered, so that kernels which appear together share one fetch.
const GATHER: Duration = Duration::from_millis(50);
/// The first pause after secrets could not be fetched, and the longest.
pub(super) const SETBACKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The time for a server's lists.
const LISTS: Duration = Duration::from_secs(20);

/// What happened.
enum Event {
    Folder,
    Ended(String),
    Answered(String, Result<Answer>),
    Due,
}

/// Gives the kernel's name and what it said; nothing, when it was given up.
type Asking = LocalBoxFuture<'static, Option<(String, Result<Answer>)>>;

/// Gives the kernel's name, and what its end will be waited for with; nothing, when it has ended.
type Watching = LocalBoxFuture<'static, (String, Option<Pulse>)>;

/// A sidecar.
pub struct Watcher<'a, 'b> {
    places: &'a Places<'a>,
    pub(super) vault: &'a mut Vault<'b>,
    pub(super) log: &'a mut Log<'b>,
    ready: &'a ReadyFile,
    pub(super) interval: Duration,
    pub(super) holding: &'a Cell<Option<Instant>>,
    stop: oneshot::Receiver<()>,
    folder: Option<AsyncFd<FolderWatch>>,
    pub(super) kernels: BTreeMap<String, Kernel>,
    asking: FuturesUnordered<Asking>,
    pub(super) ends: FuturesUnordered<Watching>,
    seen: Option<Seen>,
    pub(super) round: Instant,
    /// No round has gone well yet.
    first: bool,
    /// What was told of Vault, of the server, and of the ready file.
    told: [Option<Kind>; 3],
    /// The pause after a fetch that failed.
    pub(super) setback: Duration,
}

impl std::fmt::Debug for Watcher<'_, '_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Watcher({} kernels)", self.kernels.len())
    }
}

impl<'a, 'b> Watcher<'a, 'b> {
    /// Sets up; must be called in a runtime.
    pub fn new(
        places: &'a Places<'a>,
        vault: &'a mut Vault<'b>,
        log: &'a mut Log<'b>,
        ready: &'a ReadyFile,
        interval: Duration,
        holding: &'a Cell<Option<Instant>>,
        stop: oneshot::Receiver<()>,
    ) -> Result<Self> {
        let folder = if places.named_server().is_some() { None } else { Some(folder(places)?) };
        Ok(Self {
            places,
            vault,
            log,
            ready,
            interval,
            holding,
            stop,
            folder,
            kernels: BTreeMap::new(),
            asking: FuturesUnordered::new(),
            ends: FuturesUnordered::new(),
            seen: None,
            round: Instant::now(),
            first: true,
            told: [None; 3],
            setback: SETBACKS.0,
        })
    }

    /// Watches until it is told to stop.
    pub async fn run(mut self) -> Result<()> {
        loop {
            if Instant::now() >= self.round {
                self.turn_of_all().await?;
            }
            self.ask();
            let mut answered = Vec::new();
            match self.next().await {
                Event::Folder => self.look_at_folder().await,
                Event::Ended(name) => self.has_ended(&name),
                Event::Answered(name, answer) => answered.push((name, answer)),
                Event::Due => {}
            }
            if !answered.is_empty() {
                while let Ok(Some(more)) = timeout(GATHER, self.asking.next()).await {
                    answered.extend(more);
                }
                self.heed(answered).await;
                // It is idle from now on, and was busy with all of them.
                give_back();
            }
            if self.is_stopped() {
                return Ok(());
            }
        }
    }

    /// Whether nothing new is to be begun.
    pub(super) fn is_stopped(&mut self) -> bool {
        !matches!(self.stop.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }

    /// The timer's round: the list of kernels, and the versions in Vault.
    async fn turn_of_all(&mut self) -> Result<()> {
        self.round = Instant::now() + jittered(self.interval);
        let mut well = self.list().await?;
        if self.vault.again().is_none_or(|again| again <= Instant::now()) {
            match self.vault.look(self.holding).await {
                Ok(seen) => {
                    self.told[VAULT] = None;
                    if self.seen.as_ref().is_some_and(|before| *before != seen) {
                        self.log.note("changed", None, "the secrets have changed in Vault");
                        self.everybody_is_outdated();
                    }
                    self.seen = Some(seen);
                }
                Err(error) => {
                    well = false;
                    self.trouble(VAULT, &error)?;
                }
            }
        } else {
            well = false;
        }
        if let Some(again) = self.vault.again() {
            self.round = self.round.min(again);
        }
        for kernel in self.kernels.values_mut() {
            if matches!(kernel.state, State::Wanting(None)) && matches!(kernel.target.way, Way::File(_)) {
                kernel.want();
            }
        }
        if well && self.first {
            self.ready.touch()?;
            self.first = false;
            self.log.note("ready", None, &format!("ready, {} kernels are watched", self.kernels.len()));
        } else if !self.first {
            // An outage of others is no reason to be called dead; nor is a file that can't be written.
            match self.ready.touch() {
                Ok(()) => self.told[READY] = None,
                Err(error) => self.tell(READY, &error),
            }
        }
        Ok(())
    }

    fn everybody_is_outdated(&mut self) {
        for kernel in self.kernels.values_mut() {
            match (&kernel.state, &kernel.target.way) {
                (State::Has, Way::File(_)) => kernel.want(),
                // Whoever is away would lose what the server keeps for it: when a front end is back.
                (_, Way::Server(_)) => (kernel.outdated, kernel.only_looked_at) = (true, false),
                _ => {}
            }
        }
    }

    /// Asks whoever is to be asked, unless Vault is not to be had.
    fn ask(&mut self) {
        if self.seen.is_none() || self.vault.again().is_some() {
            return;
        }
        let now = Instant::now();
        for (name, kernel) in &mut self.kernels {
            if kernel.is_due(now) {
                let (asking, handle) = abortable(free(kernel.target.clone()));
                kernel.state = State::Asked(handle);
                let name = name.clone();
                self.asking.push(asking.map(|answer| answer.ok().map(|answer| (name, answer))).boxed_local());
            }
        }
    }

    async fn next(&mut self) -> Event {
        let halted = self.seen.is_none() || self.vault.again().is_some();
        let due = self.kernels.values().filter_map(Kernel::due).filter(|_| !halted).min();
        let until = due.map_or(self.round, |due| due.min(self.round));
        let folder = self.folder.as_ref();
        loop {
            tokio::select! {
                biased;
                Some((name, pulse)) = self.ends.next(), if !self.ends.is_empty() => {
                    let Some(pulse) = pulse else { return Event::Ended(name) };
                    self.ends.push(pulse.end().map(|()| (name, None)).boxed_local());
                }
                Some(answer) = self.asking.next(), if !self.asking.is_empty() => {
                    if let Some((name, answer)) = answer {
                        return Event::Answered(name, answer);
                    }
                }
                () = changed(folder) => return Event::Folder,
                () = sleep_until(until) => return Event::Due,
            }
        }
    }

    /// Brings the kernels up to date with the folder or the server's list; whether that went well.
    async fn list(&mut self) -> Result<bool> {
        let deadline = Deadline::after(LISTS);
        let listed = match self.places.named_server() {
            None => {
                return Ok({
                    self.look_at_folder().await;
                    true
                });
            }
            Some(_) => self.places.of_named_server(deadline).await,
        };
        let listed = match listed {
            Err(error) if error.kind() == Kind::ServerDenied => match self.places.renew_token() {
                Ok(true) => self.places.of_named_server(deadline).await,
                renewed => Err(renewed.err().unwrap_or(error)),
            },
            listed => listed,
        };
        match listed {
            Ok(listed) => {
                let (targets, models): (Vec<Target>, Vec<Listed>) = listed.into_iter().unzip();
                self.told[SERVER] = None;
                self.take_stock(targets);
                for model in models {
                    if let Some(kernel) = self.kernels.get_mut(&model.id) {
                        kernel.look_at(&model);
                    }
                }
                Ok(true)
            }
            Err(error) => self.trouble(SERVER, &error).map(|()| false),
        }
    }

    async fn look_at_folder(&mut self) {
        if let Some(folder) = &self.folder {
            // It may have been removed, and made anew.
            let _ = folder.get_ref().renew(self.places.runtime());
        }
        let targets = self.places.files_that_fit(Deadline::after(LISTS)).await;
        self.take_stock(targets);
        for kernel in self.kernels.values_mut() {
            kernel.look_at_file();
        }
    }

    /// Adds whoever is new, and forgets whoever is gone.
    fn take_stock(&mut self, targets: Vec<Target>) {
        let mut before = std::mem::take(&mut self.kernels);
        for target in targets {
            let name = target.name();
            let kernel = before.remove(&name).unwrap_or_else(|| Kernel::new(target));
            self.kernels.insert(name, kernel);
        }
        for file in before.values().filter_map(|gone| gone.target.file.as_ref()) {
            // A record goes with its connection file, once somebody looks.
            let _ = Record::read(&self.vault.plan().runtime_dir, &stem(file));
        }
    }

    fn has_ended(&mut self, name: &str) {
        if let Some(kernel) = self.kernels.get_mut(name) {
            kernel.held = false;
            kernel.restarted();
        }
    }

    /// As [`Self::tell`]; what was wrong from the beginning, and will not pass, ends the process.
    fn trouble(&mut self, whose: usize, error: &Error) -> Result<()> {
        let passing = matches!(error.kind().exit_code(), 69 | 75) || error.kind() == Kind::ServerDown;
        if self.first && !passing {
            return Err(error.clone());
        }
        self.tell(whose, error);
        Ok(())
    }

    /// Tells an error once, until all is well again.
    pub(super) fn tell(&mut self, whose: usize, error: &Error) {
        if self.told[whose].replace(error.kind()) != Some(error.kind()) {
            self.log.failed(None, error);
        }
    }
}

/// Places in [`Watcher::told`].
pub(super) const VAULT: usize = 0;
const SERVER: usize = 1;
const READY: usize = 2;

async fn changed(folder: Option<&AsyncFd<FolderWatch>>) {
    let Some(folder) = folder else { return pending().await };
    while let Ok(false) = folder.async_io(Interest::READABLE, |watch| watch.take("kernel-")).await {}
}

/// Watches the runtime folder, which is made if nobody has done so yet.
fn folder(places: &Places<'_>) -> Result<AsyncFd<FolderWatch>> {
    use std::os::unix::fs::DirBuilderExt;
    let path = places.runtime();
    let _ = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    let cannot = |cause: &str| {
        let what = format!("the runtime folder {} can't be watched: {cause}", path.display());
        Error::new(Kind::Os, what, "set JUPYTER_RUNTIME_DIR as the server has it; check fs.inotify.max_user_instances")
    };
    let watch = FolderWatch::new(path).map_err(|cause| cannot(cause.desc()))?;
    readable(watch).map_err(|cause| cannot(&cause.kind().to_string()))
}
