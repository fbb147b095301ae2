//! Secrets for a kernel that is running: set, changed and unset by the kernel's own code.
//!
//! Every client of a kernel may see the code that it executes, so the code contains names and no values. The code
//! requests the values as input, and the reply goes only to the kernel.
//!
//! A kernel does one thing at a time. Code that it has queued can't be withdrawn, and if the client is gone when the
//! code requests input, the kernel waits until a user interrupts it, or for ten seconds if the code can set a limit.
//! So:
//! 1. `kernel_info` is requested first, and answered when the kernel is free: only then is the code sent. If the
//!    kernel's process shows what it is and that it is idle, the code is sent at once and has one second to
//!    begin;
//! 2. code that begins later, because another client was quicker, does nothing; its reply shows that the kernel
//!    is free again, and it is sent again while there is time;
//! 3. this process stays as long as code that has begun may still request input, even after a signal to stop.
//!
//! - [`command`]: `inject`, from a job to the selected kernels
//! - [`choose`]: selects the kernels
//! - [`target`]: a selected kernel, and how to reach it
//! - [`link`]: messages to and from it, direct or through a server
//! - [`update`]: one kernel, from a link to its record
//! - `info`: a kernel's kernel_info reply
//! - [`language`]: the table of kernels, and [`code`] for each language
//! - `injection`: sends the code until the kernel has the values
//! - `attempt`: one request to execute code, and its outcome
//! - `question`: values as the reply to an input request
//! - `one_shot`: values in a file
//! - `subshell`: changes a kernel while a cell is running
//! - `wait`: waits for a kernel, and explains why it does not answer
//! - `remembered`: the variables of a kernel whose process can't be seen
//! - `signal`: ends the work when nothing is half done
//! - `watch`: keeps the variables of all kernels up to date

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
pub mod update;
mod wait;
#[cfg(target_os = "linux")]
pub mod watch;

pub use self::injection::Options;
