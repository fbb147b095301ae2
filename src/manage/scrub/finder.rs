//! Finds values in a text: plain, and in the encodings in which a notebook may show them.
//!
//! One search (Aho-Corasick) looks for all values at once, plain, in base64 and in hexadecimal (see
//! [`super::encoded`]). Other encodings are decoded first (see [`super::view`]).

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use memchr::{memchr, memchr_iter, memrchr};

use super::encoded::{Encoded, Pattern, Word, is_base64, words_of};
use super::text::Text;
use super::view::{View, joined, percent_decoded, unescaped, without_entities};
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;

/// The shortest value that is searched for; shorter ones may occur by chance.
pub(super) const SHORTEST: usize = 8;
/// The shortest base64 text that may be wrapped: no tool wraps shorter ones.
const WRAPPED: usize = 60;
/// The largest total size of words, in bytes, for a transition table, which takes about 500 bytes per byte.
const LARGEST_TABLE: usize = 150_000;
/// The shortest line of wrapped text, except for the last.
const LINE: usize = 40;

/// The form of a value in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Plain.
    Plain,
    /// In base64, at any alignment.
    Base64,
    /// In hexadecimal, in lower or upper case.
    Hex,
    /// With the escapes of JSON or a programming language.
    Escaped,
    /// Percent-encoded.
    Url,
    /// With HTML entities.
    Html,
}

impl Form {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Base64 => "base64",
            Self::Hex => "hex",
            Self::Escaped => "escaped",
            Self::Url => "url",
            Self::Html => "html",
        }
    }
}

/// A value found in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) range: Range<usize>,
    /// The number of its name.
    pub(super) name: usize,
    pub(super) form: Form,
}

/// Finds the values.
pub struct Finder {
    names: Vec<String>,
    patterns: Vec<Pattern>,
    automaton: AhoCorasick,
    /// The automaton for base64 that is long enough to be wrapped.
    wrapped: Option<(Vec<Pattern>, AhoCorasick)>,
    marks: Marks,
    /// Whether a value contains a space.
    has_spaces: bool,
}

impl std::fmt::Debug for Finder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Finder({} names)", self.names.len())
    }
}

impl Finder {
    /// For these values, each of at least [`SHORTEST`] bytes and without surrounding white space. If two names have the
    /// same value, the first is used.
    pub fn new(wanted: Vec<(String, SecretValue)>) -> Result<Self> {
        Self::of(wanted, false)
    }

    /// The same for many notebooks: a third faster, but it takes about ten megabytes and milliseconds to build.
    pub(super) fn for_many(wanted: Vec<(String, SecretValue)>) -> Result<Self> {
        Self::of(wanted, true)
    }

    fn of(wanted: Vec<(String, SecretValue)>, is_for_many: bool) -> Result<Self> {
        let mut names = Vec::new();
        let mut words: Vec<Encoded> = Vec::new();
        let mut has_spaces = false;
        let mut marks = Marks::default();
        for (name, value) in wanted {
            let value = value.trimmed();
            if value.expose().len() < SHORTEST || words.iter().any(|(word, _)| **word == value.expose()) {
                continue;
            }
            let number = names.len();
            names.push(name);
            marks.add(value.expose());
            has_spaces |= value.expose().contains(&b' ');
            words.extend(words_of(&value, number));
        }
        let size: usize = words.iter().map(|(word, _)| word.len()).sum();
        let kind = (is_for_many && size <= LARGEST_TABLE).then_some(AhoCorasickKind::DFA);
        let long: Vec<_> = words
            .iter()
            .filter(|(word, pattern)| matches!(pattern.word, Word::Base64(..)) && word.len() > WRAPPED)
            .collect();
        let wrapped = some(&long, kind)?;
        let automaton = automaton(words.iter().map(|(word, _)| word.as_slice()), kind)?;
        Ok(Self {
            names,
            patterns: words.iter().map(|(_, pattern)| *pattern).collect(),
            automaton,
            wrapped,
            marks,
            has_spaces,
        })
    }

    pub(super) fn name(&self, number: usize) -> &str {
        &self.names[number]
    }

    /// Whether there is nothing to search for.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The values in `text`, in order and without overlaps.
    pub(super) fn find(&self, text: &Text) -> Vec<Match> {
        merged(self.within(text.bytes(), &[]))
    }

    /// The values in the text after decoding the encodings in `read`, outermost first.
    fn within(&self, bytes: &[u8], read: &[Form]) -> Vec<Match> {
        let mut found = matches(&self.automaton, &self.patterns, bytes, read.first().copied().unwrap_or(Form::Plain));
        for form in self.next(bytes, read) {
            let view = match form {
                Form::Escaped => unescaped(bytes),
                Form::Url => percent_decoded(bytes, self.has_spaces),
                _ => without_entities(bytes),
            };
            if let Some(view) = view {
                found.extend(mapped(&view, self.within(&view.bytes, &[read, &[*form]].concat())));
            }
        }
        if let Some((patterns, automaton)) = &self.wrapped
            && read.is_empty()
            && may_be_wrapped(bytes)
            && let Some(view) = joined(bytes)
        {
            found.extend(mapped(&view, matches(automaton, patterns, &view.bytes, Form::Base64)));
        }
        found
    }

