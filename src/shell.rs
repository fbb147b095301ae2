//! Quotes words for a shell, for the commands in messages.

use crate::error::one_line;

/// Quotes a word for a shell, if needed.
pub fn shell_word(word: &str) -> String {
    let is_plain = |character: char| character.is_alphanumeric() || "-_./=:,@+%".contains(character);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    if one_line(word) != word {
        // A console shows it unchanged.
        let byte = |byte: u8| match byte {
            b'\'' | b'\\' => format!("\\{}", char::from(byte)),
            b' '..=b'~' => char::from(byte).to_string(),
            other => format!("\\{other:03o}"),
        };
        return format!("$'{}'", word.bytes().map(byte).collect::<String>());
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
