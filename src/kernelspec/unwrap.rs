//! `jupyter-vault unwrap`: restores the earlier files, byte for byte.

use std::io::Write;
use std::path::Path;

use super::diff;
use super::find::Search;
use super::journal::{Locked, RECORD, SavedFile, WrapRecord, keep};
use super::origin::{is_as_made, missing_launcher, original, parse};
use super::wrap::{last, say};
use super::{KERNEL_JSON, WrapChoices, choose, copy, journal, standby};
use crate::config::env::Environment;
use crate::config::locations::FILE_NAME;
use crate::error::{Error, Kind, Result};

/// Unwraps the kernels that `which` names, in all of Jupyter's folders; reports to `out`.
pub fn run(which: &WrapChoices, out: &mut dyn Write, report: &mut dyn FnMut(&Error)) -> Result<()> {
    let environment = Environment::take();
    let search = Search::new(&which.scope, &environment);
    let without_kernel_json = search.without_kernel_json();
    let mut names: Vec<_> = which.kernels.iter().map(|name| name.to_lowercase()).collect();
    if which.all {
        names = search.names();
        names.extend(without_kernel_json.iter().map(|(name, _)| name.clone()));
        names.sort();
        names.dedup();
    } else if names.is_empty() {
        let mut wrapped = search.wrapped();
        wrapped.sort();
        names = choose::names(which, wrapped.iter().map(|(name, folder)| (name.as_str(), folder.as_path())), "unwrap")?;
    }
    let mut failures = Vec::new();
    let mut healed = false;
    for root in search.folders.iter().filter(|_| !which.dry_run) {
        match copy::clean_up(root) {
            Ok(left) => healed |= left,
            Err(error) => failures.push(error),
        }
    }
    if healed {
        say(out, "removed the remains of an interrupted run");
    }
    for name in names {
        let mut met = healed;
        let gone = without_kernel_json
            .iter()
            .filter(|(without_kernel_json, _)| *without_kernel_json == name)
            .map(|(_, folder)| folder.clone());
        for folder in search.of_name(&name).into_iter().chain(gone) {
            match unwrap(&name, &folder, which.dry_run, out) {
                Ok(wrapped) => met |= wrapped,
                Err(error) => {
                    met = true;
                    failures.push(error);
                }
            }
        }
        if !met && !which.all {
            failures.push(nothing(&name, &search));
        }
    }
    last(failures, report)
}

fn nothing(name: &str, search: &Search) -> Error {
    let Some(folder) = search.of_name(name).into_iter().next() else {
        let what = format!("Jupyter finds no kernel called {name}");
        return Error::new(Kind::Usage, what, "`jupyter kernelspec list` shows the names");
    };
    let what = format!("{name} was not wrapped by jupyter-vault wrap: there is no {RECORD} in {}", folder.display());
    Error::new(Kind::Usage, what, "if its kernel.json contains a launcher, remove it by hand")
}

/// Unwraps the kernelspec in `folder`; returns whether it was wrapped.
fn unwrap(name: &str, folder: &Path, dry_run: bool, out: &mut dyn Write) -> Result<bool> {
    // Another run may be in progress, or may have been interrupted before it wrote its record.
    let begun = journal::has_unfinished(folder) && !dry_run;
    if !begun && !folder.join(RECORD).exists() {
        return Ok(false);
    }
    let locked = if dry_run { None } else { Some(Locked::new(folder)?) };
    let Some(record) = WrapRecord::read(folder)? else { return Ok(begun) };
    let path = folder.join(KERNEL_JSON);
    let Some(now) = keep(&path)? else {
        let Some(locked) = locked else {
            let _ = write!(out, "{}", diff::unified(&path, &path, None, Some(&record.kernel_json.text)));
            return Ok(true);
        };
        return restore(name, folder, &locked, &record, out).map(|()| true);
    };
    // If the file is not a valid kernelspec any more, it has no edits worth keeping.
    let before = match parse(&now.text, &path) {
        Ok(spec) => original(&now, &spec, Some(&record)).ok_or_else(|| missing_launcher(folder))?,
        Err(_) => record.kernel_json.clone(),
    };
    let settings = keep(&folder.join(FILE_NAME))?;
    let edited = settings.as_ref().is_some_and(|there| !record.is_unchanged(there));
    if let Some(source) = record.copy_of.as_ref().filter(|_| !edited && is_as_made(folder, &before, &record)) {
        if locked.is_none() {
            let _ = write!(out, "{}", diff::unified(&path, &path, Some(&now.text), None));
        } else {
            copy::remove(folder)?;
            say(
                out,
                &format!("{name}: removed the copy {}; Jupyter uses {} again", folder.display(), source.display()),
            );
        }
        return Ok(true);
    }
    let after = if edited { settings.as_ref() } else { record.vault_toml.as_ref() };
    let Some(locked) = locked else {
        let path_of_settings = folder.join(FILE_NAME);
        let text = |kept: Option<&SavedFile>| kept.map(|kept| kept.text.clone());
        let (from, to) = (text(settings.as_ref()), text(after));
        let _ = write!(out, "{}", diff::unified(&path, &path, Some(&now.text), Some(&before.text)));
        let _ = write!(out, "{}", diff::unified(&path_of_settings, &path_of_settings, from.as_deref(), to.as_deref()));
        return Ok(true);
    };
    if now != before {
        locked.restore(KERNEL_JSON, &before)?;
    }
    match &record.vault_toml {
        _ if edited => say(out, &format!("{name}: {FILE_NAME} was edited since then, and is kept")),
        Some(kept) if settings.as_ref() == Some(kept) => {}
        Some(kept) => locked.restore(FILE_NAME, kept)?,
        None => locked.remove(FILE_NAME)?,
    }
    standby::remove(&locked)?;
    locked.remove(RECORD)?;
    let what = if record.copy_of.is_some() {
        "the copy was edited since then, and is kept without the launcher"
    } else {
        "unwrapped"
    };
    say(out, &format!("{name}: {what}, {}", path.display()));
    Ok(true)
}

/// Restores the record's kernel.json, if the file itself is gone.
fn restore(name: &str, folder: &Path, locked: &Locked, record: &WrapRecord, out: &mut dyn Write) -> Result<()> {
    if let Some(source) = &record.copy_of {
        copy::remove(folder)?;
        let (folder, source) = (folder.display(), source.display());
        say(
            out,
            &format!("{name}: removed the copy {folder}, whose {KERNEL_JSON} was missing; Jupyter uses {source} again"),
        );
        return Ok(());
    }
    locked.restore(KERNEL_JSON, &record.kernel_json)?;
    let settings = keep(&folder.join(FILE_NAME))?;
    match (&record.vault_toml, settings) {
        (_, Some(there)) if !record.is_unchanged(&there) => {
            say(out, &format!("{name}: {FILE_NAME} was edited since then, and is kept"));
        }
        (Some(kept), _) => locked.restore(FILE_NAME, kept)?,
        (None, _) => locked.remove(FILE_NAME)?,
    }
    standby::remove(locked)?;
    locked.remove(RECORD)?;
    let path = folder.join(KERNEL_JSON);
    say(out, &format!("{name}: {KERNEL_JSON} was missing; restored the original, {}", path.display()));
    Ok(())
}
