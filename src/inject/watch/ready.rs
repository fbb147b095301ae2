//! The ready file, for the probes of a sidecar.
//!
//! The first round that succeeds creates it, each later round touches it, and it is removed at the end. So an
//! existing file means ready, and a recent one means alive. Rounds that fail touch it too: killing a sidecar during
//! an outage of Vault would only replace it by one without its records.

use std::path::PathBuf;

use crate::error::{Error, Kind, Result};

/// The file, if one was configured; removed when dropped.
#[derive(Debug)]
pub struct ReadyFile(Option<PathBuf>);

impl ReadyFile {
    /// Takes the path, and removes the file of an earlier process.
    pub fn new(path: Option<PathBuf>) -> Self {
        if let Some(path) = &path {
            let _ = std::fs::remove_file(path);
        }
        Self(path)
    }

    /// Creates or touches the file at the end of a round.
    pub fn touch(&self) -> Result<()> {
        let Some(path) = &self.0 else { return Ok(()) };
        std::fs::write(path, format!("{}\n", std::process::id())).map_err(|cause| {
            let what = format!(
                "the file of --ready-file, {}, can't be written: {}",
                path.display(),
                crate::error::why(cause.kind())
            );
            Error::new(Kind::Os, what, "choose a path in an existing folder that this user can write to")
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
