//! `.env` files, in the syntax that shells and dotenv libraries share: `NAME=value`, quotes, comments, `export`.
//!
//! No library is used: all of them interpolate `$NAME`, which would change a password that contains a `$`.

use zeroize::Zeroizing;

use super::entry::{Entry, Wrong};
use crate::secret::SecretValue;

/// Parses the lines of `text`.
pub(super) fn parse(text: &str) -> Result<Vec<Entry>, Wrong> {
    // Line ends are normalised, so that a key of several lines is the same whichever editor wrote it.
    let text = Zeroizing::new(text.replace("\r\n", "\n"));
    let mut entries = Vec::new();
    let mut rest = text.as_str();
    let mut line = 1;
    while !rest.is_empty() {
        let (entry, used) = first(rest).map_err(|why| Wrong { line, why })?;
        line += rest[..used].matches('\n').count();
        rest = &rest[used..];
        entries.extend(entry);
    }
    Ok(entries)
}

/// The entry at the start of `text`, if its first line has one, and its length in bytes.
fn first(text: &str) -> Result<(Option<Entry>, usize), &'static str> {
    let end = text.find('\n').map_or(text.len(), |end| end + 1);
    let line = text[..end].trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok((None, end));
    }
    let equals = text[..end].find('=').ok_or("there is no `=`")?;
    let name = text[..equals].trim();
    let name = name.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t'])).map_or(name, str::trim);
    let name = name.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or(name);
    if name.is_empty() || name == "export" || name.contains(char::is_whitespace) {
        return Err("there is no name before `=`");
    }
    let begin = equals + 1 + text[equals + 1..end].len() - text[equals + 1..end].trim_start_matches([' ', '\t']).len();
    let value = &text[begin..];
    let (value, used) = match value.chars().next() {
        Some('\'') => single(value)?,
        Some('"') => double(value)?,
        _ => (unquoted(&text[equals + 1..end]), end - begin),
    };
    let quoted = text[begin..].starts_with(['\'', '"']);
    let after = begin + used;
    let end = text[after..].find('\n').map_or(text.len(), |end| after + end + 1);
    if quoted && !matches!(text[after..end].trim().chars().next(), None | Some('#')) {
        return Err("there is text after the closing quote");
    }
    let end = if quoted { end } else { after };
    Ok((Some((name.to_owned(), SecretValue::new(value.into_bytes()))), end))
}

/// The text after `=`, up to a comment or the end of the line. As in a shell, a comment needs a space before it, since
/// a password may begin with `#`.
fn unquoted(line: &str) -> String {
    let comment = line
        .char_indices()
        .find(|(at, character)| *character == '#' && line[..*at].chars().next_back().is_some_and(char::is_whitespace));
    line[..comment.map_or(line.len(), |(at, _)| at)].trim().to_owned()
}

/// Single quotes: every character is literal.
fn single(value: &str) -> Result<(String, usize), &'static str> {
    let end = value[1..].find('\'').ok_or("a quote is not closed")?;
    Ok((value[1..=end].to_owned(), end + 2))
}

/// Double quotes: a backslash begins an escape.
fn double(value: &str) -> Result<(String, usize), &'static str> {
    let mut text = String::with_capacity(value.len());
    let mut characters = value.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Ok((text, at + 1)),
            '\\' => match characters.next().map(|(_, escaped)| escaped) {
                Some('n') => text.push('\n'),
                Some('r') => text.push('\r'),
                Some('t') => text.push('\t'),
                Some(itself @ ('"' | '\\' | '$' | '`')) => text.push(itself),
                Some('\n') => {}
                Some(other) => text.extend(['\\', other]),
                None => break,
            },
            itself => text.push(itself),
        }
    }
    Err("a quote is not closed")
}
