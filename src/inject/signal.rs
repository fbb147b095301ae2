//! A signal ends the work as soon as nothing is half done.

use std::cell::Cell;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::error::Result;
use crate::launch::fetch;
use crate::sys::signals::Caught;

/// How often it is checked, after a signal, whether the work may end.
pub(super) const MOMENT: Duration = Duration::from_millis(20);

/// How work and the signal that ends it speak to each other.
#[derive(Debug)]
pub struct Stopping<'a> {
    /// Until when the work must not be dropped: a token waits for its revocation, or a kernel may ask.
    pub holding: &'a Cell<Option<Instant>>,
    /// Ready once the signal has come.
    pub stopped: oneshot::Receiver<()>,
}

/// Does `work` until it is done, or until one of the `caught` signals comes and nothing is left half done.
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
