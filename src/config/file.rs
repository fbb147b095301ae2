//! Reads vault.toml, checks its owner and mode, and reports every error with a line number.
//!
//! A user who can write this file chooses whose secrets are read and where the token goes. So it must be a regular
//! file that root or this user owns and other users can't write. Unknown keys are errors: if a misspelt `namespace`
//! were ignored, another team's secrets would be read.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use self::reader::{Entry, Reader};
use super::keys::{KEYS, Type, find};
use super::layer::Layer;
use super::notebook::NotebookRule;
use super::source::KnownMount;
use super::value::{Value, parse_duration};
use crate::error::{Error, Kind, Result};
use crate::sys::file::{self, AllowedWriters, ReadError};

mod entry;
mod reader;

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// Reads the file at `path`; `None` if there is none.
pub fn read(path: &Path) -> Result<Option<Layer>> {
    let Some((text, is_trusted)) = read_text(path)? else { return Ok(None) };
    let mut layer = parse(&text, path)?;
    lock(&mut layer, is_trusted);
    Ok(Some(layer))
}

/// As [`read`], but goes on after a mistake: `problem` receives each.
pub fn read_leniently(path: &Path, problem: &mut dyn FnMut(Error)) -> Result<Option<Layer>> {
    let Some((text, is_trusted)) = read_text(path)? else { return Ok(None) };
    let mut layer = self::layer(&Reader { text: &text, path }, problem);
    lock(&mut layer, is_trusted);
    Ok(Some(layer))
}

/// Locks the layer if `locked` is true; by default if root wrote the file for other users, or if the credential comes
/// from the request.
fn lock(layer: &mut Layer, is_roots: bool) {
    if layer.flag("vault.locked").unwrap_or(is_roots || layer.flag("auth.from_request") == Some(true)) {
        layer.lock();
    }
}

/// The text of the file, and whether the file belongs to root and not to this user. Refuses a file that other users can
/// write.
fn read_text(path: &Path) -> Result<Option<(String, bool)>> {
    let trouble = |what: &str, advice: &str| {
        Error::new(Kind::ConfigFile, format!("the configuration file {} {what}", path.display()), advice)
    };
    let (content, metadata) = match file::read_with_metadata(path, LARGEST, AllowedWriters::UsOrRoot) {
        Ok(both) => both,
        Err(ReadError::Missing) => return Ok(None),
        Err(why) => {
            let advice = match why {
                ReadError::OtherOwner(_) => "root or the user who starts the kernel must own it: chown it",
                ReadError::EveryoneWrites => "remove that permission: chmod o-w",
                ReadError::NotPlain | ReadError::TooLarge(_) => {
                    "put a vault.toml there, or choose another with --config"
                }
                ReadError::Missing | ReadError::Refused(_) => "make it readable for this user, or remove it",
            };
            return Err(trouble(&why.to_string(), advice));
        }
    };
    if path
        .parent()
        .is_some_and(|folder| file::is_open_to_all(if folder == Path::new("") { Path::new(".") } else { folder }))
    {
        return Err(trouble(
            "is in a folder where every user can replace it",
            "remove that permission from the folder: chmod o-w",
        ));
    }
    let is_roots = metadata.uid() == 0 && !nix::unistd::geteuid().is_root();
    String::from_utf8(content)
        .map(|text| Some((text, is_roots)))
        .map_err(|_| trouble("is not UTF-8", "save it as UTF-8"))
}

/// The error for a named file that does not exist.
pub fn missing(path: &Path) -> Error {
    Error::new(
        Kind::ConfigFile,
        format!("the configuration file {} does not exist", path.display()),
        "correct --config (or JUPYTER_VAULT_CONFIG), or write the file",
    )
}

/// Parses the text of a vault.toml; `path` is for messages and origins.
pub fn parse(text: &str, path: &Path) -> Result<Layer> {
    let mut first = None;
    let mut layer = self::layer(&Reader { text, path }, &mut |problem| {
        first.get_or_insert(problem);
    });
    lock(&mut layer, false);
    first.map_or(Ok(layer), Err)
}

/// The settings of the file; `problem` receives each mistake, and reading goes on.
fn layer(reader: &Reader<'_>, problem: &mut dyn FnMut(Error)) -> Layer {
    let mut layer = Layer::default();
    let document = match DeTable::parse(reader.text) {
        Ok(document) => document,
        Err(cause) => {
            // Only the message: the library's full text quotes the line, which may contain a secret.
            let place = cause.span().unwrap_or(0..0);
            problem(reader.wrong(&place, &format!("not TOML: {}", cause.message()), "correct the line"));
            return layer;
        }
    };
    for (key, value) in document.get_ref() {
        let name = key.get_ref().as_ref();
        match (name, value.get_ref()) {
            ("source", DeValue::Array(sources)) => {
                let mut taken = Vec::new();
                for source in sources {
                    match entry::source(reader, source) {
                        Ok(source) => taken.push(source),
                        Err(error) => problem(error),
                    }
                }
                layer.set_sources(taken);
            }
            ("source", _) => {
                problem(reader.wrong(&value.span(), "`source` is not an array of tables", "write [[source]]"));
            }
            ("mount", DeValue::Array(mounts)) => {
                for mount in mounts {
                    match known_mount(reader, mount) {
                        Ok(mount) => layer.add_mount(mount),
                        Err(error) => problem(error),
                    }
                }
            }
            ("mount", _) => {
                problem(reader.wrong(&value.span(), "`mount` is not an array of tables", "write [[mount]]"));
            }
            ("notebook", DeValue::Table(notebooks)) => {
                for entry in notebooks {
                    match notebook(reader, entry) {
                        Ok(rule) => layer.add_notebook(rule),
                        Err(error) => problem(error),
                    }
                }
            }
            ("notebook", _) => {
                let advice = "write [notebook.\"work/report.ipynb\"]";
                problem(reader.wrong(&value.span(), "`notebook` is not a table of notebooks", advice));
            }
            ("vault" | "auth" | "environment" | "keeper", DeValue::Table(table)) => {
                for entry in table {
                    if let Err(error) = setting(reader, name, entry, &mut layer) {
                        problem(error);
                    }
                }
            }
            ("vault" | "auth" | "environment" | "keeper", _) => {
                let what = format!("`{name}` is not a table");
                problem(reader.wrong(&value.span(), &what, &format!("write [{name}]")));
            }
            _ => {
                let known = ["vault", "auth", "environment", "keeper", "source", "mount", "notebook"];
                problem(reader.unknown(&key.span(), name, known.into_iter()));
            }
        }
    }
    layer
}

