//! Gives secrets to the kernels that have answered and lack some: one fetch for all idle kernels, wiped afterwards.

use std::time::Duration;

use futures_util::future::FutureExt;
use tokio::time::Instant;

use super::kernel::{IdleKernel, Kernel, Reason, pulse};
use super::log::Subject;
use super::round::{BACKOFF, Watcher};
use super::vault::jittered;
use crate::config::inheritance::Winner;
use crate::error::{Error, Kind, Result};
use crate::inject::Options;
use crate::inject::target::Route;
use crate::inject::update::{KernelUpdate, Known};
use crate::launch::given::{self, Given};
use crate::lease::Keeper;
use crate::net::deadline::Deadline;
use crate::vault::generic::Lease;

/// How long to wait if a kernel that was just idle is busy again when its variables are set.
const TAKE: Duration = Duration::from_secs(10);
/// The time limit for a request to a server about one kernel.
const ASK: Duration = Duration::from_secs(20);

impl Watcher<'_, '_> {
    /// Gives their variables to the kernels that answered and lack some.
    pub(super) async fn serve(&mut self, answered: Vec<(String, Result<IdleKernel>)>) {
        let mut takers = Vec::new();
        for (name, answer) in answered {
            let Some(kernel) = self.kernels.get_mut(&name) else { continue };
            match answer {
                Ok((link, info)) => {
                    let session = info.session.clone();
                    if session.is_some() && kernel.session.is_some() && session != kernel.session {
                        kernel.variables.clear();
                    }
                    let same = session == kernel.session;
                    kernel.session = session;
                    if kernel.reason() == Reason::Check && same && !kernel.may_have_restarted() {
                        link.close().await;
                        self.is_up_to_date(&name).await;
                    } else {
                        takers.push((name, (link, info)));
                    }
                }
                Err(error) => self.report(&name, &error),
            }
        }
        if takers.is_empty() {
            return;
        }
        let (given, held) = match self.vault.fetch(self.holding).await {
            Ok(fetched) => fetched,
            Err(error) => return self.postpone(takers, &error).await,
        };
        self.backoff = BACKOFF.0;
        let leases = held.len();
        let mut keeper = match self.keep(&takers, &given, held).await {
            Ok(keeper) => keeper,
            Err(error) => return self.postpone(takers, &error).await,
        };
        let leases = keeper.is_some().then_some(leases);
        for (name, answer) in takers {
            if self.is_stopped() {
                return;
            }
            // The leases live as long as the kernels that have the values. If no kernel takes them, they end now.
            if self.give(&name, answer, (&given, leases)).await
                && let Some(keeper) = keeper.take()
            {
                keeper.leave();
            }
        }
    }

    /// Starts the keeper for the leases, if there are any, until the last of these kernels exits.
    async fn keep(
        &mut self,
        takers: &[(String, IdleKernel)],
        given: &Given,
        held: Vec<Lease>,
    ) -> Result<Option<Keeper>> {
        if held.is_empty() {
            return Ok(None);
        }
        let kernels = takers.iter().filter_map(|(name, _)| self.kernels.get(name));
        let owner = |kernel: &Kernel| KernelUpdate::of(&kernel.target, self.vault.plan(), self.options()).owner();
        // A kernel whose process is unknown counts as one on another machine.
        let owners = kernels.filter_map(|kernel| owner(kernel).ok().flatten()).collect();
        self.vault.keep(given, held, owners).await
    }

