//! The keeper: a small process that renews a kernel's leases, replaces them before they can't be renewed any more, and
//! ends them with the kernel.
//!
//! It has the token, no variable, no descriptor but a pipe, and a session of its own; it sleeps until the kernel ends
//! or a lease is due.
//!
//! A keeper can be killed, and a machine lost. So the token of our own login is shortened at once: it lives for a
//! window (`[keeper] window`), which the keeper renews at a third. Without a keeper, Vault ends the token, and all
//! of its leases, when the window is over. A token that was given is the user's: it is neither shortened nor revoked,
//! and each lease is held and ended by itself.
//!
//! - `run`: the process, from the hand-over to the kernel's end
//! - `hold`: requests to Vault for what is held
//! - `timing`: when the next of them is due
//! - `fresh`: the same sources read anew, by a new login where its credential is still there
//! - `give`: what was read anew, to the kernels that have the old
//! - `say`: what could not be replaced, on the kernel's standard error
//! - `service`: AWS profiles, whose clients ask for their credential
//! - `variables`: those of a kernel that runs

mod fresh;
mod give;
mod hold;
mod run;
mod say;
mod service;
mod timing;
#[cfg(feature = "inject")]
mod variables;

pub(crate) use self::run::run;
