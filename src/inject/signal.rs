//! Ends the work after a signal, as soon as it can be interrupted without harm.

use std::cell::Cell;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::error::Result;
use crate::launch::fetch;
use crate::sys::signals::Caught;

/// After a signal: the interval for checking whether the work may end.
pub(super) const MOMENT: Duration = Duration::from_millis(20);

/// The state that the work and the signal handler share.
#[derive(Debug)]
pub struct Stopping<'a> {
    /// Until when the work must not be dropped: a token waits for its revocation, or a kernel may ask.
    pub holding: &'a Cell<Option<Instant>>,
    /// Ready once a signal has arrived.
    pub stopped: oneshot::Receiver<()>,
}

/// Runs `work` to its end, or until one of the `caught` signals has arrived and the work may be interrupted.
pub(super) async fn until_signal(
    caught: &Caught,
    work: impl AsyncFnOnce(Stopping<'_>) -> Result<()>,
) -> Result<Result<()>, Signal> {
    let holding = Cell::new(None);
    let (stop, stopped) = oneshot::channel();
    let work = work(Stopping { holding: &holding, stopped });
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
