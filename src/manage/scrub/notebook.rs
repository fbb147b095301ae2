//! A notebook's structure: which cell and part each string belongs to.
//!
//! Sources, streams and MIME data may be lists of lines, and one stream may be split over several outputs; each of
//! these is searched as one text. Every other string, including keys of objects, is searched separately.

use super::finder::Finder;
use super::json::{Value, Wrong};
use super::reader::{Context, Pieces, Reader, is_mime};
use super::scrubbed::{Part, Scrubbed};

/// Searches the notebook in `file`.
pub fn scrub(file: &[u8], finder: &Finder) -> Result<Scrubbed, Wrong> {
    if let Err(cause) = std::str::from_utf8(file) {
        return Err(Wrong { at: cause.valid_up_to(), why: "it is not UTF-8" });
    }
    let mut reader = Reader::new(file, finder);
    match reader.cursor.value()? {
        Value::Object => reader.notebook()?,
        _ => return Err(Wrong { at: 0, why: "it is not a JSON object" }),
    }
    reader.cursor.end()?;
    if !reader.has_cells {
        return Err(Wrong { at: file.len(), why: "it has no cells" });
    }
    Ok(reader.scrubbed())
}

/// The kind of a list's objects.
#[derive(Clone, Copy)]
enum Item {
    Sheet,
    Cell,
    Output,
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

    /// An output. A stream's text is searched at the cell's end, when all of its chunks are known.
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
}

#[cfg(test)]
mod tests {
    use super::{Part, scrub};
    use crate::manage::scrub::finder::{Finder, Form};
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
    fn a_split_value_is_removed_and_nothing_else_changes() {
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
    fn images_are_counted_but_not_searched() {
        let file = "{\"cells\": [{\"attachments\": {\"a.png\": {\"image/png\": \"canary-1234\"}}, \"outputs\": \
                    [{\"data\": {\"image/svg+xml\": [\"<t>canary-1234</t>\"], \"image/png\": [\"x\"]}}]}]}";
        let scrubbed = scrub(file.as_bytes(), &finder()).unwrap();
        assert_eq!((scrubbed.binary, scrubbed.places.len()), (2, 1));
        assert_eq!((scrubbed.places[0].part, scrubbed.places[0].form), (Part::Output, Form::Plain));
    }

    #[test]
    fn numbers_that_only_python_writes_are_read() {
        let file = "{\"cells\": [{\"outputs\": [{\"data\": {\"application/json\": [NaN, -Infinity, Infinity, \"canary-1234\"]}}]}]}";
        assert_eq!(clean(file).1.len(), 1);
    }

    #[test]
    fn an_old_notebook_has_worksheets() {
        let file = "{\"worksheets\": [{\"cells\": [{\"input\": \"canary-1234\", \"outputs\": [{\"stream\": \"stdout\", \
                    \"text\": \"canary-1234\"}]}]}], \"nbformat\": 3}";
        assert_eq!(clean(file).1.len(), 2);
    }

    #[test]
    fn a_file_that_is_not_a_notebook_is_an_error_with_a_position() {
        for (file, why) in [
            ("", "ends too early"),
            ("[]", "not a JSON object"),
            ("{}", "no cells"),
            ("{\"cells\": [{}]", "ends too early"),
            ("{\"cells\": [{}]} x", "text after the notebook"),
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
