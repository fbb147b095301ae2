//! `jupyter-vault unwrap`: what was there before, byte for byte.

use std::io::Write;
use std::path::Path;

use super::find::{Place, Search};
use super::journal::{Kept, Locked, RECORD, Record, keep};
use super::wrap::{diff, is_as_made, last, original, parse, say};
use super::{KERNEL_JSON, copy, journal};
use crate::config::env::Environment;
use crate::config::locations::FILE_NAME;
use crate::error::{Error, Kind, Result};

/// What to unwrap.
#[derive(Debug)]
pub struct Order {
    /// The kernels' names.
    pub kernels: Vec<String>,
    /// Whether every kernel that was wrapped is meant.
    pub all: bool,
    /// Where to look first.
    pub place: Place,
    /// Whether to show the change alone.
    pub dry_run: bool,
}

/// Unwraps the kernels that `order` names, wherever Jupyter looks for them; what was done goes to `out`.
///
/// # Errors
/// The last failure; the others were reported.
pub fn run(order: &Order, out: &mut dyn Write, report: &mut dyn FnMut(&Error)) -> Result<()> {
    let environment = Environment::take();
    let search = Search::new(&order.place, &environment);
    let mut names: Vec<_> = order.kernels.iter().map(|name| name.to_lowercase()).collect();
    if order.all {
        names = search.names();
    }
    let mut failures = Vec::new();
    let mut healed = false;
    for root in search.folders.iter().filter(|_| !order.dry_run) {
        match copy::heal(root) {
            Ok(left) => healed |= left,
            Err(error) => failures.push(error),
        }
    }
    if healed {
        say(out, "what an interrupted run had left is removed");
    }
    for name in names {
        let mut met = healed;
        for folder in search.of_name(&name) {
            match unwrap(&name, &folder, order.dry_run, out) {
                Ok(wrapped) => met |= wrapped,
                Err(error) => {
                    met = true;
                    failures.push(error);
                }
            }
        }
        if !met && !order.all {
            failures.push(nothing(&name, &search));
        }
    }
    last(failures, report)
}

fn nothing(name: &str, search: &Search) -> Error {
    let Some(folder) = search.of_name(name).into_iter().next() else {
        let what = format!("Jupyter finds no kernel called {name}");
        return Error::new(Kind::Usage, what, "jupyter kernelspec list shows the names");
    };
    let what = format!("{name} was not wrapped by jupyter-vault wrap: there is no {RECORD} in {}", folder.display());
    Error::new(Kind::Usage, what, "if a launcher stands in its kernel.json, take it out by hand")
}

/// Whether there was something of ours.
fn unwrap(name: &str, folder: &Path, dry_run: bool, out: &mut dyn Write) -> Result<bool> {
    // A run may have been interrupted before it had written its record, or be at work.
    let begun = journal::has_unfinished(folder) && !dry_run;
    if !begun && !folder.join(RECORD).exists() {
        return Ok(false);
    }
    let locked = if dry_run { None } else { Some(Locked::new(folder)?) };
    let Some(record) = Record::read(folder)? else { return Ok(begun) };
    let path = folder.join(KERNEL_JSON);
    let Some(now) = keep(&path)? else { return Ok(false) };
    // What is no kernelspec any more has no edits worth keeping.
    let before = match parse(&now.text, &path) {
        Ok(spec) => original(&now, &spec, Some(&record)),
        Err(_) => record.kernel_json.clone(),
    };
    let settings = keep(&folder.join(FILE_NAME))?;
    let edited = settings.as_ref().is_some_and(|there| !record.is_ours(there));
    if let Some(source) = record.copy_of.as_ref().filter(|_| !edited && is_as_made(folder, &before, &record)) {
        if locked.is_none() {
            let _ = write!(out, "{}", diff(&path, &path, Some(&now.text), None));
        } else {
            copy::remove(folder)?;
            say(out, &format!("{name}: the copy {} is removed; {} counts again", folder.display(), source.display()));
        }
        return Ok(true);
    }
    let after = if edited { settings.as_ref() } else { record.vault_toml.as_ref() };
    let Some(locked) = locked else {
        let path_of_settings = folder.join(FILE_NAME);
        let text = |kept: Option<&Kept>| kept.map(|kept| kept.text.clone());
        let (from, to) = (text(settings.as_ref()), text(after));
        let _ = write!(out, "{}", diff(&path, &path, Some(&now.text), Some(&before.text)));
        let _ = write!(out, "{}", diff(&path_of_settings, &path_of_settings, from.as_deref(), to.as_deref()));
        return Ok(true);
    };
    if now != before {
        locked.restore(KERNEL_JSON, &before)?;
    }
    match &record.vault_toml {
        _ if edited => say(out, &format!("{name}: {FILE_NAME} was edited since, and stays")),
        Some(kept) if settings.as_ref() == Some(kept) => {}
        Some(kept) => locked.restore(FILE_NAME, kept)?,
        None => locked.remove(FILE_NAME)?,
    }
    locked.remove(RECORD)?;
    let what = if record.copy_of.is_some() {
        "the copy was edited since, and stays without the launcher"
    } else {
        "unwrapped"
    };
    say(out, &format!("{name}: {what}, {}", path.display()));
    Ok(true)
}
