//! Credentials that live as long as the kernel: the keeper holds their leases, and ends them with it.
//!
//! A launch executes the kernel in its own place, so nothing of ours is left that could renew a lease or end it. So
//! where a source gave a lease, and only there, a small process is started before that. It has the token, no
//! variable, no descriptor but a pipe, and a session of its own; it sleeps until the kernel ends or a lease is due.
//!
//! A keeper can be killed, and a machine lost. So the token of our own login is shortened at once: it lives for a
//! window (`[keeper] window`), which the keeper renews at a third. Without a keeper, Vault ends the token, and all
//! of its leases, when the window is over. A token that was given is the user's: it is neither shortened nor revoked,
//! and each lease is held and ended by itself.
//!
//! - `handover`: what the launcher tells the keeper, over the pipe
//! - `start`: the launcher's side
//! - `run`: the keeper's side
//! - `hold`: requests to Vault, and when the next one is due

mod handover;
#[cfg(target_os = "linux")]
mod hold;
#[cfg(target_os = "linux")]
mod run;
mod start;

pub(crate) use self::handover::Leases;
#[cfg(target_os = "linux")]
pub(crate) use self::run::run;
pub(crate) use self::start::Keeper;

/// What the hidden subcommand is called.
const SUBCOMMAND: &str = "keep";
/// Says that this is the second of the two processes, which stays.
#[cfg(target_os = "linux")]
const ALONE: &str = "alone";

/// The keepers that run here for this user: each kernel's pid, and its keeper's.
#[cfg(all(feature = "manage", target_os = "linux"))]
pub(crate) fn running() -> std::collections::BTreeMap<u32, u32> {
    let of = |pid: u32| {
        let line = crate::sys::process::command_line(pid);
        let [.., subcommand, step, kernel] = &line[..] else { return None };
        let is_one = subcommand == SUBCOMMAND.as_bytes() && step == ALONE.as_bytes();
        Some((std::str::from_utf8(kernel).ok()?.parse().ok()?, pid)).filter(|_| is_one)
    };
    crate::sys::process::of_this_user().filter_map(of).collect()
}

#[cfg(feature = "internals")]
pub use self::handover::is_message;
