//! Settings from one place, and the merging of places.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::notebook::NotebookRule;
use super::origin::Origin;
use super::source::{KnownMount, SourceSpec};
use super::value::Value;

/// A value and its origin. Debug output shows the origin alone: a proxy's URL may hold a password.
#[derive(Clone)]
pub struct Setting {
    /// The value.
    pub value: Value,
    /// Its origin.
    pub origin: Origin,
}

impl fmt::Debug for Setting {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Setting({})", self.origin)
    }
}

/// The settings of one place, or of several merged places.
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

    /// Replaces the origin of each setting: `origin` receives its key and its text.
    #[cfg(feature = "manage")]
    pub fn relabel(&mut self, origin: impl Fn(&str, Option<&str>) -> Origin) {
        for (key, setting) in &mut self.settings {
            let text = if let Value::Text(text) = &setting.value { Some(text.as_str()) } else { None };
            setting.origin = origin(key, text);
        }
    }

    /// Sets the sources; they are one setting, so they replace all of a lower layer's.
    pub fn set_sources(&mut self, sources: Vec<SourceSpec>) {
        self.sources = Some(sources);
    }

    /// Adds a known KV mount; those of a lower layer come after it.
    pub fn add_mount(&mut self, mount: KnownMount) {
        self.mounts.push(mount);
    }

    /// The known KV mounts; the first match counts.
    pub fn mounts(&self) -> &[KnownMount] {
        &self.mounts
    }

    /// Adds a rule for one notebook; no layer removes another's.
    pub fn add_notebook(&mut self, rule: NotebookRule) {
        self.notebooks.push(rule);
    }

    /// The rules for single notebooks.
    pub fn notebooks(&self) -> &[NotebookRule] {
        &self.notebooks
    }

    /// Merges this layer over `lower`: this layer's settings take precedence, all others come from `lower`.
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

    /// Keeps layers that are not locked from changing this one's settings (see [`super::lock`]).
    pub fn lock(&mut self) {
        self.locked = true;
    }

    /// Whether the layer is locked.
    pub const fn is_locked(&self) -> bool {
        self.locked
    }

    /// Whether it sets anything of a table of vault.toml.
    pub fn has_table(&self, table: &str) -> bool {
        self.settings.keys().any(|key| key.strip_prefix(table).is_some_and(|rest| rest.starts_with('.')))
    }

    /// The origins of its settings and sources.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        let sources = self.sources.iter().flatten().map(|source| &source.origin);
        self.settings.values().map(|setting| &setting.origin).chain(sources)
    }

    /// Takes from `lower` the settings that `is_open` names, its sources if `with_sources`, its mounts, and its rules
    /// for notebooks.
    pub fn merge_lower(&mut self, lower: Self, is_open: impl Fn(&str) -> bool, with_sources: bool) {
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

    /// The sources, if any were set.
    pub fn sources(&self) -> Option<&[SourceSpec]> {
        self.sources.as_deref()
    }

    /// The origin of `key`, for a message; the key's name if it is not set.
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

    /// The Boolean of `key`.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)?.value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    /// The duration of `key`.
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
