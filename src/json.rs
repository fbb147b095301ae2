//! JSON in ASCII alone, as some programs write it and each language's parser reads it.

use std::fmt::Write as _;

/// The JSON text `json` with everything outside ASCII escaped.
pub fn ascii_json(json: &str) -> String {
    // No character takes more than three times its bytes: a value leaves no copy behind in a buffer that grew.
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
