//! The rounds of a sidecar: lists the kernels, asks those that are due, and gives them variables.

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

use super::kernel::{IdleKernel, Kernel, KernelState, Reason, until_free};
use super::log::{Log, Subject};
use super::ready::ReadyFile;
use super::requests::Requests;
use super::vault::{Vault, jittered};
use crate::error::{Error, Kind, Result};
use crate::inject::choose::Places;
use crate::inject::signal::Stopping;
use crate::inject::target::{Route, Target};
use crate::kernel::client::Pulse;
use crate::launch::versions::Seen;
use crate::net::deadline::Deadline;
use crate::record::{Record, stem};
use crate::server::rest::ListedKernel;
use crate::sys::alloc::release_memory;
use crate::sys::readable::readable;
use crate::sys::watches::FolderWatch;

/// How long replies are collected, so that kernels that appear together share one fetch.
const GATHER: Duration = Duration::from_millis(50);
/// The first pause after secrets could not be fetched, and the longest.
pub(super) const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// The shortest time between two rounds that kernels request.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);
/// The time limit for a server's lists.
const LISTS: Duration = Duration::from_secs(20);

/// An event.
enum Event {
    Folder,
    Requests,
    Ended(String),
    Answered(String, Result<IdleKernel>),
    Due,
}

/// Returns the kernel's name and its reply; nothing once the request is abandoned.
type PendingReply = LocalBoxFuture<'static, Option<(String, Result<IdleKernel>)>>;

/// Returns the kernel's name and its heartbeat; no heartbeat if it has ended.
type Watching = LocalBoxFuture<'static, (String, Option<Pulse>)>;

/// The resources of a sidecar.
pub struct Resources<'a, 'b> {
    /// Where kernels are searched for.
    pub places: &'a Places<'a>,
    /// The session with Vault.
    pub vault: &'a mut Vault<'b>,
    /// The log.
    pub log: &'a mut Log<'b>,
    /// The ready file.
    pub ready: &'a ReadyFile,
    /// The interval of requests to Vault and to a server.
    pub interval: Duration,
}

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
    pub(super) requests: Option<Requests>,
    pub(super) kernels: BTreeMap<String, Kernel>,
    asking: FuturesUnordered<PendingReply>,
    pub(super) ends: FuturesUnordered<Watching>,
    seen: Option<Seen>,
    pub(super) round: Instant,
    last_round: Option<Instant>,
    /// Whether a round has succeeded.
    is_ready: bool,
    /// The pause after a fetch that failed.
    pub(super) backoff: Duration,
}

impl std::fmt::Debug for Watcher<'_, '_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Watcher({} kernels)", self.kernels.len())
    }
}

impl<'a, 'b> Watcher<'a, 'b> {
    /// Sets up; must be called in a runtime.
    pub fn new(resources: Resources<'a, 'b>, Stopping { holding, stopped: stop }: Stopping<'a>) -> Result<Self> {
        let Resources { places, vault, log, ready, interval } = resources;
        let folder = if places.named_server().is_some() { None } else { Some(folder(places)?) };
        // Without the folder, kernels can't send requests.
        let requests = folder.as_ref().and_then(|_| Requests::new(&vault.plan().runtime_dir));
        Ok(Self {
            places,
            vault,
            log,
            ready,
            interval,
            holding,
            stop,
            folder,
            requests,
            last_round: None,
            kernels: BTreeMap::new(),
            asking: FuturesUnordered::new(),
            ends: FuturesUnordered::new(),
            seen: None,
            round: Instant::now(),
            is_ready: false,
            backoff: BACKOFF.0,
        })
    }

    /// Runs until it is stopped.
    pub async fn run(mut self) -> Result<()> {
        loop {
            if Instant::now() >= self.round {
                self.run_round().await?;
            }
            self.ask_due_kernels();
            let mut answered = Vec::new();
            match self.next().await {
                Event::Folder => self.list_folder().await,
                Event::Requests => self.take_requests(),
                Event::Ended(name) => self.has_ended(&name),
                Event::Answered(name, answer) => answered.push((name, answer)),
                Event::Due => {}
            }
            if !answered.is_empty() {
                while let Ok(Some(more)) = timeout(GATHER, self.asking.next()).await {
                    answered.extend(more);
                }
                self.serve(answered).await;
                // Memory for many kernels at once is not needed while idle.
                release_memory();
            }
            if self.is_stopped() {
                return Ok(());
            }
        }
    }

