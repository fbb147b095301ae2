//! Warns in the kernel's own log if a credential could not be replaced.
//!
//! The keeper has no descriptor of the kernel's: with one open, a reader of the kernel's output would never see its
//! end. So the kernel's standard error is opened for the moment of one line.

use std::time::SystemTime;

use humantime::format_rfc3339_seconds;
use tokio::time::Instant;

use crate::error::{Error, one_line};
use crate::lease::Owner;
use crate::sys::process::{self, start_time};

/// Writes to the standard error of `owner`, which is a kernel's log, when its credentials end.
pub(super) fn say(owner: &Owner, names: &[String], end: Instant, error: &Error) {
    let names = if names.is_empty() { "a credential".to_owned() } else { names.join(", ") };
    let end = format_rfc3339_seconds(SystemTime::now() + end.saturating_duration_since(Instant::now()));
    let (what, advice) = (error.what(), error.advice());
    let text = one_line(&format!("{names}: expires at {end} and is not replaced yet: {what}; {advice}"));
    if start_time(owner.pid) == Some(owner.start_time) {
        process::say(owner.pid, &format!("jupyter-vault: {text}\n"));
    }
}
