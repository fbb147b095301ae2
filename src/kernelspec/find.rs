//! Finds the kernelspecs that Jupyter finds, in the same places.
//!
//! Jupyter searches its folders in order. In each, a folder with a kernel.json is a kernelspec; its name in lower
//! case is the kernel's name; and the first kernelspec of a name takes precedence. If none is called `python3`,
//! Jupyter generates one for ipykernel. Jupyter's configuration (`jupyter_config`) may forbid that, and may restrict
//! the kernels to a list. See jupyter_client's `KernelSpecManager.find_kernel_specs`.

use std::path::{Path, PathBuf};

use super::journal::RECORD;
use super::python::{Native, Python};
use super::which::Scope;
use super::{KERNEL_JSON, standby};
use crate::config::env::Environment;
use crate::config::folders::{data_dir, kernelspec_folders};

/// The kernel that Jupyter generates if none has this name.
const NATIVE_NAME: &str = "python3";

/// A kernelspec.
#[derive(Debug)]
pub struct Kernelspec {
    /// The kernel's name, in lower case.
    pub name: String,
    /// The folder with its kernel.json.
    pub folder: PathBuf,
    /// The generated kernel.json, for a kernelspec without a file.
    pub native: Option<Native>,
}

/// Jupyter's folders, and its Python.
#[derive(Debug)]
pub struct Search {
    /// The folders that hold kernelspecs, in order.
    pub folders: Vec<PathBuf>,
    /// The user's own folder among them.
    pub user: Option<PathBuf>,
    /// The environment's folder among them.
    pub prefix: Option<PathBuf>,
    /// The Python that runs Jupyter, if one was found.
    pub python: Option<Python>,
}

impl Search {
    /// Determines where Jupyter looks. The folder of a `--prefix` comes first.
    pub fn new(place: &Scope, environment: &Environment) -> Self {
        let python = Python::find(place.prefix(), environment);
        let facts = python.as_ref().map(|python| &python.facts);
        let data = facts.and_then(|facts| facts.data.clone()).or_else(|| data_dir(environment));
        let user = data.as_ref().map(|data| data.join("kernels"));
        let root = place.prefix().or(facts.map(|facts| facts.prefix.as_path()));
        let prefix = root.map(|root| std::path::absolute(root).unwrap_or_else(|_| root.to_owned()));
        let usual = || kernelspec_folders(environment, data, prefix.as_deref());
        let prefix = prefix.as_ref().map(|root| root.join("share/jupyter/kernels"));
        let mut folders = Vec::new();
        if place.prefix().is_some() {
            folders.extend(prefix.clone());
        }
        let reported = facts.and_then(|facts| facts.folders.clone());
        for folder in reported.unwrap_or_else(usual) {
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        // So a kernelspec of an environment that is no longer on PATH can still be unwrapped.
        let own = standby::own_folder().and_then(|folder| folder.parent().map(Path::to_owned));
        folders.extend(own.filter(|own| !folders.contains(own)));
        if facts.is_some_and(|facts| facts.ipython) {
            folders.extend(ipython_dir(environment).map(|own| own.join("kernels")));
        }
        Self { folders, user, prefix, python }
    }

    /// Every kernel, as `jupyter kernelspec list` shows them, by name.
    pub fn all(&self, environment: &Environment) -> Vec<Kernelspec> {
        let mut found: Vec<Kernelspec> = Vec::new();
        for folder in &self.folders {
            for (name, folder) in kernels_in(folder) {
                if found.iter().all(|known| known.name != name) {
                    found.push(Kernelspec { name, folder, native: None });
                }
            }
        }
        if found.iter().all(|known| known.name != NATIVE_NAME) {
            found.extend(self.native(environment));
        }
        found.retain(|found| self.is_allowed(&found.name));
        found.sort_by(|left, right| left.name.cmp(&right.name));
        found
    }

    /// Whether Jupyter's configuration allows that name.
    pub fn is_allowed(&self, name: &str) -> bool {
        let allowed = self.python.as_ref().map_or(&[][..], |python| &python.facts.allowed);
        allowed.is_empty() || allowed.iter().any(|allowed| allowed == name)
    }

    /// Every folder of that name, in Jupyter's order: the first one is the kernel, the others are hidden.
    pub fn of_name(&self, name: &str) -> Vec<PathBuf> {
        let name = name.to_lowercase();
        let all = self.folders.iter().flat_map(|folder| kernels_in(folder));
        all.filter(|(candidate, _)| *candidate == name).map(|(_, folder)| folder).collect()
    }

    /// The folders with a record of `wrap`, by name; of several with one name, the first.
    pub fn wrapped(&self) -> Vec<(String, PathBuf)> {
        let mut found: Vec<(String, PathBuf)> = Vec::new();
        for (name, folder) in self.folders.iter().flat_map(|folder| folders_with(RECORD, folder)) {
            if found.iter().all(|(known, _)| *known != name) {
                found.push((name, folder));
            }
        }
        found
    }

    /// The folders with a record of `wrap` but without a kernel.json, by name.
    pub fn without_kernel_json(&self) -> Vec<(String, PathBuf)> {
        let all = self.folders.iter().flat_map(|folder| folders_with(RECORD, folder));
        all.filter(|(_, folder)| !folder.join(KERNEL_JSON).exists()).collect()
    }

    /// The folders beside a kernelspec's whose names differ from its own only in case. Jupyter lists one of them, and
    /// may start another.
    pub fn doubles(found: &Kernelspec) -> Vec<PathBuf> {
        let beside = found.folder.parent().map(std::fs::read_dir).into_iter().flatten().flatten().flatten();
        let same = |path: &PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).map(str::to_lowercase);
            name.as_ref() == Some(&found.name) && *path != found.folder && path.join(KERNEL_JSON).is_file()
        };
        beside.map(|entry| entry.path()).filter(same).collect()
    }

    /// Every name of a folder, hidden or not.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<_> =
            self.folders.iter().flat_map(|folder| kernels_in(folder)).map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        names
    }

    fn native(&self, environment: &Environment) -> Option<Kernelspec> {
        let wanted = |python: &&Python| python.facts.ipykernel && python.facts.native.unwrap_or(true);
        let python = self.python.as_ref().filter(wanted)?;
        let native = python.native(environment)?;
        Some(Kernelspec { name: NATIVE_NAME.to_owned(), folder: native.folder.clone(), native: Some(native) })
    }
}

/// The kernelspecs in one folder.
fn kernels_in(folder: &Path) -> Vec<(String, PathBuf)> {
    folders_with(KERNEL_JSON, folder)
}

/// The folders in `folder` that contain `file`, by the kernel's name. If two names differ only in case, Jupyter uses
/// the last one that the system lists, and so does this.
fn folders_with(file: &str, folder: &Path) -> Vec<(String, PathBuf)> {
    let mut kernels: Vec<(String, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let (name, path) = (name.to_lowercase(), entry.path());
        if !path.join(file).is_file() {
            continue;
        }
        kernels.retain(|(known, _)| *known != name);
        kernels.push((name, path));
    }
    kernels
}

/// IPython's `get_ipython_dir`.
fn ipython_dir(environment: &Environment) -> Option<PathBuf> {
    let home = environment.home();
    match environment.path("IPYTHONDIR") {
        Some(path) => match (path.strip_prefix("~"), home) {
            (Ok(below), Some(home)) => Some(home.join(below)),
            _ => Some(path),
        },
        None => home.map(|home| home.join(".ipython")),
    }
}
