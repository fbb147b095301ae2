//! One attempt at the launch, which a shutdown or an interrupt can stop.

use std::future::{Future, pending};
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::error::Result;
use crate::launch::{Launch, Ready};

/// How long a stopped attempt may take to revoke its token.
const STOPPED: Duration = Duration::from_secs(1);

/// The outcome; `Err` if it was stopped.
pub type Attempted = Result<Result<Ready>, ()>;

/// An attempt at the launch that can be stopped.
pub struct Attempt<'a> {
    work: Pin<Box<dyn Future<Output = Attempted> + 'a>>,
    stop: Option<oneshot::Sender<()>>,
    begun: Instant,
}

impl<'a> Attempt<'a> {
    /// Starts an attempt, for a cell or for the timer; it makes progress while [`Attempt::outcome`] is awaited.
    pub fn start(launch: &'a Launch<'a>, by_user: bool) -> Self {
        let (stop, stopped) = oneshot::channel();
        let work = Box::pin(async move {
            let stopped = async {
                if stopped.await.is_err() {
                    pending::<()>().await;
                }
            };
            // A token that a retry could not revoke is reported by the next line of the log or the next retry.
            launch.attempt_until(stopped, by_user, &mut |_| {}).await
        });
        Self { work, stop: Some(stop), begun: Instant::now() }
    }

    /// When it began to read the configuration.
    pub const fn begun(&self) -> Instant {
        self.begun
    }

    /// Stops it soon, without an outcome.
    pub fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }

    /// Waits for the outcome of an attempt; forever if there is none.
    pub async fn outcome(attempt: Option<&mut Self>) -> Attempted {
        match attempt {
            Some(attempt) => attempt.work.as_mut().await,
            None => pending().await,
        }
    }

    /// Stops an attempt, and lets it clean up.
    pub async fn end(attempt: Option<Self>) {
        if let Some(mut attempt) = attempt {
            attempt.stop();
            let _ = timeout(STOPPED, attempt.work).await;
        }
    }
}
