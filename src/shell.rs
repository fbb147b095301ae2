//! Words as a shell takes them, for the commands that we name.

use crate::error::one_line;

/// A word as a shell takes it.
pub fn shell_word(word: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "-_./=:,@+%".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if one_line(word) != word {
        // A console shows it as it is.
        let byte = |byte: u8| match byte {
            b'\'' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            other => format!("\\{other:03o}"),
        };
        return format!("$'{}'", word.bytes().map(byte).collect::<String>());
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
