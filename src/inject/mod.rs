//! Secrets for a kernel that is running: set, changed and unset by the kernel's own code.
//!
//! Every client of a kernel may see the code that it executes, so the code holds names and no values. It asks
//! for the values, and they travel as the answer, which goes to the kernel alone.
//!
//! A kernel does one thing at a time. What it has queued can't be taken back, and a kernel that asks a client
//! which has gone waits until a user interrupts it, or for ten seconds where the code can set a limit. So:
//! 1. `kernel_info` is requested first, and answered when the kernel is free: only then the code is sent. Where
//!    the kernel's process shows what it is and that it is idle, the code is sent at once and has one second to
//!    begin;
//! 2. code that begins later, because another client was quicker, does nothing; its reply shows that the kernel
//!    is free again, and it is sent again while there is time;
//! 3. this process stays as long as code that has begun may still ask, even after a signal to stop.
//!
//! - [`command`]: `inject`, from a job to the kernels that are meant
//! - [`choose`]: which kernels those are
//! - [`target`]: one of them, and the way to it
//! - [`link`]: messages to and from it, whichever way it is reached
//! - [`turn`]: one kernel, from a link to its record
//! - `info`: a kernel's kernel_info reply
//! - [`language`]: the table of kernels, and [`code`] for each language
//! - `injection`: the code is sent until the kernel has the values
//! - `attempt`: one request to execute code, and its outcome
//! - `question`: values as the answer to a question
//! - `one_shot`: values in a file
//! - `subshell`: while a cell is running
//! - `wait`: while a kernel does not answer
//! - `remembered`: the variables of a kernel whose process can't be seen
//! - `signal`: an end that leaves nothing half done
//! - `watch`: the same for every kernel that appears, as long as it runs

mod attempt;
pub mod choose;
pub mod code;
pub mod command;
mod info;
mod injection;
pub mod language;
pub mod link;
mod one_shot;
mod question;
mod remembered;
mod signal;
mod subshell;
pub mod target;
pub mod turn;
mod wait;
#[cfg(target_os = "linux")]
pub mod watch;

pub use self::injection::Options;
