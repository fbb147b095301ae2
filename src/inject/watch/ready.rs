//! How whoever runs a sidecar sees that it is ready, and that it lives: a file.
//!
//! It comes with the first round that went well, is touched by each one after, however that went, and goes
//! with the process. So that it is there means ready, and that it is young means alive: whoever kills a
//! sidecar for an outage of Vault gets another that has forgotten what it knew.

use std::path::PathBuf;

use crate::error::{Error, Kind, Result};

/// The file, if one is wanted; removed when dropped.
#[derive(Debug)]
pub struct ReadyFile(Option<PathBuf>);

impl ReadyFile {
    /// Takes the path; one that an earlier process has left is removed.
    pub fn new(path: Option<PathBuf>) -> Self {
        if let Some(path) = &path {
            let _ = std::fs::remove_file(path);
        }
        Self(path)
    }

    /// A round is over.
    pub fn touch(&self) -> Result<()> {
        let Some(path) = &self.0 else { return Ok(()) };
        std::fs::write(path, format!("{}\n", std::process::id())).map_err(|cause| {
            let what = format!("the file of --ready-file, {}, can't be written: {}", path.display(), cause.kind());
            Error::new(Kind::Os, what, "name a path in a folder that is there and that this user may write")
        })
    }
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}
