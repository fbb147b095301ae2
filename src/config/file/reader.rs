//! The text of a vault.toml: its entries, and errors with their line.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;

use crate::config::keys::nearest;
use crate::config::origin::Origin;
use crate::config::source::KvVersion;
use crate::error::{Error, Kind, Result};

/// The text of a file that is parsed.
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) path: &'a Path,
}

/// A key of a table, and its value.
pub(super) type Entry<'a, 'i> = (&'a Spanned<std::borrow::Cow<'i, str>>, &'a Spanned<DeValue<'i>>);

impl Reader<'_> {
    /// The `version` of a KV engine.
    pub(super) fn version(&self, value: &Spanned<DeValue<'_>>) -> Result<KvVersion> {
        match value.get_ref() {
            DeValue::Integer(number) if number.as_str() == "1" => Ok(KvVersion::V1),
            DeValue::Integer(number) if number.as_str() == "2" => Ok(KvVersion::V2),
            _ => Err(self.wrong(&value.span(), "`version` is not 1 or 2", "leave it out to have it looked up")),
        }
    }

    /// The error for a key that is not `known`.
    pub(super) fn unknown<'k>(
        &self,
        span: &Range<usize>,
        key: &str,
        known: impl Iterator<Item = &'k str> + Clone,
    ) -> Error {
        let advice = nearest(key, known.clone()).map_or_else(
            || format!("known keys: {}", known.collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean `{near}`?"),
        );
        self.wrong(span, &format!("unknown key `{key}`"), &advice)
    }

    /// The error for the text at `span`.
    pub(super) fn wrong(&self, span: &Range<usize>, what: &str, advice: &str) -> Error {
        Error::new(Kind::Config, format!("{}:{}: {what}", self.path.display(), self.line(span.start)), advice)
    }

    /// Where a setting at `span` comes from.
    pub(super) fn origin(&self, span: &Range<usize>) -> Origin {
        Origin::File { path: self.path.to_owned(), line: self.line(span.start) }
    }

    fn line(&self, offset: usize) -> usize {
        self.text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
    }
}
