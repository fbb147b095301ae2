//! Paths in Vault with placeholders: `secret/users/{metadata.username}`.
//!
//! The value of a placeholder comes from outside (the login's answer, a variable, a notebook's name), and the path
//! decides whose secrets are read. So a value must be exactly one segment: not empty, without `/`, backslash or
//! control characters, and not `.` or `..`. `|lower` converts it to lower case: a directory accepts `ADA.L` for
//! `ada.l`, and policies contain the lower-case name. `KERNEL_*` variables, which any client of a gateway may set,
//! fill a placeholder only if the configuration takes credentials from the request too.

use crate::error::{Error, Kind, Result};

/// A placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Placeholder {
    /// `{entity_id}`: the id of the token's entity.
    EntityId,
    /// `{metadata.KEY}`: the login's metadata of the user.
    Metadata(String),
    /// `{env.NAME}`: a variable of the launcher's environment.
    Env(String),
    /// `{notebook}`: the notebook's name, from `JPY_SESSION_NAME`.
    Notebook,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Placeholder {
        placeholder: Placeholder,
        /// Whether its value is written in lower case: `{metadata.username|lower}`.
        lower: bool,
    },
}

/// A path, parsed; none of its segments is empty, `.` or `..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    written: String,
    parts: Vec<Part>,
}

impl Template {
    /// Parses a path. Slashes before and after it are dropped, as Vault's client does.
    pub fn parse(written: &str) -> Result<Self, String> {
        let template = Self::parse_folder(written)?;
        if template.written.contains('/') {
            Ok(template)
        } else {
            Err("names a mount, but no path below it".to_owned())
        }
    }

    /// Parses the path of a folder, which may be a mount itself.
    pub fn parse_folder(written: &str) -> Result<Self, String> {
        let path = written.trim_matches('/');
        let mut parts = Vec::new();
        let mut rest = path;
        while let Some(open) = rest.find('{') {
            let close = rest[open..].find('}').ok_or("has a `{` without `}`")? + open;
            parts.push(Part::Text(rest[..open].to_owned()));
            let (name, lower) = match rest[open + 1..close].split_once('|') {
                None => (&rest[open + 1..close], false),
                Some((name, "lower")) => (name, true),
                Some((_, other)) => {
                    return Err(format!("has the unknown form |{other} in a placeholder: only |lower is known"));
                }
            };
            parts.push(Part::Placeholder { placeholder: placeholder(name)?, lower });
            rest = &rest[close + 1..];
        }
        parts.push(Part::Text(rest.to_owned()));
        if parts.iter().any(|part| matches!(part, Part::Text(text) if text.contains('}'))) {
            return Err("has a `}` without `{`".to_owned());
        }
        let template = Self { written: path.to_owned(), parts };
        let sample = template.fill(&mut |_| Ok("x".to_owned())).map_err(|error| error.what().to_owned())?;
        check(&sample)?;
        Ok(template)
    }

    /// The path as written.
    pub fn as_written(&self) -> &str {
        &self.written
    }

    /// The placeholders, in order.
    pub fn placeholders(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder { placeholder, .. } => Some(placeholder),
            Part::Text(_) => None,
        })
    }

    /// Whether `path` may be this one with its placeholders filled.
    pub fn fits(&self, path: &str) -> bool {
        fits(&self.parts, path)
    }

    /// The placeholders whose value keeps its capitals.
    pub fn as_given(&self) -> impl Iterator<Item = &Placeholder> {
        self.parts.iter().filter_map(|part| match part {
            Part::Placeholder { placeholder, lower: false } => Some(placeholder),
            _ => None,
        })
    }

    /// Whether a placeholder needs the identity, which only the login (or a look-up of the token) shows.
    pub fn needs_identity(&self) -> bool {
        self.placeholders().any(|placeholder| matches!(placeholder, Placeholder::EntityId | Placeholder::Metadata(_)))
    }

    /// Fills the placeholders with the values from `value_of`.
    pub fn fill(&self, value_of: &mut dyn FnMut(&Placeholder) -> Result<String>) -> Result<String> {
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => path.push_str(text),
                Part::Placeholder { placeholder, lower } => {
                    let value = value_of(placeholder)?;
                    let value = if *lower { value.to_lowercase() } else { value };
                    if !is_value(&value) {
                        return Err(Error::new(
                            Kind::Config,
                            format!(
                                "{{{}}} in the path {} is not one path segment",
                                name_of(placeholder),
                                self.written
                            ),
                            "its value must not be empty, contain a /, or be . or ..",
                        ));
                    }
                    path.push_str(&value);
                }
            }
        }
        check(&path).map_err(|why| {
            Error::new(Kind::Config, format!("the path {} {why} once filled in", self.written), "correct the path")
        })?;
        Ok(path)
    }
}

