//! The textual forms of settings, as Vault's own client (written in Go) reads them.

use std::time::Duration;

/// A setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A Boolean.
    Bool(bool),
    /// A duration.
    Duration(Duration),
    /// A whole number.
    Count(u64),
    /// A list of names.
    Names(Vec<String>),
}

/// Reads a Boolean as Go's `strconv.ParseBool` does; `None` for anything else.
pub fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Reads a duration: a number of seconds (`10`, `2.5`) or Go's form (`1m30s`, `500ms`). More than zero, at most a
/// day; `None` for anything else.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let total = match text.parse::<f64>() {
        Ok(seconds) if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') => seconds,
        _ => go_seconds(text)?,
    };
    (total > 0.0 && total <= 86_400.0).then(|| Duration::from_secs_f64(total)).filter(|time| !time.is_zero())
}

fn go_seconds(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|character: char| !(character.is_ascii_digit() || character == '.'))?;
        let number: f64 = rest[..digits].parse().ok()?;
        let unit_end = rest[digits..]
            .find(|character: char| character.is_ascii_digit() || character == '.')
            .map_or(rest.len(), |length| digits + length);
        let unit = match &rest[digits..unit_end] {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += number * unit;
        rest = &rest[unit_end..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::{parse_bool, parse_duration};
    use std::time::Duration;

    #[test]
    fn times_are_read_as_seconds_or_as_go_writes_them() {
        for (text, milliseconds) in
            [("10", 10_000), ("2.5", 2_500), ("500ms", 500), ("1m30s", 90_000), ("1.5h", 5_400_000), ("60s", 60_000)]
        {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", "0", "-1", "ten", "10x", "s", "1e9", "inf", "NaN", "100h", "1s2", "..s", "1ns1", "\u{b5}"] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn booleans_follow_gos_parsebool() {
        assert_eq!(parse_bool("T"), Some(true));
        assert_eq!(parse_bool("False"), Some(false));
        for text in ["yes", "no", "on", "TrUe", "2", " true"] {
            assert_eq!(parse_bool(text), None, "{text}");
        }
    }
}
