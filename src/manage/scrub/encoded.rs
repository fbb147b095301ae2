//! The words to search for: a value, plain and as base64 and hexadecimal digits.
//!
//! Base64 has three alignments, since the value may be part of the encoded text. The characters at its ends then also
//! contain bits of the neighbouring text: they are not searched for, but replaced with the rest. In encoded JSON, a
//! value has JSON's escapes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use crate::json::ascii_json;
use crate::secret::SecretValue;

/// A word to search for, and its meaning; wiped on drop.
pub(super) type Encoded = (Zeroizing<Vec<u8>>, Pattern);

/// The meaning of a word: the number of the value's name, and the word's form.
#[derive(Clone, Copy)]
pub(super) struct Pattern {
    pub(super) name: usize,
    pub(super) word: Word,
}

/// The form of a word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Plain,
    /// Whether the characters before and after it contain bits of the value too.
    Base64(bool, bool),
    Hex,
}

/// All words for a `value` and the number of its name.
pub(super) fn words_of(value: &SecretValue, name: usize) -> Vec<Encoded> {
    let mut words = vec![(value.expose().to_vec().into(), Pattern { name, word: Word::Plain })];
    words.extend(base64(value.expose(), name));
    for escaped in in_json(value.expose_text()) {
        words.extend(base64(escaped.as_bytes(), name));
    }
    words.extend(hexadecimal(value.expose(), name));
    words
}

/// Whether this is a base64 character, in either alphabet.
pub(super) const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// The base64 texts of `value` at each alignment, without the characters that it shares with its neighbours.
fn base64(value: &[u8], name: usize) -> Vec<Encoded> {
    let mut words: Vec<Encoded> = Vec::new();
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

/// The value with JSON's escapes, if it needs any: with non-ASCII characters plain, and escaped.
fn in_json(value: Option<&str>) -> Vec<Zeroizing<String>> {
    let Some(value) = value else { return Vec::new() };
    let quoted = Zeroizing::new(serde_json::Value::from(value).to_string());
    let escaped = Zeroizing::new(quoted[1..quoted.len() - 1].to_owned());
    let ascii = Zeroizing::new(ascii_json(&escaped));
    let mut all = vec![escaped, ascii];
    all.dedup();
    all.retain(|escaped| escaped.as_str() != value);
    all
}

/// The hexadecimal texts of `value`, as `bytes.hex()` and `hexdump -e '/1 "%02X"'` write it.
fn hexadecimal(value: &[u8], name: usize) -> [Encoded; 2] {
    [b"0123456789abcdef", b"0123456789ABCDEF"].map(|digits| {
        let digit = |half: u8| digits[usize::from(half)];
        let word: Vec<u8> = value.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
        (word.into(), Pattern { name, word: Word::Hex })
    })
}
