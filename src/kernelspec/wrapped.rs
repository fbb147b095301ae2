//! A wrapped kernelspec's files: their content before and after, and how they are written.

use std::path::Path;

use super::journal::{Locked, RECORD, SavedFile, WrapRecord, keep};
use super::{KERNEL_JSON, standby};
use crate::config::locations::FILE_NAME;
use crate::error::Result;

/// The change of one kernelspec.
pub(super) struct Wrapped {
    pub(super) kernel_json: SavedFile,
    pub(super) vault_toml: SavedFile,
    pub(super) record: WrapRecord,
}

/// A kernelspec's files when its change was computed.
pub(super) struct FilesBefore {
    pub(super) kernel_json: SavedFile,
    pub(super) vault_toml: Option<SavedFile>,
    pub(super) record: Option<WrapRecord>,
}

impl FilesBefore {
    pub(super) fn is_there(&self, folder: &Path) -> Result<bool> {
        Ok(keep(&folder.join(KERNEL_JSON))?.as_ref() == Some(&self.kernel_json)
            && keep(&folder.join(FILE_NAME))? == self.vault_toml
            && WrapRecord::read(folder)? == self.record)
    }
}

impl Wrapped {
    /// Puts the stand-by there, if one is wanted.
    pub(super) fn stand_by(&self, locked: &Locked) -> Result<bool> {
        let Some(program) = &self.record.program else { return Ok(false) };
        let with_script = self.record.launcher.iter().any(|word| word == standby::SCRIPT_WORD);
        standby::put(locked, program, with_script)
    }

    /// The permission bits of the record. It contains the files, so a user who may not read one of them may not read
    /// the record.
    pub(super) fn record_mode(&self) -> u32 {
        let before = self.record.vault_toml.as_ref().map_or(0o777, |before| before.mode);
        (self.kernel_json.mode & self.vault_toml.mode & before) & 0o644 | 0o600
    }

    /// Writes the files in `folder` that differ from `seen`; returns whether any did.
    pub(super) fn write(&self, locked: &Locked, folder: &Path, seen: &FilesBefore) -> Result<bool> {
        let mut changed = write(locked, folder, RECORD, &self.record.text(), self.record_mode())?;
        changed |= self.stand_by(locked)?;
        changed |= write(locked, folder, FILE_NAME, &self.vault_toml.text, self.vault_toml.mode)?;
        if seen.kernel_json.text != self.kernel_json.text {
            locked.write(KERNEL_JSON, &self.kernel_json.text, self.kernel_json.mode)?;
            changed = true;
        }
        if self.record.program.is_none() {
            standby::remove(locked)?;
        }
        Ok(changed)
    }
}

fn write(locked: &Locked, folder: &Path, name: &str, text: &str, mode: u32) -> Result<bool> {
    if keep(&folder.join(name))?.is_some_and(|there| there.text == text) {
        return Ok(false);
    }
    locked.write(name, text, mode)?;
    Ok(true)
}
