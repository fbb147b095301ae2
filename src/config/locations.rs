//! Where configuration files are looked for, in order of precedence.

use std::path::{Path, PathBuf};

use super::env::Environment;
use super::file;
use super::keys::CONFIG_VARIABLE;
use super::layer::Layer;
use crate::error::Result;

/// The name of the file in each folder.
pub const FILE_NAME: &str = "vault.toml";

/// The files that a launch reads: the named file, which must exist, and the usual files, which may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locations {
    /// The file of `--config`, or of its variable.
    pub named: Option<PathBuf>,
    /// The user's file, then the system's.
    pub usual: Vec<PathBuf>,
}

impl Locations {
    /// The usual places: `$JUPYTER_CONFIG_DIR` (else `~/.jupyter`), `/usr/local/etc/jupyter`,
    /// `/etc/jupyter`, as in Jupyter's own configuration path.
    pub fn new(named: Option<&Path>, environment: &Environment) -> Self {
        let user =
            environment.path("JUPYTER_CONFIG_DIR").or_else(|| environment.home().map(|home| home.join(".jupyter")));
        let system = ["/usr/local/etc/jupyter", "/etc/jupyter"].map(PathBuf::from);
        Self {
            named: named.map(Path::to_owned).or_else(|| environment.path(CONFIG_VARIABLE)),
            usual: user.into_iter().chain(system).map(|folder| folder.join(FILE_NAME)).collect(),
        }
    }

    /// Reads the files, in order of precedence.
    pub fn read(&self) -> Result<Vec<Layer>> {
        let mut layers = Vec::new();
        if let Some(path) = &self.named {
            layers.push(file::read(path)?.ok_or_else(|| file::missing(path))?);
        }
        for path in &self.usual {
            layers.extend(file::read(path)?);
        }
        Ok(layers)
    }
}