    /// The encodings to try inside those: the ones that programs nest, if the text or a value has characters that they
    /// encode.
    fn next(&self, bytes: &[u8], read: &[Form]) -> &'static [Form] {
        match read {
            [] if self.marks.html => &[Form::Escaped, Form::Url, Form::Html],
            [] => &[Form::Escaped, Form::Url],
            // JSON in JSON in JSON.
            [Form::Escaped] | [Form::Escaped, Form::Escaped] => &[Form::Escaped],
            // A URL in a URL's query; JSON in a URL.
            [Form::Url] if self.marks.json => &[Form::Url, Form::Escaped],
            [Form::Url] => &[Form::Url],
            // JSON in an attribute.
            [Form::Html] if self.marks.json_in_html && memchr(b'\\', bytes).is_some() => &[Form::Escaped],
            _ => &[],
        }
    }
}

/// Which encodings change characters of the values.
#[derive(Debug, Clone, Copy, Default)]
struct Marks {
    /// HTML encodes some characters as entities.
    html: bool,
    /// JSON escapes some characters.
    json: bool,
    /// One value has both kinds.
    json_in_html: bool,
}

impl Marks {
    fn add(&mut self, value: &[u8]) {
        // Some template engines encode these too.
        let html = value
            .iter()
            .any(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'' | b' ' | b'/' | b'=' | b'`' | b'+' | 128..));
        let json = value.iter().any(|byte| matches!(byte, b'"' | b'\\' | 0..32 | 127..));
        self.html |= html;
        self.json |= json;
        self.json_in_html |= html && json;
    }
}

fn mapped(view: &View, found: Vec<Match>) -> impl Iterator<Item = Match> + use<'_> {
    found.into_iter().map(|one| Match { range: view.range(&one.range), ..one })
}

/// The automaton for these words, if any.
fn some(words: &[&Encoded], kind: Option<AhoCorasickKind>) -> Result<Option<(Vec<Pattern>, AhoCorasick)>> {
    if words.is_empty() {
        return Ok(None);
    }
    let automaton = automaton(words.iter().map(|(word, _)| word.as_slice()), kind)?;
    Ok(Some((words.iter().map(|(_, pattern)| *pattern).collect(), automaton)))
}

/// Whether a line ends with a long word, like all lines of a wrapped text but the last.
fn may_be_wrapped(text: &[u8]) -> bool {
    let mut begin = 0;
    memchr_iter(b'\n', text).any(|end| {
        let line = text[begin..end].trim_ascii_end();
        begin = end + 1;
        line.len() >= LINE && memrchr(b' ', &line[line.len() - LINE..]).is_none()
    })
}

fn automaton<'a>(words: impl Iterator<Item = &'a [u8]>, kind: Option<AhoCorasickKind>) -> Result<AhoCorasick> {
    AhoCorasick::builder().kind(kind).match_kind(MatchKind::LeftmostLongest).build(words).map_err(|_| {
        let what = "the values are too many, or too long, to search for at once";
        Error::new(Kind::Usage, what, "leave some out with --except NAME, or use fewer sources with --config")
    })
}

fn matches(automaton: &AhoCorasick, patterns: &[Pattern], text: &[u8], form: Form) -> Vec<Match> {
    let found = automaton.find_iter(text).map(|found| {
        let Pattern { name, word } = patterns[found.pattern().as_usize()];
        let is_of = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(|byte| is_base64(*byte));
        let (before, after, form) = match word {
            Word::Plain => (false, false, form),
            Word::Base64(before, after) => (before, after, Form::Base64),
            Word::Hex => (false, false, Form::Hex),
        };
        let start = found.start() - usize::from(before && is_of(found.start().checked_sub(1)));
        let end = found.end() + usize::from(after && is_of(Some(found.end())));
        Match { range: start..end, name, form }
    });
    found.collect()
}

