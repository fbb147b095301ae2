//! Which kernel is meant: a connection file, or the beginning of a kernel's id.
//!
//! Jupyter names the file of a kernel `kernel-ID.json` in its runtime folder and leaves it there when the
//! kernel is killed, so a file says that a kernel was started and not that it runs.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// The connection file that `said` means: a path, or the beginning of an id in the folder `runtime`.
///
/// # Errors
/// [`Kind::NoSuchKernel`] when there is none, or several.
pub fn connection_file(said: &str, runtime: &Path) -> Result<PathBuf> {
    if said.contains('/') || Path::new(said).extension().is_some_and(|extension| extension == "json") {
        let path = Path::new(said);
        return if path.is_file() { Ok(path.to_owned()) } else { Err(none(&format!("there is no file {said}"))) };
    }
    let id = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?;
        Some(name.strip_prefix("kernel-")?.strip_suffix(".json")?.to_owned())
    };
    let entries = std::fs::read_dir(runtime).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<_> =
        entries.map(|entry| entry.path()).filter(|path| id(path).is_some_and(|id| id.starts_with(said))).collect();
    found.sort();
    match (found.pop(), found.len()) {
        (Some(only), 0) => Ok(only),
        (Some(last), _) => {
            found.into_iter().chain([last]).find(|path| id(path).as_deref() == Some(said)).ok_or_else(|| {
                let what = format!("several kernels in {} have an id that begins with {said}", runtime.display());
                Error::new(Kind::NoSuchKernel, what, "give more of the id, or the path of the connection file")
            })
        }
        (None, _) => Err(none(&format!("no kernel in {} has an id that begins with {said}", runtime.display()))),
    }
}

fn none(what: &str) -> Error {
    Error::new(Kind::NoSuchKernel, what, "`jupyter --runtime-dir` says where connection files are: kernel-ID.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_may_be_cut_short_as_long_as_it_is_one_kernels() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["kernel-12ab.json", "kernel-12cd.json", "kernel-12.json", "jpserver-12ab.json"] {
            std::fs::write(folder.path().join(name), "{}").unwrap();
        }
        let chosen = |said: &str| connection_file(said, folder.path()).map(|path| path.file_name().unwrap().to_owned());
        assert_eq!(chosen("12a").unwrap(), "kernel-12ab.json");
        assert_eq!(chosen("12").unwrap(), "kernel-12.json", "the whole of an id is no beginning");
        for wrong in ["1", "2", "kernel-12ab.json", "/nowhere/kernel-1.json"] {
            assert_eq!(chosen(wrong).unwrap_err().kind(), Kind::NoSuchKernel, "{wrong}");
        }
        let path = folder.path().join("jpserver-12ab.json");
        assert_eq!(connection_file(path.to_str().unwrap(), folder.path()).unwrap(), path);
    }
}
