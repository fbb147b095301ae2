//! What users and administrators do beside starting kernels: set up, check, look, store secrets and data sources.
//!
//! Each command gives its text back, and the command line prints it: stdout is for the result, stderr for
//! what kept a command from having one.

pub mod doctor;
pub mod kernels;
mod left;
pub(crate) mod login;
pub mod report;
pub(crate) mod scrub;
pub mod secrets;
pub mod setup;
pub mod sources;
pub(crate) mod ui;

/// What a command leaves.
#[derive(Debug)]
pub struct Outcome {
    /// The text for stdout; it ends with a line feed, unless it is empty.
    pub text: String,
    /// The code to exit with: 0, or that of the first failure.
    pub code: u8,
}
