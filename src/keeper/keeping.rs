//! The keeper's work from the hand-over to the kernels' exit: it sleeps until a renewal, a replacement or a client's
//! request, until the kernels exit, or until the launcher gives up.
//!
//! A replacement has two steps, and runs concurrently with everything else: reading the sources again, and giving the
//! kernels the new values. The old leases are ended after the grace, once every kernel has the new credentials.

use std::collections::BTreeSet;
use std::future::pending;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use tokio::io::AsyncReadExt;
use tokio::io::unix::AsyncFd;
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, sleep_until};

use super::fresh::{Fresh, Times, read};
use super::give;
use super::hold::Hold;
use super::say::say;
use super::service::{ProfileAnswers, ProfileRequest, Service, first};
use super::timing::MOST;
use crate::config::server::Server;
use crate::error::Result;
use crate::launch::given::answers;
use crate::lease::{AbandonedLeases, Digests, HandOver, abandoned, answer};
use crate::net::deadline::Deadline;
use crate::sys::{code, stack};
use crate::vault::client::Client;

/// The shortest pause before a failed read is tried again.
const LEAST: Duration = Duration::from_secs(2);

/// One step of a replacement, in progress.
type Work<'a> = Pin<Box<dyn Future<Output = ReplacementStep> + 'a>>;

/// The ending of leases, in progress.
pub(super) type Ending = Pin<Box<dyn Future<Output = ()>>>;

/// The outcome of a step of a replacement.
enum ReplacementStep {
    /// The result of reading the sources; `None` if the kernels ended meanwhile.
    Read(Result<Option<Box<Fresh>>>),
    /// The digests of the new values, and an error if some kernels could not be given them.
    Given(Digests, Result<()>),
}

/// The state of the keeper: its leases, and the kernels.
pub(super) struct Keeping<'a> {
    hand_over: &'a HandOver,
    /// The paths of the sources that are read again.
    sources: BTreeSet<String>,
    current: Hold,
    /// Replaced leases, and when each is ended; `None` while a kernel may still use it.
    old: Vec<(Hold, Option<Instant>)>,
    known: Option<Digests>,
    /// The profiles that clients can ask for.
    answers: ProfileAnswers,
    /// Whether the sources are being read.
    is_reading: bool,
    /// Whether the kernels were warned that a replacement failed.
    is_warned: bool,
    /// The pause before the next try to read.
    retried: Duration,
    /// The earliest time for the next replacement.
    least: Instant,
    /// When a failed read is tried again.
    replaced_at: Option<Instant>,
}

impl<'a> Keeping<'a> {
    /// Takes over the launcher's leases, and stores their ids.
    pub(super) fn new(hand_over: &'a HandOver) -> Result<Self> {
        let leases = hand_over.leases();
        let sources = leases.held.iter().map(|lease| lease.source.clone()).collect();
        let keeping = Self {
            hand_over,
            sources,
            current: Hold::new(&hand_over.server()?, leases, hand_over.window())?,
            old: Vec::new(),
            known: hand_over.again().map(|again| again.held.clone()),
            answers: ProfileAnswers::new(hand_over.answers().to_vec()),
            is_reading: false,
            is_warned: false,
            retried: LEAST,
            least: Instant::now(),
            replaced_at: None,
        };
        keeping.store_lease_ids();
        Ok(keeping)
    }

