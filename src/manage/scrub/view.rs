//! A text after decoding: without JSON's or Python's escapes, percent-encoding or HTML entities, or with the lines of
//! wrapped base64 joined.
//!
//! A value can be encoded in many ways (in upper or lower case, with more or fewer characters encoded). So each text
//! with such an encoding is decoded, and the result is searched for the plain values.

use std::ops::Range;

use memchr::memchr2;

/// The decoded text, with the position of each byte in the original text.
#[derive(Debug, Default)]
pub(super) struct View {
    pub(super) bytes: Vec<u8>,
    /// Where each byte begins, and the end of the last one.
    places: Vec<u32>,
    /// Whether bytes were left out, so that the end of one is not the beginning of the next.
    has_gaps: bool,
}

impl View {
    fn new() -> Self {
        Self::default()
    }

    /// Adds the decoded bytes of one encoded character.
    fn push(&mut self, bytes: &[u8], place: usize) {
        self.bytes.extend_from_slice(bytes);
        self.places.extend(bytes.iter().map(|_| number(place)));
    }

    /// Adds bytes that are not encoded.
    fn copy(&mut self, bytes: &[u8], place: usize) {
        self.bytes.extend_from_slice(bytes);
        self.places.extend(number(place)..number(place + bytes.len()));
    }

    fn end(mut self, place: usize) -> Self {
        self.places.push(number(place));
        self
    }

    /// The range of the original text that a decoded range comes from; encoded characters are never split.
    pub(super) fn range(&self, range: &Range<usize>) -> Range<usize> {
        let begin = self.places[range.start] as usize;
        // The bytes of one character have the same position.
        let last = self.places[range.end - 1];
        if self.has_gaps {
            return begin..last as usize + 1;
        }
        let next = self.places[range.end..].iter().find(|place| **place > last).copied().unwrap_or(last);
        begin..next as usize
    }
}

/// The decoded bytes of one encoded character. A text has many, so this is not a `Vec`.
#[derive(Debug, Clone, Copy)]
struct CharBytes {
    bytes: [u8; 4],
    length: usize,
}

impl CharBytes {
    const fn byte(byte: u8) -> Self {
        Self { bytes: [byte, 0, 0, 0], length: 1 }
    }

    /// The first four bytes at most.
    fn of(text: &[u8]) -> Self {
        let mut bytes = [0; 4];
        let length = text.len().min(4);
        bytes[..length].copy_from_slice(&text[..length]);
        Self { bytes, length }
    }

