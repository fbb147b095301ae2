//! Adds the suffix that marks a wrapped kernel to its display name, and removes it.

use serde_json::Value;

use super::edit::member;

/// The key of the display name.
const KEY: &str = "display_name";

/// The display name, and its JSON in `text`.
fn shown(text: &str) -> Option<(String, &str)> {
    let raw = member(text, KEY).ok()??.get();
    Some((serde_json::from_str(raw).ok()?, raw))
}

/// `text` with its part `raw` replaced.
fn replaced(text: &str, raw: &str, with: &str) -> String {
    let start = raw.as_ptr().addr() - text.as_ptr().addr();
    format!("{}{with}{}", &text[..start], &text[start + raw.len()..])
}

/// `text` with `suffix` after the display name, once.
pub fn with_suffix(text: &str, suffix: &str) -> String {
    match shown(text).filter(|(name, _)| !suffix.is_empty() && !name.ends_with(suffix)) {
        Some((name, raw)) => replaced(text, raw, &Value::from(format!("{name}{suffix}")).to_string()),
        None => text.to_owned(),
    }
}

/// `text` with the display name of `before`, unless the user has edited the name.
pub fn without_suffix(text: &str, before: &str, suffix: &str) -> String {
    match (shown(text), shown(before)) {
        (Some((name, raw)), Some((first, as_it_was))) if name == format!("{first}{suffix}") => {
            replaced(text, raw, as_it_was)
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{with_suffix, without_suffix};

    #[test]
    fn a_name_gets_its_suffix_once_and_is_as_it_was_again() {
        let text = "{\"display_name\": \"Pyth\\u006fn\", \"argv\": [\"x\"], \"y\": 1e999}";
        let marked = with_suffix(text, " \"s\"");
        assert_eq!(marked, text.replace("Pyth\\u006fn", "Python \\\"s\\\""));
        assert_eq!(with_suffix(&marked, " \"s\""), marked);
        assert_eq!(without_suffix(&marked, text, " \"s\""), text);
        let edited = marked.replace("Python", "Mine");
        assert_eq!(without_suffix(&edited, text, " \"s\""), edited);
        for none in ["{}", "{\"display_name\": 3}", "[]", "x"] {
            assert_eq!((with_suffix(none, "s").as_str(), without_suffix(none, text, "s").as_str()), (none, none));
        }
        assert_eq!(with_suffix(text, ""), text);
    }
}
