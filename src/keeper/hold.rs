//! Renewing and ending. A token of our own login is renewed with its leases, as a lease that is not renewed ends before
//! its token, and revoked at the end, which ends them all. Of a token that was given, the leases alone.
//!
//! An increment shortens as well as it lengthens, so it is the window or the time that Vault gave at first, whichever is
//! less. The first renewal comes at once: a lease that may live for hours then ends with the window (the token does since
//! the launch). Each later one comes at a third of what Vault gave, with jitter. Where Vault gives less
//! than was asked for, the end is near that nothing lengthens (max TTL): that is no failure, and nothing is asked
//! within its last second. A renewal that fails is tried again, later and later, until what is held has ended; new
//! credentials are never asked for.

use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};

use super::handover::{HandOver, Leases};
use crate::error::{Kind, Result};
use crate::net::deadline::Deadline;
use crate::vault::auth;
use crate::vault::client::{Client, Raw};
use crate::vault::error::Asked;
use crate::vault::generic::Lease;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The least time between two requests that fail, and the longest.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(60);
/// Within this time before the end nothing is lengthened any more.
const LAST: Duration = Duration::from_secs(1);

/// How long what is held may live, as long as Vault has not said.
const UNKNOWN: Duration = Duration::from_secs(24 * 3600);

/// Whether a request that failed so is worth another one.
const fn heals(kind: Kind) -> bool {
    kind.may_heal() || matches!(kind, Kind::TimedOut | Kind::ServerError | Kind::Unreachable | Kind::Dns)
}

/// What the renewal of a lease answers: the time that is left, in seconds.
#[derive(Deserialize)]
struct Renewed {
    lease_duration: u64,
}

/// What is held, and until when.
pub(super) struct Hold {
    client: Client,
    leases: Leases,
    window: Duration,
    /// When the next renewal is due; `None` when there is nothing left to lengthen.
    due: Option<Instant>,
    /// When what is held ends by itself, as far as Vault has said.
    ends: Instant,
    failures: u32,
}

impl Hold {
    pub(super) fn new(told: &HandOver) -> Result<Self> {
        let leases = told.leases();
        let mut client = Client::new(&told.server()?, Deadline::after(PATIENCE))?;
        if let Some(token) = &leases.token {
            client.use_token(token)?;
        }
        let (window, now) = (told.window(), Instant::now());
        let left = leases.left.unwrap_or(UNKNOWN);
        Ok(Self { client, leases, window, due: Some(now), ends: now + left, failures: 0 })
    }

    /// Waits until a renewal is due.
    pub(super) async fn due(&self) {
        match self.due {
            Some(due) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }

    /// Renews, and works out when the next one is due.
    pub(super) async fn renew(&mut self) {
        self.client.renew(Deadline::after(PATIENCE));
        let given = self.renew_all().await;
        self.client.hang_up();
        let now = Instant::now();
        self.due = match given {
            Ok(given) if given <= LAST => None,
            Ok(given) => {
                self.failures = 0;
                self.ends = now + given;
                Some(now + given.mul_f64(0.3 + 0.1 * fastrand::f64()))
            }
            // What is gone, or may not be renewed, stays so.
            Err(Kind::BadToken | Kind::PolicyDenied | Kind::BadRequest) => None,
            Err(_) => {
                self.failures += 1;
                let pause =
                    (LEAST * 2_u32.saturating_pow(self.failures.min(8))).min(MOST).mul_f64(0.5 + fastrand::f64());
                Some(now + pause).filter(|next| *next + LAST < self.ends)
            }
        };
    }

    async fn renew_token(&self) -> Result<Duration, Kind> {
        let increment = self.leases.increment(self.window);
        auth::renew(&self.client, increment, PATIENCE).await.map_err(|error| error.kind())
    }

    /// Renews all that is held; gives the shortest time that is left of one. A lease that can't be renewed ends by
    /// itself, and takes nothing else with it.
    async fn renew_all(&self) -> Result<Duration, Kind> {
        let mut shortest = if self.leases.is_ours { self.renew_token().await? } else { self.window };
        let mut is_held = self.leases.is_ours;
        for lease in &self.leases.held {
            let own = Duration::from_secs(if lease.seconds == 0 { u64::MAX } else { lease.seconds });
            match self.renew_lease(&lease.id, self.window.min(own)).await {
                // Within its last second nothing lengthens it.
                Ok(given) if given <= LAST => {}
                Ok(given) => (shortest, is_held) = (shortest.min(given), true),
                Err(kind) if heals(kind) => return Err(kind),
                Err(_) => {}
            }
        }
        if is_held { Ok(shortest) } else { Err(Kind::BadRequest) }
    }

    async fn renew_lease(&self, id: &str, increment: Duration) -> Result<Duration, Kind> {
        let body = serde_json::json!({"lease_id": id, "increment": increment.as_secs().max(1)}).to_string();
        let reply = self.client.call(&Raw::post("sys/leases/renew", body.into_bytes()), Asked::Revoke).await;
        let reply = reply.map_err(|error| error.kind())?;
        let renewed: Renewed = serde_json::from_slice(&reply.body).map_err(|_| Kind::Malformed)?;
        Ok(Duration::from_secs(renewed.lease_duration))
    }

    /// Ends what is held, and tries again until it has ended by itself.
    pub(super) async fn end(&mut self) {
        let mut pause = Duration::from_millis(100);
        loop {
            self.client.renew(Deadline::after(PATIENCE));
            let ended = if self.leases.is_ours {
                auth::revoke(&self.client, PATIENCE).await.map_err(|error| error.kind())
            } else {
                self.end_leases().await
            };
            if !ended.is_err_and(heals) {
                return;
            }
            if Instant::now() + pause > self.ends {
                return;
            }
            sleep(pause).await;
            pause = (pause * 2).min(MOST);
        }
    }

    /// Revokes each lease where that is allowed, and shortens it to a second where it is not.
    async fn end_leases(&self) -> Result<(), Kind> {
        let mut ended = Ok(());
        for Lease { id, .. } in &self.leases.held {
            let body = serde_json::json!({"lease_id": id, "sync": true}).to_string();
            let revoked = self.client.call(&Raw::post("sys/leases/revoke", body.into_bytes()), Asked::Revoke).await;
            let one = match revoked.map_err(|error| error.kind()) {
                Err(kind) if heals(kind) => Err(kind),
                Err(_) => self.renew_lease(id, Duration::from_secs(1)).await.map(drop),
                Ok(_) => Ok(()),
            };
            // What can't be ended now is tried again, after the others.
            if one.is_err_and(heals) {
                ended = one;
            }
        }
        ended
    }
}
