//! What a kernel inherits of the launcher's environment, and what becomes of a name that a secret has too.
//!
//! Most kernels want all of it. A service that starts kernels for others may have variables that are none of theirs:
//! `inherit = false` keeps what a process and Jupyter need, `drop` takes single ones away.

use super::layer::Layer;

/// What stays without `inherit`: what a login sets, and what Jupyter and a gateway tell a kernel.
pub const KEPT: [&str; 20] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TERM",
    "TMPDIR",
    "TZ",
    "XDG_*",
    "JPY_*",
    "JUPYTER_*",
    "IPYTHONDIR",
    "KERNEL_*",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "CONDA_DEFAULT_ENV",
    "PYTHONUNBUFFERED",
];

/// Which of two variables of one name the kernel gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Winner {
    /// The secret.
    #[default]
    Secret,
    /// The inherited variable.
    Inherited,
    /// Neither: the launch fails.
    Error,
}

/// The table `[environment]`, but for the names that it allows.
#[derive(Debug, Clone, Default)]
pub struct Inheritance {
    /// Whether [`KEPT`] alone stays.
    least: bool,
    dropped: Vec<String>,
    /// What becomes of a name that a secret has too.
    pub winner: Winner,
}

impl Inheritance {
    /// Takes it from the merged settings.
    pub fn of(layer: &Layer) -> Self {
        let winner = match (layer.text("environment.override"), layer.flag("environment.override")) {
            (Some(_), _) => Winner::Error,
            (None, Some(false)) => Winner::Inherited,
            (None, _) => Winner::Secret,
        };
        let dropped = layer.names("environment.drop").unwrap_or_default().to_vec();
        Self { least: layer.flag("environment.inherit") == Some(false), dropped, winner }
    }

    /// The same without the variables of these `names`.
    #[must_use]
    pub fn without(&self, names: &[&str]) -> Self {
        let mut this = self.clone();
        this.dropped.extend(names.iter().map(|name| (*name).to_owned()));
        this
    }

    /// Whether an inherited variable of this name stays.
    pub fn keeps(&self, name: &[u8]) -> bool {
        let is_dropped = self.dropped.iter().any(|pattern| fits(pattern, name));
        !is_dropped && (!self.least || KEPT.iter().any(|pattern| fits(pattern, name)))
    }

    /// Whether an entry without a name stays.
    pub const fn keeps_nameless(&self) -> bool {
        !self.least
    }
}

/// Whether `name` is `pattern`, or begins with what stands before its final `*`.
fn fits(pattern: &str, name: &[u8]) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix.as_bytes()),
        None => name == pattern.as_bytes(),
    }
}
