//! The system's limits on this process.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// The most descriptors that are requested.
const MOST: u64 = 65_536;

/// Raises the soft limit on descriptors to the hard one: the usual 1,024 are enough for only 340 kernels with three
/// each. If the system refuses, the limit stays.
pub fn take_all_descriptors() {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    let wanted = hard.min(MOST);
    if soft < wanted {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard);
    }
}
