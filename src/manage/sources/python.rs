//! Finds the Python of a kernel: the packages installed there decide which clients a notebook has.

use std::ffi::OsStr;
#[cfg(feature = "wrap")]
use std::path::Path;
use std::path::PathBuf;

use crate::config::env::Environment;
use crate::error::{Error, Kind, Result};
use crate::sys::exec::find_program;

/// Which Python a test runs on.
#[derive(Debug)]
pub(crate) enum Which {
    /// The Python of the kernel with this name.
    Kernel(String),
    /// This program.
    Program(PathBuf),
}

impl Which {
    /// Finds the program.
    pub(super) fn find(&self, environment: &Environment) -> Result<PathBuf> {
        match self {
            Self::Program(program) => found(program.as_os_str(), environment)
                .ok_or_else(|| missing(&format!("there is no program {}", program.display()))),
            Self::Kernel(name) => of_kernel(name, environment),
        }
    }
}

fn found(program: &OsStr, environment: &Environment) -> Option<PathBuf> {
    find_program(program, environment.bytes("PATH")).ok()
}

fn missing(what: &str) -> Error {
    Error::new(
        Kind::Usage,
        what,
        "choose the kernel's Python with --python PROGRAM, or another kernel with --kernel NAME",
    )
}

#[cfg(feature = "wrap")]
fn of_kernel(name: &str, environment: &Environment) -> Result<PathBuf> {
    use crate::kernelspec::find::Search;
    use crate::kernelspec::{KERNEL_JSON, Scope};

    let search = Search::new(&Scope::AsFound, environment);
    let jupyters = || search.python.as_ref().map(|python| python.facts.executable.clone());
    let all = search.all(environment);
    let Some(spec) = all.iter().find(|spec| spec.name == name.to_lowercase()) else {
        return Err(missing(&format!("Jupyter finds no kernel {name}")));
    };
    if spec.native.is_some() {
        return jupyters().ok_or_else(|| missing("no Python that runs Jupyter was found"));
    }
    let text = std::fs::read(spec.folder.join(KERNEL_JSON)).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    let words: Vec<_> = json["argv"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str).collect();
    let own = words.iter().position(|word| *word == "--").map_or(0, |at| at + 1);
    let first = words.get(own).copied().unwrap_or_default();
    let is_python = Path::new(first).file_name().is_some_and(|name| name.to_string_lossy().starts_with("python"));
    if !is_python {
        return Err(missing(&format!("the kernel {name} does not run on Python")));
    }
    // For a bare name Jupyter starts its own Python.
    let is_jupyters = search.python.as_ref().is_some_and(|python| python.facts.names.iter().any(|own| own == first));
    let program = if is_jupyters { jupyters() } else { found(OsStr::new(first), environment) };
    program.ok_or_else(|| missing(&format!("the Python of the kernel {name} does not exist")))
}

#[cfg(not(feature = "wrap"))]
fn of_kernel(_: &str, environment: &Environment) -> Result<PathBuf> {
    found(OsStr::new("python3"), environment).ok_or_else(|| missing("there is no python3 on PATH"))
}
