//! Who answered gets what it lacks: fetched once for all that are free, and wiped after.

use std::time::Duration;

use futures_util::future::FutureExt;
use tokio::time::Instant;

use super::kernel::{Answer, State, pulse};
use super::round::{SETBACKS, VAULT, Watcher};
use super::vault::jittered;
use crate::error::{Error, Kind, Result};
use crate::inject::link::Link;
use crate::inject::target::Way;
use crate::inject::turn::{Known, Turn};
use crate::inject::{KernelInfo, Options};
use crate::launch::given;
use crate::net::deadline::Deadline;

/// How long a kernel that was free a moment ago may be busy when it is to take its variables.
const TAKE: Duration = Duration::from_secs(10);
/// The time to ask a server for one kernel.
const ASK: Duration = Duration::from_secs(20);

impl Watcher<'_, '_> {
    /// Gives their variables to whoever answered and lacks some.
    pub(super) async fn heed(&mut self, answered: Vec<(String, Result<Answer>)>) {
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
                    if kernel.only_looked_at && same && !kernel.is_doubtful() {
                        link.close().await;
                        self.satisfied(&name).await;
                    } else {
                        takers.push((name, (link, info)));
                    }
                }
                Err(error) => self.complain(&name, &error),
            }
        }
        if takers.is_empty() {
            return;
        }
        let given = match self.vault.fetch(self.holding).await {
            Ok(given) => given,
            Err(error) => return self.none_for(takers, &error).await,
        };
        self.setback = SETBACKS.0;
        for (name, asked) in takers {
            if self.is_stopped() {
                return;
            }
            let Some(kernel) = self.kernels.get(&name) else { continue };
            let plan = self.vault.plan();
            // One that can't be told from its next process gets what it lacks, and keeps what it has.
            let doubtful = kernel.is_doubtful();
            let options = Options {
                override_existing: plan.override_inherited && !doubtful,
                wait: TAKE,
                now: false,
                unasked: false,
                folder: &plan.runtime_dir,
                holding: self.holding,
            };
            let (link, known) = (asked.0, Known::Said(asked.1));
            let turn = Turn::of(&kernel.target, plan, options).recalling(&known);
            let turn = if doubtful { turn } else { turn.remembering(kernel.variables.clone()) };
            if turn.is_up_to_date(&given) {
                link.close().await;
                self.satisfied(&name).await;
                continue;
            }
            match turn.give((link, known), given::duplicate(&given), &mut |_| {}).await {
                // It is the same: it lacks nothing.
                Ok(done) if doubtful && done.outcome.set.is_empty() => self.satisfied(&name).await,
                Ok(done) => {
                    self.log.injected(&kernel.target, &done.outcome);
                    let partly = doubtful && plan.override_inherited && !done.outcome.kept.is_empty();
                    if let Some(kernel) = self.kernels.get_mut(&name) {
                        let mut before = std::mem::replace(&mut kernel.variables, done.variables);
                        // What it kept without being told which are ours may be ours.
                        before.retain(|name, _| doubtful && done.outcome.kept.contains(name));
                        kernel.variables.extend(before);
                    }
                    self.satisfied(&name).await;
                    if let Some(kernel) = self.kernels.get_mut(&name).filter(|_| partly) {
                        kernel.want();
                    }
                }
                Err(error) => self.complain(&name, &error),
            }
        }
    }

    /// The secrets could not be had: those who were to take them are asked again later.
    async fn none_for(&mut self, takers: Vec<(String, (Link, KernelInfo))>, error: &Error) {
        let later = Instant::now() + jittered(self.setback);
        self.setback = (self.setback * 2).min(SETBACKS.1.max(self.interval));
        for (name, (link, _)) in takers {
            link.close().await;
            if let Some(kernel) = self.kernels.get_mut(&name) {
                kernel.state = State::Wanting(Some(later));
            }
        }
        if let Some(again) = self.vault.again() {
            self.round = self.round.min(again);
        }
        self.tell(VAULT, error);
    }

    /// The kernel has everything: from now on its end is waited for, or its server's list looked at.
    async fn satisfied(&mut self, name: &str) {
        let Some(kernel) = self.kernels.get_mut(name) else { return };
        kernel.satisfied();
        match &kernel.target.way {
            Way::File(_) if !kernel.held => {
                kernel.held = true;
                let (target, name) = (kernel.target.clone(), name.to_owned());
                self.ends.push(async move { (name, pulse(target).await) }.boxed_local());
            }
            Way::File(_) => {}
            // What we did is activity too, and no reason to look again.
            Way::Server(server) => {
                if let Ok(listed) = server.kernel(&kernel.target.id, Deadline::after(ASK)).await {
                    kernel.activity = listed.last_activity;
                }
            }
        }
    }

    fn complain(&mut self, name: &str, error: &Error) {
        let Some(kernel) = self.kernels.get_mut(name) else { return };
        let starting = kernel.failed(error);
        // A file may be left of a kernel that has ended.
        let usual = starting
            || matches!(error.kind(), Kind::KernelGone | Kind::KernelDied | Kind::KernelBusy | Kind::NoSuchKernel);
        if !usual && kernel.told.replace(error.kind()) != Some(error.kind()) {
            self.log.failed(Some(&kernel.target), error);
        }
    }
}
