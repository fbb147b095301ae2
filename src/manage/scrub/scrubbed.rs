//! The matches in a notebook and their places, without values.

use super::finder::Form;
use super::json::Wrong;
use crate::error::{Error, Kind};

/// The part of a notebook or cell that a text belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A cell's code or text.
    Source,
    /// An output of a cell.
    Output,
    /// The metadata of a cell or of the notebook.
    Metadata,
    /// An attachment of a cell.
    Attachment,
}

impl Part {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Output => "output",
            Self::Metadata => "metadata",
            Self::Attachment => "attachment",
        }
    }
}

/// The place of a secret, without the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// The cell, counted from 1; `None`: the notebook's own metadata.
    pub cell: Option<usize>,
    /// The part of it.
    pub part: Part,
    /// The output, counted from 1.
    pub output: Option<usize>,
    /// The secret's name.
    pub name: String,
    /// Its form there.
    pub form: Form,
}

/// A searched notebook.
#[derive(Debug, Default)]
pub struct Scrubbed {
    /// The notebook without its secrets; `None` if it had none.
    pub content: Option<Vec<u8>>,
    /// The places of secrets.
    pub places: Vec<Occurrence>,
    /// How many images and other binary data were not searched.
    pub binary: usize,
}

impl Wrong {
    /// The error for the file with that name.
    pub fn of(self, file: &str) -> Error {
        let what = format!("{file} can't be parsed as a notebook: at byte {}, {}", self.at, self.why);
        Error::new(Kind::BadNotebook, what, "open it in Jupyter and save it, or exclude it")
    }
}