/// Sorts the matches, and joins overlapping ones.
fn merged(mut found: Vec<Match>) -> Vec<Match> {
    found.sort_by_key(|one| (one.range.start, std::cmp::Reverse(one.range.end), one.form));
    let mut merged: Vec<Match> = Vec::with_capacity(found.len());
    for one in found {
        match merged.last_mut() {
            Some(last) if one.range.start < last.range.end => last.range.end = last.range.end.max(one.range.end),
            _ => merged.push(one),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::{Finder, Form};
    use crate::manage::scrub::text::Text;
    use crate::secret::SecretValue;

    fn found(value: &str, text: &str) -> Vec<(String, Form)> {
        let finder = Finder::new(vec![("A".to_owned(), SecretValue::new(value.into()))]).unwrap();
        let mut read = Text::default();
        // As in a file, where these two are escaped.
        let raw = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        read.add(raw.as_bytes(), 0..raw.len(), None).unwrap();
        finder.find(&read).into_iter().map(|one| (text[one.range].to_owned(), one.form)).collect()
    }

    #[test]
    fn a_value_is_found_in_base64_wherever_it_stands_in_it() {
        let value = "s3cret/+value?>";
        for before in ["", "a", "ab", "abc", "{\"k\":\""] {
            for after in ["", "x", "xy", "\"}"] {
                let whole = format!("{before}{value}{after}");
                let encoded = STANDARD.encode(&whole);
                for text in [encoded.clone(), encoded.replace('+', "-").replace('/', "_"), format!("'{encoded}'\n")] {
                    let hits = found(value, &text);
                    assert_eq!(hits.len(), 1, "{whole}: {text}");
                    assert_eq!(hits[0].1, Form::Base64);
                    // The rest shows nothing of the value.
                    let left = text.replace(&hits[0].0, "");
                    assert!(
                        left.trim_matches(['\'', '\n', '=']).len() <= (before.len() + after.len() + 2) * 4 / 3,
                        "{left}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_value_is_found_in_each_encoding() {
        let value = "p\"w\\ö &<x>\n/y";
        for (text, form) in [
            (value.to_owned(), Form::Plain),
            (format!("x{value}y"), Form::Plain),
            (r#"{"k": "p\"w\\\u00f6 &<x>\n/y"}"#.to_owned(), Form::Escaped),
            (r#"{"k": "p\"w\\ö &<x>\n\/y"}"#.to_owned(), Form::Escaped),
            (r#""{\"k\": \"p\\\"w\\\\\\u00f6 &<x>\\n/y\"}""#.to_owned(), Form::Escaped),
            (r#"'p"w\\ö &<x>\n/y'"#.to_owned(), Form::Escaped),
            ("?q=p%22w%5C%C3%B6%20%26%3Cx%3E%0A%2Fy&r".to_owned(), Form::Url),
            ("?q=p%22w%5c%c3%b6+%26%3cx%3e%0a/y&r".to_owned(), Form::Url),
            ("<td>p&quot;w\\ö &amp;&lt;x&gt;\n/y</td>".to_owned(), Form::Html),
            ("b'70225c'.hex: 7022775cc3b620263c783e0a2f79".to_owned(), Form::Hex),
            ("0x7022775CC3B620263C783E0A2F79;".to_owned(), Form::Hex),
            ("<i data=\"{&quot;k&quot;: &quot;p\\&quot;w\\\\ö &amp;&lt;x&gt;\\n/y&quot;}\">".to_owned(), Form::Html),
            (r#"b'p"w\\\xc3\xb6 &<x>\n/y'"#.to_owned(), Form::Escaped),
            ("?u=%3Fq%3Dp%2522w%255C%25C3%25B6%2520%2526%253Cx%253E%250A%252Fy".to_owned(), Form::Url),
            ("?q=%7B%22k%22%3A%22p%5C%22w%5C%5C%5Cu00f6%20%26%3Cx%3E%5Cn%2Fy%22%7D".to_owned(), Form::Url),
            (STANDARD.encode(r#"{"k": "p\"w\\\u00f6 &<x>\n/y"}"#), Form::Base64),
            (STANDARD.encode(r#"{"k": "p\"w\\ö &<x>\n/y"}"#), Form::Base64),
            ("<td>p&#34;w\\&#xf6; &#38;&lt;x&gt;\n/y</td>".to_owned(), Form::Html),
        ] {
            let hits = found(value, &text);
            assert_eq!(hits.iter().map(|(_, form)| *form).collect::<Vec<_>>(), [form], "{text}: {hits:?}");
        }
        assert_eq!(found(value, "p\"w\\ö &<x>\n/z"), []);
    }

    #[test]
    fn a_long_base64_text_may_be_wrapped() {
        let value =
            "-----BEGIN KEY-----\nabcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz\n-----END KEY-----";
        let encoded = STANDARD.encode(value);
        let wrapped: Vec<_> = encoded.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let text = format!("key: {}\nend", wrapped.join("\n"));
        let hits = found(value, &text);
        assert_eq!(hits.len(), 1);
        assert!(hits[0].0.contains('\n') && !text.replace(&hits[0].0, "").contains(wrapped[1]), "{hits:?}");
    }

    #[test]
    fn the_longer_of_two_values_wins_and_a_short_value_is_ignored() {
        let wanted =
            [("LONG", "abcdefgh-ijklmnop"), ("PART", "abcdefgh"), ("SHORT", "abcdefg"), ("SAME", " abcdefgh\n")];
        let finder =
            Finder::new(wanted.map(|(name, value)| (name.to_owned(), SecretValue::new(value.into()))).into()).unwrap();
        let mut text = Text::default();
        let raw = b"abcdefg abcdefgh abcdefgh-ijklmnop";
        text.add(raw, 0..raw.len(), None).unwrap();
        let names: Vec<_> = finder.find(&text).iter().map(|one| finder.name(one.name).to_owned()).collect();
        assert_eq!(names, ["PART", "LONG"]);
    }
}
