//! The fields of a data source, checked before they are stored and again before they are used.

use super::template::is_v6;
use crate::secret::SecretValue;

/// One field of a kind.
#[derive(Debug)]
pub struct Field {
    /// Its name, for users and in the stored secret.
    pub name: &'static str,
    /// Its meaning, for a question and for the documentation.
    pub about: &'static str,
    /// The values it may have.
    pub shape: Shape,
    /// Whether its value is secret: never shown, and never taken from a command line.
    pub is_secret: bool,
    /// Whether it may be missing, or its default.
    pub need: Need,
}

/// Whether a field must be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    Required,
    Optional,
    /// Optional, with this default.
    Usual(&'static str),
}

/// The values that a field may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// One line.
    Line,
    /// A host's name or address, without a scheme or port.
    Host,
    /// A host, or the folder of a unix socket on this machine.
    HostOrFolder,
    /// A number from 1 to 65535.
    Port,
    /// Letters, digits, `-`, `_` and `.`: a part of a host's name or of an identifier.
    Word,
    /// An address with this prefix.
    Begins(&'static str),
    /// A JSON object.
    Json,
    /// One block in PEM form, not encrypted.
    Key,
}

impl Field {
    /// A required text field.
    pub const fn new(name: &'static str, about: &'static str, shape: Shape) -> Self {
        Self { name, about, shape, is_secret: false, need: Need::Required }
    }

    /// A required field whose value is secret.
    pub const fn secret(name: &'static str, about: &'static str, shape: Shape) -> Self {
        Self { name, about, shape, is_secret: true, need: Need::Required }
    }

    /// Makes the field optional.
    pub const fn optional(self) -> Self {
        Self { need: Need::Optional, ..self }
    }

    /// Makes `value` the field's default.
    pub const fn usually(self, value: &'static str) -> Self {
        Self { need: Need::Usual(value), ..self }
    }

    /// What the field must be instead of `value`, in words that reveal nothing of it; `None` if `value` is valid.
    pub fn wrong(&self, value: &str) -> Option<String> {
        let (is_right, wanted) = match self.shape {
            Shape::Json => (is_object(value), "a JSON object, as in a key file".to_owned()),
            Shape::Key => (is_key(value), "an unencrypted private key in PEM form (BEGIN PRIVATE KEY)".to_owned()),
            _ if value.is_empty() => (false, "anything: it is empty".to_owned()),
            _ if value.chars().any(char::is_control) => (false, "one line without control characters".to_owned()),
            _ if value.trim() != value => (false, "without white space at its beginning and end".to_owned()),
            Shape::Line => (true, String::new()),
            Shape::Host => (is_host(value), "a host's name or address, without scheme, port or path".to_owned()),
            Shape::HostOrFolder => (
                is_host(value) || value.starts_with('/'),
                "a host's name or address, without scheme, port or path, or the folder of a socket: /…".to_owned(),
            ),
            Shape::Port => (value.parse::<u16>().is_ok_and(|port| port > 0), "a number from 1 to 65535".to_owned()),
            Shape::Word => (is_word(value), "only letters, digits, -, _ and .".to_owned()),
            Shape::Begins(start) => (value.len() > start.len() && value.starts_with(start), format!("{start}…")),
        };
        (!is_right).then_some(wanted)
    }

    /// The value as it is stored: an IPv6 address gets brackets, as in a URL.
    pub fn kept(&self, value: SecretValue) -> SecretValue {
        let is_host = matches!(self.shape, Shape::Host | Shape::HostOrFolder);
        match value.expose_text().filter(|text| is_host && !text.starts_with('[') && is_v6(text)) {
            Some(address) => SecretValue::new(format!("[{address}]").into_bytes()),
            None => value,
        }
    }

    /// The suffix of its name in the documentation: `?` if it is optional, or its default.
    #[cfg(feature = "internals")]
    pub fn suffix(&self) -> String {
        match self.need {
            Need::Required => String::new(),
            Need::Optional => "?".to_owned(),
            Need::Usual(value) => format!(" ({value})"),
        }
    }

    /// Whether its value may have several lines.
    pub const fn is_long(&self) -> bool {
        matches!(self.shape, Shape::Json | Shape::Key)
    }
}

fn is_word(value: &str) -> bool {
    value.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
}

fn is_host(value: &str) -> bool {
    is_v6(value) || value.len() <= 253 && is_word(value) && value.split('.').all(|label| !label.is_empty())
}

fn is_object(value: &str) -> bool {
    value.trim_start().starts_with('{') && serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok()
}

fn is_key(value: &str) -> bool {
    let value = value.trim();
    let is_whole = |label: &str| {
        value.starts_with(&format!("-----BEGIN {label}-----")) && value.ends_with(&format!("-----END {label}-----"))
    };
    is_whole("PRIVATE KEY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_shape_takes_what_it_should_and_says_what_it_wants() {
        let table: &[(Shape, &[&str], &[&str])] = &[
            (Shape::Line, &["a", "p@ss w\"ord"], &["", " a", "a ", "a\nb", "\0"]),
            (
                Shape::Host,
                &["db", "db.example.org", "127.0.0.1", "[::1]"],
                &["db:5432", "https://db", "a..b", "a/b", "[::x]", "a b"],
            ),
            (Shape::Port, &["1", "65535"], &["0", "65536", "x", "-1", ""]),
            (Shape::Word, &["eu-west-1", "a_b.c"], &["a/b", "a b", ""]),
            (Shape::Begins("s3://"), &["s3://bucket/x"], &["s3://", "http://x"]),
            (Shape::Json, &["{\"a\":1}", " {}"], &["[]", "x", "", "{"]),
            (
                Shape::Key,
                &["-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----\n"],
                &["x", "-----BEGIN PRIVATE KEY-----"],
            ),
        ];
        for (shape, right, wrong) in table {
            let field = Field::secret("f", "", *shape);
            right.iter().for_each(|value| assert_eq!(field.wrong(value), None, "{shape:?} {value:?}"));
            for value in *wrong {
                let error = field.wrong(value).unwrap_or_else(|| panic!("{shape:?} {value:?}"));
                assert!(value.len() < 6 || !error.contains(value), "{error}");
            }
        }
    }
}
