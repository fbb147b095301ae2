//! Reads the texts of a notebook one after the other, searches each, and replaces the matches.
//!
//! Images and other binary data are not searched, but counted. Only the matched bytes of the file change.

use std::ops::Range;

use super::finder::{Finder, Form, Match, SHORTEST};
use super::json::{Cursor, Value, Wrong};
use super::scrubbed::{Occurrence, Part, Scrubbed};
use super::text::Text;

/// What a text belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) cell: Option<usize>,
    pub(super) part: Part,
    pub(super) output: Option<usize>,
}

/// A change of the file.
struct Edit {
    range: Range<usize>,
    text: String,
}

/// The pieces of a stream's text, in their outputs.
pub(super) type Pieces = Vec<(Range<usize>, Option<usize>)>;

pub(super) struct Reader<'a> {
    pub(super) file: &'a [u8],
    pub(super) cursor: Cursor<'a>,
    finder: &'a Finder,
    text: Text,
    /// The streams of the current cell, by name.
    pub(super) streams: Vec<(Vec<u8>, Pieces)>,
    pub(super) cells: usize,
    pub(super) has_cells: bool,
    edits: Vec<Edit>,
    scrubbed: Scrubbed,
}

impl<'a> Reader<'a> {
    /// Reads `file`, which is UTF-8, from its beginning.
    pub(super) fn new(file: &'a [u8], finder: &'a Finder) -> Self {
        Self {
            file,
            cursor: Cursor::new(file),
            finder,
            text: Text::default(),
            streams: Vec::new(),
            cells: 0,
            has_cells: false,
            edits: Vec::new(),
            scrubbed: Scrubbed::default(),
        }
    }

    /// The matches in the notebook's order, and the file without them.
    pub(super) fn scrubbed(self) -> Scrubbed {
        let Self { file, edits, mut scrubbed, .. } = self;
        if !edits.is_empty() {
            scrubbed.content = Some(edited(file, edits));
        }
        scrubbed.places.sort_by(|left, right| {
            let key = |place: &Occurrence| (place.cell, place.part, place.output);
            key(left).cmp(&key(right))
        });
        scrubbed
    }
}

