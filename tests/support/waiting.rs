//! Waiting for a condition, with a time limit.

use std::time::{Duration, Instant};

/// The longest that any run takes.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Waits until `condition` holds, with a time limit.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < end, "it did not come to pass: {what}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}
