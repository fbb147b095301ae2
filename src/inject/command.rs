//! `jupyter-vault inject`: plan and fetch as for a launch, while the kernel is asked what it is.

use std::cell::Cell;
use std::future::pending;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use nix::sys::signal::Signal;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::choose::{Places, Selection};
use super::target::Target;
use super::turn::Turn;
use super::{Options, Outcome, language};
use crate::config::env::Environment;
use crate::config::plan::Plan;
use crate::error::{Error, Result, one_line};
use crate::launch::fetch::{self, Given};
use crate::launch::{self, Request};
use crate::net::deadline::Deadline;
use crate::sys::hardening::Hardening;
use crate::sys::limits::take_all_descriptors;
use crate::sys::signals::{Caught, end_by, with_default_effect};

/// How often it is looked whether what was begun is over, once a signal came.
const MOMENT: Duration = Duration::from_millis(20);
/// The time for servers' lists.
const LISTS: Duration = Duration::from_secs(20);

/// What to inject, and where.
#[derive(Debug)]
pub struct Order {
    /// Which kernels.
    pub selection: Selection,
    /// Which secrets.
    pub request: Request,
    /// How long a kernel may be busy.
    pub wait: Duration,
    /// Whether a busy kernel is not waited for, where it has subshells.
    pub now: bool,
}

/// What is said on the way.
pub struct Voice<'a> {
    /// One line for each kernel that is done.
    pub say: &'a mut dyn FnMut(&str),
    /// An error that does not end the whole.
    pub report: &'a mut dyn FnMut(&Error),
    /// Why it takes so long.
    pub progress: &'a mut dyn FnMut(&str),
}

impl std::fmt::Debug for Voice<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Voice")
    }
}

/// One line for each kind of kernel that is known.
pub fn list_languages(voice: &mut Voice<'_>) {
    (voice.say)(language::list().trim_end());
}

/// One line for each kernel that could be meant.
pub fn list(selection: &Selection, voice: &mut Voice<'_>) -> Result<()> {
    protected(|parent| list_for(selection, parent, voice))
}

/// Sets the secrets in the kernels that are meant; of several errors, gives the last.
pub fn run(order: &Order, voice: &mut Voice<'_>) -> Result<()> {
    protected(|parent| attempt(order, parent, voice))
}

fn protected(work: impl FnOnce(&Environment) -> Result<()>) -> Result<()> {
    let hardening = Hardening::apply()?;
    let parent = Environment::take();
    take_all_descriptors();
    let outcome = work(&parent);
    hardening.undo()?;
    outcome
}

fn list_for(selection: &Selection, parent: &Environment, voice: &mut Voice<'_>) -> Result<()> {
    let places = Places::new(selection, parent)?;
    let system = fetch::runtime()?;
    let listed = system.block_on(places.list(Deadline::after(LISTS)));
    system.shutdown_background();
    let listed = listed?;
    for target in &listed {
        (voice.say)(&one_line(&format!("{}: {}", target.shown(), target.way)));
    }
    if listed.is_empty() {
        (voice.progress)("no kernel was found");
    }
    Ok(())
}

fn attempt(order: &Order, parent: &Environment, voice: &mut Voice<'_>) -> Result<()> {
    let plan = launch::plan(&order.request, parent)?;
    let places = Places::new(&order.selection, parent)?;
    let system = fetch::runtime()?;
    let caught = Caught::new(with_default_effect());
    let outcome = system.block_on(until_told(&caught, async |holding, stop| {
        let targets = places.choose(Deadline::after(plan.budget)).await?;
        let options = Options {
            override_existing: plan.override_inherited,
            wait: order.wait,
            now: order.now,
            unasked: false,
            folder: &plan.runtime_dir,
            holding,
        };
        let fetching = Fetching { plan: &plan, parent, holding };
        match &targets[..] {
            [only] => Box::pin(one(Turn::of(only, &plan, options), &only.name(), &fetching, stop, voice)).await,
            several => Box::pin(each(several, options, &fetching, stop, voice)).await,
        }
    }));
    system.shutdown_background();
    drop(caught);
    outcome.unwrap_or_else(|signal| end_by(signal))
}

/// Does `work` until one of the `caught` signals comes; then it ends as soon as nothing is left half-done:
/// a token to be revoked, a kernel that may ask. The work gets the mark of that, and what tells it to stop.
pub(super) async fn until_told(
    caught: &Caught,
    work: impl AsyncFnOnce(&Cell<Option<Instant>>, oneshot::Receiver<()>) -> Result<()>,
) -> Result<Result<()>, Signal> {
    let holding = Cell::new(None);
    let (stop, stopped) = oneshot::channel();
    let work = work(&holding, stopped);
    tokio::pin!(work);
    let signal = tokio::select! {
        biased;
        outcome = &mut work => return Ok(outcome),
        signal = fetch::ending(caught) => signal,
    };
    let _ = stop.send(());
    while holding.get().is_some_and(|until| Instant::now() < until) {
        if timeout(MOMENT, &mut work).await.is_ok() {
            break;
        }
    }
    Err(signal)
}

