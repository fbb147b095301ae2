//! Leases: what a fetch holds at Vault, and its hand-over to the keeper.
//!
//! A launch executes the kernel in its own place, so no process of ours stays that could renew a lease or end it.
//! Where a source gives a lease, and only there, the launch first starts a small process: the [`crate::keeper`]. This
//! module is the launcher's side of it.
//!
//! - `leases`: what is held at Vault, for which processes, and how it is read again
//! - `left`: what a killed keeper leaves
//! - `handover`: the message to the keeper, over a pipe
//! - `start`: starts the keeper
//! - `running`: which keepers run
//! - `socket`: where clients ask the keeper for credentials

mod handover;
mod leases;
mod left;
mod running;
#[cfg(target_os = "linux")]
mod socket;
mod start;

pub(crate) use self::handover::HandOver;
pub(crate) use self::leases::{Again, Answer, Digests, Leases, Owner, increment};
pub(crate) use self::left::{Left, left};
#[cfg(feature = "manage")]
pub(crate) use self::running::running;
pub(crate) use self::running::{ALONE, SUBCOMMAND};
#[cfg(target_os = "linux")]
pub(crate) use self::socket::{Refusal, answer, ask, is_ours, listen, read};
pub(crate) use self::start::Keeper;

#[cfg(feature = "internals")]
pub use self::handover::is_message;
#[cfg(all(feature = "internals", target_os = "linux"))]
pub use self::socket::is_spoken;