    fn options(&self) -> Options<'_> {
        let plan = self.vault.plan();
        let override_existing = plan.inheritance.winner == Winner::Secret;
        Options { override_existing, wait: TAKE, now: false, folder: &plan.runtime_dir, holding: self.holding }
    }

    /// Gives a kernel the fetched secrets; returns whether it has them now.
    async fn give(&mut self, name: &str, (link, info): IdleKernel, (given, leases): (&Given, Option<usize>)) -> bool {
        let Some(kernel) = self.kernels.get(name) else { return false };
        let plan = self.vault.plan();
        // If the kernel may have restarted unnoticed, it gets the variables that it lacks and keeps those that it has.
        let doubtful = kernel.may_have_restarted();
        let options = self.options();
        let options = Options { override_existing: options.override_existing && !doubtful, ..options };
        let known = Known::ByReply(info);
        let update = KernelUpdate::of(&kernel.target, plan, options).with_lease_count(leases).with_remembered(&known);
        let update = if doubtful { update } else { update.with_variables(kernel.variables.clone()) };
        if update.is_up_to_date(given) {
            link.close().await;
            self.answer(name, "nothing is new in Vault");
            self.is_up_to_date(name).await;
            return false;
        }
        match update.give((link, known), given::duplicate(given), &mut |_| {}).await {
            // It is the same process, since it lacks nothing.
            Ok(done) if doubtful && done.changes.set.is_empty() => {
                self.is_up_to_date(name).await;
                false
            }
            Ok(done) => {
                self.log.injected(&kernel.target, &done.changes);
                let partly = doubtful && plan.inheritance.winner == Winner::Secret && !done.changes.kept.is_empty();
                if let Some(kernel) = self.kernels.get_mut(name) {
                    let mut before = std::mem::replace(&mut kernel.variables, done.variables);
                    // The variables that it kept may have been set by an earlier injection.
                    before.retain(|name, _| doubtful && done.changes.kept.contains(name));
                    kernel.variables.extend(before);
                }
                self.answer(name, "done");
                self.is_up_to_date(name).await;
                if let Some(kernel) = self.kernels.get_mut(name).filter(|_| partly) {
                    kernel.ask(Reason::Lacks);
                }
                true
            }
            Err(error) => {
                self.report(name, &error);
                false
            }
        }
    }

    /// Postpones these kernels after a failed fetch: each is asked again later.
    async fn postpone(&mut self, takers: Vec<(String, IdleKernel)>, error: &Error) {
        let later = Instant::now() + jittered(self.backoff);
        self.backoff = (self.backoff * 2).min(BACKOFF.1.max(self.interval));
        for (name, (link, _)) in takers {
            link.close().await;
            self.answer(&name, &error.to_string());
            if let Some(kernel) = self.kernels.get_mut(&name) {
                kernel.postpone(Some(later));
            }
        }
        if let Some(not_before) = self.vault.not_before() {
            self.round = self.round.min(not_before);
        }
        self.log.failed(Subject::Vault, error);
    }

    /// Marks the kernel as up to date: from now on its heartbeat or its server's list shows its exit.
    async fn is_up_to_date(&mut self, name: &str) {
        let Some(kernel) = self.kernels.get_mut(name) else { return };
        kernel.is_up_to_date();
        self.log.recovered(Subject::Kernel(&kernel.target));
        match &kernel.target.route {
            Route::File(_) if !kernel.is_followed => {
                kernel.is_followed = true;
                let (target, name) = (kernel.target.clone(), name.to_owned());
                self.ends.push(async move { (name, pulse(target).await) }.boxed_local());
            }
            Route::File(_) => {}
            // The injection counts as activity, but is not a reason to check again.
            Route::Server(server) => {
                if let Ok(listed) = server.kernel(&kernel.target.id, Deadline::after(ASK)).await {
                    kernel.activity = listed.last_activity;
                }
            }
        }
    }

    fn report(&mut self, name: &str, error: &Error) {
        if !matches!(error.kind(), Kind::KernelBusy) {
            self.answer(name, &error.to_string());
        }
        let Some(kernel) = self.kernels.get_mut(name) else { return };
        let starting = kernel.failed(error);
        // A kernel that has exited may leave its file.
        let usual = starting
            || matches!(error.kind(), Kind::KernelGone | Kind::KernelDied | Kind::KernelBusy | Kind::NoSuchKernel);
        if !usual {
            self.log.failed(Subject::Kernel(&kernel.target), error);
        }
    }
}
