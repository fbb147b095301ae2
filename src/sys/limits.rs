//! Limits of the system on a process.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The most descriptors that are ever asked for.
const MOST: u64 = 65_536;

/// Raises the soft limit on descriptors to the hard one: the usual 1,024 are three for each of 340 kernels.
/// Where that is refused, it stays.
pub fn take_all_descriptors() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = hard.min(MOST);
    if soft < wanted {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard);
    }
}