    /// Whether it was stopped, so that no new work may begin.
    pub(super) fn is_stopped(&mut self) -> bool {
        !matches!(self.stop.try_recv(), Err(oneshot::error::TryRecvError::Empty))
    }

    /// The timer's round: lists the kernels, and checks the versions in Vault.
    async fn run_round(&mut self) -> Result<()> {
        self.round = Instant::now() + jittered(self.interval);
        self.last_round = Some(Instant::now());
        let mut well = self.list().await?;
        if self.vault.not_before().is_none_or(|moment| moment <= Instant::now()) {
            match self.vault.look_up_versions(self.holding).await {
                Ok(seen) => {
                    self.log.recovered(Subject::Vault);
                    if self.seen.as_ref().is_some_and(|before| *before != seen) {
                        self.log.note("changed", None, "the secrets have changed in Vault");
                        self.kernels.values_mut().for_each(Kernel::secrets_changed);
                    }
                    self.seen = Some(seen);
                    for kernel in self.kernels.values_mut().filter(|kernel| kernel.wants_update) {
                        kernel.ask(Reason::Lacks);
                    }
                }
                Err(error) => {
                    well = false;
                    self.answer_all(&error.to_string());
                    self.end_or_report(Subject::Vault, &error)?;
                }
            }
        } else {
            well = false;
            self.answer_all("Vault was unreachable a moment ago; watch will try again");
        }
        if let Some(not_before) = self.vault.not_before() {
            self.round = self.round.min(not_before);
        }
        for kernel in self.kernels.values_mut() {
            if matches!(kernel.state, KernelState::Due(None, _)) && matches!(kernel.target.route, Route::File(_)) {
                kernel.ask(Reason::Lacks);
            }
        }
        if well && !self.is_ready {
            self.ready.touch()?;
            self.is_ready = true;
            let count = self.kernels.len();
            let plural = if count == 1 { "" } else { "s" };
            self.log.note("ready", None, &format!("ready, watching {count} kernel{plural}"));
        } else if self.is_ready {
            // Touched also during an outage of Vault; an error of the file itself does not end the sidecar either.
            match self.ready.touch() {
                Ok(()) => self.log.recovered(Subject::ReadyFile),
                Err(error) => self.log.failed(Subject::ReadyFile, &error),
            }
        }
        Ok(())
    }

    /// Requests kernel_info from every kernel that is due, unless Vault is unavailable.
    fn ask_due_kernels(&mut self) {
        if self.is_vault_unavailable() {
            return;
        }
        let now = Instant::now();
        for (name, kernel) in &mut self.kernels {
            if kernel.due().is_some_and(|due| due <= now) {
                let (asking, handle) = abortable(until_free(kernel.target.clone()));
                kernel.state = KernelState::Asked(handle, kernel.reason());
                let name = name.clone();
                self.asking.push(asking.map(|answer| answer.ok().map(|answer| (name, answer))).boxed_local());
            }
        }
    }

    fn is_vault_unavailable(&self) -> bool {
        self.seen.is_none() || self.vault.not_before().is_some()
    }

