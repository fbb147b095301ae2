//! The sources that take any name, and which of them a command means.

use super::common::Common;
use crate::config::plan::Plan;
use crate::config::source::{SourceKind, SourceSpec};
use crate::config::template::Place as Part;
use crate::error::{Error, Kind, Result};
use crate::launch::source::Reader;
use crate::secret::SecretName;
use crate::vault::mount::Mount;

/// How a place keeps its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// One KV secret; its keys are the names.
    Keys,
    /// A folder; each secret in it is a name, its value under this field.
    Folder { field: String },
}

/// A source that takes any name.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Its path, filled in.
    pub(super) path: String,
    /// Its path as the configuration has it.
    written: String,
    pub(super) mount: Mount,
    pub(super) form: Form,
    /// Whether what lies in its folders is given too, by its path.
    pub(super) recursive: bool,
    /// What a launch puts before each name.
    prefix: String,
    /// Whether its path is the user's alone.
    is_own: bool,
}

impl Place {
    /// The key in Vault of the variable `name`.
    pub(super) fn key<'n>(&self, name: &'n str) -> Result<&'n str> {
        name.strip_prefix(&self.prefix).filter(|key| !key.is_empty()).ok_or_else(|| {
            let what = format!("{name} can't be stored in {}: its names begin with {}", self.path, self.prefix);
            Error::new(Kind::Usage, what, "give the name as kernels see it, or another source with --to")
        })
    }

    /// The variable of a key in Vault.
    pub(super) fn variable(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// The path of the secret that holds `key`.
    pub(super) fn path_of(&self, key: &str) -> String {
        match self.form {
            Form::Keys => self.path.clone(),
            Form::Folder { .. } => format!("{}/{key}", self.path),
        }
    }

    /// Checks `name` by a launch's own rules, and gives its key.
    pub(super) fn check<'n>(&self, name: &'n str, allow: &[String]) -> Result<&'n str> {
        SecretName::new(name, allow, &self.path)?;
        let key = self.key(name)?;
        if matches!(self.form, Form::Folder { .. }) && (key.contains('/') || matches!(key, "." | "..")) {
            let what = format!("{name} can't be the name of a secret in the folder {}", self.path);
            return Err(Error::new(Kind::Usage, what, "choose a name without `/`"));
        }
        Ok(key)
    }
}

/// The places of a plan, in its order.
pub(super) async fn places(plan: &Plan, reader: &mut Reader<'_>) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for source in &plan.sources {
        let Some(form) = form(source) else { continue };
        let path = reader.path(source)?;
        let mount = reader.mount(source, &path).await?;
        let is_own = source.path.places().any(|part| matches!(part, Part::EntityId | Part::Metadata(_)));
        let written = source.path.as_written().to_owned();
        let prefix = source.prefix.clone().unwrap_or_default();
        places.push(Place { path, written, mount, form, recursive: source.folder.recursive, prefix, is_own });
    }
    Ok(places)
}

fn form(source: &SourceSpec) -> Option<Form> {
    let takes_any = source.field.is_none() && source.fields.is_none() && source.secret_version.is_none();
    match source.kind {
        SourceKind::Kv => takes_any.then_some(Form::Keys),
        // A key of which secret is not said.
        SourceKind::KvFolder if source.folder.whole => None,
        SourceKind::KvFolder => {
            Some(Form::Folder { field: source.field.clone().unwrap_or_else(|| "value".to_owned()) })
        }
        SourceKind::Database | SourceKind::Read | SourceKind::Write | SourceKind::DataSources => None,
    }
}

/// The place that a command works on: the one that `--to` names, or else the user's own, or else the only
/// one.
pub(super) fn choose<'p>(places: &'p [Place], common: &Common) -> Result<&'p Place> {
    let listed = || places.iter().map(|place| place.path.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(said) = &common.to {
        let said = said.trim_matches('/');
        return places.iter().find(|place| place.path == said || place.written == said).ok_or_else(|| {
            let what = format!("{said} is no source of the configuration that takes any name");
            let advice = if places.is_empty() { no_place() } else { format!("give one of: {}", listed()) };
            Error::new(Kind::Usage, what, advice)
        });
    }
    if let Some(own) = places.iter().find(|place| place.is_own) {
        return Ok(own);
    }
    match places {
        [] => Err(Error::new(Kind::Config, "no source of the configuration takes new names", no_place())),
        [only] => Ok(only),
        _ => {
            let what = "several sources take new names, and none of them is the user's own by its path";
            Err(Error::new(Kind::Usage, what, format!("name one with --to: {}", listed())))
        }
    }
}

fn no_place() -> String {
    "add a [[source]] with kv = \"secret/users/{metadata.username}\" (or kv_folder) to vault.toml".to_owned()
}