    /// Holds the leases until the kernels exit or none starts; returns what is left to end.
    pub(super) async fn hold_until_end(mut self, owners: &[AsyncFd<OwnedFd>], pipe: OwnedFd) -> Vec<Ending> {
        let (ended_all, comes) = (ended(owners), kernel_starts(pipe));
        futures_util::pin_mut!(ended_all, comes);
        let mut service: Option<Service> = None;
        let mut work: Option<Work<'_>> = None;
        let mut ending: Vec<Ending> = vec![Box::pin(self.end_abandoned())];
        let mut waiting: Vec<ProfileRequest> = Vec::new();
        loop {
            let is_awaited = self.is_reading || (work.is_none() && self.is_due());
            if !is_awaited {
                for ProfileRequest { stream, profile } in waiting.drain(..) {
                    let text = self.answers.text(&mut self.current, &profile);
                    ending.push(Box::pin(answer(stream, text)));
                }
            }
            // The next event may be hours away.
            stack::wipe();
            code::release_pages();
            let step = tokio::select! {
                biased;
                () = &mut ended_all => break,
                comes = &mut comes, if service.is_none() => {
                    if !comes {
                        break;
                    }
                    // From here on the socket is the kernel's; a failed injection leaves an earlier socket alone.
                    service = Some(Service::new(self.hand_over));
                    None
                }
                step = async { match work.as_mut() { Some(work) => work.await, None => pending().await } } => Some(step),
                () = self.current.due() => { self.current.renew().await; None }
                number = due(&self.old) => { self.old[number].0.renew().await; None }
                number = retired(&self.old) => {
                    let (hold, _) = self.old.swap_remove(number);
                    ending.push(Box::pin(hold.end()));
                    None
                }
                ((), number) = first(&mut ending) => { drop(ending.swap_remove(number)); None }
                request = next(service.as_mut()) => {
                    self.note_request(&request);
                    waiting.push(request);
                    None
                }
                () = self.replacement(), if work.is_none() => {
                    work = self.begin(owners);
                    self.is_reading = work.is_some();
                    None
                }
            };
            if let Some(step) = step {
                work = self.advance(step);
            }
        }
        // A read that is under way ends with the kernels, and its leases are ended too.
        if let Some(work) = work
            && let ReplacementStep::Read(Ok(Some(fresh))) = work.await
        {
            let hold =
                fresh.leases.and_then(|leases| Hold::new(&fresh.plan.server, leases, self.hand_over.window()).ok());
            self.old.extend(hold.map(|hold| (hold, None)));
        }
        let held = std::iter::once(self.current).chain(self.old.into_iter().map(|(hold, _)| hold));
        ending.extend(held.map(|hold| Box::pin(hold.end()) as Ending));
        ending
    }

    /// Answers a client; one that asks shortly before the expiry waits for the replacement.
    fn note_request(&mut self, request: &ProfileRequest) {
        if self.answers.source(&request.profile).is_some_and(|source| self.current.is_late(source)) {
            self.replaced_at = Some(Instant::now());
        }
    }

    /// Whether the replacement is due now.
    fn is_due(&self) -> bool {
        self.replacement_at().is_some_and(|at| at <= Instant::now())
    }

    /// When the replacement is due; `None` while nothing must be replaced, or nothing can be.
    fn replacement_at(&self) -> Option<Instant> {
        let at = self.replaced_at.or(self.current.replaced_at()).filter(|_| self.hand_over.again().is_some());
        at.map(|at| at.max(self.least))
    }

    /// Keeps the ids of all leases in a file, in case this process is killed.
    fn store_lease_ids(&self) {
        let holds = std::iter::once(&self.current).chain(self.old.iter().map(|(hold, _)| hold));
        let ids: Vec<_> = holds.flat_map(Hold::ids).cloned().collect();
        let Ok(server) = self.hand_over.server() else { return };
        // Without the file, the leases still end with the window.
        if !ids.is_empty()
            && let Some(left) = AbandonedLeases::new(&server, self.hand_over.owners(), self.hand_over.window(), ids)
        {
            let _ = left.write(self.hand_over.runtime_dir());
        }
    }

    /// Ends the leases that killed keepers of this user have left.
    fn end_abandoned(&self) -> impl Future<Output = ()> + use<> {
        let (runtime, (token, _)) = (self.hand_over.runtime_dir().to_owned(), self.current.token());
        let server = self.hand_over.server().ok();
        let of = |server: Server| {
            let mut client = Client::new(&server, Deadline::after(MOST)).ok()?;
            token.map_or(Ok(()), |token| client.use_token(&token)).ok()?;
            Some((server, client))
        };
        let found = abandoned(&runtime);
        let both = if found.is_empty() { None } else { server.and_then(of) };
        async move {
            let Some((server, mut client)) = both else { return };
            for one in found.iter().filter(|one| !one.is_used() && one.is_at(&server)) {
                // If a lease can't be ended now, the next keeper tries.
                let _ = one.end(&mut client, &runtime).await;
            }
        }
    }

    /// Waits until the replacement is due.
    async fn replacement(&self) {
        match self.replacement_at() {
            Some(at) => sleep_until(at).await,
            None => pending().await,
        }
    }

