//! `jupyter-vault inject`: plans and fetches as a launch does, while it waits for the kernel's kernel_info.

use std::cell::Cell;
use std::future::pending;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::choose::{Places, Selection};
use super::signal::{MOMENT, Stopping, until_signal};
use super::target::Target;
use super::update::KernelUpdate;
use super::{Options, language};
use crate::config::env::Environment;
use crate::config::inheritance::Winner;
use crate::config::plan::Plan;
use crate::error::{Error, Result, one_line};
use crate::launch::fetch::{self, FetchedSecrets};
use crate::launch::given::{self, Given};
#[cfg(target_os = "linux")]
use crate::launch::keep::{Fetch, keep};
use crate::launch::{self, Request};
use crate::lease::{Keeper, Leases};
use crate::net::deadline::Deadline;
use crate::sys::hardening::Hardening;
use crate::sys::limits::take_all_descriptors;
use crate::sys::signals::{Caught, end_by, with_default_effect};

/// The time to list the kernels of servers.
const LISTS: Duration = Duration::from_secs(20);

/// The variables to inject, and the kernels that get them.
#[derive(Debug)]
pub struct InjectJob {
    /// The selected kernels.
    pub selection: Selection,
    /// The secrets to fetch.
    pub request: Request,
    /// How long a kernel may be busy.
    pub wait: Duration,
    /// Whether to use a subshell of a busy kernel instead of waiting for it.
    pub now: bool,
    /// Whether to list the kernels only.
    pub list: bool,
    /// Whether to list the languages only.
    pub list_languages: bool,
}

/// Where progress lines go.
pub struct Reporter<'a> {
    /// Receives the results: one line per kernel.
    pub say: &'a mut dyn FnMut(&str),
    /// Receives errors that do not end the command.
    pub report: &'a mut dyn FnMut(&Error),
    /// Receives progress messages while the command waits for a kernel.
    pub progress: &'a mut dyn FnMut(&str),
}

impl std::fmt::Debug for Reporter<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Reporter")
    }
}

/// Runs the job; of several errors, it returns the last and reports the others.
pub fn run(job: &InjectJob, voice: &mut Reporter<'_>) -> Result<()> {
    if job.list_languages {
        (voice.say)(language::list().trim_end());
        return Ok(());
    }
    let hardening = Hardening::apply()?;
    let parent = Environment::take();
    take_all_descriptors();
    let outcome = if job.list { list(&job.selection, &parent, voice) } else { attempt(job, &parent, voice) };
    hardening.undo()?;
    outcome
}

/// Prints a line for each kernel that the selection matches.
fn list(selection: &Selection, parent: &Environment, voice: &mut Reporter<'_>) -> Result<()> {
    let places = Places::new(selection, parent)?;
    let system = fetch::runtime()?;
    let listed = system.block_on(places.list(Deadline::after(LISTS)));
    system.shutdown_background();
    let listed = listed?;
    for target in &listed {
        (voice.say)(&one_line(&format!("{}: {}", target.shown(), target.route)));
    }
    if listed.is_empty() {
        (voice.progress)("no kernel was found");
    }
    Ok(())
}

fn attempt(job: &InjectJob, parent: &Environment, voice: &mut Reporter<'_>) -> Result<()> {
    let plan = Plan { by_user: true, ..launch::plan(&job.request, parent)? };
    let places = Places::new(&job.selection, parent)?;
    let system = fetch::runtime()?;
    let caught = Caught::new(with_default_effect());
    let outcome = system.block_on(until_signal(&caught, async |Stopping { holding, stopped: stop }: Stopping<'_>| {
        let targets = places.choose(Deadline::after(plan.budget)).await?;
        let options = Options {
            override_existing: plan.inheritance.winner == Winner::Secret,
            wait: job.wait,
            now: job.now,
            folder: &plan.runtime_dir,
            holding,
        };
        let fetching = Fetching { plan: &plan, request: &job.request, parent, holding };
        match &targets[..] {
            [only] => Box::pin(one(KernelUpdate::of(only, &plan, options), &only.name(), &fetching, stop, voice)).await,
            several => Box::pin(each(several, options, &fetching, stop, voice)).await,
        }
    }));
    system.shutdown_background();
    drop(caught);
    outcome.unwrap_or_else(|signal| end_by(signal))
}

/// The parts of a fetch.
struct Fetching<'a> {
    plan: &'a Plan,
    request: &'a Request,
    parent: &'a Environment,
    holding: &'a Cell<Option<Instant>>,
}

