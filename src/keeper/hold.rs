//! Renews a keeper's leases, and ends them. The token of a login is renewed with its leases, since an unrenewed lease
//! ends before its token; at the end it is revoked, which ends all leases. With a given token, each lease is renewed
//! and ended separately.
//!
//! An increment can shorten as well as extend, so it is the smaller of the window and the TTL that Vault gave at
//! first. The first renewal comes at once: a lease of hours then ends with the window (the launch has already
//! shortened the token); `timing` schedules the later ones. If Vault gives less than the increment, max TTL is near:
//! that is not a failure, and the replacement is due at two-thirds of the time left. Leases that can't be renewed are
//! replaced at 0.9 of their lifetime. A failed renewal is retried, and is never a reason to read new credentials. The
//! sources are read again only after the leases have ended, through an outage or a revocation.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::timing::{self, LAST, MOST, UNKNOWN};
use crate::config::credential::Credential;
use crate::config::server::Server;
use crate::error::{Kind, Result};
use crate::lease::Leases;
use crate::net::deadline::Deadline;
use crate::vault::auth;
use crate::vault::client::Client;
use crate::vault::generic::Lease;
use crate::vault::lease::{self, may_succeed_later};

/// The longest time for one request.
const PATIENCE: Duration = Duration::from_secs(10);
/// The time between the rotation of a static role's password and the read of the new one.
const AFTER: Duration = Duration::from_secs(1);

/// The lifetime that a client gets for a credential that the keeper renews; AWS clients ask again 15 minutes before
/// its end.
const PROMISE: Duration = Duration::from_secs(20 * 60);
/// The time before the expiry at which AWS clients ask again; the credential is replaced then.
const RENEWED_BEFORE: Duration = Duration::from_secs(15 * 60);

/// A lease, and what is known about its expiry.
struct HeldLease {
    lease: Lease,
    ends: Instant,
    /// Whether its end is fixed.
    is_fixed: bool,
}

impl HeldLease {
    /// A lease that Vault has just given.
    fn new(lease: Lease) -> Self {
        Self {
            ends: Instant::now() + timing::life(lease.seconds),
            is_fixed: !lease.renewable || lease.id.is_empty(),
            lease,
        }
    }

    /// Whether the credential never expires, so that there is no lease.
    const fn is_endless(&self) -> bool {
        self.lease.id.is_empty() && self.lease.seconds == 0
    }

    /// When its replacement is read, if it can't be renewed.
    fn replaced_at(&self) -> Instant {
        let left = self.ends.saturating_duration_since(Instant::now());
        if self.lease.rotates { self.ends + AFTER } else { Instant::now() + left.mul_f64(0.9) }
    }
}

/// The leases and the token that are held, and until when.
pub(super) struct Hold {
    client: Client,
    leases: Leases,
    held: Vec<HeldLease>,
    window: Duration,
    /// When the next renewal is due; `None` if nothing is left to renew.
    due: Option<Instant>,
    /// When everything expires without renewal, according to Vault.
    ends: Instant,
    /// When it must be replaced; `None` while its end is not fixed.
    replaced_at: Option<Instant>,
    failures: u32,
    began: Instant,
    /// The latest expiry that a client got.
    promised: Option<Instant>,
}

/// The expiry that a client gets for a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expiry {
    /// It never expires.
    Endless,
    Until(Instant),
    /// It expired at that time.
    Ended(Instant),
}

impl Hold {
    pub(super) fn new(server: &Server, leases: Leases, window: Duration) -> Result<Self> {
        let mut client = Client::new(server, Deadline::after(PATIENCE))?;
        if let Some(token) = &leases.token {
            client.use_token(token)?;
        }
        let now = Instant::now();
        let held: Vec<_> = leases.held.iter().cloned().map(HeldLease::new).collect();
        let replaced_at = held.iter().filter(|held| held.is_fixed).map(HeldLease::replaced_at).min();
        let is_renewed = leases.is_ours || held.iter().any(|held| !held.is_fixed);
        let ends = now + leases.left.unwrap_or(UNKNOWN);
        Ok(Self {
            client,
            leases,
            held,
            window,
            due: is_renewed.then_some(now),
            ends,
            replaced_at,
            failures: 0,
            began: now,
            promised: None,
        })
    }

