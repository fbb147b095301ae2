//! Values in a text: as they are, and in the encodings that a notebook shows them in.
//!
//! All values are looked for at once (Aho-Corasick). Base64 is looked for as it would stand at each of its three
//! alignments, because the value may be a part of what was encoded; the characters at its ends then hold bits of the
//! neighbours too, and go with it. Other encodings are decoded first (see [`super::view`]).

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use memchr::{memchr_iter, memrchr};
use zeroize::Zeroizing;

use super::text::Text;
use super::view::{View, joined, percent_decoded, unescaped, without_entities};
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;

/// The shortest value that is looked for: a shorter one stands in a text by chance.
pub(super) const SHORTEST: usize = 8;
/// How long base64 text is that may be wrapped: no tool wraps it earlier.
const WRAPPED: usize = 60;
/// The shortest line of wrapped text that another one follows.
const LINE: usize = 40;

/// In which form a value stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is.
    Plain,
    /// In base64, at any alignment.
    Base64,
    /// In hexadecimal, with small letters or capitals.
    Hex,
    /// With the escapes of JSON, or of a language.
    Escaped,
    /// Percent-encoded.
    Url,
    /// With the entities of HTML.
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

/// A value in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) range: Range<usize>,
    /// Which name it is of, by number.
    pub(super) name: usize,
    pub(super) form: Form,
}

/// A pattern: the name that it is of, and what it is of the value.
#[derive(Clone, Copy)]
struct Pattern {
    name: usize,
    word: Word,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    Itself,
    /// Whether the character before it, and the one behind it, is the neighbour's too.
    Base64(bool, bool),
    Hex,
}

/// What finds the values.
pub struct Finder {
    names: Vec<String>,
    patterns: Vec<Pattern>,
    automaton: AhoCorasick,
    /// The same for base64 that is long enough to be wrapped.
    wrapped: Option<(Vec<Pattern>, AhoCorasick)>,
    /// The same for values that HTML writes in another way.
    html: Option<(Vec<Pattern>, AhoCorasick)>,
    /// Whether a value has a space.
    has_spaces: bool,
}

impl std::fmt::Debug for Finder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Finder({} names)", self.names.len())
    }
}

impl Finder {
    /// For these values, each of at least [`SHORTEST`] bytes without the white space around it; of two names with one
    /// value the first counts.
    pub fn new(wanted: Vec<(String, SecretValue)>) -> Result<Self> {
        let mut names = Vec::new();
        let mut words: Vec<(Zeroizing<Vec<u8>>, Pattern)> = Vec::new();
        let mut has_spaces = false;
        for (name, value) in wanted {
            let value = value.trimmed();
            if value.expose().len() < SHORTEST || words.iter().any(|(word, _)| **word == value.expose()) {
                continue;
            }
            let number = names.len();
            names.push(name);
            has_spaces |= value.expose().contains(&b' ');
            words.push((value.expose().to_vec().into(), Pattern { name: number, word: Word::Itself }));
            words.extend(base64(value.expose(), number));
            words.extend(hexadecimal(value.expose(), number));
        }
        let long: Vec<_> = words
            .iter()
            .filter(|(word, pattern)| matches!(pattern.word, Word::Base64(..)) && word.len() > WRAPPED)
            .collect();
        let wrapped = some(&long)?;
        let is_html =
            |word: &[u8]| word.iter().any(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'' | b' ' | 128..));
        let html: Vec<_> =
            words.iter().filter(|(word, pattern)| pattern.word == Word::Itself && is_html(word)).collect();
        let html = some(&html)?;
        let automaton = automaton(words.iter().map(|(word, _)| word.as_slice()))?;
        Ok(Self {
            names,
            patterns: words.iter().map(|(_, pattern)| *pattern).collect(),
            automaton,
            wrapped,
            html,
            has_spaces,
        })
    }

    pub(super) fn name(&self, number: usize) -> &str {
        &self.names[number]
    }

    /// Whether there is nothing to look for.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The values in `text`, in their order; none overlaps another.
    pub(super) fn find(&self, text: &Text) -> Vec<Found> {
        let bytes = text.bytes();
        let mut found = matches(&self.automaton, &self.patterns, bytes, Form::Plain);
        let mut views = Vec::new();
        if let Some(once) = unescaped(bytes) {
            // JSON within JSON has its escapes escaped.
            let twice = unescaped(&once.bytes).map(|twice| (twice, Form::Escaped));
            if let Some((twice, form)) = twice {
                let inner = matches(&self.automaton, &self.patterns, &twice.bytes, form);
                found.extend(inner.into_iter().map(|one| {
                    let range = once.range(&twice.range(&one.range));
                    Found { range, form: if one.form == Form::Plain { form } else { one.form }, ..one }
                }));
            }
            views.push((once, Form::Escaped));
        }
        views.extend(percent_decoded(bytes, self.has_spaces).map(|view| (view, Form::Url)));
        for (view, form) in &views {
            found.extend(mapped(view, matches(&self.automaton, &self.patterns, &view.bytes, *form)));
        }
        if let Some((patterns, automaton)) = &self.html
            && let Some(view) = without_entities(bytes)
        {
            found.extend(mapped(&view, matches(automaton, patterns, &view.bytes, Form::Html)));
        }
        if let Some((patterns, automaton)) = &self.wrapped
            && may_be_wrapped(bytes)
            && let Some(view) = joined(bytes)
        {
            found.extend(mapped(&view, matches(automaton, patterns, &view.bytes, Form::Base64)));
        }
        merged(found)
    }
}

