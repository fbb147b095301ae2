//! A notebook's texts, each with the cell and the part that it is of, and the file without what was found in them.
//!
//! Sources, streams and data of a MIME type may be lists of lines, and one stream may stand in several outputs: these
//! are one text each. Every other text stands for itself, keys of objects too. Images and other binary data are not
//! looked into, and counted. Of the file only the found bytes change.

use std::ops::Range;

use super::finder::{Finder, Form, Found, SHORTEST};
use super::json::{Cursor, Value, Wrong};
use super::text::Text;
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
        let what = format!("{file} is no notebook that can be looked through: at byte {}, {}", self.at, self.why);
        Error::new(Kind::BadNotebook, what, "open it in Jupyter and save it, or take it out of what is looked through")
    }
}

/// Looks through the notebook that `file` holds.
pub fn scrub(file: &[u8], finder: &Finder) -> Result<Scrubbed, Wrong> {
    if let Err(cause) = std::str::from_utf8(file) {
        return Err(Wrong { at: cause.valid_up_to(), why: "it is not UTF-8" });
    }
    let mut reader = Reader {
        file,
        cursor: Cursor::new(file),
        finder,
        text: Text::default(),
        streams: Vec::new(),
        cells: 0,
        has_cells: false,
        edits: Vec::new(),
        scrubbed: Scrubbed::default(),
    };
    match reader.cursor.value()? {
        Value::Object => reader.notebook()?,
        _ => return Err(Wrong { at: 0, why: "it is no JSON object" }),
    }
    reader.cursor.end()?;
    if !reader.has_cells {
        return Err(Wrong { at: file.len(), why: "it has no cells" });
    }
    let Reader { edits, mut scrubbed, .. } = reader;
    if !edits.is_empty() {
        scrubbed.content = Some(edited(file, edits));
    }
    scrubbed.places.sort_by(|left, right| {
        let key = |place: &Place| (place.cell, place.part, place.output);
        key(left).cmp(&key(right))
    });
    Ok(scrubbed)
}

/// What a text is of.
#[derive(Debug, Clone, Copy)]
struct Context {
    cell: Option<usize>,
    part: Part,
    output: Option<usize>,
}

/// What the objects of a list are.
#[derive(Clone, Copy)]
enum Item {
    Sheet,
    Cell,
    Output,
}

/// A change of the file.
struct Edit {
    range: Range<usize>,
    text: String,
}

/// The pieces of a stream's text, in their outputs.
type Pieces = Vec<(Range<usize>, Option<usize>)>;

struct Reader<'a> {
    file: &'a [u8],
    cursor: Cursor<'a>,
    finder: &'a Finder,
    text: Text,
    /// The streams of the cell that is read, by name.
    streams: Vec<(Vec<u8>, Pieces)>,
    cells: usize,
    has_cells: bool,
    edits: Vec<Edit>,
    scrubbed: Scrubbed,
}