    fn get(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Without the backslash escapes of JSON, Python and JavaScript; `None` if there are none.
pub(super) fn unescaped(text: &[u8]) -> Option<View> {
    decoded(text, [b'\\'; 2], &|rest| {
        let simple = |byte: u8| Some((CharBytes::byte(byte), 2));
        match rest.get(1)? {
            byte @ (b'"' | b'\'' | b'\\' | b'/') => simple(*byte),
            b'n' => simple(b'\n'),
            b'r' => simple(b'\r'),
            b't' => simple(b'\t'),
            b'b' => simple(8),
            b'f' => simple(12),
            b'x' => escaped_utf8(rest).or_else(|| hex(rest.get(2..4)?).map(|code| (character(code), 4))),
            b'u' => {
                let first = hex(rest.get(2..6)?)?;
                if let (0xd800..=0xdbff, Some(b"\\u"), Some(digits)) = (first, rest.get(6..8), rest.get(8..12))
                    && let Some(second @ 0xdc00..=0xdfff) = hex(digits)
                {
                    return Some((character(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)), 12));
                }
                Some((character(first), 6))
            }
            b'U' => hex(rest.get(2..10)?).map(|code| (character(code), 10)),
            _ => None,
        }
    })
}

/// One non-ASCII character whose bytes are escaped one by one, as in Python's repr of `bytes`.
fn escaped_utf8(rest: &[u8]) -> Option<(CharBytes, usize)> {
    let byte = |at: usize| {
        let escape = rest.get(at * 4..at * 4 + 4)?.strip_prefix(b"\\x")?;
        hex(escape).and_then(|code| u8::try_from(code).ok())
    };
    let length = match byte(0)? {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let mut bytes = [0; 4];
    for (at, place) in bytes[..length].iter_mut().enumerate() {
        *place = byte(at)?;
    }
    std::str::from_utf8(&bytes[..length]).is_ok().then_some((CharBytes { bytes, length }, length * 4))
}

/// Without percent-encoding; a plus is a space if a value contains a space.
pub(super) fn percent_decoded(text: &[u8], spaces: bool) -> Option<View> {
    let marks = if spaces { [b'%', b'+'] } else { [b'%'; 2] };
    decoded(text, marks, &|rest| match rest {
        [b'%', first, second, ..] => {
            hex(&[*first, *second]).map(|code| (CharBytes::byte(u8::try_from(code).unwrap_or(b'%')), 3))
        }
        [b'+', ..] => Some((CharBytes::byte(b' '), 1)),
        _ => None,
    })
}

/// Without HTML entities for characters that values contain.
pub(super) fn without_entities(text: &[u8]) -> Option<View> {
    const NAMED: [(&[u8], u8); 6] =
        [(b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"'), (b"&apos;", b'\''), (b"&nbsp;", b' ')];
    decoded(text, [b'&'; 2], &|rest| {
        if let Some((name, byte)) = NAMED.iter().find(|(name, _)| rest.starts_with(name)) {
            return Some((CharBytes::byte(*byte), name.len()));
        }
        let digits = rest.strip_prefix(b"&#")?;
        let end = digits.iter().take(9).position(|byte| *byte == b';')?;
        let (digits, length) = (&digits[..end], end + 3);
        let code = match digits.strip_prefix(b"x").or_else(|| digits.strip_prefix(b"X")) {
            Some(digits) => hex(digits)?,
            None if digits.iter().all(u8::is_ascii_digit) => std::str::from_utf8(digits).ok()?.parse().ok()?,
            None => return None,
        };
        Some((character(code), length))
    })
}

/// Without line ends and indentation, for wrapped base64.
pub(super) fn joined(text: &[u8]) -> Option<View> {
    if !text.contains(&b'\n') {
        return None;
    }
    let mut view = View { has_gaps: true, ..View::new() };
    let mut begins = false;
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'\n' | b'\r' => begins = true,
            b' ' | b'\t' if begins => {}
            _ => {
                begins = false;
                view.push(&[*byte], at);
            }
        }
    }
    Some(view.end(text.len()))
}

type Decode<'a> = &'a dyn Fn(&[u8]) -> Option<(CharBytes, usize)>;

/// Decodes what each of the `marks` begins with `decode`; `None` if nothing was decoded.
fn decoded(text: &[u8], marks: [u8; 2], decode: Decode<'_>) -> Option<View> {
    let mut view = View::new();
    let mut changed = false;
    let mut at = 0;
    while at < text.len() {
        let Some(plain) = memchr2(marks[0], marks[1], &text[at..]) else { break };
        view.copy(&text[at..at + plain], at);
        at += plain;
        if let Some((bytes, length)) = decode(&text[at..]) {
            view.push(bytes.get(), at);
            changed = true;
            at += length;
        } else {
            view.copy(&text[at..=at], at);
            at += 1;
        }
    }
    changed.then(|| {
        view.copy(&text[at..], at);
        view.end(text.len())
    })
}

fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn hex(digits: &[u8]) -> Option<u32> {
    let all = !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit);
    u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| all)?, 16).ok()
}

fn character(code: u32) -> CharBytes {
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    CharBytes::of(character.encode_utf8(&mut [0; 4]).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{View, joined, percent_decoded, unescaped, without_entities};

    fn shown(view: &View) -> String {
        String::from_utf8(view.bytes.clone()).unwrap()
    }

    #[test]
    fn each_encoding_is_read_as_its_own_programs_would() {
        assert_eq!(shown(&unescaped(br#"a\"b\\c\n\u00e9\ud83d\ude00\x41\'\q"#).unwrap()), "a\"b\\c\né😀A'\\q");
        assert_eq!(shown(&unescaped(br"\xc3\xa9\xe2\x82\xac\xc3\xc3").unwrap()), "é€ÃÃ");
        assert!(unescaped(b"plain").is_none() && unescaped(br"\q").is_none());
        assert_eq!(shown(&percent_decoded(b"a%2fb%2F%zz%", false).unwrap()), "a/b/%zz%");
        assert_eq!(shown(&percent_decoded(b"a+b", true).unwrap()), "a b");
        assert!(percent_decoded(b"a+b", false).is_none() && percent_decoded(b"100%", true).is_none());
        assert_eq!(shown(&without_entities(b"&lt;a&amp;b&#39;&#x27;&nope;&#;").unwrap()), "<a&b''&nope;&#;");
        assert_eq!(shown(&joined(b"ab\n  cd\r\nef g").unwrap()), "abcdef g");
    }

    #[test]
    fn an_encoded_character_is_replaced_whole() {
        let view = unescaped(br"x\u00e9y").unwrap();
        assert_eq!(view.range(&(1..2)), 1..7);
        assert_eq!(view.range(&(0..4)), 0..8);
        let view = joined(b"ab\n  cd").unwrap();
        assert_eq!(view.range(&(0..2)), 0..2);
        assert_eq!(view.range(&(1..3)), 1..6);
        assert_eq!(view.range(&(2..4)), 5..7);
    }
}
