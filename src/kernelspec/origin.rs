//! Derives the original kernel.json from the present file and the record of `wrap`.
//!
//! A package upgrades its kernelspec, a user edits a wrapped one, one kernel.json is linked from two folders. If the
//! record and the file contradict each other, nothing is changed: a person must decide.

use std::path::{Path, PathBuf};

use super::edit::Spec;
use super::journal::{RECORD, SavedFile, WrapRecord, keep};
use super::label::without_suffix;
use super::{KERNEL_JSON, STAND_BY, STAND_BY_SCRIPT, copy};
use crate::config::locations::FILE_NAME;
use crate::error::{Error, Kind, Result};

pub(super) fn parse<'a>(text: &'a str, path: &Path) -> Result<Spec<'a>> {
    Spec::parse(text).map_err(|why| {
        let what = format!("{} is not a valid kernelspec: {why}", path.display());
        Error::new(Kind::Config, what, "correct it: Jupyter can't start it")
    })
}

/// The present kernel.json without the launcher. `None` if the launcher in the record is not in argv: only the user
/// knows what was edited.
pub(super) fn original(now: &SavedFile, spec: &Spec<'_>, record: Option<&WrapRecord>) -> Option<SavedFile> {
    let Some(record) = record else { return Some(now.clone()) };
    if now.text == record.kernel_json.text {
        return Some(record.kernel_json.clone());
    }
    let before = Spec::parse(&record.kernel_json.text).ok()?;
    let text = match spec.unwrapped(&before, &record.launcher) {
        Some(text) => without_suffix(&text, &record.kernel_json.text, &record.suffix),
        // A package has replaced the wrapped kernel.json with its own.
        None if !spec.has_launcher() && spec.words.first() == before.words.first() => now.text.clone(),
        None => return None,
    };
    if text == record.kernel_json.text {
        Some(record.kernel_json.clone())
    } else {
        Some(SavedFile { text, mode: now.mode, link: None })
    }
}

/// The original kernel.json of another kernel that is already wrapped, if this one is a link to it: the link is
/// replaced by a file.
pub(super) fn shared(path: &Path, now: &SavedFile, spec: &Spec<'_>) -> Result<Option<SavedFile>> {
    if now.link.is_none() {
        return Ok(None);
    }
    let behind = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
    let Some(record) = behind.map(|folder| WrapRecord::read(&folder)).transpose()?.flatten() else { return Ok(None) };
    let is_its = spec.own_command(&record.launcher).is_some();
    Ok(is_its.then(|| SavedFile { text: record.kernel_json.text, mode: now.mode, link: now.link.clone() }))
}

/// The error for a record whose launcher is no longer in argv.
pub(super) fn missing_launcher(folder: &Path) -> Error {
    let what = format!(
        "the launcher that wrap added to {} is no longer in its argv; nothing was changed",
        folder.join(KERNEL_JSON).display()
    );
    let advice = format!("the original is in {} (kernel_json): restore it by hand", folder.join(RECORD).display());
    Error::new(Kind::Config, what, advice)
}

/// The folder that was copied, if it has changed since then and the copy has not.
pub(super) fn upgraded(folder: &Path, before: &SavedFile, record: &WrapRecord) -> Option<PathBuf> {
    let source = record.copy_of.as_ref()?;
    let text = keep(&source.join(KERNEL_JSON)).ok()??.text;
    let bare = Spec::parse(&text).is_ok_and(|spec| !spec.has_launcher());
    (bare && text != record.kernel_json.text && is_as_made(folder, before, record)).then(|| source.clone())
}

/// Whether a copy contains exactly what `wrap` put into it.
pub(super) fn is_as_made(folder: &Path, before: &SavedFile, record: &WrapRecord) -> bool {
    let ours = [KERNEL_JSON, FILE_NAME, RECORD, STAND_BY, STAND_BY_SCRIPT].map(Path::new);
    let known = |file: &Path| ours.contains(&file) || record.copied.iter().any(|copied| copied == file);
    before.text == record.kernel_json.text && copy::files(folder).iter().all(|file| known(file))
}
