//! The keepers that run: each one's command line names its kernel, so that `kernels` finds it.

#[cfg(all(feature = "manage", target_os = "linux"))]
use std::collections::BTreeMap;

#[cfg(all(feature = "manage", target_os = "linux"))]
use crate::sys::process;

/// What the hidden subcommand is called.
pub(super) const SUBCOMMAND: &str = "keep";
/// Says that this is the second of the two processes, which stays.
#[cfg(target_os = "linux")]
pub(super) const ALONE: &str = "alone";

/// The keepers that run here for this user: each kernel's pid, and its keeper's.
#[cfg(all(feature = "manage", target_os = "linux"))]
pub(crate) fn running() -> BTreeMap<u32, u32> {
    let of = |pid: u32| {
        let line = process::command_line(pid);
        let [.., subcommand, step, kernel] = &line[..] else { return None };
        let is_one = subcommand == SUBCOMMAND.as_bytes() && step == ALONE.as_bytes();
        Some((std::str::from_utf8(kernel).ok()?.parse().ok()?, pid)).filter(|_| is_one)
    };
    process::of_this_user().filter_map(of).collect()
}
