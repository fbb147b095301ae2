//! Leases: what a fetch leaves at Vault, and the hand-over of it to the keeper.
//!
//! A launch executes the kernel in its own place, so nothing of ours is left that could renew a lease or end it. So
//! where a source gave a lease, and only there, a small process is started before that: the [`crate::keeper`]. This
//! module is the launcher's side of it.
//!
//! - `leases`: what is left at Vault, whose it is, and how it is read anew
//! - `left`: what a keeper leaves that is killed
//! - `handover`: the message that tells the keeper of it, over a pipe
//! - `start`: starts the keeper
//! - `running`: which keepers run
//! - `socket`: where clients ask it for credentials

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
