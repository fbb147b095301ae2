//! Secrets from HashiCorp Vault or OpenBao, in the environment of a Jupyter kernel.
//!
//! The program `jupyter-vault` stands in a kernelspec's argv ahead of the kernel. It fetches the user's
//! secrets, wipes its own copies, and executes the kernel in its own place: same pid, no supervisor.
//!
//! The modules, in the order of a launch:
//! - [`sys`]: the only raw OS calls: hardening, the environment block, execve, signals, the allocator
//! - [`cli`]: the command line
//! - [`config`]: flags, variables and files, merged to a plan
//! - [`net`]: a deadline, a stream, TLS
//! - [`vault`]: the client, logins, KV and other engines, and what a refusal means
//! - [`launch`]: plan, fetch, environment, exec
//! - `diagnose`: the kernel that stands in when a launch fails, and becomes the real one
//! - `inject`: the same secrets for a kernel that runs already
//! - `kernel`: Jupyter's wire protocol, for both
//! - [`record`]: what a kernel was given, by name
//! - `kernelspec`: kernelspecs found where Jupyter finds them, wrapped and unwrapped
//! - `manage`: the commands for setting it up
//! - `server`: Jupyter servers: their kernels, and the way to one through its server
//! - [`secret`]: names that may be variables, values that nobody prints
//! - [`error`]: one error type, its causes and exit codes
//!
//! Another program can launch the same way:
//!
//! ```no_run
//! use jupyter_vault::launch::{self, Ended, Request};
//!
//! let request = Request {
//!     secrets: vec!["secret/users/ada".to_owned()],
//!     command: vec!["env".into()],
//!     ..Request::default()
//! };
//! let ended = launch::run(&request, &mut |warning| eprintln!("{warning}"));
//! if let Ended::Failed(error) = ended {
//!     eprintln!("{error}");
//! }
//! ```

pub mod cli;
pub mod config;
#[cfg(all(feature = "diagnose", target_os = "linux"))]
pub mod diagnose;
pub mod error;
#[cfg(feature = "inject")]
pub mod inject;
#[cfg(feature = "kernel-protocol")]
pub mod kernel;
#[cfg(feature = "wrap")]
pub mod kernelspec;
pub mod launch;
#[cfg(feature = "manage")]
pub mod manage;
pub mod net;
pub mod record;
pub mod secret;
#[cfg(feature = "inject")]
pub mod server;
pub mod sys;
pub mod vault;
