//! The commands for setting it up: does it work, and if not, what to ask for.
//!
//! Each gives its text back for stdout; an error is what keeps it from having one.

pub mod doctor;
pub mod kernels;
pub mod report;
pub mod setup;

/// What a command leaves: the text for stdout, and the code to exit with.
#[derive(Debug)]
pub struct Outcome {
    /// Ends with a line feed, unless it is empty.
    pub text: String,
    /// 0, or the code of the first failure.
    pub code: u8,
}
