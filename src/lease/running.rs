//! The running keepers: the command line of each names its kernel, so that `kernels` finds it.

#[cfg(feature = "manage")]
use std::collections::BTreeMap;

#[cfg(all(feature = "manage", target_os = "linux"))]
use crate::sys::process;

/// The hidden subcommand.
pub(crate) const SUBCOMMAND: &str = "keep";
/// The word that marks the second of its two processes, which stays.
pub(crate) const ALONE: &str = "alone";

/// The running keepers of this user: each kernel's pid, and its keeper's.
#[cfg(all(feature = "manage", target_os = "linux"))]
pub(crate) fn running() -> BTreeMap<u32, u32> {
    let of = |pid: u32| {
        let line = process::command_line(pid);
        let [.., subcommand, step, kernels] = &line[..] else { return None };
        let is_one = subcommand == SUBCOMMAND.as_bytes() && step == ALONE.as_bytes();
        let kernels = std::str::from_utf8(kernels).ok().filter(|_| is_one)?.to_owned();
        Some(kernels.split(',').filter_map(|kernel| Some((kernel.parse().ok()?, pid))).collect::<Vec<_>>())
    };
    process::of_this_user().filter_map(of).flatten().collect()
}

/// Other systems have none.
#[cfg(all(feature = "manage", not(target_os = "linux")))]
pub(crate) const fn running() -> BTreeMap<u32, u32> {
    BTreeMap::new()
}
