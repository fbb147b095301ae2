//! One text of a notebook, decoded, with each byte's position in the file.
//!
//! A text may consist of several pieces: a list of lines, or the chunks of one stream in several outputs. A value may
//! be split over them, so the pieces are concatenated, unescaped.

use std::ops::Range;

use memchr::memchr;

use super::json::Wrong;

/// Consecutive bytes of the file: plain bytes, or one escape.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Their position in the text.
    at: usize,
    /// Their number there.
    length: usize,
    /// Their position in the file.
    raw: usize,
    /// Their number there.
    raw_length: usize,
}

/// The text.
#[derive(Debug, Default)]
pub(super) struct Text {
    bytes: Vec<u8>,
    runs: Vec<Run>,
    /// Where each piece begins, and the output that it belongs to.
    pieces: Vec<(usize, Option<usize>)>,
}

impl Text {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.runs.clear();
        self.pieces.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The decoded bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The output that the byte at `at` belongs to.
    pub(super) fn output(&self, at: usize) -> Option<usize> {
        let after = self.pieces.partition_point(|(begin, _)| *begin <= at);
        self.pieces.get(after.checked_sub(1)?)?.1
    }

    /// Adds the piece at `place` of `file`, between its quotes.
    pub(super) fn add(&mut self, file: &[u8], place: Range<usize>, output: Option<usize>) -> Result<(), Wrong> {
        self.pieces.push((self.bytes.len(), output));
        let mut at = place.start;
        while at < place.end {
            let rest = &file[at..place.end];
            let plain = memchr(b'\\', rest).unwrap_or(rest.len());
            if plain > 0 {
                self.runs.push(Run { at: self.bytes.len(), length: plain, raw: at, raw_length: plain });
                self.bytes.extend_from_slice(&rest[..plain]);
                at += plain;
                continue;
            }
            let wrong = Wrong { at, why: "a string has a malformed escape" };
            let (character, raw_length) = escape(rest).ok_or(wrong)?;
            let before = self.bytes.len();
            self.bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            self.runs.push(Run { at: before, length: self.bytes.len() - before, raw: at, raw_length });
            at += raw_length;
        }
        Ok(())
    }

    /// The positions in the file of the bytes of `range`, as consecutive ranges.
    pub(super) fn raw(&self, range: &Range<usize>) -> Vec<Range<usize>> {
        let mut stretches: Vec<Range<usize>> = Vec::new();
        let first = self.runs.partition_point(|run| run.at + run.length <= range.start);
        for run in self.runs[first..].iter().take_while(|run| run.at < range.end) {
            let stretch = if run.length == run.raw_length {
                let from = range.start.max(run.at) - run.at;
                let to = range.end.min(run.at + run.length) - run.at;
                run.raw + from..run.raw + to
            } else {
                run.raw..run.raw + run.raw_length
            };
            match stretches.last_mut() {
                Some(last) if last.end == stretch.start => last.end = stretch.end,
                _ => stretches.push(stretch),
            }
        }
        stretches
    }
}

/// The character of a JSON escape, and the escape's length.
fn escape(text: &[u8]) -> Option<(char, usize)> {
    let simple = match text.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let unit = |at: usize| {
                let digits = text.get(at..at + 4)?;
                let all = digits.iter().all(u8::is_ascii_hexdigit);
                u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| all)?, 16).ok()
            };
            let first = unit(2)?;
            let follows = text.get(6..8) == Some(b"\\u");
            if let (0xd800..=0xdbff, true) = (first, follows)
                && let Some(second @ 0xdc00..=0xdfff) = unit(8)
            {
                let joined = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                return Some((char::from_u32(joined)?, 12));
            }
            // A lone surrogate, which Python may write, is not a character.
            return Some((char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6));
        }
        _ => return None,
    };
    Some((simple, 2))
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn a_text_in_pieces_is_one_text_and_each_byte_has_its_place() {
        let file = br#"["ab\u00e9\n", "c\ud83d\ude00d"]"#;
        let mut text = Text::default();
        text.add(file, 2..12, None).unwrap();
        text.add(file, 16..30, Some(1)).unwrap();
        assert_eq!(text.bytes(), "abé\nc😀d".as_bytes());
        let raw = |range: std::ops::Range<usize>| {
            text.raw(&range).iter().map(|stretch| (stretch.start, stretch.end)).collect::<Vec<_>>()
        };
        assert_eq!(raw(1..2), [(3, 4)]);
        assert_eq!(raw(2..4), [(4, 10)], "an escape goes as a whole");
        assert_eq!(raw(1..6), [(3, 12), (16, 17)]);
        assert_eq!(raw(6..11), [(17, 30)]);
        assert_eq!((text.output(4), text.output(5)), (None, Some(1)));
    }

    #[test]
    fn a_malformed_escape_is_an_error() {
        for wrong in [r"\x41", r"\u12", r"\u12g4", r"\"] {
            assert!(Text::default().add(wrong.as_bytes(), 0..wrong.len(), None).is_err(), "{wrong}");
        }
        let mut text = Text::default();
        text.add(br"\ud800x", 0..7, None).unwrap();
        assert_eq!(text.bytes(), "\u{fffd}x".as_bytes());
    }
}
