//! Which kernelspecs a command means, and where it writes.

use std::path::{Path, PathBuf};

/// Where kernelspecs are written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub enum Place {
    /// Where they are, or else in the user's folder.
    #[default]
    AsFound,
    /// To the user's folder.
    User,
    /// To the environment (venv, conda) that Jupyter runs in.
    SysPrefix,
    /// To the environment in this folder, which is also searched first.
    Prefix(PathBuf),
}

impl Place {
    /// The folder of [`Place::Prefix`].
    pub fn prefix(&self) -> Option<&Path> {
        match self {
            Self::Prefix(folder) => Some(folder),
            Self::AsFound | Self::User | Self::SysPrefix => None,
        }
    }
}

/// What `wrap` and `unwrap` are told.
#[derive(Debug, Default)]
pub struct Which {
    /// The kernels' names.
    pub kernels: Vec<String>,
    /// Whether every kernel is meant; without this and without names it is asked.
    pub all: bool,
    /// Whether nothing is asked, and the lack of a configuration is no error.
    pub yes: bool,
    /// What to put behind the shown name; `None` leaves what an earlier run put there.
    pub suffix: Option<String>,
    pub place: Place,
    /// Whether changes are shown and not made.
    pub dry_run: bool,
}
