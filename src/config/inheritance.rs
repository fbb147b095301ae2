//! Which variables of the launcher's environment a kernel inherits, and whether they or the secrets take precedence.
//!
//! Most kernels want everything. A service that starts kernels for others may have variables that they should not
//! get: `inherit = false` keeps what a process and Jupyter need, `drop` removes single variables.

use super::layer::Layer;

/// The variables kept with `inherit = false`: those that a login sets, and those of Jupyter and gateways.
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

/// Which of two variables with one name the kernel gets.
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

/// The table `[environment]`, without the names that it allows.
#[derive(Debug, Clone, Default)]
pub struct Inheritance {
    /// Whether only [`KEPT`] is inherited.
    least: bool,
    dropped: Vec<String>,
    /// Whether a secret replaces an inherited variable of the same name.
    pub winner: Winner,
}

impl Inheritance {
    /// Reads it from the merged settings.
    pub fn of(layer: &Layer) -> Self {
        let winner = match (layer.text("environment.override"), layer.flag("environment.override")) {
            (Some(_), _) => Winner::Error,
            (None, Some(false)) => Winner::Inherited,
            (None, _) => Winner::Secret,
        };
        let dropped = layer.names("environment.drop").unwrap_or_default().to_vec();
        Self { least: layer.flag("environment.inherit") == Some(false), dropped, winner }
    }

    /// A copy that also drops the variables in `names`.
    pub fn without(&self, names: &[&str]) -> Self {
        let mut this = self.clone();
        this.dropped.extend(names.iter().map(|name| (*name).to_owned()));
        this
    }

    /// Whether an inherited variable of this name is kept.
    pub fn keeps(&self, name: &[u8]) -> bool {
        let is_dropped = self.dropped.iter().any(|pattern| fits(pattern, name));
        !is_dropped && (!self.least || KEPT.iter().any(|pattern| fits(pattern, name)))
    }

    /// Whether an entry without a name is kept.
    pub const fn keeps_unnamed(&self) -> bool {
        !self.least
    }
}

/// Whether `name` is `pattern`, or begins with the part before its final `*`.
fn fits(pattern: &str, name: &[u8]) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix.as_bytes()),
        None => name == pattern.as_bytes(),
    }
}
