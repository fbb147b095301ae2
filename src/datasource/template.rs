//! Text with places for fields: `host={host}<:{port}>`, each value escaped as its format wants it.
//!
//! `{field}` is the value itself, `{field|url}` percent-encoded, `{field|toml}` a TOML string, `{field|option}` a
//! value in a MySQL option file, `{field|pem}` the body of a PEM block, `{field|bare}` an IPv6 address without the
//! brackets that it has in a URL. The text in `<…>` is left out if one of its fields has no value. A password stays
//! one value even if it contains `@`, `"` or a line break.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroizing;

use crate::secret::SecretValue;

/// The characters that need no encoding in any part of a URL (RFC 3986, unreserved).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How a value is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escape {
    Plain,
    Url,
    /// As a URL's host: an IPv6 address gets brackets.
    UrlHost,
    Toml,
    Option,
    Pem,
    Bare,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum TemplatePart<'t> {
    Text(&'t str),
    Placeholder(&'t str, Escape),
}

/// A parsed template: its groups, and for each whether it is optional.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueTemplate<'t>(Vec<(bool, Vec<TemplatePart<'t>>)>);

impl<'t> ValueTemplate<'t> {
    /// Parses `text`.
    pub fn parse(text: &'t str) -> Result<Self, &'static str> {
        let mut groups = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('<') {
            groups.push((false, parts(&rest[..open])?));
            let close = rest[open..].find('>').ok_or("has a `<` without `>`")? + open;
            groups.push((true, parts(&rest[open + 1..close])?));
            rest = &rest[close + 1..];
        }
        groups.push((false, parts(rest)?));
        Ok(Self(groups))
    }

    /// A URL with a place for each field of a secret, percent-encoded. A brace that names no field is kept.
    pub fn of_url(text: &'t str, is_field: impl Fn(&str) -> bool) -> Self {
        let mut found = Vec::new();
        let (mut from, mut at) = (0, 0);
        while let Some(open) = text[at..].find('{').map(|open| open + at) {
            let Some(close) = text[open..].find('}').map(|close| close + open) else { break };
            let name = &text[open + 1..close];
            if is_field(name) {
                let is_host = text[..open].ends_with('@') || text[..open].ends_with("//");
                let escape = if is_host { Escape::UrlHost } else { Escape::Url };
                found.extend([TemplatePart::Text(&text[from..open]), TemplatePart::Placeholder(name, escape)]);
                (from, at) = (close + 1, close + 1);
            } else {
                at = open + 1;
            }
        }
        found.push(TemplatePart::Text(&text[from..]));
        Self(vec![(false, found)])
    }

    /// The fields that it uses, and whether each is optional.
    pub fn fields(&self) -> impl Iterator<Item = (&'t str, bool)> {
        self.0.iter().flat_map(|(may_miss, parts)| {
            parts.iter().filter_map(|part| match part {
                TemplatePart::Placeholder(name, _) => Some((*name, *may_miss)),
                TemplatePart::Text(_) => None,
            })
        })
    }

    /// Fills the places; `None` if a required field is missing.
    pub fn fill<'v>(&self, value_of: &dyn Fn(&str) -> Option<&'v str>) -> Option<SecretValue> {
        let mut filled = Zeroizing::new(String::with_capacity(self.size(value_of)));
        for (may_miss, parts) in &self.0 {
            let lacks = |part: &TemplatePart<'_>| matches!(part, TemplatePart::Placeholder(name, _) if value_of(name).is_none());
            if *may_miss && parts.iter().any(lacks) {
                continue;
            }
            for part in parts {
                match part {
                    TemplatePart::Text(text) => filled.push_str(text),
                    TemplatePart::Placeholder(name, escape) => write(value_of(name)?, *escape, &mut filled),
                }
            }
        }
        Some(SecretValue::from(filled))
    }

    /// The length of the filled text. A buffer of this capacity never grows, so no part of a value is left in a freed
    /// one.
    fn size<'v>(&self, value_of: &dyn Fn(&str) -> Option<&'v str>) -> usize {
        let parts = self.0.iter().flat_map(|(_, parts)| parts);
        let size = |part: &TemplatePart<'_>| match part {
            TemplatePart::Text(text) => text.len(),
            TemplatePart::Placeholder(name, _) => 2 + 6 * value_of(name).map_or(0, str::len),
        };
        parts.map(size).sum()
    }
}

fn parts(text: &str) -> Result<Vec<TemplatePart<'_>>, &'static str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let close = rest[open..].find('}').ok_or("has a `{` without `}`")? + open;
        let place = &rest[open + 1..close];
        let (name, escape) = match place.split_once('|') {
            None => (place, Escape::Plain),
            Some((name, "url")) => (name, Escape::Url),
            Some((name, "toml")) => (name, Escape::Toml),
            Some((name, "option")) => (name, Escape::Option),
            Some((name, "pem")) => (name, Escape::Pem),
            Some((name, "bare")) => (name, Escape::Bare),
            Some(_) => return Err("has an unknown form in a place"),
        };
        if name.is_empty() || name.contains('{') {
            return Err("has a place without a name");
        }
        found.extend([TemplatePart::Text(&rest[..open]), TemplatePart::Placeholder(name, escape)]);
        rest = &rest[close + 1..];
    }
    found.push(TemplatePart::Text(rest));
    Ok(found)
}