fn setting(reader: &Reader<'_>, table: &str, (key, value): Entry<'_, '_>, layer: &mut Layer) -> Result<()> {
    let short = key.get_ref().as_ref();
    let name = format!("{table}.{short}");
    if name == "environment.mask_output" {
        return mask_output(reader, value);
    }
    let Some(row) = find(&name).filter(|row| row.in_file) else {
        let stem = format!("{table}.");
        let known = KEYS.iter().filter(|row| row.in_file).filter_map(|row| row.name.strip_prefix(stem.as_str()));
        return Err(reader.unknown(&key.span(), short, known));
    };
    let typed = match (row.of, value.get_ref()) {
        (Type::Text | Type::Addresses, DeValue::String(text)) if text.is_empty() => return Ok(()),
        (Type::Text | Type::Addresses, DeValue::String(text)) => Some(Value::Text(text.to_string())),
        (Type::Addresses, DeValue::Array(addresses)) if !addresses.is_empty() => {
            let all = addresses.iter().map(|address| address.get_ref().as_str());
            all.collect::<Option<Vec<_>>>().map(|all| Value::Text(all.join(",")))
        }
        (Type::Bool | Type::BoolOrError, DeValue::Boolean(flag)) => Some(Value::Bool(*flag)),
        (Type::BoolOrError, DeValue::String(text)) if text == "error" => Some(Value::Text(text.to_string())),
        (Type::Duration, DeValue::String(text)) => parse_duration(text).map(Value::Duration),
        (Type::Duration, DeValue::Integer(number)) => parse_duration(number.as_str()).map(Value::Duration),
        (Type::Duration, DeValue::Float(number)) => parse_duration(number.as_str()).map(Value::Duration),
        (Type::Count, DeValue::Integer(number)) => number.as_str().parse().ok().map(Value::Count),
        (Type::Names, DeValue::Array(names)) => names
            .iter()
            .map(|name| name.get_ref().as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .map(Value::Names),
        _ => None,
    };
    let typed = typed.ok_or_else(|| {
        let expected = match row.of {
            Type::Text => "text in quotes",
            Type::Addresses => "an address in quotes, or a list of them",
            Type::Bool => "true or false",
            Type::BoolOrError => "true, false or \"error\"",
            Type::Duration => "a duration: seconds, or text like \"1m30s\", of at most a day",
            Type::Count => "a whole number",
            Type::Names => "a list of names in quotes",
        };
        reader.wrong(&value.span(), &format!("`{short}` is not {expected}"), "correct the value")
    })?;
    layer.set(row.name, typed, reader.origin(&key.span()));
    Ok(())
}

fn mask_output(reader: &Reader<'_>, value: &Spanned<DeValue<'_>>) -> Result<()> {
    match value.get_ref().as_bool() {
        Some(false) => Ok(()),
        Some(true) => Err(reader.wrong(
            &value.span(),
            "`mask_output` is not available in this version",
            "leave it out, or set it to false",
        )),
        None => Err(reader.wrong(&value.span(), "`mask_output` is not true or false", "correct the value")),
    }
}

/// The secrets that one notebook's kernels do not get.
fn notebook(reader: &Reader<'_>, (key, value): Entry<'_, '_>) -> Result<NotebookRule> {
    let path = key.get_ref().to_string();
    let Some(table) = value.get_ref().as_table().filter(|_| !path.is_empty()) else {
        let what = "a notebook needs a path and a table";
        return Err(reader.wrong(&value.span(), what, "write [notebook.\"work/report.ipynb\"]"));
    };
    let mut without = Vec::new();
    for (key, value) in table {
        if key.get_ref() != "without" {
            return Err(reader.unknown(&key.span(), key.get_ref(), ["without"].into_iter()));
        }
        let names = value.get_ref().as_array().map(|names| {
            names.iter().map(|name| name.get_ref().as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
        });
        without = names.flatten().ok_or_else(|| {
            reader.wrong(&value.span(), "`without` is not a list of names in quotes", "correct the value")
        })?;
    }
    Ok(NotebookRule { path, without })
}

fn known_mount(reader: &Reader<'_>, mount: &Spanned<DeValue<'_>>) -> Result<KnownMount> {
    let known = ["path", "version"];
    let table = mount.get_ref().as_table().into_iter().flat_map(|table| table.iter());
    let (mut path, mut version) = (None, None);
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "path" => path = value.get_ref().as_str().map(|path| path.trim_matches('/').to_owned()),
            "version" => version = Some(reader.version(value)?),
            other => return Err(reader.unknown(&key.span(), other, known.into_iter())),
        }
    }
    if let (Some(path), Some(version)) = (path.filter(|path| !path.is_empty()), version) {
        return Ok(KnownMount { path, version });
    }
    let what = "a mount needs a `path` and a `version`";
    Err(reader.wrong(&mount.span(), what, "write path = \"secret\" and version = 2, or leave it out"))
}
