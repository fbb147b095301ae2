//! The commands of whoever sets the launcher up: does it work, and if not, what is to be asked for.
//!
//! Each gives its text back, and [`main`](../../src/main.rs) prints it: stdout is their result, stderr
//! is for what keeps them from having one.

pub mod doctor;
pub mod kernels;
pub mod report;
pub(crate) mod secrets;
pub mod setup;

use crate::cli::manage::Manage;

use crate::error::Result;

/// What a command leaves: the text for stdout, and the code to exit with.
#[derive(Debug)]
pub struct Outcome {
    /// Ends with a line feed, unless it is empty.
    pub text: String,
    /// 0, or the code of the first failure.
    pub code: u8,
}

/// Does what was asked for.
///
/// # Errors
/// What keeps a command from having any result.
pub fn run(command: &Manage) -> Result<Outcome> {
    match command {
        Manage::Setup(arguments) => setup::run(arguments),
        Manage::Doctor(arguments) => doctor::run(arguments),
        Manage::Kernels(arguments) => kernels::run(arguments),
        Manage::Secrets(arguments) => crate::cli::secrets::run(arguments),
    }
}
