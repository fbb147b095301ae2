//! The keeper: a small process that renews a kernel's leases, replaces them before they can't be renewed any more, and
//! ends them with the kernel.
//!
//! It has the token, no variables, no descriptor but a pipe, and a session of its own. It sleeps until the kernel
//! ends or a lease is due.
//!
//! A keeper can be killed, and a machine can fail. So the token of our own login is shortened at once: it lives for a
//! window (`[keeper] window`), and the keeper renews it at a third of that. Without a keeper, Vault ends the token
//! and all of its leases when the window is over. A token that was given belongs to the user: it is neither shortened
//! nor revoked, and each lease is renewed and ended by itself.
//!
//! - `run`: the process, from its start to the kernel's end
//! - `keeping`: what it does in between: waits, renews, replaces
//! - `hold`: requests to Vault that renew and end what is held
//! - `timing`: when the next of them is due
//! - `fresh`: reads the same sources again, with a new login if its credential is still there
//! - `give`: gives the kernels what was read again
//! - `say`: warns on the kernel's standard error of what could not be replaced
//! - `service`: answers AWS clients that ask for their profile's credential
//! - `variables`: sets the variables of a running kernel

mod fresh;
mod give;
mod hold;
mod keeping;
mod run;
mod say;
mod service;
mod timing;
#[cfg(feature = "inject")]
mod variables;

pub(crate) use self::run::run;
