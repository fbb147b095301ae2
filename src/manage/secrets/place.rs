//! The sources that can hold any name, and the choice of one for a command.

use super::common::Common;
use crate::config::plan::Plan;
use crate::config::source::{SourceKind, SourceSpec, shell_name};
use crate::config::template::Placeholder;
use crate::error::{Error, Kind, Result};
use crate::launch::source::Reader;
use crate::secret::SecretName;
use crate::shell::shell_word;
use crate::vault::mount::Mount;

/// How a place stores its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// One KV secret; its keys are the names.
    Keys,
    /// A folder; each secret in it is a name, its value under this field.
    Folder { field: String },
}

/// A source that can hold any name.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "each is a setting of the source")]
pub(super) struct Place {
    /// Its path, filled in.
    pub(super) path: String,
    /// Its path as the configuration has it.
    written: String,
    pub(super) mount: Mount,
    pub(super) form: Form,
    /// Whether the secrets of its subfolders are given too, named by their paths.
    pub(super) recursive: bool,
    /// The prefix that a launch adds to each name.
    prefix: String,
    /// Whether a launch converts each name to a shell's form.
    pub(super) shell_names: bool,
    /// Whether a launch decodes each value from base64.
    pub(super) is_base64: bool,
    /// Whether its path is this user's own.
    pub(super) is_own: bool,
}

impl Place {
    /// The key in Vault of the variable `name`.
    pub(super) fn key<'n>(&self, name: &'n str) -> Result<&'n str> {
        name.strip_prefix(&self.prefix).filter(|key| !key.is_empty()).ok_or_else(|| {
            let what = format!("{name} can't be stored in {}, where names begin with {}", self.path, self.prefix);
            Error::new(Kind::Usage, what, "pass the name as kernels see it, or choose another source with --to")
        })
    }

    /// The variable of a key in Vault.
    pub(super) fn variable(&self, key: &str) -> String {
        if self.shell_names { format!("{}{}", self.prefix, shell_name(key)) } else { format!("{}{key}", self.prefix) }
    }

    /// The path of the secret that holds `key`.
    pub(super) fn path_of(&self, key: &str) -> String {
        match self.form {
            Form::Keys => self.path.clone(),
            Form::Folder { .. } => format!("{}/{key}", self.path),
        }
    }

    /// Checks the variable of `key` by a launch's rules; `origin` says where the name comes from, for messages.
    pub(super) fn check(&self, key: &str, allow: &[String], origin: &str) -> Result<()> {
        let name = self.variable(key);
        SecretName::new(&name, allow, origin)?;
        let mut parts = key.split('/');
        let is_path = parts.clone().count() > 1 && !self.recursive;
        if matches!(self.form, Form::Folder { .. }) && (is_path || parts.any(|part| matches!(part, "" | "." | ".."))) {
            let what = format!("{name} can't be the name of a secret in the folder {}", self.path);
            return Err(Error::new(Kind::Usage, what, "choose another name, without `/`"));
        }
        Ok(())
    }
}

/// A place that can't be used or read, and why.
#[derive(Debug)]
pub(super) struct Unusable {
    /// Its path, filled in as far as that succeeded.
    pub(super) path: String,
    /// Whether its path is this user's own.
    pub(super) is_own: bool,
    pub(super) error: Error,
}

impl Unusable {
    /// Whether the command may be meant for this place: `--to` names it, or names none.
    pub(super) fn may_be_meant(&self, common: &Common) -> bool {
        let wanted = common.to.as_deref().map(|wanted| wanted.trim_matches('/'));
        wanted.is_none_or(|wanted| self.path == wanted || self.path.ends_with(&format!("/{wanted}")))
    }
}

/// The places of a plan, in its order, and those whose path or mount could not be determined.
pub(super) async fn places(plan: &Plan, reader: &mut Reader<'_>) -> (Vec<Place>, Vec<Unusable>) {
    let (mut places, mut unusable) = (Vec::new(), Vec::new());
    for source in &plan.sources {
        let Some(form) = form(source) else { continue };
        let is_own =
            source.path.placeholders().any(|part| matches!(part, Placeholder::EntityId | Placeholder::Metadata(_)));
        let written = source.path.as_written().to_owned();
        let path = match reader.path(source) {
            Ok(path) => path,
            Err(error) => {
                unusable.push(Unusable { path: written, is_own, error });
                continue;
            }
        };
        let mount = match reader.mount(source, &path).await {
            Ok(mount) => mount,
            Err(error) => {
                unusable.push(Unusable { path, is_own, error });
                continue;
            }
        };
        let prefix = source.prefix.clone().unwrap_or_default();
        let (recursive, shell_names, is_base64) = (source.folder.recursive, source.shell_names, source.is_base64);
        places.push(Place { path, written, mount, form, recursive, prefix, shell_names, is_base64, is_own });
    }
    (places, unusable)
}

fn form(source: &SourceSpec) -> Option<Form> {
    let takes_any = source.field.is_none() && source.fields.is_none() && source.secret_version.is_none();
    match source.kind {
        SourceKind::Kv => takes_any.then_some(Form::Keys),
        // The configuration does not say which secret's keys.
        SourceKind::KvFolder if source.folder.whole => None,
        SourceKind::KvFolder => {
            Some(Form::Folder { field: source.field.clone().unwrap_or_else(|| "value".to_owned()) })
        }
        SourceKind::Database | SourceKind::Read | SourceKind::Write | SourceKind::DataSources => None,
    }
}

/// The place that a command works on: the place in `--to`, or else the user's own, or else the only one.
pub(super) fn choose<'p>(places: &'p [Place], common: &Common) -> Result<&'p Place> {
    if let Some(wanted) = &common.to {
        return named(places, wanted.trim_matches('/'));
    }
    let listed = || listed(places);
    if let Some(own) = places.iter().find(|place| place.is_own) {
        return Ok(own);
    }
    match places {
        [] => Err(Error::new(Kind::Config, "no configured source can hold new names", no_place())),
        [only] => Ok(only),
        _ => {
            let what = "several sources can hold new names, and none of their paths is the user's own";
            Err(Error::new(Kind::Usage, what, format!("choose one with --to: {}", listed())))
        }
    }
}

fn listed<'p>(places: impl IntoIterator<Item = &'p Place>) -> String {
    places.into_iter().map(|place| place.path.as_str()).collect::<Vec<_>>().join(", ")
}

/// The place with that path, or the only one whose path ends with it, such as `team` for `secret/team`.
fn named<'p>(places: &'p [Place], wanted: &str) -> Result<&'p Place> {
    if let Some(place) = places.iter().find(|place| place.path == wanted || place.written == wanted) {
        return Ok(place);
    }
    let ends_so = |place: &&Place| !wanted.is_empty() && place.path.ends_with(&format!("/{wanted}"));
    let found: Vec<_> = places.iter().filter(ends_so).collect();
    match found[..] {
        [only] => Ok(only),
        [] => {
            let what = format!("{} is not a configured source that can hold new names", shell_word(wanted));
            let advice = if places.is_empty() { no_place() } else { format!("choose one of: {}", listed(places)) };
            Err(Error::new(Kind::Usage, what, advice))
        }
        _ => {
            let what = format!("several sources that can hold new names end with /{wanted}");
            Err(Error::new(Kind::Usage, what, format!("pass the whole path: {}", listed(found))))
        }
    }
}

fn no_place() -> String {
    "add a [[source]] with kv = \"secret/users/{metadata.username}\" (or kv_folder) to vault.toml".to_owned()
}
