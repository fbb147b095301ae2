//! Leases: those of a fetch, and their hand-over to the keeper.
//!
//! A launch executes the kernel in its own place, so no process remains that could renew or end a lease. Only if a
//! source gives a lease, the launch first starts a small process: the [`crate::keeper`]. This module is the launcher's
//! side of it.
//!
//! - `leases`: the leases, their processes, and how to read their sources again
//! - `abandoned`: the leases of a killed keeper
//! - `handover`: the message to the keeper, over a pipe
//! - `start`: starts the keeper
//! - `running`: which keepers run
//! - `socket`: where clients ask the keeper for credentials

mod abandoned;
mod handover;
mod leases;
mod running;
#[cfg(target_os = "linux")]
mod socket;
mod start;

pub(crate) use self::abandoned::{AbandonedLeases, abandoned};
pub(crate) use self::handover::HandOver;
pub(crate) use self::leases::{Again, Digests, Leases, Owner, ProfileAnswer, increment};
#[cfg(feature = "manage")]
pub(crate) use self::running::running;
pub(crate) use self::running::{ALONE, SUBCOMMAND};
#[cfg(target_os = "linux")]
pub(crate) use self::socket::{Refusal, answer, ask, is_same_user, listen, read};
pub(crate) use self::start::Keeper;

#[cfg(feature = "internals")]
pub use self::handover::is_message;
#[cfg(all(feature = "internals", target_os = "linux"))]
pub use self::socket::is_protocol;
