//! Settings from one place, and how places are laid over each other.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::notebook::NotebookRule;
use super::origin::Origin;
use super::source::{KnownMount, SourceSpec};
use super::value::Value;

/// A value and where it was set. Debug output shows where alone: a proxy's URL may hold a password.
#[derive(Clone)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// Where it was set.
    pub origin: Origin,
}

impl fmt::Debug for Setting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Setting({})", self.origin)
    }
}

/// The settings of one place, or of several merged.
#[derive(Debug, Default)]
pub struct Layer {
    settings: BTreeMap<&'static str, Setting>,
    sources: Option<Vec<SourceSpec>>,
    mounts: Vec<KnownMount>,
    notebooks: Vec<NotebookRule>,
    locked: bool,
}

impl Layer {
    /// Sets `key` (a name of [`super::keys::KEYS`]).
    pub fn set(&mut self, key: &'static str, value: Value, origin: Origin) {
        self.settings.insert(key, Setting { value, origin });
    }

    /// Says anew where each setting was made: `origin` is told its key and its text.
    #[cfg(feature = "manage")]
    pub fn relabel(&mut self, origin: impl Fn(&str, Option<&str>) -> Origin) {
        for (key, setting) in &mut self.settings {
            let text = if let Value::Text(text) = &setting.value { Some(text.as_str()) } else { None };
            setting.origin = origin(key, text);
        }
    }

    /// Sets the sources; they are one setting, so they replace a lower layer's as a whole.
    pub fn set_sources(&mut self, sources: Vec<SourceSpec>) {
        self.sources = Some(sources);
    }

    /// Adds a KV mount that is known; those of a lower layer come after.
    pub fn add_mount(&mut self, mount: KnownMount) {
        self.mounts.push(mount);
    }

    /// The KV mounts that are known, the first one counting.
    pub fn mounts(&self) -> &[KnownMount] {
        &self.mounts
    }

    /// Adds what one notebook's kernels do not get; no layer takes another's away.
    pub fn add_notebook(&mut self, rule: NotebookRule) {
        self.notebooks.push(rule);
    }

    /// What single notebooks' kernels do not get.
    pub fn notebooks(&self) -> &[NotebookRule] {
        &self.notebooks
    }

    /// Lays this layer over `lower`: what is set here stays, what is not comes from there.
    pub fn over(mut self, lower: Self) -> Self {
        for (key, setting) in lower.settings {
            self.settings.entry(key).or_insert(setting);
        }
        self.sources = self.sources.or(lower.sources);
        self.mounts.extend(lower.mounts);
        self.notebooks.extend(lower.notebooks);
        self.locked |= lower.locked;
        self
    }

    /// Lets no layer that is not locked change what this one says (see [`super::lock`]).
    pub fn lock(&mut self) {
        self.locked = true;
    }

    /// Whether it is locked.
    pub const fn is_locked(&self) -> bool {
        self.locked
    }

    /// Whether it sets anything of a table of vault.toml.
    pub fn has_table(&self, table: &str) -> bool {
        self.settings.keys().any(|key| key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.')))
    }

    /// Where settings and sources were made.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        let sources = self.sources.iter().flatten().map(|source| &source.origin);
        self.settings.values().map(|setting| &setting.origin).chain(sources)
    }

    /// Takes from `lower` the settings that `is_open` names, its sources if `with_sources`, its mounts, and what it
    /// keeps from notebooks.
    pub fn take_beneath(&mut self, lower: Self, is_open: impl Fn(&str) -> bool, with_sources: bool) {
        for (key, setting) in lower.settings.into_iter().filter(|(key, _)| is_open(key)) {
            self.settings.entry(key).or_insert(setting);
        }
        if with_sources {
            self.sources = self.sources.take().or(lower.sources);
        }
        self.mounts.extend(lower.mounts);
        self.notebooks.extend(lower.notebooks);
    }

    /// The setting of `key`, with its origin.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.get(key)
    }

    /// The sources, when any were set.
    pub fn sources(&self) -> Option<&[SourceSpec]> {
        self.sources.as_deref()
    }

    /// Where `key` was set, for a message; the key's name when it was not set at all.
    pub fn origin(&self, key: &str) -> String {
        self.get(key).map_or_else(|| key.to_owned(), |setting| format!("{key} ({})", setting.origin))
    }

    /// The text of `key`.
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key)?.value {
            Value::Text(ref text) => Some(text),
            _ => None,
        }
    }

    /// The yes or no of `key`.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)?.value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    /// The time of `key`.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        match self.get(key)?.value {
            Value::Duration(duration) => Some(duration),
            _ => None,
        }
    }

    /// The number of `key`.
    pub fn count(&self, key: &str) -> Option<u64> {
        match self.get(key)?.value {
            Value::Count(count) => Some(count),
            _ => None,
        }
    }

    /// The names of `key`.
    pub fn names(&self, key: &str) -> Option<&[String]> {
        match self.get(key)?.value {
            Value::Names(ref names) => Some(names),
            _ => None,
        }
    }
}