/// An IPv6 address without brackets; any other text unchanged.
fn without_brackets(value: &str) -> &str {
    value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(value)
}

/// Whether this is an IPv6 address, in brackets or without.
pub(super) fn is_v6(value: &str) -> bool {
    without_brackets(value).parse::<std::net::Ipv6Addr>().is_ok()
}

fn write(value: &str, escape: Escape, into: &mut String) {
    match escape {
        Escape::Plain => into.push_str(value),
        Escape::UrlHost if is_v6(value) => {
            into.extend(["[", without_brackets(value), "]"]);
        }
        Escape::Url | Escape::UrlHost => {
            utf8_percent_encode(value, UNRESERVED).for_each(|part| into.push_str(part));
        }
        Escape::Bare => into.push_str(without_brackets(value)),
        Escape::Toml => {
            into.push('"');
            for letter in value.chars() {
                match letter {
                    '"' | '\\' => into.extend(['\\', letter]),
                    '\n' => into.push_str("\\n"),
                    '\r' => into.push_str("\\r"),
                    '\t' => into.push_str("\\t"),
                    other if other.is_control() => {
                        use std::fmt::Write as _;
                        let _ = write!(into, "\\u{:04x}", u32::from(other));
                    }
                    other => into.push(other),
                }
            }
            into.push('"');
        }
        Escape::Option => {
            into.push('"');
            for letter in value.chars() {
                into.extend((letter == '\\').then_some('\\').into_iter().chain([letter]));
            }
            into.push('"');
        }
        Escape::Pem => {
            let body = value.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
            body.for_each(|line| into.push_str(line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(template: &str, pairs: &[(&str, &str)]) -> Option<String> {
        let template = ValueTemplate::parse(template).unwrap();
        let value_of = |name: &str| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        template.fill(&value_of).map(|value| value.expose_text().unwrap().to_owned())
    }

    #[test]
    fn a_value_stays_one_value_in_each_format() {
        let odd = "p@s:s/w\"o\\r d\u{e9}\n";
        let owned = |text: &str| Some(text.to_owned());
        assert_eq!(filled("x://{a|url}@h", &[("a", odd)]), owned("x://p%40s%3As%2Fw%22o%5Cr%20d%C3%A9%0A@h"));
        assert_eq!(filled("k = {a|toml}", &[("a", odd)]), owned("k = \"p@s:s/w\\\"o\\\\r d\u{e9}\\n\""));
        assert_eq!(filled("{a|toml}", &[("a", "\u{7f}")]), owned("\"\\u007f\""));
        assert_eq!(filled("k = {a|option}", &[("a", "a\\b\"c")]), owned("k = \"a\\\\b\"c\""));
        let key = "-----BEGIN PRIVATE KEY-----\nQUJD\r\nREVG\n-----END PRIVATE KEY-----\n";
        assert_eq!(filled("{a|pem}", &[("a", key)]), owned("QUJDREVG"));
        assert_eq!(filled("{a|bare} {b|bare}", &[("a", "[::1]"), ("b", "db")]), owned("::1 db"));
    }

    #[test]
    fn a_group_is_left_out_when_a_field_of_it_is_missing() {
        assert_eq!(filled("{h}<:{p}></{d}>", &[("h", "db"), ("p", "1")]).unwrap(), "db:1");
        assert_eq!(filled("{h}<:{p}>", &[("p", "1")]), None);
    }

    #[test]
    fn a_malformed_template_is_refused_and_a_urls_other_braces_stay() {
        for wrong in ["<", "{", "{}", "{a|b}", "<{a>", "{{a}"] {
            assert!(ValueTemplate::parse(wrong).is_err(), "{wrong}");
        }
        let url = ValueTemplate::of_url("x://{user}:{pass}@h/{other}{", |name| name != "other");
        let value = url.fill(&|name| Some(if name == "user" { "a@" } else { "{user}" })).unwrap();
        assert_eq!(value.expose_text(), Some("x://a%40:%7Buser%7D@h/{other}{"));
        for (host, shown) in [("::1", "[::1]"), ("[::1]", "[::1]"), ("db", "db"), ("/run/pg", "%2Frun%2Fpg")] {
            for url in ["x://{host}:1/", "x://u@{host}:1/"] {
                let filled = ValueTemplate::of_url(url, |_| true).fill(&|_| Some(host)).unwrap();
                assert_eq!(filled.expose_text(), Some(url.replace("{host}", shown).as_str()));
            }
        }
    }
}
