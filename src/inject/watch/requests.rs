//! Kernels' requests to a sidecar: `%secrets refresh` in a notebook writes a file to this program's folder.
//!
//! A kernel has no Vault credential and gets none. It sees here which sidecars its user has, and writes its id. The
//! sidecar takes the request, does the work of its next round, and writes the outcome to a file beside it. However
//! often a kernel asks, Vault is contacted at most once a second.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use humantime::format_rfc3339_seconds;
use serde_json::json;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::sys::folder::{private, write_private};
use crate::sys::process::{own, pid_namespace};
use crate::sys::readable::readable;
use crate::sys::watches::FolderWatch;

/// The end of a request's file name.
const REQUEST: &str = "request";

/// The folder for kernels' requests.
#[derive(Debug)]
pub struct Requests {
    runtime: PathBuf,
    folder: PathBuf,
    presence: PathBuf,
    watch: AsyncFd<FolderWatch>,
}

impl Requests {
    /// Creates the folder, and a file in it that shows that this process answers; `None` if that fails. Must be called
    /// in a runtime.
    pub fn new(runtime: &Path) -> Option<Self> {
        let folder = runtime.join("refresh");
        private(runtime).ok()?;
        private(&folder).ok()?;
        let (pid, start_time) = own()?;
        let presence = folder.join(format!("watch-{pid}.json"));
        let content = json!({"pid": pid, "start_time": start_time, "numbering": pid_namespace().unwrap_or_default()});
        let watch = readable(FolderWatch::new(&folder).ok()?).ok()?;
        write_private(runtime, &presence, content.to_string().as_bytes()).ok()?;
        Some(Self { runtime: runtime.to_owned(), folder, presence, watch })
    }

    /// Waits until something changes in the folder.
    pub async fn changed(&self) {
        while let Ok(false) = self.watch.async_io(Interest::READABLE, |watch| watch.take("")).await {}
    }

    /// Takes the requests of the kernels for which `is_request` holds; returns their names.
    pub fn take(&self, is_request: impl Fn(&str) -> bool) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().filter_map(Result::ok);
        let requests = entries.map(|entry| entry.path());
        let requests = requests.filter(|path| path.extension().is_some_and(|extension| extension == REQUEST));
        let named = requests.filter_map(|path| Some((path.file_stem()?.to_str()?.to_owned(), path)));
        // Two sidecars may watch one kernel: the one that removes the file answers.
        named
            .filter(|(name, path)| is_request(name) && std::fs::remove_file(path).is_ok())
            .map(|(name, _)| name)
            .collect()
    }

    /// Writes the outcome of the request of the kernel `name`.
    pub fn answer(&self, name: &str, text: &str) {
        let content = json!({"at": format_rfc3339_seconds(SystemTime::now()).to_string(), "text": text});
        let _ = write_private(&self.runtime, &self.folder.join(format!("{name}.json")), content.to_string().as_bytes());
    }

    /// Removes the files of a kernel that is gone.
    pub fn forget(&self, name: &str) {
        let _ = std::fs::remove_file(self.folder.join(format!("{name}.json")));
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.presence);
    }
}