impl Fetching<'_> {
    /// Fetches the secrets. After `stop` it abandons the fetch and stays pending, until the signal ends the process.
    async fn until(&self, stop: impl Future<Output = ()>, report: &mut dyn FnMut(&Error)) -> Result<FetchedSecrets> {
        // The limit for the revocation is added.
        self.holding.set(self.plan.login.makes_token().then(|| Instant::now() + self.plan.budget + MOMENT * 100));
        let fetched = fetch::fetch_until(self.plan, self.parent, stop, report).await;
        self.holding.set(None);
        match fetched {
            Ok(fetched) => fetched,
            Err(()) => pending().await,
        }
    }

    /// Starts the keeper for the leases, if there are any, until the last of these kernels exits. If none of them runs
    /// on this machine, the leases live as long as their token.
    #[cfg(target_os = "linux")]
    fn keep<'t>(
        &self,
        given: &Given,
        leases: Option<Leases>,
        updates: impl Iterator<Item = &'t KernelUpdate<'t>>,
    ) -> Result<Option<Keeper>> {
        let Some(leases) = leases else { return Ok(None) };
        let owners = updates.map(KernelUpdate::owner).collect::<Result<Vec<_>>>()?;
        let owners: Vec<_> = owners.into_iter().flatten().collect();
        if owners.is_empty() {
            return Ok(None);
        }
        let fetch = Fetch { plan: self.plan, request: self.request, parent: self.parent, given };
        keep(&fetch, &leases, owners).map(Some)
    }

    /// On other systems there is no keeper.
    #[cfg(not(target_os = "linux"))]
    #[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "the same on each system")]
    fn keep<'t>(
        &self,
        _: &Given,
        _: Option<Leases>,
        _: impl Iterator<Item = &'t KernelUpdate<'t>>,
    ) -> Result<Option<Keeper>> {
        Ok(None)
    }
}

/// Injects into one kernel: requests its kernel_info while the secrets are fetched.
async fn one(
    update: KernelUpdate<'_>,
    name: &str,
    fetching: &Fetching<'_>,
    stop: oneshot::Receiver<()>,
    Reporter { say, report, progress }: &mut Reporter<'_>,
) -> Result<()> {
    let (FetchedSecrets { given, leases }, answered) = {
        let (unneeded, needed) = oneshot::channel::<()>();
        let stopped = async {
            tokio::select! { _ = stop => (), Err(_) = needed => () }
        };
        let (asking, fetched) = (update.inspect(*progress), fetching.until(stopped, *report));
        tokio::pin!(asking, fetched);
        let (secrets, answered) = tokio::select! {
            biased;
            secrets = &mut fetched => (secrets?, None),
            answered = &mut asking => match answered {
                Ok(answered) => (fetched.await?, Some(answered)),
                Err(error) => {
                    drop(unneeded);
                    while fetching.holding.get().is_some() && timeout(MOMENT, &mut fetched).await.is_err() {}
                    return Err(error);
                }
            }
        };
        // Nothing changes, so the kernel need not be idle.
        if update.is_up_to_date(&secrets.given) {
            say(&unchanged(name));
            return Ok(());
        }
        let answered = if let Some(answered) = answered { answered } else { asking.await? };
        (secrets, answered)
    };
    let held = leases.as_ref().map(|leases| leases.held.len());
    let keeper = fetching.keep(&given, leases, std::iter::once(&update))?;
    let update = update.with_lease_count(held.filter(|_| keeper.is_some()));
    let update = update.with_remembered(&answered.1);
    if update.is_up_to_date(&given) {
        answered.0.close().await;
        say(&unchanged(name));
        return Ok(());
    }
    let done = update.give(answered, given, *progress).await?;
    if let Some(keeper) = keeper {
        keeper.leave();
    }
    say(&done.changes.line(name));
    Ok(())
}

/// Injects into several kernels: requests kernel_info from all at once, and changes each when it replies, so a busy
/// kernel does not delay the others.
async fn each(
    targets: &[Target],
    options: Options<'_>,
    fetching: &Fetching<'_>,
    stop: oneshot::Receiver<()>,
    Reporter { say, report, progress }: &mut Reporter<'_>,
) -> Result<()> {
    let stopped = async { stop.await.unwrap_or(()) };
    let FetchedSecrets { given, leases } = fetching.until(stopped, *report).await?;
    let updates: Vec<_> = targets.iter().map(|target| KernelUpdate::of(target, fetching.plan, options)).collect();
    let held = leases.as_ref().map(|leases| leases.held.len());
    let mut keeper = fetching.keep(&given, leases, updates.iter())?;
    let held = held.filter(|_| keeper.is_some());
    let mut asking = FuturesUnordered::new();
    for (target, update) in targets.iter().zip(updates.into_iter().map(|update| update.with_lease_count(held))) {
        if update.is_up_to_date(&given) {
            say(&unchanged(&target.name()));
            continue;
        }
        asking.push(async move {
            let answered = update.ask(&mut |_| {}).await;
            (target, update, answered)
        });
    }
    let mut failed = None;
    while let Some((target, update, answered)) = asking.next().await {
        let update = match &answered {
            Ok((_, info)) => update.with_remembered(info),
            Err(_) => update,
        };
        let done = match answered {
            Ok((link, _)) if update.is_up_to_date(&given) => {
                link.close().await;
                say(&unchanged(&target.name()));
                continue;
            }
            Ok(answered) => update.give(answered, given::duplicate(&given), *progress).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(done) => {
                if let Some(keeper) = keeper.take() {
                    keeper.leave();
                }
                say(&done.changes.line(&target.name()));
            }
            Err(error) => {
                let error = error.remark(&format!("kernel {}", target.id));
                if let Some(earlier) = failed.replace(error) {
                    report(&earlier);
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

fn unchanged(name: &str) -> String {
    format!("{name}: nothing to do, it already has the same versions")
}
