//! The vault.toml beside a wrapped kernel.json.
//!
//! A server or gateway may start kernels with almost no environment, so this file contains what a launch needs. With
//! `--config` it is a copy of the given file, with absolute paths, since it is in another folder. An existing
//! vault.toml is kept. Otherwise the file contains those settings of the environment that no usual configuration file
//! has; the usual files are not copied, so later changes to them still apply. In each case the KV mounts are added,
//! so that no launch has to look them up.

use std::fmt::Write;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::journal::{SavedFile, keep};
use crate::config::env::Environment;
use crate::config::keys::KEYS;
use crate::config::layer::Layer;
use crate::config::locations::{FILE_NAME, Locations};
use crate::config::plan::Plan;
use crate::config::source::{KnownMount, KvVersion};
use crate::config::value::Value;
use crate::config::{credential, file, lock};
use crate::error::{Error, Kind, Result};
use crate::launch::look_up::{self, Looked};

/// The permission bits of a new file.
const MODE: u32 = 0o644;
/// The settings that are paths, besides those that end in `_file`.
const PATHS: [&str; 4] = ["vault.ca_cert", "vault.ca_path", "vault.client_cert", "vault.client_key"];
const HEAD: &str = "\
# SettingsFiles of this kernelspec, over those of $JUPYTER_CONFIG_DIR/vault.toml and the other usual places.
";

/// Composes the files, and asks Vault only once for files with the same settings.
#[derive(Debug)]
pub struct SettingsFiles<'a> {
    config: Option<&'a Path>,
    environment: &'a Environment,
    looked_up: Vec<(String, Vec<KnownMount>)>,
}

impl<'a> SettingsFiles<'a> {
    /// Settings from `config`, or else from the existing files and the environment.
    pub const fn new(config: Option<&'a Path>, environment: &'a Environment) -> Self {
        Self { config, environment, looked_up: Vec::new() }
    }

    /// Whether `--config` gives the text, so that an existing file is ignored.
    pub const fn is_given(&self) -> bool {
        self.config.is_some()
    }

    /// The vault.toml for the kernelspec in `folder`; `ours` means that wrap wrote the existing one. `report` receives
    /// the error if the mounts could not be looked up.
    pub fn beside(&mut self, folder: &Path, ours: bool, report: &mut dyn FnMut(&Error)) -> Result<SavedFile> {
        let path = folder.join(FILE_NAME);
        let there = keep(&path)?;
        let (mut text, mode, named) = match (self.config, &there) {
            (Some(config), _) => {
                file::read(config)?.ok_or_else(|| file::missing(config))?;
                let kept = keep(config)?.ok_or_else(|| file::missing(config))?;
                (absolute(&kept.text, config)?, kept.mode & !0o022, Some(config))
            }
            (None, Some(there)) => (there.text.clone(), there.mode, Some(path.as_path())),
            (None, None) => (self.of_the_environment()?, MODE, None),
        };
        let mut layers = vec![self.environment.layer()?];
        layers.extend(Locations::new(named, self.environment).read()?);
        let layer = lock::merge(layers)?;
        let before = there.filter(|_| ours).and_then(|there| file::parse(&there.text, &path).ok());
        let known = self.looked_up.iter().find(|(same, _)| *same == text).map(|(_, mounts)| mounts.clone());
        let mounts = known.unwrap_or_else(|| {
            let mounts = self.ask(&layer, before.as_ref(), report);
            self.looked_up.push((text.clone(), mounts.clone()));
            mounts
        });
        lock_text(&mut text);
        append(&mut text, &mounts);
        Ok(SavedFile { text, mode, link: None })
    }

    fn ask(&self, layer: &Layer, before: Option<&Layer>, report: &mut dyn FnMut(&Error)) -> Vec<KnownMount> {
        let looked = match Plan::new(layer, self.environment) {
            Ok(mut plan) => {
                // The user is waiting, and without the mounts each launch looks them up.
                plan.server.max_retries = Some(0);
                look_up::mounts(&plan, self.environment)
            }
            Err(error) => Looked { mounts: Vec::new(), trouble: Some(error) },
        };
        let mut mounts = looked.mounts;
        if let Some(trouble) = looked.trouble {
            report(&trouble.remark("wrapped anyway; each start looks up the KV version"));
            // An earlier answer of Vault is better than none.
            let known = before.map(Layer::mounts).unwrap_or_default().iter();
            let missing = known.filter(|known| !layer.mounts().contains(known)).cloned();
            mounts.extend(missing.collect::<Vec<_>>());
        }
        mounts.sort_by(|left, right| left.path.cmp(&right.path));
        mounts.dedup();
        mounts
    }