fn mapped(view: &View, found: Vec<Found>) -> impl Iterator<Item = Found> + use<'_> {
    found.into_iter().map(|one| Found { range: view.range(&one.range), ..one })
}

/// What finds these words, if there are any.
fn some(words: &[&(Zeroizing<Vec<u8>>, Pattern)]) -> Result<Option<(Vec<Pattern>, AhoCorasick)>> {
    if words.is_empty() {
        return Ok(None);
    }
    let automaton = automaton(words.iter().map(|(word, _)| word.as_slice()))?;
    Ok(Some((words.iter().map(|(_, pattern)| *pattern).collect(), automaton)))
}

/// Whether a line ends with a long word, as each line of a wrapped text but the last.
fn may_be_wrapped(text: &[u8]) -> bool {
    let mut begin = 0;
    memchr_iter(b'\n', text).any(|end| {
        let line = text[begin..end].trim_ascii_end();
        begin = end + 1;
        line.len() >= LINE && memrchr(b' ', &line[line.len() - LINE..]).is_none()
    })
}

fn automaton<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<AhoCorasick> {
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(words).map_err(|_| {
        let what = "there are too many values, or too long ones, to look for at once";
        Error::new(Kind::Usage, what, "leave some out with --except NAME, or look for fewer sources with --config")
    })
}

fn matches(automaton: &AhoCorasick, patterns: &[Pattern], text: &[u8], form: Form) -> Vec<Found> {
    let found = automaton.find_iter(text).map(|found| {
        let Pattern { name, word } = patterns[found.pattern().as_usize()];
        let is_of = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(|byte| is_base64(*byte));
        let (before, after, form) = match word {
            Word::Itself => (false, false, form),
            Word::Base64(before, after) => (before, after, Form::Base64),
            Word::Hex => (false, false, Form::Hex),
        };
        let start = found.start() - usize::from(before && is_of(found.start().checked_sub(1)));
        let end = found.end() + usize::from(after && is_of(Some(found.end())));
        Found { range: start..end, name, form }
    });
    found.collect()
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// The base64 texts of `value` at each alignment, less the characters that it shares with its neighbours.
fn base64(value: &[u8], name: usize) -> Vec<(Zeroizing<Vec<u8>>, Pattern)> {
    let mut words: Vec<(Zeroizing<Vec<u8>>, Pattern)> = Vec::new();
    for offset in 0..3 {
        let mut whole = Zeroizing::new(vec![0; offset]);
        whole.extend_from_slice(value);
        let (before, bits) = ([0, 2, 3][offset], whole.len() * 8);
        let shared = (offset > 0, bits % 6 > 0);
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let encoded = Zeroizing::new(engine.encode(&*whole));
            let word = encoded.as_bytes()[before..bits / 6].to_vec();
            if !words.iter().any(|(known, _)| **known == word) {
                words.push((word.into(), Pattern { name, word: Word::Base64(shared.0, shared.1) }));
            }
        }
    }
    words
}

/// The hexadecimal texts of `value`, as `bytes.hex()` and `hexdump -e '/1 "%02X"'` write it.
fn hexadecimal(value: &[u8], name: usize) -> [(Zeroizing<Vec<u8>>, Pattern); 2] {
    [b"0123456789abcdef", b"0123456789ABCDEF"].map(|digits| {
        let digit = |half: u8| digits[usize::from(half)];
        let word: Vec<u8> = value.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
        (word.into(), Pattern { name, word: Word::Hex })
    })
}

/// In their order, and what overlaps as one.
fn merged(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|one| (one.range.start, std::cmp::Reverse(one.range.end), one.form));
    let mut merged: Vec<Found> = Vec::with_capacity(found.len());
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
                    let said = found(value, &text);
                    assert_eq!(said.len(), 1, "{whole}: {text}");
                    assert_eq!(said[0].1, Form::Base64);
                    // What is left tells nothing of the value.
                    let left = text.replace(&said[0].0, "");
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
            ("<td>p&#34;w\\&#xf6; &#38;&lt;x&gt;\n/y</td>".to_owned(), Form::Html),
        ] {
            let said = found(value, &text);
            assert_eq!(said.iter().map(|(_, form)| *form).collect::<Vec<_>>(), [form], "{text}: {said:?}");
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
        let said = found(value, &text);
        assert_eq!(said.len(), 1);
        assert!(said[0].0.contains('\n') && !text.replace(&said[0].0, "").contains(wrapped[1]), "{said:?}");
    }

    #[test]
    fn of_two_values_the_longer_one_counts_and_a_short_one_not_at_all() {
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
