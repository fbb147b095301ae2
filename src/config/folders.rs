//! Jupyter's folders: runtime, data and kernelspecs, and our own folder among them.

#[cfg(any(feature = "diagnose", feature = "wrap"))]
use std::path::Path;
use std::path::PathBuf;

use super::env::Environment;

/// Our folder in Jupyter's runtime folder; `XDG_RUNTIME_DIR` is preferred to the data folder, since it is in memory.
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

/// Jupyter's own folder for connection files and servers' files: the output of `jupyter --runtime-dir`. Jupyter no
/// longer uses `XDG_RUNTIME_DIR`, but this program's folder prefers it, because it is in memory.
#[cfg(feature = "kernel-protocol")]
pub fn jupyter_runtime_dir(environment: &Environment) -> PathBuf {
    let runtime =
        environment.path("JUPYTER_RUNTIME_DIR").or_else(|| data_dir(environment).map(|data| data.join("runtime")));
    runtime.unwrap_or_else(|| PathBuf::from("/nonexistent"))
}

/// jupyter_core's `jupyter_data_dir`: the user's own.
#[cfg(any(feature = "kernel-protocol", feature = "wrap"))]
pub fn data_dir(environment: &Environment) -> Option<PathBuf> {
    const DATA: &str = if cfg!(target_os = "macos") { "Library/Jupyter" } else { ".local/share/jupyter" };
    let xdg = || environment.path("XDG_DATA_HOME").filter(|_| cfg!(not(target_os = "macos")));
    environment
        .path("JUPYTER_DATA_DIR")
        .or_else(|| xdg().map(|xdg| xdg.join("jupyter")))
        .or_else(|| environment.home().map(|home| home.join(DATA)))
}

/// jupyter_core's `jupyter_path("kernels")`, the folders that are searched for kernelspecs, in its order:
/// `JUPYTER_PATH`, the `user`'s data folder, the environment's at `prefix`, the system's.
#[cfg(any(feature = "diagnose", feature = "wrap"))]
pub fn kernelspec_folders(environment: &Environment, user: Option<PathBuf>, prefix: Option<&Path>) -> Vec<PathBuf> {
    let listed = environment.bytes("JUPYTER_PATH").map(std::env::split_paths).into_iter().flatten();
    let prefix = prefix.map(|prefix| prefix.join("share/jupyter"));
    let system = ["/usr/local/share/jupyter", "/usr/share/jupyter"].map(PathBuf::from);
    listed.chain(user).chain(prefix).chain(system).map(|data| data.join("kernels")).collect()
}
