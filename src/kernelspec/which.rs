//! Which kernelspecs a command means, and where it writes them.

use std::path::{Path, PathBuf};

/// Where kernelspecs are written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Scope {
    /// In place, or to the user's folder if that is not possible.
    #[default]
    AsFound,
    /// To the user's folder.
    User,
    /// To the environment (venv, conda) that Jupyter runs in.
    SysPrefix,
    /// To the environment in this folder, which is then also searched first.
    Prefix(PathBuf),
}

impl Scope {
    /// The folder of [`Scope::Prefix`].
    pub fn prefix(&self) -> Option<&Path> {
        match self {
            Self::Prefix(folder) => Some(folder),
            Self::AsFound | Self::User | Self::SysPrefix => None,
        }
    }
}

/// The choices for `wrap` and `unwrap`.
#[derive(Debug, Default)]
pub struct WrapChoices {
    /// The kernels' names.
    pub kernels: Vec<String>,
    /// Whether to take all kernels. Without this and without names, the user is asked.
    pub all: bool,
    /// Whether to ask no questions, and to accept a missing configuration.
    pub yes: bool,
    /// The suffix of the display name; `None` keeps an earlier one.
    pub suffix: Option<String>,
    pub scope: Scope,
    /// Whether changes are only shown.
    pub dry_run: bool,
}
