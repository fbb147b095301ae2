//! Renewing and ending: one request for all leases of our own login, one a lease for a token that was given.
//!
//! An increment shortens as well as it lengthens. The first renewal, at once, makes a token or lease that may live for
//! hours end with the window; each later one comes at a third of what Vault gave, with jitter. Where Vault gives less
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
use crate::vault::body::Answer;
use crate::vault::client::{Client, Raw};
use crate::vault::error::Asked;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The least time between two requests that fail, and the longest.
const LEAST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(60);
/// Within this time before the end nothing is lengthened any more.
const LAST: Duration = Duration::from_secs(1);

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
        Ok(Self { client, leases, window, due: Some(now), ends: now + window, failures: 0 })
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
        let given = if self.leases.is_ours { self.renew_token().await } else { self.renew_leases().await };
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
        #[derive(Deserialize)]
        struct Renewed {
            lease_duration: u64,
        }
        let body = format!("{{\"increment\":\"{}s\"}}", self.window.as_secs().max(1));
        let reply = self.client.call(&Raw::post("auth/token/renew-self", body.into_bytes()), Asked::Revoke).await;
        let reply = reply.map_err(|error| error.kind())?;
        let answer = Answer::parse(&reply, "renewing the token").map_err(|error| error.kind())?;
        let auth = answer.auth.ok_or(Kind::Malformed)?;
        let renewed: Renewed = serde_json::from_str(auth.get()).map_err(|_| Kind::Malformed)?;
        Ok(Duration::from_secs(renewed.lease_duration))
    }

    /// Renews each lease; gives the shortest time that is left of one.
    async fn renew_leases(&self) -> Result<Duration, Kind> {
        let mut shortest = self.window;
        for id in &self.leases.ids {
            let given = self.renew_lease(id, self.window).await?;
            shortest = shortest.min(given);
        }
        Ok(shortest)
    }

    async fn renew_lease(&self, id: &str, increment: Duration) -> Result<Duration, Kind> {
        #[derive(Deserialize)]
        struct Renewed {
            lease_duration: u64,
        }
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
            match ended {
                Err(kind)
                    if kind.may_heal() || matches!(kind, Kind::TimedOut | Kind::ServerError | Kind::Unreachable) => {}
                _ => return,
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
        for id in &self.leases.ids {
            let body = serde_json::json!({"lease_id": id, "sync": true}).to_string();
            let revoked = self.client.call(&Raw::post("sys/leases/revoke", body.into_bytes()), Asked::Revoke).await;
            match revoked {
                Ok(_) => {}
                Err(error) if error.kind().may_heal() => return Err(error.kind()),
                Err(_) => _ = self.renew_lease(id, Duration::from_secs(1)).await?,
            }
        }
        Ok(())
    }
}
