//! Talking to Vault or OpenBao: one connection, one deadline, answers that are checked.
//!
//! [`transport`] moves bytes within a deadline and knows nothing of Vault but which failures may heal;
//! [`client`] sends vaultrs's request types over it; [`body`] takes answers apart without guessing;
//! [`error`] turns a refusal into the one cause a person can act on; [`auth`], [`kv`], [`mount`] and
//! [`generic`] have the requests of a launch.

pub mod auth;
pub mod body;
#[cfg(feature = "manage")]
pub(crate) mod capabilities;
pub mod client;
pub mod error;
pub mod generic;
pub mod kv;
#[cfg(feature = "manage")]
pub(crate) mod kv_store;
pub mod lease;
pub mod mount;
mod nodes;
mod redirect;
pub mod reply;
pub mod transport;
