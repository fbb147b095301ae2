//! Durations as text for users.

use std::time::Duration;

/// A duration as text, such as 3 days.
pub(super) fn shown(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis().max(1)),
        1..120 => format!("{} s", time.as_secs()),
        120..7200 => format!("{} min", time.as_secs() / 60),
        7200..172_800 => format!("{} h", time.as_secs() / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
