//! Secrets that one notebook's kernels do not get: `[notebook."PATH"] without` in the user's own vault.toml.
//!
//! The rest of the file stays as it is, comments and order too. Vault is not asked: a rule takes away, and may name a
//! secret that comes later.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde_json::json;
use tempfile::Builder;
use toml_edit::{Array, DocumentMut, Item, Table, Value};

use super::common::{Common, said};
use crate::config::env::Environment;
use crate::config::file;
use crate::config::locations::Locations;
use crate::error::{Error, Kind, Result, one_line, why};
use crate::manage::Outcome;

/// The mode of a vault.toml that was not there.
const MODE: u32 = 0o644;

/// Has the kernels of `notebook` go without `names`, or get them again.
pub(super) fn switch(common: &Common, names: &[String], notebook: &str, on: bool) -> Result<Outcome> {
    let is_path = !notebook.is_empty() && !notebook.ends_with('/') && !notebook.chars().any(char::is_control);
    if !is_path {
        let what = format!("\"{}\" is no path of a notebook", one_line(notebook));
        return Err(Error::new(Kind::Usage, what, "give its path, or the end of it, as in work/report.ipynb"));
    }
    for name in names.iter().filter(|_| !on) {
        // A name that is protected is given to no kernel, so that it may stand here.
        if name.is_empty() || name.contains('=') || name.chars().any(char::is_control) {
            let what = format!("\"{}\" can't be the name of a variable", one_line(name));
            return Err(Error::new(Kind::Usage, what, "`jupyter-vault secrets list` shows the names"));
        }
    }
    let notebook = notebook.strip_prefix("./").unwrap_or(notebook);
    let path = own(&Environment::take())?;
    let without = change(&path, |document| edit(document, &path, names, notebook, on))?;
    let verb = if on { "gets" } else { "goes without" };
    let sentence = format!("{} {verb} {} from its kernel's next start on", one_line(notebook), names.join(", "));
    let object =
        json!({ "notebook": notebook, "without": without, "file": path, "done": if on { "on" } else { "off" } });
    Ok(said(common, &sentence, &object))
}

/// The user's own vault.toml, whether it is there or not.
fn own(environment: &Environment) -> Result<PathBuf> {
    let usual = Locations::new(None, environment).usual;
    let none = || Error::new(Kind::Os, "this user has no configuration folder", "set HOME or JUPYTER_CONFIG_DIR");
    let path = usual.into_iter().find(|path| !path.starts_with("/etc") && !path.starts_with("/usr/local/etc"));
    let path = path.ok_or_else(none)?;
    // Where the file is a link, it stays one.
    Ok(path.canonicalize().unwrap_or(path))
}

/// Changes the file at `path` as a whole, while no other of us does.
fn change<T>(path: &Path, edit: impl FnOnce(&mut DocumentMut) -> Result<T>) -> Result<T> {
    let failed = |cause: std::io::Error| {
        let what = format!("{} can't be changed: {}", path.display(), why(cause.kind()));
        Error::new(Kind::Os, what, "check who the file and its folder belong to, and the room there")
    };
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let opened = File::open(folder).map_err(failed)?;
    let _alone = Flock::lock(opened, FlockArg::LockExclusive).map_err(|(_, cause)| failed(cause.into()))?;
    // What a launch would refuse is not written to: its mistake is told first.
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

/// What the notebook goes without after the change.
fn edit(document: &mut DocumentMut, path: &Path, names: &[String], notebook: &str, on: bool) -> Result<Vec<String>> {
    let odd = |what: &str| {
        let what = format!("{what} in {} is written in a form that is not changed here", path.display());
        Error::new(Kind::ConfigFile, what, "change it in the file itself")
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
                let advice = "look for the notebook's path in that file, and in the other vault.toml files";
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
