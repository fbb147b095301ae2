//! Reads JSON for the positions of its strings, not for its meaning.
//!
//! A notebook must not change otherwise, so a parser that drops white space, key order and escapes can't be used. Here
//! each value comes with its position in the file. Invalid JSON is an error with its position, and nesting is limited.

use std::ops::Range;

use memchr::memchr2;

/// The deepest nesting; a notebook has about ten levels.
const DEEPEST: usize = 200;

/// The place and cause of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong {
    pub(super) at: usize,
    pub(super) why: &'static str,
}

/// The kind of a value.
pub(super) enum Value {
    /// A string: the bytes between its quotes.
    Text(Range<usize>),
    /// A number, `true`, `false` or `null`.
    Other(Range<usize>),
    /// The beginning of an object, whose keys follow.
    Object,
    /// The beginning of a list, whose values follow.
    List,
}

/// A place in a file.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Cursor<'a> {
    /// At the beginning of `bytes`, which are UTF-8, after a byte order mark.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: if bytes.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }, depth: 0 }
    }

    fn wrong<T>(&self, why: &'static str) -> Result<T, Wrong> {
        Err(Wrong { at: self.at, why })
    }

    fn space(&mut self) {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
        self.at += length.unwrap_or(rest.len());
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next value, or its beginning.
    pub(super) fn value(&mut self) -> Result<Value, Wrong> {
        self.space();
        match self.peek() {
            Some(b'"') => self.text().map(Value::Text),
            Some(b'{') => self.enter().map(|()| Value::Object),
            Some(b'[') => self.enter().map(|()| Value::List),
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n' | b'N' | b'I') => self.other().map(Value::Other),
            Some(_) => self.wrong("a value is expected"),
            None => self.wrong("the file ends too early"),
        }
    }

    fn enter(&mut self) -> Result<(), Wrong> {
        if self.depth == DEEPEST {
            return self.wrong("it is nested too deeply");
        }
        self.depth += 1;
        self.at += 1;
        Ok(())
    }

    /// The next key of an object, with its colon; `None` at the object's end. `first`: no comma precedes it.
    pub(super) fn key(&mut self, first: bool) -> Result<Option<Range<usize>>, Wrong> {
        if self.ends(b'}', first)? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return self.wrong("a key is expected");
        }
        let key = self.text()?;
        self.space();
        if self.peek() != Some(b':') {
            return self.wrong("a colon is expected");
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether a list has another value; `first`: no comma precedes it.
    pub(super) fn item(&mut self, first: bool) -> Result<bool, Wrong> {
        self.ends(b']', first).map(|ends| !ends)
    }

    fn ends(&mut self, close: u8, first: bool) -> Result<bool, Wrong> {
        self.space();
        match self.peek() {
            Some(byte) if byte == close => {
                self.at += 1;
                self.depth -= 1;
                Ok(true)
            }
            Some(b',') if !first => {
                self.at += 1;
                self.space();
                Ok(false)
            }
            Some(_) if first => Ok(false),
            Some(_) => self.wrong("a comma is expected"),
            None => self.wrong("the file ends too early"),
        }
    }

    /// The bytes between the quotes; escapes are decoded later.
    fn text(&mut self) -> Result<Range<usize>, Wrong> {
        let begin = self.at + 1;
        let mut at = begin;
        loop {
            match memchr2(b'"', b'\\', self.bytes.get(at..).unwrap_or_default()) {
                None => return self.wrong("a string is not closed"),
                Some(found) if self.bytes[at + found] == b'"' => {
                    let end = at + found;
                    if self.bytes[begin..end].iter().any(|byte| *byte < 0x20) {
                        return self.wrong("a string contains a control character");
                    }
                    self.at = end + 1;
                    return Ok(begin..end);
                }
                Some(found) => at += found + 2,
            }
        }
    }

    fn other(&mut self) -> Result<Range<usize>, Wrong> {
        let begin = self.at;
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let rest = &self.bytes[begin..];
        let end = begin + rest.iter().position(|byte| !word(byte)).unwrap_or(rest.len());
        let word = &self.bytes[begin..end];
        let is_number = || serde_json::from_slice::<serde_json::Number>(word).is_ok();
        // Python writes these, and reads them.
        let is_word = matches!(word, b"true" | b"false" | b"null" | b"NaN" | b"Infinity" | b"-Infinity");
        if !is_word && !is_number() {
            return self.wrong("a value is expected");
        }
        self.at = end;
        Ok(begin..end)
    }

    /// Checks that nothing follows.
    pub(super) fn end(&mut self) -> Result<(), Wrong> {
        self.space();
        if self.at == self.bytes.len() { Ok(()) } else { self.wrong("there is text after the notebook's end") }
    }
}
