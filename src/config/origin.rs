//! The origin of a setting, for messages.

use std::fmt;
use std::path::{Path, PathBuf};

/// The origin of an answer to a question.
pub const ANSWER: &str = "your answer";

/// The origin of piped input.
pub const PIPED: &str = "standard input";

/// The origin of a setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A flag on the command line.
    Flag(&'static str),
    /// An environment variable.
    Variable(String),
    /// The answer to a question.
    Answer,
    /// A line of a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
}

impl Origin {
    /// Whether it is a flag.
    pub const fn is_flag(&self) -> bool {
        matches!(self, Self::Flag(_))
    }

    /// Whether it is a variable.
    pub const fn is_variable(&self) -> bool {
        matches!(self, Self::Variable(_))
    }

    /// The file, if it is a line of one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            Self::Flag(_) | Self::Variable(_) | Self::Answer => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => write!(out, "{flag}"),
            Self::Variable(name) => write!(out, "{name}"),
            Self::Answer => write!(out, "{ANSWER}"),
            Self::File { path, line } => write!(out, "{}:{line}", path.display()),
        }
    }
}