    /// Waits until a renewal is due.
    pub(super) async fn due(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// When it must be replaced; `None` while it can be renewed.
    pub(super) const fn replaced_at(&self) -> Option<Instant> {
        self.replaced_at
    }

    /// When it expires without renewal.
    pub(super) fn ends(&self) -> Instant {
        let fixed = self.held.iter().filter(|held| held.is_fixed).map(|held| held.ends).min();
        fixed.map_or(self.ends, |fixed| fixed.min(self.ends))
    }

    /// The earliest expiry of the leases of `source`, and that lease's lifetime; `None` while they can be renewed.
    fn end_of(&self, source: &str) -> Option<(Instant, Duration)> {
        let of = |held: &&HeldLease| held.lease.source == source && held.is_fixed && !held.is_endless();
        self.held.iter().filter(of).map(|held| (held.ends, Duration::from_secs(held.lease.seconds))).min()
    }

    /// The expiry to report to a client of `source`. For a credential that can be renewed it is soon, so that the
    /// client asks again before the replacement.
    pub(super) fn promise(&mut self, source: &str) -> Expiry {
        let now = Instant::now();
        let mut of = self.held.iter().filter(|held| held.lease.source == source);
        if of.all(HeldLease::is_endless) {
            return Expiry::Endless;
        }
        let until = match self.end_of(source) {
            Some((end, _)) if end <= now => return Expiry::Ended(end),
            Some((end, _)) => end,
            None if self.replaced_at.is_some() => (now + PROMISE).min(self.ends()),
            None => now + PROMISE,
        };
        self.promised = self.promised.max(Some(until));
        Expiry::Until(until)
    }

    /// Whether a client of `source` should get a replacement: clients ask when little time is left.
    pub(super) fn is_late(&self, source: &str) -> bool {
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        self.end_of(source).is_some_and(|(end, whole)| left(end) < RENEWED_BEFORE.min(whole / 2))
    }

    /// The latest expiry that a client got.
    pub(super) const fn promised(&self) -> Option<Instant> {
        self.promised
    }

    /// The ids of the leases.
    pub(super) fn ids(&self) -> impl Iterator<Item = &String> {
        self.held.iter().map(|held| &held.lease.id).filter(|id| !id.is_empty())
    }

    /// The token, and whether it comes from a login.
    pub(super) fn token(&self) -> (Option<Credential>, bool) {
        (self.client.token(), self.leases.is_ours)
    }

    /// Leaves the token to the next `Hold`; these leases are then ended one by one.
    pub(super) const fn leave_token(&mut self) {
        self.leases.is_ours = false;
    }

    /// Renews everything, and sets when the next renewal is due.
    pub(super) async fn renew(&mut self) {
        self.client.set_deadline(Deadline::after(PATIENCE));
        let given = self.renew_all().await;
        self.client.close_idle();
        let now = Instant::now();
        self.due = match given {
            Ok(given) => {
                self.failures = 0;
                self.ends = now + given;
                timing::after_success(given).map(|pause| now + pause)
            }
            // The leases have ended. If the replacement ends early too, it is replaced once a minute at most.
            Err(Kind::BadToken) => {
                self.replace_by(now.max(self.began + MOST));
                None
            }
            // Leases that can't be renewed expire, and are replaced before that.
            Err(Kind::PolicyDenied | Kind::BadRequest) => {
                self.replace_by(now + self.ends.saturating_duration_since(now).mul_f64(0.9));
                None
            }
            Err(_) => {
                self.failures += 1;
                let left = self.ends.saturating_duration_since(now);
                let next = timing::after_failure(self.failures, left).map(|pause| now + pause);
                if next.is_none() {
                    // The outage was longer than the leases could live.
                    self.replace_by(self.ends.max(now));
                }
                next
            }
        };
    }

    /// Notes that no renewal extends the lifetime beyond `left` from now.
    fn ends_in(&mut self, left: Duration) {
        self.replace_by(Instant::now() + left.mul_f64(2.0 / 3.0));
    }

    /// Notes that a replacement is due at that time, at the latest.
    fn replace_by(&mut self, at: Instant) {
        self.replaced_at = Some(self.replaced_at.map_or(at, |known| known.min(at)));
    }

    async fn renew_token(&mut self) -> Result<Duration, Kind> {
        let increment = self.leases.increment(self.window);
        let given = auth::renew(&self.client, increment, PATIENCE).await.map_err(|error| error.kind())?;
        if given + LAST < increment {
            self.ends_in(given);
        }
        Ok(given)
    }

    /// Renews everything that is held; returns the shortest remaining time. A lease that can't be renewed ends by
    /// itself, and the others are not affected.
    async fn renew_all(&mut self) -> Result<Duration, Kind> {
        let mut shortest = if self.leases.is_ours { self.renew_token().await? } else { self.window };
        if self.leases.is_ours {
            // Set even if renewing leases fails: they may succeed later, while the token lives.
            self.ends = Instant::now() + shortest;
        }
        let mut is_held = self.leases.is_ours;
        for number in 0..self.held.len() {
            let HeldLease { lease: held, is_fixed, .. } = &self.held[number];
            if *is_fixed {
                continue;
            }
            let own = Duration::from_secs(if held.seconds == 0 { u64::MAX } else { held.seconds });
            let increment = self.window.min(own);
            match lease::renew(&self.client, &held.id, increment).await.map_err(|error| error.kind()) {
                Ok(given) => {
                    self.held[number].ends = Instant::now() + given;
                    if given + LAST < increment {
                        self.held[number].is_fixed = true;
                        self.ends_in(given);
                    } else if given > LAST {
                        (shortest, is_held) = (shortest.min(given), true);
                    }
                }
                Err(kind) if may_succeed_later(kind) => return Err(kind),
                Err(_) => {
                    self.held[number].is_fixed = true;
                    self.replace_by(self.held[number].replaced_at());
                }
            }
        }
        if is_held { Ok(shortest) } else { Err(Kind::BadRequest) }
    }

    /// Ends everything; retries until it has expired.
    pub(super) async fn end(mut self) {
        let mut pause = Duration::from_millis(100);
        loop {
            self.client.set_deadline(Deadline::after(PATIENCE));
            let ended = if self.leases.is_ours {
                auth::revoke(&self.client, PATIENCE).await.map_err(|error| error.kind())
            } else {
                self.end_leases().await
            };
            if !ended.is_err_and(may_succeed_later) {
                return;
            }
            if Instant::now() + pause > self.ends.max(self.ends()) {
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(MOST);
        }
    }

    /// Revokes each lease or, if that is forbidden, shortens it to one second.
    async fn end_leases(&self) -> Result<(), Kind> {
        let mut ended = Ok(());
        for id in self.ids() {
            let one = lease::end(&self.client, id).await.map_err(|error| error.kind());
            // A lease that can't be ended now is tried again after the others.
            if one.is_err_and(may_succeed_later) {
                ended = one;
            }
        }
        ended
    }
}
