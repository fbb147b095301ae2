//! The answers so far, and the vault.toml made from them.
//!
//! Each attempt reads that text like a launch, so the written file is what was tested.

use std::fmt::Write as _;
use std::path::Path;

use crate::config::source::{KvVersion, SourceSpec};
use crate::secret::SecretValue;
use crate::vault::mount::Mount;

/// A typed credential, and where to store it.
#[derive(Debug)]
pub(super) struct Typed {
    /// The setting under `[auth]` that names its file.
    pub(super) key: &'static str,
    /// The file's name, beside the vault.toml.
    pub(super) file: &'static str,
    /// The variable used in its place while there is no file.
    pub(super) variable: &'static str,
    /// The credential.
    pub(super) value: SecretValue,
}

/// A source, and its mount if that is known.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) source: SourceSpec,
    pub(super) mount: Option<Mount>,
}

/// The answers.
#[derive(Debug, Default)]
pub(super) struct Answers {
    /// Whether the file is locked.
    pub(super) locked: bool,
    /// Settings under `[vault]`, in order.
    pub(super) vault: Vec<(&'static str, String)>,
    /// Settings under `[auth]`, in order.
    pub(super) auth: Vec<(&'static str, String)>,
    /// Typed credentials.
    pub(super) typed: Vec<Typed>,
    /// The sources of secrets.
    pub(super) sources: Vec<Chosen>,
}

impl Answers {
    /// Sets `key` of a table; an empty value removes it.
    pub(super) fn set(table: &mut Vec<(&'static str, String)>, key: &'static str, value: &str) {
        table.retain(|(known, _)| *known != key);
        if !value.is_empty() {
            table.push((key, value.to_owned()));
        }
    }

    /// The file's text; `kept`: with the files that typed credentials are stored in.
    pub(super) fn text(&self, kept: bool) -> String {
        let mut text = String::from("# Written by `jupyter-vault setup`; `jupyter-vault doctor` checks it.\n");
        table(&mut text, "vault", self.vault.iter().map(|(key, value)| (*key, value.as_str())));
        if self.locked {
            text.push_str("locked = true\n");
        }
        let files = self.typed.iter().filter(|_| kept).map(|typed| (typed.key, typed.file));
        table(&mut text, "auth", self.auth.iter().map(|(key, value)| (*key, value.as_str())).chain(files));
        for chosen in &self.sources {
            source(&mut text, chosen);
        }
        text
    }
}

fn table<'a>(text: &mut String, name: &str, settings: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut settings = settings.peekable();
    if settings.peek().is_some() {
        let _ = writeln!(text, "\n[{name}]");
    }
    for (key, value) in settings {
        let _ = writeln!(text, "{key} = {}", quoted(value));
    }
}

fn source(text: &mut String, Chosen { source, mount }: &Chosen) {
    let path = source.path.as_written();
    let kind = source.kind.key();
    let _ = writeln!(text, "\n[[source]]\n{kind} = {}", quoted(path));
    if let Some(mount) = mount {
        if path.split('/').next() != Some(mount.path.as_str()) {
            let _ = writeln!(text, "mount = {}", quoted(&mount.path));
        }
        let _ = writeln!(text, "version = {}", if mount.version == KvVersion::V1 { 1 } else { 2 });
    }
    for (key, value) in [("field", &source.field), ("name", &source.name)] {
        if let Some(value) = value {
            let _ = writeln!(text, "{key} = {}", quoted(value));
        }
    }
    if source.optional {
        text.push_str("optional = true\n");
    }
}

/// A path for the file: an answer is relative to the working folder, but a path in the file to the file's folder.
pub(super) fn path(path: &Path) -> String {
    let absolute = if path.starts_with("~") { None } else { std::path::absolute(path).ok() };
    absolute.as_deref().unwrap_or(path).display().to_string()
}

/// Adds schemes to an address without one: https, then http.
pub(super) fn with_scheme(answer: &str) -> (String, Option<String>) {
    let answer = answer.trim();
    if answer.is_empty() || answer.contains("://") || answer.contains(',') || answer.starts_with('/') {
        return (answer.to_owned(), None);
    }
    (format!("https://{answer}"), Some(format!("http://{answer}")))
}

/// A basic string of TOML.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for character in value.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            _ if character.is_control() => {
                let _ = write!(text, "\\u{:04X}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::file::parse;
    use crate::config::origin::Origin;

    #[test]
    fn what_is_written_is_read_as_it_was_meant() {
        let mut answers = Answers::default();
        Answers::set(&mut answers.vault, "address", "http://first");
        Answers::set(&mut answers.vault, "address", "https://vault");
        Answers::set(&mut answers.vault, "namespace", "");
        Answers::set(&mut answers.auth, "username", "a\"d\\a\u{7}\té");
        answers.typed.push(Typed { key: "token_file", file: "f", variable: "V", value: SecretValue::new(vec![b's']) });
        let spec = SourceSpec::from_spec("team/kv/x#F=N", &Origin::Flag("--secrets")).unwrap();
        let mount = Mount { path: "team/kv".to_owned(), version: KvVersion::V1 };
        answers.sources.push(Chosen { source: spec, mount: Some(mount) });
        let layer = parse(&answers.text(true), Path::new("/x/vault.toml")).unwrap();
        assert_eq!(layer.text("vault.address"), Some("https://vault"));
        assert_eq!(layer.text("vault.namespace"), None);
        assert_eq!(layer.text("auth.username"), Some("a\"d\\a\u{7}\té"));
        assert_eq!(layer.text("auth.token_file"), Some("f"));
        let source = &layer.sources().unwrap()[0];
        assert_eq!((source.mount.as_deref(), source.version), (Some("team/kv"), Some(KvVersion::V1)));
        assert_eq!((source.field.as_deref(), source.name.as_deref()), (Some("F"), Some("N")));
        assert!(!answers.text(false).contains("token_file"));
        answers.locked = true;
        assert!(parse(&answers.text(true), Path::new("/x/vault.toml")).unwrap().is_locked());
    }

    #[test]
    fn a_host_alone_is_tried_by_https() {
        for whole in ["https://vault", "http://vault:8200", "unix:///run/x", "/run/x", "a:1,b:1", ""] {
            assert_eq!(with_scheme(whole), (whole.to_owned(), None));
        }
        assert_eq!(with_scheme("vault:8200"), ("https://vault:8200".to_owned(), Some("http://vault:8200".to_owned())));
    }
}
