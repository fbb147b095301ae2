//! Passes the new values to the kernels: replaces files at once, and sets variables with `inject`.
//!
//! A client that reads a file at each connect gets the new credential at once, even while the kernel is busy. A
//! variable can be set only while the kernel is idle, so the keeper retries until the next replacement.

use std::path::Path;

use tokio::time::Instant;

use super::fresh::{Fresh, Times};
use super::say::say;
#[cfg(feature = "inject")]
use super::variables::{self, set};
use crate::error::{Error, Result};
use crate::launch::files;
use crate::launch::given::{Form, Given, duplicate};
use crate::lease::{Digests, Owner};
use crate::sys::process::start_time;

/// The digests of the variables' values.
pub(super) fn digests(given: &Given) -> Digests {
    Digests::of(given.iter().filter_map(|(name, fetched)| match &fetched.form {
        Form::Variable(value) => Some((name.as_str(), value)),
        Form::File(_) | Form::Folder(..) | Form::Profiles(_) => None,
    }))
}

/// The variables whose values do not match the digests `known`.
fn changed(given: &Given, known: &Digests) -> Vec<String> {
    let changed = given.iter().filter(|(name, fetched)| match &fetched.form {
        Form::Variable(value) => !known.has(name.as_str(), value),
        Form::File(_) | Form::Folder(..) | Form::Profiles(_) => false,
    });
    changed.map(|(name, _)| name.as_str().to_owned()).collect()
}

/// Passes the values in `fresh` to each kernel of `owners`, until `times` at most. Returns an error if a kernel's
/// variables could not be set; its files are replaced anyway.
pub(super) async fn give(fresh: &Fresh, known: &Digests, owners: &[Owner], times: Times) -> Result<()> {
    let mut outcome = Ok(());
    let live = || owners.iter().filter(|owner| start_time(owner.pid) == Some(owner.start_time));
    for owner in live() {
        match files::write(duplicate(&fresh.given), &fresh.plan.runtime_dir, owner.pid) {
            Ok((_, written)) => written.keep(),
            Err(error) => outcome = Err(error),
        }
    }
    let names = changed(&fresh.given, known);
    if names.is_empty() {
        return outcome;
    }
    for owner in live() {
        if let Err(error) = set(fresh, owner, &names, times).await {
            if owner.file.is_none() || cfg!(not(feature = "inject")) {
                say(owner, &names, times.old_ends, &error);
            }
            outcome = Err(error);
        }
    }
    outcome
}

/// A build without `inject` sets no variables.
#[cfg(not(feature = "inject"))]
fn set(_: &Fresh, _: &Owner, _: &[String], _: Times) -> std::future::Ready<Result<()>> {
    use crate::error::Kind;
    let what = "this build can't set variables of a running kernel";
    std::future::ready(Err(Error::new(
        Kind::KernelCannot,
        what,
        "deliver the credential as a file, or restart the kernel",
    )))
}

/// Records that the kernel's credentials end, and when.
#[cfg(feature = "inject")]
pub(super) fn record_end(runtime: &Path, owners: &[Owner], end: Instant, error: &Error) {
    for file in owners.iter().filter_map(|owner| owner.file.as_ref()) {
        variables::record_end(runtime, file, &[], end, error);
    }
}

/// A build without `inject` has no records.
#[cfg(not(feature = "inject"))]
pub(super) const fn record_end(_: &Path, _: &[Owner], _: Instant, _: &Error) {}
