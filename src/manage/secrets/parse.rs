//! Files of names and values: `.env`, JSON and YAML.
//!
//! Values are not interpreted: nothing is interpolated, and a YAML scalar keeps its text (`0123`, `1.10` and `yes` are
//! not read as numbers or booleans). An error names the line, never its content.

use std::path::Path;

use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::entry::{Entry, Wrong};
use super::{dotenv, yaml};
use crate::error::{Error, Kind, Result};
use crate::vault::body::{Fields, value};

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `NAME=value` lines.
    Dotenv,
    /// One object.
    Json,
    /// One mapping.
    Yaml,
}

impl Format {
    /// The format by a file's extension; `.env` for an unknown one.
    pub(super) fn of(path: &Path) -> Self {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        match ending.as_str() {
            "json" => Self::Json,
            "yaml" | "yml" => Self::Yaml,
            _ => Self::Dotenv,
        }
    }
}

/// Parses `text`; `file` is for messages. A duplicate name is an error.
pub fn parse(text: &str, format: Format, file: &str) -> Result<Vec<Entry>> {
    let wrong = |wrong: Wrong| {
        let what = format!("{file}, line {}: {}; nothing was written", wrong.line, wrong.why);
        Error::new(Kind::Usage, what, "correct the line, or set the format with --format")
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let entries = match format {
        Format::Dotenv => dotenv::parse(text).map_err(wrong)?,
        Format::Yaml => yaml::parse(text).map_err(wrong)?,
        Format::Json => json(text, file)?,
    };
    let mut seen = std::collections::BTreeSet::new();
    match entries.iter().find(|(name, _)| !seen.insert(name.as_str())) {
        Some((twice, _)) => Err(Error::new(
            Kind::Usage,
            format!("{file} names {twice} twice; nothing was written"),
            "keep one of the two",
        )),
        None => Ok(entries),
    }
}

fn json(text: &str, file: &str) -> Result<Vec<Entry>> {
    let wrong = |why: String| Error::new(Kind::Usage, format!("{file} {why}; nothing was written"), "correct it");
    let raw: Zeroizing<Vec<u8>> = Zeroizing::new(text.as_bytes().to_vec());
    let raw: &RawValue = serde_json::from_slice(&raw)
        .map_err(|cause| wrong(format!("is not JSON (line {}, column {})", cause.line(), cause.column())))?;
    if !raw.get().starts_with('{') {
        return Err(wrong("is not a JSON object of names and values".to_owned()));
    }
    let fields = Fields::parse(raw, file).map_err(|error| match error.kind() {
        Kind::DuplicateKey => wrong("has the same name twice".to_owned()),
        _ => wrong("is not a JSON object of names and values".to_owned()),
    })?;
    let entry = |(name, raw): (String, Box<RawValue>)| {
        let value = value(&raw, &name, file)?;
        Ok((name, value))
    };
    fields.into_owned().into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::{Format, parse};

    fn parsed(text: &str, format: Format) -> Option<Vec<(String, String)>> {
        let entries = parse(text, format, "file").ok()?;
        Some(entries.into_iter().map(|(name, value)| (name, value.expose_text().unwrap().to_owned())).collect())
    }

    fn one(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn a_value_of_an_env_file_is_not_interpolated() {
        for (text, value) in [
            ("A=b", "b"),
            ("export A=b", "b"),
            (" A = b ", "b"),
            ("A='b # c'", "b # c"),
            ("A=b # c", "b"),
            ("A=b#c", "b#c"),
            ("A=#c # d", "#c"),
            ("A= # c", ""),
            ("'A'=b", "b"),
            ("A=\"b\\nc\\\"d\\\\e\\$\"", "b\nc\"d\\e$"),
            ("A='b\\n'", "b\\n"),
            ("A=\"b\nc\"", "b\nc"),
            ("A='b\nc'\n", "b\nc"),
            ("A=pa$$word${HOME}", "pa$$word${HOME}"),
            ("A=a=b==", "a=b=="),
            ("A=\"b\" # c", "b"),
            ("A=b\r\n", "b"),
            ("A=\"b\r\nc\"\r\n", "b\nc"),
            ("A='b\r\nc'", "b\nc"),
            ("A=\"b\\r\\nc\"", "b\r\nc"),
            ("# A=x\n\nA=b", "b"),
            ("\u{feff}A=b", "b"),
        ] {
            assert_eq!(parsed(text, Format::Dotenv), Some(one("A", value)), "{text:?}");
        }
        for text in ["A", "=b", "A=\"b", "A='b", "A=\"b\"c", "A B=c", "A=1\nA=2", "export =b"] {
            assert_eq!(parsed(text, Format::Dotenv), None, "{text:?}");
        }
    }

    #[test]
    fn a_yaml_scalar_keeps_its_text() {
        for (text, value) in [
            ("A: 0123", "0123"),
            ("A: 1.10", "1.10"),
            ("A: yes", "yes"),
            ("A: \"b\\nc\"", "b\nc"),
            ("A: 'b: c'", "b: c"),
            ("A: |\n  b\n  c\n", "b\nc\n"),
            ("---\nA: b # c\n", "b"),
            ("{A: b}", "b"),
            ("A: 'null'", "null"),
        ] {
            assert_eq!(parsed(text, Format::Yaml), Some(one("A", value)), "{text:?}");
        }
        for text in [
            "A",
            "- A",
            "A: [b]",
            "A:\n  B: c",
            "A:",
            "A: ~",
            "A: null",
            "A: NULL",
            "A: &x b\nC: *x",
            "A: &x {B: c}\nC:\n  <<: *x",
            "A: b\nA: c",
            "A: *x",
            "a: b: c",
            "A: b\n---\nB: c",
        ] {
            assert_eq!(parsed(text, Format::Yaml), None, "{text:?}");
        }
    }

    #[test]
    fn a_value_of_json_is_text_or_its_json() {
        assert_eq!(parsed(r#"{"A":"b\nc"}"#, Format::Json), Some(one("A", "b\nc")));
        assert_eq!(parsed(r#"{"A":1.10}"#, Format::Json), Some(one("A", "1.10")));
        assert_eq!(parsed(r#"{"A":{"b":[1]}}"#, Format::Json), Some(one("A", r#"{"b":[1]}"#)));
        for text in ["", "[]", r#"{"A":null}"#, r#"{"A":"b","A":"c"}"#, "{\"A\":"] {
            assert_eq!(parsed(text, Format::Json), None, "{text:?}");
        }
    }

    #[test]
    fn an_error_names_the_line_and_not_its_content() {
        let error = parse("A=b\nhunter2", Format::Dotenv, ".env").unwrap_err();
        assert!(error.what().contains("line 2") && !error.to_string().contains("hunter2"), "{error}");
        let error = parse("A: b\nC: [hunter2]", Format::Yaml, "a.yaml").unwrap_err();
        assert!(error.what().contains("line 2") && !error.to_string().contains("hunter2"), "{error}");
    }
}
