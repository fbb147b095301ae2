//! JSON with only ASCII characters, as some programs write it and every parser reads it.

use std::fmt::Write as _;

/// The JSON text `json` with all other characters escaped.
pub fn ascii_json(json: &str) -> String {
    // An escaped character takes at most three times its bytes. A buffer that had to grow would leave a copy of the
    // value.
    let mut text = String::with_capacity(json.len() * 3);
    for character in json.chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}
