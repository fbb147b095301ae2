//! The runtime folders: ours, and Jupyter's own.

use std::path::PathBuf;

use super::env::Environment;

/// Our folder in Jupyter's runtime folder; `XDG_RUNTIME_DIR` before the data folder, because it is in memory.
pub fn runtime_dir(environment: &Environment) -> PathBuf {
    let below = |name: &str, rest: &str| environment.path(name).map(|folder| folder.join(rest));
    environment
        .path("JUPYTER_RUNTIME_DIR")
        .or_else(|| below("XDG_RUNTIME_DIR", "jupyter"))
        .or_else(|| below("JUPYTER_DATA_DIR", "runtime"))
        .or_else(|| below("XDG_DATA_HOME", "jupyter/runtime"))
        .or_else(|| environment.home().map(|home| home.join(".local/share/jupyter/runtime")))
        .unwrap_or_else(|| PathBuf::from("/tmp"))
        .join("jupyter-vault")
}

/// Where Jupyter itself keeps connection files and servers' files: what `jupyter --runtime-dir` says. It
/// does not follow `XDG_RUNTIME_DIR` any more, while our own folder prefers that, which lies in memory.
#[cfg(feature = "kernel-protocol")]
pub fn jupyter_runtime_dir(environment: &Environment) -> PathBuf {
    const DATA: &str = if cfg!(target_os = "macos") { "Library/Jupyter" } else { ".local/share/jupyter" };
    let data = || {
        let given = environment.path("JUPYTER_DATA_DIR");
        let xdg = environment.path("XDG_DATA_HOME").filter(|_| cfg!(not(target_os = "macos")));
        let home = || environment.home().map(|home| home.join(DATA));
        given.or_else(|| xdg.map(|xdg| xdg.join("jupyter"))).or_else(home)
    };
    let runtime = environment.path("JUPYTER_RUNTIME_DIR").or_else(|| data().map(|data| data.join("runtime")));
    runtime.unwrap_or_else(|| PathBuf::from("/nonexistent"))
}
