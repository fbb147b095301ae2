//! Waiting, for conditions with a time limit; and the few fixed pauses, each with its reason.
//!
//! A machine may be busy, so a test asserts no upper bound on the time of one run, only that something happens within
//! [`LIMIT`]. Tests sleep and read the clock nowhere else (`tests/waits.rs` checks that).
#![allow(dead_code, reason = "the examples use a part of this")]

use std::time::{Duration, Instant};

/// The longest that any run takes.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Waits until `condition` holds, with a time limit.
#[track_caller]
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(within(LIMIT, condition), "it did not come to pass: {what}");
}

/// Whether `condition` holds within `limit`. For a program that may hang without a fault of ours, and is then run again.
pub fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    while !condition() {
        if Instant::now() > end {
            return false;
        }
        tick();
    }
    true
}

/// The pause between two looks, for a loop that also checks something else, such as whether a process still runs.
pub fn tick() {
    std::thread::park_timeout(Duration::from_millis(10));
}

/// A fixed pause; `_why` says why there is no event to wait for: what is awaited must not happen, or the time itself is
/// what the test varies.
pub fn pause(time: Duration, _why: &str) {
    std::thread::sleep(time);
}

/// Like [`pause`], in milliseconds.
pub fn pause_ms(time: u64, why: &str) {
    pause(Duration::from_millis(time), why);
}

/// Runs `work`, which must take at least this long: a pause that the program has to make. On a busy machine it takes
/// longer, so this can't fail because of that.
#[track_caller]
pub fn at_least<T>(least: Duration, why: &str, work: impl FnOnce() -> T) -> T {
    let (result, took) = timed(work);
    assert!(took >= least, "after {took:?}: {why}");
    result
}

/// Runs `work`, and says how long it took: to decide whether it has to be repeated.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed())
}

/// Runs `work` until it takes less than `most`, five times at most: a busy machine may delay one run, but not each.
#[track_caller]
pub fn at_most(most: Duration, why: &str, mut work: impl FnMut()) {
    let took: Vec<_> = (0..5).map(|_| timed(&mut work).1).take_while(|took| *took >= most).collect();
    assert!(took.len() < 5, "after {took:?}: {why}");
}