    async fn next(&mut self) -> Event {
        let unavailable = self.is_vault_unavailable();
        let due = self.kernels.values().filter_map(Kernel::due).filter(|_| !unavailable).min();
        let until = due.map_or(self.round, |due| due.min(self.round));
        let (folder, requests) = (self.folder.as_ref(), self.requests.as_ref());
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
                () = folder_changed(requests) => return Event::Requests,
                () = sleep_until(until) => return Event::Due,
            }
        }
    }

    /// Lists the kernels of the folder or of the server; returns whether that succeeded.
    async fn list(&mut self) -> Result<bool> {
        let deadline = Deadline::after(LISTS);
        let listed = match self.places.named_server() {
            None => {
                return Ok({
                    self.list_folder().await;
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
                let (targets, models): (Vec<Target>, Vec<ListedKernel>) = listed.into_iter().unzip();
                self.log.recovered(Subject::Server);
                self.update(targets);
                for model in models {
                    if let Some(kernel) = self.kernels.get_mut(&model.id) {
                        kernel.check_listed(&model);
                    }
                }
                Ok(true)
            }
            Err(error) => self.end_or_report(Subject::Server, &error).map(|()| false),
        }
    }

    async fn list_folder(&mut self) {
        if let Some(folder) = &self.folder {
            // The folder may have been removed and created again.
            let _ = folder.get_ref().renew(self.places.runtime());
        }
        let targets = self.places.files_that_fit(Deadline::after(LISTS)).await;
        self.update(targets);
        for kernel in self.kernels.values_mut() {
            kernel.check_file();
        }
    }

    /// Brings the next round forward for kernels that request an update.
    fn take_requests(&mut self) {
        let Some(requests) = &self.requests else { return };
        let name_of = |kernel: &Kernel| kernel.target.file.as_deref().map(stem);
        let taken = requests.take(|name| self.kernels.values().any(|kernel| name_of(kernel).as_deref() == Some(name)));
        for kernel in self.kernels.values_mut() {
            kernel.wants_update |= name_of(kernel).is_some_and(|name| taken.contains(&name));
        }
        if !taken.is_empty() {
            let soon = self.last_round.map_or_else(Instant::now, |last| last + LEAST_INTERVAL);
            self.round = self.round.min(soon);
        }
    }

    /// Answers a kernel's request with its outcome.
    pub(super) fn answer(&mut self, name: &str, text: &str) {
        let Some(kernel) = self.kernels.get_mut(name).filter(|kernel| kernel.wants_update) else { return };
        kernel.wants_update = false;
        if let (Some(requests), Some(file)) = (&self.requests, &kernel.target.file) {
            requests.answer(&stem(file), text);
        }
    }

    fn answer_all(&mut self, text: &str) {
        let waiting = self.kernels.iter().filter(|(_, kernel)| kernel.wants_update);
        for name in waiting.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.answer(&name, text);
        }
    }

    /// Adds new kernels, and forgets those that are gone.
    fn update(&mut self, targets: Vec<Target>) {
        let mut before = std::mem::take(&mut self.kernels);
        for target in targets {
            let name = target.name();
            let kernel = before.remove(&name).unwrap_or_else(|| Kernel::new(target));
            self.kernels.insert(name, kernel);
        }
        for gone in before.values() {
            self.log.recovered(Subject::Kernel(&gone.target));
        }
        for file in before.values().filter_map(|gone| gone.target.file.as_ref()) {
            self.requests.iter().for_each(|requests| requests.forget(&stem(file)));
            // Reading the record of a kernel that has ended removes it.
            let _ = Record::read(&self.vault.plan().runtime_dir, &stem(file));
        }
    }

    fn has_ended(&mut self, name: &str) {
        if let Some(kernel) = self.kernels.get_mut(name) {
            kernel.is_followed = false;
            kernel.restarted();
            self.log.recovered(Subject::Kernel(&kernel.target));
        }
    }

    /// Reports an error; a permanent one in the first round ends the process.
    fn end_or_report(&mut self, subject: Subject<'_>, error: &Error) -> Result<()> {
        let passing = matches!(error.kind().exit_code(), 69 | 75) || error.kind() == Kind::ServerDown;
        if !self.is_ready && !passing {
            return Err(error.clone());
        }
        self.log.failed(subject, error);
        Ok(())
    }
}

async fn changed(folder: Option<&AsyncFd<FolderWatch>>) {
    let Some(folder) = folder else { return pending().await };
    while let Ok(false) = folder.async_io(Interest::READABLE, |watch| watch.take("kernel-")).await {}
}

async fn folder_changed(requests: Option<&Requests>) {
    let Some(requests) = requests else { return pending().await };
    requests.changed().await;
}

/// Watches the runtime folder, and creates it if necessary.
fn folder(places: &Places<'_>) -> Result<AsyncFd<FolderWatch>> {
    use std::os::unix::fs::DirBuilderExt;
    let path = places.runtime();
    let _ = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    let cannot = |cause: &str| {
        let what = format!("the runtime folder {} can't be watched: {cause}", path.display());
        Error::new(
            Kind::Os,
            what,
            "set JUPYTER_RUNTIME_DIR to the server's runtime folder; check fs.inotify.max_user_instances",
        )
    };
    let watch = FolderWatch::new(path).map_err(|cause| cannot(cause.desc()))?;
    readable(watch).map_err(|cause| cannot(&crate::error::why(cause.kind())))
}