impl Reader<'_> {
    /// An object with cells: the notebook, or a worksheet of an old one.
    fn notebook(&mut self) -> Result<(), Wrong> {
        let context = Context { cell: None, part: Part::Metadata, output: None };
        let mut first = true;
        while let Some(key) = self.cursor.key(first)? {
            first = false;
            match &self.file[key.clone()] {
                b"cells" => {
                    self.has_cells = true;
                    self.list(Item::Cell, context)?;
                }
                b"worksheets" => self.list(Item::Sheet, context)?,
                _ => {
                    self.one(key, context)?;
                    self.any(context)?;
                }
            }
        }
        Ok(())
    }

    /// A list of objects of that kind; other values are read as any.
    fn list(&mut self, item: Item, context: Context) -> Result<(), Wrong> {
        match self.cursor.value()? {
            Value::List => {}
            other => return self.rest(other, context),
        }
        let mut first = true;
        let mut number = 0;
        while self.cursor.item(first)? {
            first = false;
            number += 1;
            let context = Context { output: context.output.map(|_| number), ..context };
            match self.cursor.value()? {
                Value::Object => match item {
                    Item::Sheet => self.notebook()?,
                    Item::Cell => self.cell()?,
                    Item::Output => self.output(context)?,
                },
                other => self.rest(other, context)?,
            }
        }
        Ok(())
    }

    fn cell(&mut self) -> Result<(), Wrong> {
        self.cells += 1;
        let of = |part| Context { cell: Some(self.cells), part, output: None };
        let [source, outputs, metadata, attachment] =
            [Part::Source, Part::Output, Part::Metadata, Part::Attachment].map(of);
        let mut first = true;
        while let Some(key) = self.cursor.key(first)? {
            first = false;
            match &self.file[key.clone()] {
                b"source" | b"input" => self.lines(source)?,
                b"outputs" => self.list(Item::Output, Context { output: Some(0), ..outputs })?,
                b"attachments" => self.any(attachment)?,
                _ => {
                    self.one(key, metadata)?;
                    self.any(metadata)?;
                }
            }
        }
        for (_, pieces) in std::mem::take(&mut self.streams) {
            self.whole(&pieces, outputs)?;
        }
        Ok(())
    }

    /// An output. The text of a stream waits for the cell's end, when all of its chunks are there.
    fn output(&mut self, context: Context) -> Result<(), Wrong> {
        let mut name = None;
        let mut pieces = Pieces::new();
        let mut first = true;
        while let Some(key) = self.cursor.key(first)? {
            first = false;
            match &self.file[key.clone()] {
                b"text" => self.pieces(&mut pieces, context)?,
                b"name" | b"stream" => match self.cursor.value()? {
                    Value::Text(text) => {
                        name = Some(self.file[text.clone()].to_vec());
                        self.one(text, context)?;
                    }
                    other => self.rest(other, context)?,
                },
                bytes if is_mime(bytes) => self.mime(key, context)?,
                _ => {
                    self.one(key, context)?;
                    self.any(context)?;
                }
            }
        }
        let Some(name) = name else { return self.whole(&pieces, context) };
        match self.streams.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => known.extend(pieces),
            None => self.streams.push((name, pieces)),
        }
        Ok(())
    }

    /// Any value.
    fn any(&mut self, context: Context) -> Result<(), Wrong> {
        let value = self.cursor.value()?;
        self.rest(value, context)
    }

    /// The rest of a value that has begun.
    fn rest(&mut self, value: Value, context: Context) -> Result<(), Wrong> {
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

    /// Data of a MIME type: lines, JSON, or what is not looked into.
    fn mime(&mut self, key: Range<usize>, context: Context) -> Result<(), Wrong> {
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
    fn lines(&mut self, context: Context) -> Result<(), Wrong> {
        let mut pieces = Pieces::new();
        self.pieces(&mut pieces, context)?;
        self.whole(&pieces, context)
    }

    fn pieces(&mut self, pieces: &mut Pieces, context: Context) -> Result<(), Wrong> {
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

    /// One text in its pieces.
    fn whole(&mut self, pieces: &[(Range<usize>, Option<usize>)], context: Context) -> Result<(), Wrong> {
        self.text.clear();
        for (place, output) in pieces {
            self.text.add(self.file, place.clone(), *output)?;
        }
        self.look(context);
        Ok(())
    }

    /// One text in one piece.
    fn one(&mut self, place: Range<usize>, context: Context) -> Result<(), Wrong> {
        self.text.clear();
        self.text.add(self.file, place, context.output)?;
        self.look(context);
        Ok(())
    }

    /// A number, which may be a value as a whole; what takes its place is a text.
    fn number(&mut self, place: Range<usize>, context: Context) {
        if place.len() < SHORTEST {
            return;
        }
        self.text.clear();
        // It has no escapes.
        if self.text.add(self.file, place.clone(), context.output).is_ok() {
            let found = self.finder.find(&self.text);
            if let [Found { range, name, form }] = &found[..]
                && range.len() == place.len()
            {
                self.tell(context, *name, *form, 0);
                let text = format!("\"{}\"", replacement(self.finder.name(*name)));
                self.edits.push(Edit { range: place, text });
            }
        }
    }

    /// Looks for values in the text that was read.
    fn look(&mut self, context: Context) {
        if self.text.is_empty() || self.finder.is_empty() {
            return;
        }
        for Found { range, name, form } in self.finder.find(&self.text) {
            self.tell(context, name, form, range.start);
            let mut text = replacement(self.finder.name(name));
            for stretch in self.text.raw(&range) {
                self.edits.push(Edit { range: stretch, text: std::mem::take(&mut text) });
            }
        }
    }

    fn tell(&mut self, context: Context, name: usize, form: Form, at: usize) {
        let Context { cell, part, .. } = context;
        let output = self.text.output(at).filter(|_| part == Part::Output);
        self.scrubbed.places.push(Place { cell, part, output, name: self.finder.name(name).to_owned(), form });
    }
}

/// Whether a key is a MIME type.
fn is_mime(key: &[u8]) -> bool {
    key.contains(&b'/') && !key.contains(&b' ')
}

/// Whether its data is not text.
fn is_binary(mime: &[u8]) -> bool {
    let is_text = mime.ends_with(b"+xml") || mime.ends_with(b"+json");
    let binary: [&[u8]; 6] =
        [b"image/", b"audio/", b"video/", b"font/", b"application/pdf", b"application/octet-stream"];
    !is_text && binary.iter().any(|begin| mime.starts_with(begin))
}

/// What stands in a value's place, as JSON has it between quotes.
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

#[cfg(test)]
mod tests {
    use super::{Form, Part, scrub};
    use crate::manage::scrub::finder::Finder;
    use crate::secret::SecretValue;

    fn finder() -> Finder {
        let wanted = [("KEY", "canary-1234"), ("NUMBER", "1234567890"), ("TWO", "line-one\nline-two")];
        Finder::new(wanted.map(|(name, value)| (name.to_owned(), SecretValue::new(value.into()))).into()).unwrap()
    }

    type At = (Option<usize>, Part, Option<usize>, String);

    fn clean(file: &str) -> (String, Vec<At>) {
        let scrubbed = scrub(file.as_bytes(), &finder()).unwrap();
        let content = scrubbed.content.map_or_else(|| file.to_owned(), |new| String::from_utf8(new).unwrap());
        let places = scrubbed.places.into_iter().map(|place| (place.cell, place.part, place.output, place.name));
        (content, places.collect())
    }

    #[test]
    fn a_value_in_pieces_goes_and_all_else_stays_byte_for_byte() {
        let file = "{ \"cells\":[\n {\"source\": [\"a\\n\", \"x = 'can\", \"ary-12\", \"34'\\n\"],\n  \"outputs\": [\
                    {\"name\": \"stdout\", \"output_type\": \"stream\", \"text\": [\"\\u00e9 cana\"]},\
                    {\"output_type\":\"stream\",\"text\":\"canary-1234\",\"name\":\"stderr\"},\
                    {\"output_type\": \"stream\", \"text\": \"ry-1234 z\", \"name\": \"stdout\"},\
                    {\"output_type\": \"execute_result\", \"data\": {\"text/plain\": [\"line-one\\n\", \"line-two\"]}}]}\n],\
                    \"metadata\": {\"canary-1234\": 1234567890, \"n\": 12345678901}}\r\n\n";
        let (content, places) = clean(file);
        let expected = "{ \"cells\":[\n {\"source\": [\"a\\n\", \"x = '[secret KEY]\", \"\", \"'\\n\"],\n  \"outputs\": [\
                    {\"name\": \"stdout\", \"output_type\": \"stream\", \"text\": [\"\\u00e9 [secret KEY]\"]},\
                    {\"output_type\":\"stream\",\"text\":\"[secret KEY]\",\"name\":\"stderr\"},\
                    {\"output_type\": \"stream\", \"text\": \" z\", \"name\": \"stdout\"},\
                    {\"output_type\": \"execute_result\", \"data\": {\"text/plain\": [\"[secret TWO]\", \"\"]}}]}\n],\
                    \"metadata\": {\"[secret KEY]\": \"[secret NUMBER]\", \"n\": 12345678901}}\r\n\n";
        assert_eq!(content, expected);
        let place = |cell, part, output, name: &str| (cell, part, output, name.to_owned());
        let all = [
            place(None, Part::Metadata, None, "KEY"),
            place(None, Part::Metadata, None, "NUMBER"),
            place(Some(1), Part::Source, None, "KEY"),
            place(Some(1), Part::Output, Some(1), "KEY"),
            place(Some(1), Part::Output, Some(2), "KEY"),
            place(Some(1), Part::Output, Some(4), "TWO"),
        ];
        assert_eq!(places, all);
        assert_eq!(clean(&content).0, content);
    }

    #[test]
    fn images_are_counted_and_not_looked_into() {
        let file = "{\"cells\": [{\"attachments\": {\"a.png\": {\"image/png\": \"canary-1234\"}}, \"outputs\": \
                    [{\"data\": {\"image/svg+xml\": [\"<t>canary-1234</t>\"], \"image/png\": [\"x\"]}}]}]}";
        let scrubbed = scrub(file.as_bytes(), &finder()).unwrap();
        assert_eq!((scrubbed.binary, scrubbed.places.len()), (2, 1));
        assert_eq!((scrubbed.places[0].part, scrubbed.places[0].form), (Part::Output, Form::Plain));
    }

    #[test]
    fn an_old_notebook_has_worksheets() {
        let file = "{\"worksheets\": [{\"cells\": [{\"input\": \"canary-1234\", \"outputs\": [{\"stream\": \"stdout\", \
                    \"text\": \"canary-1234\"}]}]}], \"nbformat\": 3}";
        assert_eq!(clean(file).1.len(), 2);
    }

    #[test]
    fn what_is_no_notebook_is_told_with_its_place() {
        for (file, why) in [
            ("", "ends too early"),
            ("[]", "no JSON object"),
            ("{}", "no cells"),
            ("{\"cells\": [{}]", "ends too early"),
            ("{\"cells\": [{}]} x", "follows"),
            ("{\"cells\": [{\"source\": \"\\x\"}]}", "malformed escape"),
            ("{\"cells\": [{\"source\": \"a\nb\"}]}", "control character"),
            ("{\"cells\": [{\"source\": tru}]}", "a value is expected"),
            ("{\"cells\": [{\"source\" \"a\"}]}", "a colon"),
            ("{\"cells\": [{\"source\": \"a\" \"b\": 1}]}", "a comma"),
        ] {
            let error = scrub(file.as_bytes(), &finder()).unwrap_err().of("x.ipynb");
            assert!(error.what().contains(why), "{file}: {error}");
        }
        assert!(scrub(b"{\"cells\": [{\"source\": \"\xff\"}]}", &finder()).is_err());
        let deep = format!("{{\"cells\": [{{\"x\": {}{}}}]}}", "[".repeat(5000), "]".repeat(5000));
        assert!(scrub(deep.as_bytes(), &finder()).unwrap_err().of("x").what().contains("nested too deeply"));
    }
}