    /// The settings that only variables set. Credentials are not settings, but a proxy's URL may contain one.
    fn of_the_environment(&self) -> Result<String> {
        let variables = self.environment.layer()?;
        let files = lock::merge(Locations::new(None, self.environment).read()?)?;
        let mut text = HEAD.to_owned();
        for table in ["vault", "auth", "environment"] {
            let mut begun = false;
            for key in KEYS.iter().filter(|key| key.in_file) {
                let Some(name) = key.name.strip_prefix(table).and_then(|rest| rest.strip_prefix('.')) else { continue };
                let Some(setting) = variables.get(key.name).filter(|_| files.get(key.name).is_none()) else { continue };
                let value = match &setting.value {
                    Value::Text(text) if key.name == "vault.proxy" && text.contains('@') => continue,
                    Value::Text(_) if is_path(key.name) => {
                        let path = credential::path_setting(&variables, self.environment, key.name);
                        let path = path.and_then(|path| std::path::absolute(path).ok()).unwrap_or_default();
                        let Some(path) = path.to_str() else { continue };
                        toml_text(path)
                    }
                    Value::Text(text) => toml_text(text),
                    Value::Bool(flag) => flag.to_string(),
                    Value::Count(count) => count.to_string(),
                    Value::Duration(time) => toml_text(&format!("{}ms", time.as_millis())),
                    Value::Names(names) => {
                        format!("[{}]", names.iter().map(|name| toml_text(name)).collect::<Vec<_>>().join(", "))
                    }
                };
                if !begun {
                    let _ = write!(text, "\n[{table}]\n");
                    begun = true;
                }
                let _ = writeln!(text, "{name} = {value}");
            }
        }
        let sources = variables.sources().filter(|_| files.sources().is_none()).unwrap_or_default();
        for source in sources {
            let _ = write!(text, "\n[[source]]\nkv = {}\n", toml_text(source.path.as_written()));
            for (key, value) in [("field", &source.field), ("name", &source.name)] {
                if let Some(value) = value {
                    let _ = writeln!(text, "{key} = {}", toml_text(value));
                }
            }
        }
        Ok(text)
    }
}

/// Adds `locked = true`, unless the text sets it already: a gateway's client chooses variables, and no variable may
/// send this file's login to another server.
fn lock_text(text: &mut String) {
    let Ok(layer) = file::parse(text, Path::new(FILE_NAME)) else { return };
    if layer.get("vault.locked").is_some() || !(layer.has_table("vault") || layer.has_table("auth")) {
        return;
    }
    let header = text.lines().position(|line| line.trim_end() == "[vault]");
    let locked = match header {
        Some(header) => {
            let mut lines: Vec<_> = text.split_inclusive('\n').map(str::to_owned).collect();
            lines.insert(header + 1, "locked = true\n".to_owned());
            lines.concat()
        }
        None => format!("vault.locked = true\n{text}"),
    };
    // A text that can't be changed like this, such as one with an inline table, stays as it is.
    if file::parse(&locked, Path::new(FILE_NAME)).is_ok() {
        *text = locked;
    }
}

fn append(text: &mut String, mounts: &[KnownMount]) {
    if !text.is_empty() && !text.ends_with('\n') && !mounts.is_empty() {
        text.push('\n');
    }
    for mount in mounts {
        let version = if mount.version == KvVersion::V2 { 2 } else { 1 };
        let _ = write!(text, "\n[[mount]]\npath = {}\nversion = {version}\n", toml_text(&mount.path));
    }
}

fn is_path(key: &str) -> bool {
    PATHS.contains(&key) || key.ends_with("_file")
}

/// A basic string; TOML requires the same escapes as JSON, and DEL's.
fn toml_text(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// The text of a vault.toml for another folder: relative paths become absolute.
fn absolute(text: &str, path: &Path) -> Result<String> {
    let unreadable = || Error::new(Kind::Config, format!("{} is not TOML", path.display()), "correct it");
    let document = DeTable::parse(text).map_err(|_| unreadable())?;
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let folder = whole.parent().unwrap_or(Path::new("/"));
    let mut relative = Vec::new();
    for (table, entries) in document.get_ref() {
        for (key, value) in entries.get_ref().as_table().into_iter().flat_map(|entries| entries.iter()) {
            let DeValue::String(setting) = value.get_ref() else { continue };
            let name = format!("{}.{}", table.get_ref(), key.get_ref());
            if is_path(&name) && !setting.is_empty() && !setting.starts_with("~/") && !setting.starts_with('/') {
                relative.push((value.span(), folder.join(setting.as_ref())));
            }
        }
    }
    relative.sort_by_key(|(span, _)| std::cmp::Reverse(span.start));
    let mut text = text.to_owned();
    for (span, path) in relative {
        let path = path.to_str().ok_or_else(unreadable)?;
        text.replace_range(span, &toml_text(path));
    }
    Ok(text)
}
