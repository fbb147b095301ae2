//! YAML files: one mapping of names to scalars, whose text is kept unchanged.

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::entry::{Entry, Wrong};
use crate::secret::SecretValue;

/// Parses the mapping of `text`.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Wrong> {
    let mut events = Parser::new_from_str(text);
    let mut next = || -> Result<(Event<'_>, usize), Wrong> {
        match events.next() {
            Some(Ok((event, span))) => Ok((event, line_of(&span))),
            Some(Err(cause)) => Err(Wrong { line: cause.marker().line(), why: "this is not YAML" }),
            None => Ok((Event::StreamEnd, 0)),
        }
    };
    loop {
        match next()? {
            (Event::StreamStart | Event::DocumentStart(_), _) => {}
            (Event::MappingStart(..), _) => break,
            (Event::StreamEnd | Event::DocumentEnd, line) => {
                return Err(Wrong { line, why: "there is no mapping of names to values" });
            }
            (_, line) => return Err(Wrong { line, why: "this is not a mapping of names to values" }),
        }
    }
    let mut entries = Vec::new();
    loop {
        let name = match next()? {
            (Event::MappingEnd, _) => break,
            (Event::Scalar(name, ..), _) => name.into_owned(),
            (_, line) => return Err(Wrong { line, why: "a name is not plain text" }),
        };
        let value = match next()? {
            (Event::Scalar(text, ScalarStyle::Plain, ..), line)
                if matches!(&*text, "" | "~" | "null" | "Null" | "NULL") =>
            {
                return Err(Wrong { line, why: "a name has no value" });
            }
            (Event::Scalar(text, ..), _) => text.into_owned(),
            (_, line) => {
                return Err(Wrong { line, why: "a value is not text: lists, mappings and aliases are not supported" });
            }
        };
        entries.push((name, SecretValue::new(value.into_bytes())));
    }
    loop {
        match next()? {
            (Event::StreamEnd, _) => return Ok(entries),
            (Event::DocumentStart(_), line) => return Err(Wrong { line, why: "a second document begins" }),
            _ => {}
        }
    }
}

fn line_of(span: &Span) -> usize {
    span.start.line()
}
