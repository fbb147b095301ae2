//! One entry of a file of secrets, and a parser's error.

use crate::secret::SecretValue;

/// A name and its value, as the file has them.
pub type Entry = (String, SecretValue);

/// Why a file can't be parsed: the line, counted from 1 if it is known, and what is wrong there.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(super) line: usize,
    pub(super) why: &'static str,
}