/// What is to be fetched.
struct Fetching<'a> {
    plan: &'a Plan,
    parent: &'a Environment,
    holding: &'a Cell<Option<Instant>>,
}

impl Fetching<'_> {
    /// Fetches until `stop`; then never ends, since whoever stops it has the last word.
    async fn until(&self, stop: impl Future<Output = ()>, report: &mut dyn FnMut(&Error)) -> Result<Given> {
        // The revocation has a limit of its own.
        self.holding.set(self.plan.login.is_ours().then(|| Instant::now() + self.plan.budget + MOMENT * 100));
        let fetched = fetch::fetch_until(self.plan, self.parent, stop, report).await;
        self.holding.set(None);
        match fetched {
            Ok(given) => given,
            Err(()) => pending().await,
        }
    }
}

/// The only kernel: it is looked at, or asked, while Vault is asked.
async fn one(
    turn: Turn<'_>,
    name: &str,
    fetching: &Fetching<'_>,
    stop: oneshot::Receiver<()>,
    Voice { say, report, progress }: &mut Voice<'_>,
) -> Result<()> {
    let (given, asked) = {
        let (unneeded, needed) = oneshot::channel::<()>();
        let stopped = async {
            tokio::select! { _ = stop => (), Err(_) = needed => () }
        };
        let (asking, fetched) = (turn.look(*progress), fetching.until(stopped, *report));
        tokio::pin!(asking, fetched);
        let (given, asked) = tokio::select! {
            biased;
            given = &mut fetched => (given?, None),
            asked = &mut asking => match asked {
                Ok(asked) => (fetched.await?, Some(asked)),
                Err(error) => {
                    drop(unneeded);
                    while fetching.holding.get().is_some() && timeout(MOMENT, &mut fetched).await.is_err() {}
                    return Err(error);
                }
            }
        };
        // A busy kernel need not be waited for when it has everything.
        if turn.is_up_to_date(&given) {
            say(&unchanged(name));
            return Ok(());
        }
        let asked = if let Some(asked) = asked { asked } else { asking.await? };
        (given, asked)
    };
    let turn = turn.recalling(&asked.1);
    if turn.is_up_to_date(&given) {
        asked.0.close().await;
        say(&unchanged(name));
        return Ok(());
    }
    let done = turn.give(asked, given, *progress).await?;
    say(&line(name, &done.outcome));
    Ok(())
}

/// Several kernels: all are asked at once, and each has its turn when it answers, so that a busy one
/// holds up no other.
async fn each(
    targets: &[Target],
    options: Options<'_>,
    fetching: &Fetching<'_>,
    stop: oneshot::Receiver<()>,
    Voice { say, report, progress }: &mut Voice<'_>,
) -> Result<()> {
    let stopped = async { stop.await.unwrap_or(()) };
    let given = fetching.until(stopped, *report).await?;
    let mut asking = FuturesUnordered::new();
    for target in targets {
        let turn = Turn::of(target, fetching.plan, options);
        if turn.is_up_to_date(&given) {
            say(&unchanged(&target.name()));
            continue;
        }
        asking.push(async move {
            let asked = turn.ask(&mut |_| {}).await;
            (target, turn, asked)
        });
    }
    let mut failed = None;
    while let Some((target, turn, asked)) = asking.next().await {
        let turn = match &asked {
            Ok((_, info)) => turn.recalling(info),
            Err(_) => turn,
        };
        let done = match asked {
            Ok((link, _)) if turn.is_up_to_date(&given) => {
                link.close().await;
                say(&unchanged(&target.name()));
                continue;
            }
            Ok(asked) => turn.give(asked, fetch::duplicate(&given), *progress).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(done) => say(&line(&target.name(), &done.outcome)),
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
    format!("{name}: nothing to do, it has the same versions already")
}

/// What was done, in one line.
fn line(kernel: &str, outcome: &Outcome) -> String {
    let part = |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")));
    let parts = [
        part("set", &outcome.set),
        part("left as they were", &outcome.kept),
        part("unset", &outcome.unset),
        part("not possible in its language:", &outcome.impossible),
    ];
    let done: Vec<_> = parts.into_iter().flatten().collect();
    one_line(&format!("{kernel}: {}", if done.is_empty() { "nothing to set".to_owned() } else { done.join("; ") }))
}
