//! What was found in a notebook, and where; never a value.

use super::finder::Form;
use super::json::Wrong;
use crate::error::{Error, Kind};

/// The part of a notebook or cell that a text is of.
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

/// Where a secret stands; never the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The cell, counted from 1; `None`: the notebook's own metadata.
    pub cell: Option<usize>,
    /// The part of it.
    pub part: Part,
    /// The output, counted from 1.
    pub output: Option<usize>,
    /// The secret's name.
    pub name: String,
    /// How it stands there.
    pub form: Form,
}

/// A notebook that was looked through.
#[derive(Debug, Default)]
pub struct Scrubbed {
    /// The notebook without its secrets; `None` where there are none.
    pub content: Option<Vec<u8>>,
    /// Where secrets stand, or stood.
    pub places: Vec<Place>,
    /// How many images and other binary data were not looked into.
    pub binary: usize,
}

impl Wrong {
    /// The error for the file of that name.
    pub fn of(self, file: &str) -> Error {
        let what = format!("{file} can't be parsed as a notebook: at byte {}, {}", self.at, self.why);
        Error::new(Kind::BadNotebook, what, "open it in Jupyter and save it, or exclude it")
    }
}