/// Whether `text` is the parts one after the other, with one segment in each placeholder.
fn fits(parts: &[Part], text: &str) -> bool {
    match parts.split_first() {
        None => text.is_empty(),
        Some((Part::Text(part), rest)) => text.strip_prefix(part.as_str()).is_some_and(|text| fits(rest, text)),
        Some((Part::Placeholder { .. }, rest)) => {
            let ends = text.char_indices().map(|(at, letter)| (at + letter.len_utf8(), letter));
            ends.take_while(|(_, letter)| *letter != '/').any(|(end, _)| fits(rest, &text[end..]))
        }
    }
}

/// How a placeholder is written, without its braces.
pub fn name_of(placeholder: &Placeholder) -> String {
    match placeholder {
        Placeholder::EntityId => "entity_id".to_owned(),
        Placeholder::Metadata(key) => format!("metadata.{key}"),
        Placeholder::Env(name) => format!("env.{name}"),
        Placeholder::Notebook => "notebook".to_owned(),
    }
}

fn placeholder(name: &str) -> Result<Placeholder, String> {
    match name.split_once('.') {
        Some(("metadata", key)) if !key.is_empty() => Ok(Placeholder::Metadata(key.to_owned())),
        Some(("env", variable)) if !variable.is_empty() => Ok(Placeholder::Env(variable.to_owned())),
        _ if name == "entity_id" => Ok(Placeholder::EntityId),
        _ if name == "notebook" => Ok(Placeholder::Notebook),
        _ => Err(format!(
            "has the unknown placeholder {{{name}}}: known are entity_id, metadata.KEY, env.NAME and notebook"
        )),
    }
}

/// Whether `value` may fill a placeholder.
fn is_value(value: &str) -> bool {
    is_segment(value) && !value.contains('\\')
}

fn is_segment(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= 512
        && !matches!(value, "." | "..")
        && !value.chars().any(|character| character == '/' || character.is_control())
}

/// The rule for every path that goes to Vault.
fn check(path: &str) -> Result<(), String> {
    if path.split('/').all(is_segment) {
        Ok(())
    } else {
        Err("has an empty segment, a `.` or `..`, or a control character".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{Placeholder, Template};
    use crate::error::Kind;

    #[test]
    fn a_placeholder_is_filled_with_one_segment() {
        let lower = Template::parse("secret/{metadata.name|lower}/{metadata.name}").unwrap();
        assert_eq!(lower.fill(&mut |_| Ok("ADA.L".to_owned())).unwrap(), "secret/ada.l/ADA.L");
        assert!(Template::parse("secret/{metadata.name|upper}").unwrap_err().contains("|lower"));
        let template = Template::parse("secret/users/{metadata.username}/x").unwrap();
        assert_eq!(template.fill(&mut |_| Ok("ada".to_owned())).unwrap(), "secret/users/ada/x");
        assert!(template.needs_identity());
    }

    #[test]
    fn a_placeholder_value_must_be_one_segment() {
        let template = Template::parse("secret/users/{env.WHO}").unwrap();
        for value in ["", ".", "..", "a/b", "../x", "a\nb", "a\\b", "a\0"] {
            let refused = template.fill(&mut |_| Ok(value.to_owned())).unwrap_err();
            assert_eq!(refused.kind(), Kind::Config, "{value:?}");
        }
        let joined = Template::parse("secret/.{env.WHO}").unwrap();
        assert!(joined.fill(&mut |_| Ok(".".to_owned())).is_err());
    }

    #[test]
    fn what_is_no_path_below_a_mount_is_refused() {
        for path in ["", "a", "/", "/a", "a//b", "a/../b", "a/./b", "a/{b}", "a/{", "a/}", "a/{metadata.}", "a/b\u{7}"]
        {
            assert!(Template::parse(path).is_err(), "{path:?}");
        }
        for path in ["a/b/", "/a/b", "//a/b//"] {
            assert_eq!(Template::parse(path).unwrap().as_written(), "a/b");
        }
        assert_eq!(Template::parse("a/b\\c").unwrap().as_written(), "a/b\\c");
        assert_eq!(Template::parse("a/{notebook}").unwrap().placeholders().next(), Some(&Placeholder::Notebook));
    }
}
