//! The deadline of everything that a command does with Vault.

use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// The time at which all waiting ends.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

/// The deadline passed first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadlinePassed;

impl Deadline {
    /// `budget` from now.
    pub fn after(budget: Duration) -> Self {
        Self(Instant::now() + budget)
    }

    /// The earlier of this one and `wait` from now.
    #[must_use]
    pub fn at_most(self, wait: Duration) -> Self {
        Self(self.0.min(Instant::now() + wait))
    }

    /// The time that is left.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Runs `work`, until the deadline at most.
    pub async fn bound<T>(self, work: impl Future<Output = T>) -> Result<T, DeadlinePassed> {
        timeout_at(self.0, work).await.map_err(|_| DeadlinePassed)
    }

    /// Waits for `pause` if that ends before the deadline; else does not wait at all.
    pub async fn pause(self, pause: Duration) -> Result<(), DeadlinePassed> {
        if pause >= self.remaining() {
            return Err(DeadlinePassed);
        }
        sleep(pause).await;
        Ok(())
    }
}
