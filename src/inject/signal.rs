//! A signal ends an injection as soon as nothing is left half-done.

use std::cell::Cell;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use crate::error::Result;
use crate::launch::fetch;
use crate::sys::signals::Caught;

/// How often we look whether what was begun is over, once a signal came.
pub(super) const MOMENT: Duration = Duration::from_millis(20);

/// Does `work` until one of the `caught` signals comes; then it ends as soon as nothing is left half-done:
/// a token to be revoked, a kernel that may ask. The work gets the mark of that, and what tells it to stop.
pub(super) async fn until_told(
    caught: &Caught,
    work: impl AsyncFnOnce(&Cell<Option<Instant>>, oneshot::Receiver<()>) -> Result<()>,
) -> Result<Result<()>, Signal> {
    let holding = Cell::new(None);
    let (stop, stopped) = oneshot::channel();
    let work = work(&holding, stopped);
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
