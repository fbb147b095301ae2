//! The launcher's stand-by: starts a wrapped kernel after pip has removed the program that wrapped it.
//!
//! pip runs no code of a package before it removes the package, and Jupyter can't start a kernel whose first word no
//! longer exists. So if pip installed the program, `wrap` creates a second name for it (a hard link, else a copy)
//! beside kernel.json, where pip does not look, and argv contains that name. At a launch the stand-by looks for the
//! program:
//!
//! - the same program: the stand-by is the launcher itself, at the cost of two file lookups;
//! - another program, after an upgrade: the stand-by executes it instead;
//! - none: the kernel starts without secrets, with a notice in Jupyter's log. A program that was uninstalled must not
//!   read secrets any more. Its other commands still work, so the user can still run `unwrap`.
//!
//! Some front ends start their own Python with the words after the first. For those, the stand-by is a script beside
//! it.

use std::ffi::{CString, OsString};
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access, execv};

use super::journal::{Locked, WrapRecord};
use super::{STAND_BY as FILE, STAND_BY_SCRIPT as SCRIPT};
use crate::error::{Error, Kind, Result};

/// The first words of an argv with the stand-by.
pub(super) const WORD: &str = "{resource_dir}/jupyter-vault-launcher";
/// The word with which a Python starts the stand-by's script.
pub(super) const SCRIPT_WORD: &str = "{resource_dir}/jupyter-vault-launcher.py";

const SCRIPT_TEXT: &str = r#""""Becomes the launcher beside this file. Written by jupyter-vault wrap; jupyter-vault unwrap removes it."""

import os
import sys

launcher = os.path.splitext(os.path.abspath(__file__))[0]
os.execv(launcher, [launcher, *sys.argv[1:]])
"#;

/// Whether pip can remove `program`: it is in an environment that has this package.
pub(super) fn is_pips(program: &Path) -> bool {
    program.parent().and_then(Path::parent).is_some_and(has_package)
}

/// Whether this package is installed in the Python environment `prefix`.
pub(super) fn has_package(prefix: &Path) -> bool {
    let libraries = std::fs::read_dir(prefix.join("lib")).into_iter().flatten().flatten();
    let packages = ["site-packages", "dist-packages"];
    libraries
        .flat_map(|library| packages.map(|packages| library.path().join(packages)))
        .any(|packages| packages.join("jupyter_vault/__main__.py").is_file())
}

/// Puts the stand-by of `program` into a kernelspec's folder; returns whether that changed anything.
pub(super) fn put(locked: &Locked, program: &Path, with_script: bool) -> Result<bool> {
    let there = locked.path(FILE).metadata().ok();
    let mut changed = false;
    if !there.zip(program.metadata().ok()).is_some_and(|(there, now)| is_same(&there, &now)) {
        locked.link_or_copy(FILE, program)?;
        changed = true;
    }
    // The folder may be on a file system that executes nothing.
    access(&locked.path(FILE), AccessFlags::X_OK).map_err(|_| {
        let what = format!("{} can't be executed", locked.path(FILE).display());
        Error::new(
            Kind::Os,
            what,
            "wrap with --user, --sys-prefix or --prefix DIR, to use a folder that is not mounted noexec",
        )
    })?;
    let script = std::fs::read_to_string(locked.path(SCRIPT)).ok();
    match (with_script, script) {
        (true, Some(there)) if there == SCRIPT_TEXT => {}
        (true, _) => {
            locked.write(SCRIPT, SCRIPT_TEXT, 0o644)?;
            changed = true;
        }
        (false, Some(_)) => locked.remove(SCRIPT)?,
        (false, None) => {}
    }
    Ok(changed)
}

/// Removes the stand-by from a kernelspec's folder.
pub(super) fn remove(locked: &Locked) -> Result<()> {
    locked.remove(SCRIPT)?;
    locked.remove(FILE)
}

/// A copy has its program's modification time.
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    let times = |metadata: &Metadata| (metadata.mtime(), metadata.mtime_nsec(), metadata.len());
    (one.dev(), one.ino()) == (other.dev(), other.ino()) || times(one) == times(other)
}

/// The kernelspec's folder that contains this process's own file, if that is a stand-by.
pub(super) fn own_folder() -> Option<PathBuf> {
    let own = std::env::current_exe().ok().filter(|own| own.file_name().is_some_and(|name| name == FILE))?;
    own.parent().map(Path::to_owned)
}

/// If this process is a stand-by, becomes its program if that is another one. Returns the notice if the program is
/// gone.
pub fn program_is_gone(arguments: &[OsString]) -> Option<Error> {
    let called = arguments.first().map(Path::new)?;
    if called.file_name().is_none_or(|name| name != FILE) {
        return None;
    }
    let folder = own_folder()?;
    let program = WrapRecord::read(&folder).ok()??.program?;
    if let Ok(now) = program.metadata() {
        if !folder.join(FILE).metadata().is_ok_and(|own| is_same(&own, &now)) {
            hand_over(&program, arguments);
        }
        return None;
    }
    let kernel = folder.file_name().unwrap_or_default().to_string_lossy();
    let own = crate::shell::shell_word(&folder.join(FILE).to_string_lossy());
    let advice = format!(
        "install jupyter-vault again, or remove it from this kernel: {own} unwrap {}",
        crate::shell::shell_word(&kernel)
    );
    Some(Error::new(Kind::Config, format!("{} is no longer installed", program.display()), advice))
}

/// Executes `program` with this process's arguments; returns if that is not possible, so that this program continues.
fn hand_over(program: &Path, arguments: &[OsString]) {
    let words = std::iter::once(program.as_os_str()).chain(arguments.iter().skip(1).map(OsString::as_os_str));
    let words: Vec<_> = words.filter_map(|word| CString::new(word.as_bytes()).ok()).collect();
    if let Some(file) = words.first().filter(|_| words.len() == arguments.len()) {
        let _ = execv(file, &words);
    }
}
