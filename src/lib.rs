//! Secrets from HashiCorp Vault or OpenBao, in the environment of a Jupyter kernel.
//!
//! A kernelspec runs the program `jupyter-vault` before the kernel. It fetches the user's secrets, wipes its own
//! copies, and executes the kernel in its place: same pid, no supervisor.
//!
//! Another program can launch the same way:
//!
//! ```no_run
//! use jupyter_vault::launch::{self, Request};
//!
//! let request = Request {
//!     secrets: vec!["secret/users/ada".to_owned()],
//!     command: vec!["env".into()],
//!     ..Request::default()
//! };
//! let error = launch::run(&request, &mut |warning| eprintln!("{warning}"));
//! eprintln!("{error}");
//! ```
//!
//! The public API is [`launch`], [`error`], [`secret`] and [`alloc`]. `docs/architecture.md` describes the modules, and what
//! happens in a launch.

// Lints for the program; Cargo.toml has those that also apply to tests, benches and examples.
#![deny(missing_docs, reason = "the public face is for other programs")]
#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a launcher that panics is a kernel that never starts"
)]
#![deny(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "stdout belongs to the kernel, and stderr is written in one place"
)]
#![deny(
    clippy::too_many_lines,
    clippy::needless_raw_string_hashes,
    clippy::unnecessary_debug_formatting,
    reason = "the part of pedantic that a test need not keep"
)]
#![cfg_attr(
    not(all(feature = "diagnose", feature = "inject", feature = "manage", feature = "wrap")),
    allow(dead_code, reason = "a build with some of the features leaves parts of the lower modules unused")
)]

#[cfg(any(feature = "manage", feature = "wrap"))]
mod ask;
#[doc(hidden)]
pub mod cli;
mod config;
mod datasource;
#[cfg(all(feature = "diagnose", target_os = "linux"))]
mod diagnose;
pub mod error;
#[cfg(feature = "inject")]
mod inject;
#[cfg(any(feature = "inject", feature = "manage"))]
mod json;
#[cfg(target_os = "linux")]
mod keeper;
#[cfg(feature = "kernel-protocol")]
mod kernel;
#[cfg(feature = "wrap")]
mod kernelspec;
pub mod launch;
mod lease;
#[cfg(feature = "manage")]
mod manage;
mod mask;
mod net;
#[cfg(any(feature = "inject", feature = "manage"))]
mod record;
pub mod secret;
#[cfg(feature = "inject")]
mod server;
#[cfg(any(feature = "diagnose", feature = "manage", feature = "wrap"))]
mod shell;
mod sys;
mod vault;

pub use crate::sys::alloc;
#[doc(hidden)]
pub use crate::sys::entry;

/// Internal items for this package's own fuzz targets, benches and tests; not part of the public API.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
