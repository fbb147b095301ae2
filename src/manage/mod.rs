//! Commands that do not start kernels: set up, check, list, log in, scrub, and store secrets and data sources.
//!
//! Each command returns its text, and the command line prints it: stdout is for the result, stderr for what prevented
//! one.

mod abandoned;
pub mod doctor;
pub mod kernels;
pub(crate) mod login;
pub mod report;
pub(crate) mod scrub;
pub mod secrets;
pub mod setup;
pub mod sources;
mod time;
pub(crate) mod ui;

/// The result of a command.
#[derive(Debug)]
pub struct Outcome {
    /// The text for stdout; it ends with a line feed, unless it is empty.
    pub text: String,
    /// The exit code: 0, or that of the first failure.
    pub code: u8,
}
