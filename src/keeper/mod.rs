//! The keeper: a small process that renews a kernel's leases, replaces them before their max TTL, and ends them when
//! the kernel exits.
//!
//! It has the token, its own session, no environment variables, and a pipe as its only descriptor. It sleeps until the
//! kernel exits or a lease needs a renewal.
//!
//! A keeper can be killed, and a machine can fail. So the token of a login is shortened at once: it lives for a
//! window (`[keeper] window`), and the keeper renews it at a third of that. Without a keeper, Vault ends the token
//! and all of its leases when the window is over. A given token belongs to the user: it is neither shortened nor
//! revoked, and each lease is renewed and ended separately.
//!
//! - `run`: the process, from its start to the kernel's exit
//! - `keeping`: its main loop: waits, renews, replaces
//! - `hold`: the requests to Vault that renew and end leases
//! - `timing`: the time of the next request
//! - `fresh`: reads the same sources again, with a new login if its credential is still there
//! - `give`: gives the new values to the kernels
//! - `say`: warns on the kernel's standard error if a credential could not be replaced
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
