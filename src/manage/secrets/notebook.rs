//! Secrets that one notebook's kernels do not get: `[notebook."PATH"] without` in the user's own vault.toml.
//!
//! The rest of the file stays unchanged, including comments and order. Vault is not contacted: a rule only takes
//! secrets away, and may name one that does not exist yet.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde_json::json;
use tempfile::Builder;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use super::common::{Common, outcome};
use crate::config::env::Environment;
use crate::config::file;
use crate::config::locations::Locations;
use crate::error::{Error, Kind, Result, one_line, why};
use crate::manage::Outcome;

/// The mode of a new vault.toml.
const MODE: u32 = 0o644;

/// Withholds `names` from the kernels of `notebook`, or gives them again.
pub(super) fn switch(common: &Common, names: &[String], notebook: &str, on: bool) -> Result<Outcome> {
    let is_path = !notebook.is_empty() && !notebook.ends_with('/') && !notebook.chars().any(char::is_control);
    if !is_path {
        let what = format!("\"{}\" is not a notebook's path", one_line(notebook));
        return Err(Error::new(Kind::Usage, what, "pass its path, or the end of its path, such as work/report.ipynb"));
    }
    for name in names.iter().filter(|_| !on) {
        // Protected names are accepted here, as a rule only takes secrets away.
        if name.is_empty() || name.contains('=') || name.chars().any(char::is_control) {
            let what = format!("\"{}\" is not a valid variable name", one_line(name));
            return Err(Error::new(Kind::Usage, what, "`jupyter-vault secrets list` shows the names"));
        }
    }
    let notebook = notebook.strip_prefix("./").unwrap_or(notebook);
    let path = own(&Environment::take())?;
    let without = change(&path, |document| edit(document, &path, names, notebook, on))?;
    let verb = if on { "gets" } else { "does not get" };
    let sentence = format!("{} {verb} {} from its kernel's next start on", one_line(notebook), names.join(", "));
    let object =
        json!({ "notebook": notebook, "without": without, "file": path, "done": if on { "on" } else { "off" } });
    Ok(outcome(common, &sentence, &object))
}

/// The path of the user's own vault.toml, which need not exist.
fn own(environment: &Environment) -> Result<PathBuf> {
    let usual = Locations::new(None, environment).usual;
    let none = || Error::new(Kind::Os, "this user has no configuration folder", "set HOME or JUPYTER_CONFIG_DIR");
    let path = usual.into_iter().find(|path| !path.starts_with("/etc") && !path.starts_with("/usr/local/etc"));
    let path = path.ok_or_else(none)?;
    // A symlink stays one.
    Ok(path.canonicalize().unwrap_or(path))
}

/// Changes the file at `path` atomically, under a lock against other processes of this program.
fn change<T>(path: &Path, edit: impl FnOnce(&mut DocumentMut) -> Result<T>) -> Result<T> {
    let failed = |cause: std::io::Error| {
        let what = format!("{} can't be changed: {}", path.display(), why(cause.kind()));
        Error::new(Kind::Os, what, "check the owner of the file and its folder, and the free space")
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let opened = File::open(folder).map_err(failed)?;
    let _alone = Flock::lock(opened, FlockArg::LockExclusive).map_err(|(_, cause)| failed(cause.into()))?;
    // A file that a launch would refuse is not changed: its error is reported.
    let is_there = file::read(path)?.is_some();
    let text = if is_there { std::fs::read_to_string(path).map_err(failed)? } else { String::new() };
    let mut document: DocumentMut = text.parse().map_err(|_| {
        Error::new(Kind::ConfigFile, format!("{} is not TOML", path.display()), "correct it: `jupyter-vault doctor`")
    })?;
    let done = edit(&mut document)?;
    let changed = document.to_string();
    file::parse(&changed, path)?;
    let mode = std::fs::metadata(path).map_or(MODE, |metadata| metadata.permissions().mode() & 0o7777);
    let mut new = Builder::new().prefix(".vault-").tempfile_in(folder).map_err(failed)?;
    new.write_all(changed.as_bytes()).map_err(failed)?;
    new.as_file().set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
    new.as_file().sync_all().map_err(failed)?;
    new.persist(path).map_err(|refused| failed(refused.error))?;
    Ok(done)
}

/// Edits the document; returns what the notebook does not get after the change.
fn edit(document: &mut DocumentMut, path: &Path, names: &[String], notebook: &str, on: bool) -> Result<Vec<String>> {
    let odd = |what: &str| {
        let what = format!("{what} in {} is written in a form that this command can't edit", path.display());
        Error::new(Kind::ConfigFile, what, "edit the file")
    };
    let notebooks = document.entry("notebook").or_insert_with(|| {
        let mut table = Table::new();
        table.set_implicit(true);
        Item::Table(table)
    });
    let notebooks = notebooks.as_table_like_mut().ok_or_else(|| odd("`notebook`"))?;
    let rule = notebooks.entry(notebook).or_insert_with(|| Item::Table(Table::new()));
    let rule = rule.as_table_like_mut().ok_or_else(|| odd("the notebook's entry"))?;
    let without = rule.entry("without").or_insert_with(|| Item::Value(Value::Array(Array::new())));
    let without = without.as_array_mut().ok_or_else(|| odd("`without`"))?;
    for name in names {
        let at = without.iter().position(|there| there.as_str() == Some(name));
        match at {
            Some(at) if on => drop(without.remove(at)),
            None if on => {
                let what = format!("{} is not off for {} in {}", one_line(name), one_line(notebook), path.display());
                let advice = "search that file, and the other vault.toml files, for the notebook's path";
                return Err(Error::new(Kind::Usage, what, advice));
            }
            None => without.push(name.as_str()),
            Some(_) => {}
        }
    }
    let left: Vec<_> = without.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
    if left.is_empty() {
        notebooks.remove(notebook);
        if notebooks.is_empty() {
            document.remove("notebook");
        }
    }
    Ok(left)
}
