//! Decides whether a kernelspec is wrapped in place or as a copy that Jupyter finds first.
//!
//! A user who may write a kernelspec's folder wants it changed for all its users. Any other user can still have a
//! kernelspec of the same name in a folder that Jupyter searches earlier, usually the user's own.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::KERNEL_JSON;
use super::find::{Kernelspec, Search};
use super::which::Scope;
use crate::error::{Error, Kind, Result};

/// Where a wrapped kernelspec is written.
#[derive(Debug, PartialEq, Eq)]
pub enum Destination {
    /// In the kernelspec's own folder.
    InPlace,
    /// To this folder, which does not exist yet.
    Copy(PathBuf),
}

/// Decides where `found` is wrapped.
pub fn target(found: &Kernelspec, search: &Search, place: &Scope) -> Result<Destination> {
    if found.native.is_none() {
        trusted(&found.folder)?;
    }
    let root = chosen_folder(place, search)?;
    match root {
        Some(root) if found.native.is_none() && found.folder.parent() == Some(root) => Ok(Destination::InPlace),
        Some(root) if !may_create(root) => {
            let what = format!("{} is not writable, so no kernelspec can be put there", root.display());
            Err(Error::new(Kind::Os, what, format!("make it writable, or choose another place: {}", others(place))))
        }
        Some(root) => vacant(root, found, place),
        None if found.native.is_none() && may_write(&found.folder) => Ok(Destination::InPlace),
        None => {
            let before = search.folders.iter().take_while(|root| found.folder.parent() != Some(root));
            let mut before: Vec<_> = before.filter(|root| may_create(root)).collect();
            before.sort_by_key(|root| search.user.as_ref() != Some(root));
            let root = before.first().ok_or_else(|| {
                let what = format!(
                    "{} is not writable, nor is any folder that Jupyter searches before it",
                    found.folder.display()
                );
                Error::new(Kind::Os, what, "ask its owner to wrap it, or set JUPYTER_DATA_DIR to your own folder")
            })?;
            vacant(root, found, place)
        }
    }
}

/// The options that name a place other than `place`.
const fn others(place: &Scope) -> &'static str {
    match place {
        Scope::AsFound => "--user, --sys-prefix, --prefix DIR",
        Scope::User => "--sys-prefix, --prefix DIR",
        Scope::SysPrefix => "--user, --prefix DIR",
        Scope::Prefix(_) => "--user, another --prefix DIR",
    }
}

/// The folder that the command line asks for.
fn chosen_folder<'a>(place: &Scope, search: &'a Search) -> Result<Option<&'a Path>> {
    let folder = match place {
        Scope::AsFound => return Ok(None),
        Scope::User => &search.user,
        Scope::SysPrefix | Scope::Prefix(_) => &search.prefix,
    };
    folder.as_deref().map(Some).ok_or_else(|| {
        let advice = "activate the environment, or name it with --prefix DIR";
        Error::new(Kind::Config, "that kernelspec folder is unknown: there is no Python with Jupyter on PATH", advice)
    })
}

fn vacant(root: &Path, found: &Kernelspec, place: &Scope) -> Result<Destination> {
    let folder = root.join(&found.name);
    if folder.join(KERNEL_JSON).exists() {
        let what = format!("there is already another kernelspec at {}", folder.display());
        let advice = format!("remove that one, or write elsewhere: {}", others(place));
        return Err(Error::new(Kind::Config, what, advice));
    }
    Ok(Destination::Copy(folder))
}

/// Checks who may write in `folder`: a user who can write the kernelspec chooses the program that gets the secrets.
fn trusted(folder: &Path) -> Result<()> {
    for path in [folder.to_owned(), folder.join(KERNEL_JSON)] {
        let mode = std::fs::metadata(&path).map_or(0, |metadata| metadata.permissions().mode());
        if mode & 0o002 != 0 {
            let what = format!("every user can write {}", path.display());
            return Err(Error::new(
                Kind::Config,
                what,
                "any user who writes it can get the secrets: chmod o-w, then wrap",
            ));
        }
    }
    Ok(())
}

/// Whether this user may replace files in `folder`.
pub fn may_write(folder: &Path) -> bool {
    access(folder, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

/// As [`may_write`], for a folder that may have to be created first.
fn may_create(folder: &Path) -> bool {
    let there = folder.ancestors().find(|ancestor| ancestor.exists());
    there.is_some_and(may_write)
}
