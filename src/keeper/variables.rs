//! Updates variables of a running kernel with `inject`, and records those that could not be updated.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, SystemTime};

use humantime::format_rfc3339_seconds;
use tokio::time::{Instant, sleep};

use super::fresh::{Fresh, Times};
use super::say::say;
use crate::config::inheritance::Winner;
use crate::error::{Error, Kind, Result};
use crate::inject::target::Target;
use crate::inject::update::KernelUpdate;
use crate::inject::{Options, update};
use crate::launch::given::duplicate;
use crate::lease::Owner;
use crate::record::{Expiring, Record, stem};
use crate::sys::process::start_time;

/// The shortest and longest wait for a busy kernel, in one attempt.
const LEAST: Duration = Duration::from_secs(1);
const WAIT: Duration = Duration::from_secs(60);
/// The pause after a failure other than a busy kernel.
const PAUSE: Duration = Duration::from_secs(10);

/// Sets the variables of one kernel, and records those that could not be set.
pub(super) async fn set(fresh: &Fresh, owner: &Owner, names: &[String], times: Times) -> Result<()> {
    let Some(file) = &owner.file else {
        return Err(Error::new(
            Kind::KernelCannot,
            "the command has no connection file, so its variables can't be updated",
            "deliver the credential as a file, or restart the command",
        ));
    };
    let mut is_recorded = false;
    loop {
        let left = times.old_ends.saturating_duration_since(Instant::now());
        // The first try leaves time for a warning.
        let wait = if is_recorded { WAIT } else { left / 2 };
        let wait = wait.min(WAIT).min(times.next.saturating_duration_since(Instant::now())).max(LEAST);
        let Err(error) = once(fresh, file, wait).await else { return Ok(()) };
        if start_time(owner.pid) != Some(owner.start_time) {
            return Ok(());
        }
        if !is_recorded {
            is_recorded = true;
            record_end(&fresh.plan.runtime_dir, file, names, times.old_ends, &error);
            say(owner, names, times.old_ends, &error);
        }
        // A busy kernel was already waited for.
        let pause = if error.kind() == Kind::KernelBusy { Duration::ZERO } else { PAUSE };
        if Instant::now() + pause + LEAST > times.next {
            return Err(error);
        }
        sleep(pause).await;
    }
}

async fn once(fresh: &Fresh, file: &Path, wait: Duration) -> Result<update::Done> {
    let (plan, holding, target) = (&fresh.plan, Cell::new(None), Target::of_file(file));
    let override_existing = plan.inheritance.winner == Winner::Secret;
    let options = Options { override_existing, wait, now: false, folder: &plan.runtime_dir, holding: &holding };
    let update = KernelUpdate::of(&target, plan, options);
    let ready = update.inspect(&mut |_| {}).await?;
    update.with_remembered(&ready.1).give(ready, duplicate(&fresh.given), &mut |_| {}).await
}

/// Records that `names` end.
pub(super) fn record_end(runtime: &Path, file: &Path, names: &[String], end: Instant, error: &Error) {
    let kernel = stem(file);
    let Some(record) = Record::read(runtime, &kernel) else { return };
    let at = format_rfc3339_seconds(SystemTime::now() + end.saturating_duration_since(Instant::now())).to_string();
    let expiring = Some(Expiring { names: names.to_vec(), at, why: error.what().to_owned() });
    // If the record can't be written, this warning is lost.
    let _ = Record { expiring, ..record }.write(runtime, &kernel);
}
