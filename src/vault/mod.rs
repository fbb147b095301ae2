//! Requests to Vault or OpenBao: one connection, one deadline, checked responses.
//!
//! [`transport`] moves bytes within a deadline; it knows nothing about Vault except which failures are transient.
//! [`client`] sends vaultrs's request types over it; [`body`] parses responses strictly; [`error`] turns a refusal
//! into one cause that a user can act on; [`auth`], [`kv`], [`mount`] and [`generic`] have the requests of a launch.

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
pub(crate) mod version;