impl Reader<'_> {
    /// Any value.
    pub(super) fn any(&mut self, context: Context) -> Result<(), Wrong> {
        let value = self.cursor.value()?;
        self.rest(value, context)
    }

    /// The rest of a value that has begun.
    pub(super) fn rest(&mut self, value: Value, context: Context) -> Result<(), Wrong> {
        let mut first = true;
        match value {
            Value::Text(text) => self.one(text, context),
            Value::Other(place) => {
                self.number(place, context);
                Ok(())
            }
            Value::List => {
                while self.cursor.item(first)? {
                    first = false;
                    self.any(context)?;
                }
                Ok(())
            }
            Value::Object => {
                while let Some(key) = self.cursor.key(first)? {
                    first = false;
                    if is_mime(&self.file[key.clone()]) {
                        self.mime(key, context)?;
                    } else {
                        self.one(key, context)?;
                        self.any(context)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Data of a MIME type: lines, JSON, or binary data.
    pub(super) fn mime(&mut self, key: Range<usize>, context: Context) -> Result<(), Wrong> {
        let is_binary = is_binary(&self.file[key.clone()]);
        self.one(key, context)?;
        if is_binary {
            self.scrubbed.binary += 1;
            let value = self.cursor.value()?;
            return self.skip(&value);
        }
        self.lines(context)
    }

    fn skip(&mut self, value: &Value) -> Result<(), Wrong> {
        let mut first = true;
        match value {
            Value::Text(_) | Value::Other(_) => {}
            Value::List => {
                while self.cursor.item(first)? {
                    first = false;
                    let value = self.cursor.value()?;
                    self.skip(&value)?;
                }
            }
            Value::Object => {
                while self.cursor.key(first)?.is_some() {
                    first = false;
                    let value = self.cursor.value()?;
                    self.skip(&value)?;
                }
            }
        }
        Ok(())
    }

    /// A text, or a list of its lines.
    pub(super) fn lines(&mut self, context: Context) -> Result<(), Wrong> {
        let mut pieces = Pieces::new();
        self.pieces(&mut pieces, context)?;
        self.whole(&pieces, context)
    }

    pub(super) fn pieces(&mut self, pieces: &mut Pieces, context: Context) -> Result<(), Wrong> {
        match self.cursor.value()? {
            Value::Text(text) => pieces.push((text, context.output)),
            Value::List => {
                let mut first = true;
                while self.cursor.item(first)? {
                    first = false;
                    match self.cursor.value()? {
                        Value::Text(text) => pieces.push((text, context.output)),
                        other => self.rest(other, context)?,
                    }
                }
            }
            other => self.rest(other, context)?,
        }
        Ok(())
    }

    /// A text of several pieces.
    pub(super) fn whole(&mut self, pieces: &[(Range<usize>, Option<usize>)], context: Context) -> Result<(), Wrong> {
        self.text.clear();
        for (place, output) in pieces {
            self.text.add(self.file, place.clone(), *output)?;
        }
        self.search(context);
        Ok(())
    }

    /// A text of one piece.
    pub(super) fn one(&mut self, place: Range<usize>, context: Context) -> Result<(), Wrong> {
        self.text.clear();
        self.text.add(self.file, place, context.output)?;
        self.search(context);
        Ok(())
    }

    /// A number, which may be a whole value; its replacement is a string.
    fn number(&mut self, place: Range<usize>, context: Context) {
        if place.len() < SHORTEST {
            return;
        }
        self.text.clear();
        // It has no escapes.
        if self.text.add(self.file, place.clone(), context.output).is_ok() {
            let found = self.finder.find(&self.text);
            if let [Match { range, name, form }] = &found[..]
                && range.len() == place.len()
            {
                self.report(context, *name, *form, 0);
                let text = format!("\"{}\"", replacement(self.finder.name(*name)));
                self.edits.push(Edit { range: place, text });
            }
        }
    }

    /// Searches the text that was read.
    fn search(&mut self, context: Context) {
        if self.text.is_empty() || self.finder.is_empty() {
            return;
        }
        for Match { range, name, form } in self.finder.find(&self.text) {
            self.report(context, name, form, range.start);
            let mut text = replacement(self.finder.name(name));
            for stretch in self.text.raw(&range) {
                self.edits.push(Edit { range: stretch, text: std::mem::take(&mut text) });
            }
        }
    }

    fn report(&mut self, context: Context, name: usize, form: Form, at: usize) {
        let Context { cell, part, .. } = context;
        let output = self.text.output(at).filter(|_| part == Part::Output);
        self.scrubbed.places.push(Occurrence { cell, part, output, name: self.finder.name(name).to_owned(), form });
    }
}

/// Whether a key is a MIME type.
pub(super) fn is_mime(key: &[u8]) -> bool {
    key.contains(&b'/') && !key.contains(&b' ')
}

/// Whether the data of a MIME type is binary.
fn is_binary(mime: &[u8]) -> bool {
    let is_text = mime.ends_with(b"+xml") || mime.ends_with(b"+json");
    let binary: [&[u8]; 6] =
        [b"image/", b"audio/", b"video/", b"font/", b"application/pdf", b"application/octet-stream"];
    !is_text && binary.iter().any(|begin| mime.starts_with(begin))
}

/// A value's replacement, as it is between quotes in JSON.
fn replacement(name: &str) -> String {
    let quoted = serde_json::Value::from(format!("[secret {name}]")).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The file with its changes.
fn edited(file: &[u8], mut edits: Vec<Edit>) -> Vec<u8> {
    edits.sort_by_key(|edit| edit.range.start);
    let mut content = Vec::with_capacity(file.len());
    let mut at = 0;
    for Edit { range, text } in edits {
        content.extend_from_slice(&file[at..range.start]);
        content.extend_from_slice(text.as_bytes());
        at = range.end;
    }
    content.extend_from_slice(&file[at..]);
    content
}