    /// Begins to read the sources again.
    fn begin<'w>(&self, owners: &'w [AsyncFd<OwnedFd>]) -> Option<Work<'w>> {
        let (again, sources) = (self.hand_over.again()?.clone(), self.sources.clone());
        let token = self.current.token();
        Some(Box::pin(async move {
            let read = read(&again, &sources, token, ended(owners)).await;
            ReplacementStep::Read(read.map(|read| read.map(Box::new)))
        }))
    }

    /// Takes the outcome of a step, and returns the next step.
    fn advance<'w>(&mut self, step: ReplacementStep) -> Option<Work<'w>> {
        self.is_reading = false;
        match step {
            ReplacementStep::Read(Ok(None)) => None,
            ReplacementStep::Read(Err(error)) => {
                give::record_end(self.hand_over.runtime_dir(), self.hand_over.owners(), self.current.ends(), &error);
                if !std::mem::replace(&mut self.is_warned, true) {
                    self.hand_over.owners().iter().for_each(|owner| say(owner, &[], self.current.ends(), &error));
                }
                // The pauses grow, but are shorter when little time is left.
                self.retried = (self.retried * 2).min(MOST);
                self.least = Instant::now() + self.retried.mul_f64(0.5 + fastrand::f64() / 2.0);
                self.replaced_at = Some(self.least);
                self.answers.failed(&error);
                None
            }
            ReplacementStep::Read(Ok(Some(mut fresh))) => {
                (self.retried, self.replaced_at, self.is_warned) = (LEAST, None, false);
                let times = self.swap(&mut fresh);
                self.answers = ProfileAnswers::new(answers(&fresh.given));
                let (known, owners) = (self.known.clone()?, self.hand_over.owners().to_vec());
                Some(Box::pin(async move {
                    let given = give::give(&fresh, &known, &owners, times).await;
                    ReplacementStep::Given(give::digests(&fresh.given), given)
                }))
            }
            ReplacementStep::Given(digests, outcome) => {
                if outcome.is_ok() {
                    self.known = Some(digests);
                    let at = Instant::now() + self.hand_over.grace();
                    // The credential must stay valid until the expiry that clients got.
                    let until = |hold: &Hold| hold.promised().map_or(at, |promised| promised.max(at));
                    self.old.iter_mut().for_each(|(hold, ended_at)| *ended_at = Some(ended_at.unwrap_or(until(hold))));
                }
                None
            }
        }
    }

    /// Holds the new leases instead of the old ones.
    fn swap(&mut self, fresh: &mut Fresh) -> Times {
        let (old_ends, next) = (self.current.ends(), Instant::now() + MOST * 60);
        let times = Times { old_ends, next };
        // Without an end of the new leases, there is no time for the next read. It must not be at once.
        self.replaced_at = Some(Instant::now() + MOST);
        let Some(mut leases) = fresh.leases.take() else { return times };
        if fresh.has_old_token {
            leases.is_ours = self.current.token().1;
        }
        let Ok(hold) = Hold::new(&fresh.plan.server, leases, self.hand_over.window()) else { return times };
        self.replaced_at = None;
        self.least = Instant::now() + LEAST;
        let mut old = std::mem::replace(&mut self.current, hold);
        if fresh.has_old_token {
            old.leave_token();
        }
        self.old.push((old, None));
        self.store_lease_ids();
        Times { old_ends, next: self.current.replaced_at().unwrap_or(next) }
    }
}

/// Waits until an entry of `old` is due for renewal; returns its index.
async fn due(old: &[(Hold, Option<Instant>)]) -> usize {
    if old.is_empty() {
        return pending().await;
    }
    select_all(old.iter().map(|(hold, _)| Box::pin(hold.due()))).await.1
}

/// Waits until an entry of `old` must be ended; returns its index.
async fn retired(old: &[(Hold, Option<Instant>)]) -> usize {
    let first = old.iter().enumerate().filter_map(|(number, (_, at))| Some((at.as_ref()?, number))).min();
    match first {
        Some((at, number)) => {
            sleep_until(*at).await;
            number
        }
        None => pending().await,
    }
}

/// Waits until all owners have ended.
async fn ended(owners: &[AsyncFd<OwnedFd>]) {
    join_all(owners.iter().map(AsyncFd::readable)).await;
}

/// Waits until the launcher reports whether a kernel starts. The end of the pipe means that the kernel was executed,
/// or that the launcher has died, which the launcher's descriptor shows.
async fn kernel_starts(pipe: OwnedFd) -> bool {
    let Ok(mut pipe) = Receiver::from_owned_fd(pipe) else { return true };
    pipe.read_u8().await.is_err()
}

/// Waits for the next request of a client.
async fn next(service: Option<&mut Service>) -> ProfileRequest {
    match service {
        Some(service) => service.next().await,
        None => pending().await,
    }
}
