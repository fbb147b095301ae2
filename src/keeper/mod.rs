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
//! - `running`: which keepers run
//! - `hold`: requests to Vault, and when the next one is due

mod handover;
#[cfg(target_os = "linux")]
mod hold;
#[cfg(target_os = "linux")]
mod run;
mod running;
mod start;

pub(crate) use self::handover::Leases;
#[cfg(target_os = "linux")]
pub(crate) use self::run::run;
#[cfg(all(feature = "manage", target_os = "linux"))]
pub(crate) use self::running::running;
pub(crate) use self::start::Keeper;

#[cfg(feature = "internals")]
pub use self::handover::is_message;
