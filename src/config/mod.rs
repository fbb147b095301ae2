//! From flags, environment and files to a [`Plan`](plan::Plan): what one launch will do.
//!
//! Each place gives a [`Layer`](layer::Layer): settings by key, each with its origin, so that `doctor` and every
//! error can say where a value came from. Layers are merged key by key; the more specific one wins: flags,
//! `JUPYTER_VAULT_*`, `BAO_*`, `VAULT_*`, `--config`, the user's file, the system's. [`keys`] is the one table of all
//! settings, which the readers of files and of the environment use.

pub mod auth;
#[cfg(feature = "cloud")]
pub mod cloud;
pub mod credential;
pub mod env;
pub mod file;
pub mod folders;
pub mod inheritance;
pub mod keys;
pub mod layer;
pub mod locations;
pub mod lock;
pub mod login;
pub mod method;
pub mod notebook;
pub mod origin;
pub mod plan;
pub mod question;
pub mod server;
pub mod source;
pub mod source_kind;
pub mod stored_token;
pub mod template;
pub mod value;
