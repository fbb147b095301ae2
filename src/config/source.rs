//! A source as written: one `[[source]]` of vault.toml, or one SPEC of the command line.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::origin::Origin;
pub use super::source_kind::SourceKind;
use super::template::{Placeholder, Template};
use crate::error::{Error, Kind, Result};

/// The version of a KV secrets engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvVersion {
    /// Unversioned.
    V1,
    /// Versioned: `data/` and `metadata/` below the mount.
    V2,
}

/// A KV mount in the configuration (`[[mount]]`), so that no launch has to look it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownMount {
    /// Its path, without a `/` at the end.
    pub path: String,
    /// Its version.
    pub version: KvVersion,
}

impl KnownMount {
    /// Whether the secret or folder at `path` is in this mount.
    pub fn holds(&self, path: &str) -> bool {
        path.strip_prefix(self.path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// The variables for an AWS profile whose credentials come from the keeper: its file, and its name.
pub const AWS_PROFILE_VARIABLES: [&str; 2] = ["AWS_CONFIG_FILE", "AWS_PROFILE"];
/// AWS's names for the profile's keys; the last one may be missing.
pub const AWS_KEYS: [&str; 3] = ["AccessKeyId", "SecretAccessKey", "SessionToken"];

/// The value that a write sends under one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum With {
    /// This value.
    Text(String),
    /// A text with places to fill.
    Filled(Template),
}

/// Which part of a folder is read.
#[derive(Debug, Clone, Copy)]
pub struct OfFolder {
    /// Subfolders too.
    pub recursive: bool,
    /// Every key of each secret, instead of one field.
    pub whole: bool,
}

/// One source, not yet resolved.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// Its kind.
    pub kind: SourceKind,
    /// Its path: mount and path, with places.
    pub path: Template,
    /// The mount, if it is more than the path's first segment.
    pub mount: Option<String>,
    /// The KV version, if it is given.
    pub version: Option<KvVersion>,
    /// The one field that is read (`kv`), or the field of each secret (`kv_folder`, by default `value`).
    pub field: Option<String>,
    /// The variable's name in place of the field's.
    pub name: Option<String>,
    /// The prefix of each name.
    pub prefix: Option<String>,
    /// Whether a missing path is accepted.
    pub optional: bool,
    /// A URL with places for fields, such as `{username}` and `{password}`.
    pub url: Option<String>,
    /// Field to variable (`read`); with `aws_profile`, to AWS's name for it.
    pub fields: Option<BTreeMap<String, String>>,
    /// Field to the variable that names a file with the value.
    pub files: Option<BTreeMap<String, String>>,
    /// The body that is sent (`write`).
    pub with: BTreeMap<String, With>,
    /// The variable that names a file with the value.
    pub file: Option<String>,
    /// The AWS profile with these credentials; clients get them from the keeper.
    pub aws_profile: Option<String>,
    /// Whether names that the configuration does not set are converted to a shell's form.
    pub shell_names: bool,
    /// Whether values are stored in base64.
    pub is_base64: bool,
    /// The version of the secret that is read (`kv`); by default the current one.
    pub secret_version: Option<u64>,
    /// Which part of a folder is read (`kv_folder`).
    pub folder: OfFolder,
    /// Its origin.
    pub origin: Origin,
}

impl SourceSpec {
    /// A source of `kind` at `path`, with defaults.
    pub const fn new(kind: SourceKind, path: Template, origin: Origin) -> Self {
        Self {
            kind,
            path,
            mount: None,
            version: None,
            field: None,
            name: None,
            prefix: None,
            optional: false,
            url: None,
            fields: None,
            files: None,
            with: BTreeMap::new(),
            file: None,
            aws_profile: None,
            shell_names: false,
            is_base64: false,
            secret_version: None,
            folder: OfFolder { recursive: false, whole: false },
            origin,
        }
    }

    /// Whether a variable called `name` that was read from `path` may come from this source.
    pub fn may_give(&self, name: &str, path: &str) -> bool {
        let Some(name) = name.strip_prefix(self.prefix.as_deref().unwrap_or_default()) else { return false };
        if self.kind == SourceKind::DataSources {
            let folder = path.rsplit_once('/').map(|(folder, _)| folder);
            return self.path.fits(path) || folder.is_some_and(|folder| self.path.fits(folder));
        }
        if self.kind == SourceKind::KvFolder {
            let is_its = |below: &str| self.folder.whole || self.called(below) == name;
            let mut ends = path.rmatch_indices('/').take(if self.folder.recursive { usize::MAX } else { 1 });
            return ends.any(|(end, _)| is_its(&path[end + 1..]) && self.path.fits(&path[..end]));
        }
        if self.aws_profile.is_some() {
            return AWS_PROFILE_VARIABLES.contains(&name) && self.path.fits(path);
        }
        let renamed = || self.renamed().any(|renamed| renamed == name);
        let has_renamed = self.fields.is_some() || self.files.is_some();
        let names = match self.file.as_ref().or(self.name.as_ref()).or(self.field.as_ref()) {
            _ if has_renamed => renamed(),
            Some(only) => only == name,
            None => true,
        };
        names && self.path.fits(path)
    }

    /// The variables that `fields` and `files` name.
    pub fn renamed(&self) -> impl Iterator<Item = &String> {
        let fields = self.fields.iter().filter(|_| self.aws_profile.is_none());
        fields.chain(&self.files).flat_map(BTreeMap::values)
    }

    /// Whether its path needs the identity, which only the login (or a look-up of the token) shows.
    pub fn needs_identity(&self) -> bool {
        let filled = self.with.values().any(|with| matches!(with, With::Filled(text) if text.needs_identity()));
        filled || self.path.needs_identity()
    }

    /// The variables of the environment that its path and its body use.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        let with = self.with.values().filter_map(|with| match with {
            With::Filled(template) => Some(template),
            With::Text(_) => None,
        });
        std::iter::once(&self.path).chain(with).flat_map(Template::placeholders).filter_map(|placeholder| {
            match placeholder {
                Placeholder::Env(name) => Some(name.as_str()),
                _ => None,
            }
        })
    }

    /// The variable's name for a key or secret, if none is configured.
    pub fn called<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if self.shell_names { Cow::Owned(shell_name(name)) } else { Cow::Borrowed(name) }
    }

    /// Reads a SPEC: `MOUNT/PATH`, `MOUNT/PATH#FIELD` or `MOUNT/PATH#FIELD=NAME`.
    pub fn from_spec(spec: &str, origin: &Origin) -> Result<Self> {
        let malformed = |why: &str| {
            Error::new(
                Kind::Usage,
                format!("the secrets SPEC \"{spec}\" ({origin}) {why}"),
                "write MOUNT/PATH, MOUNT/PATH#FIELD or MOUNT/PATH#FIELD=NAME, such as secret/users/ada#KEY=API_KEY",
            )
        };
        let (path, field) = match spec.split_once('#') {
            Some((path, field)) => (path, Some(field)),
            None => (spec, None),
        };
        let path = Template::parse(path).map_err(|why| malformed(&why))?;
        let mut source = Self::new(SourceKind::Kv, path, origin.clone());
        if let Some(field) = field {
            let (field, name) = match field.split_once('=') {
                Some((field, name)) => (field, Some(name)),
                None => (field, None),
            };
            if field.is_empty() || name.is_some_and(str::is_empty) {
                return Err(malformed("has an empty field or name"));
            }
            source.field = Some(field.to_owned());
            source.name = name.map(str::to_owned);
        }
        Ok(source)
    }

    /// Refuses settings that can't be combined.
    pub fn check(&self) -> Result<(), String> {
        let one_value = self.field.is_some() || self.url.is_some();
        let has = |what: bool, key: &str, is_valid: bool| {
            if what && !is_valid {
                return Err(format!("`{key}` is not valid for this kind of source"));
            }
            Ok(())
        };
        let (in_kv, of_one) = (self.kind.is_kv(), !self.kind.is_folder());
        has(self.version.is_some(), "version", in_kv)?;
        has(self.mount.is_some(), "mount", in_kv)?;
        has(self.url.is_some(), "url", of_one)?;
        has(self.fields.is_some(), "fields", of_one)?;
        has(self.files.is_some(), "files", of_one)?;
        has(!self.with.is_empty(), "with", self.kind == SourceKind::Write)?;
        has(self.secret_version.is_some(), "secret_version", self.kind == SourceKind::Kv)?;
        has(self.folder.recursive, "recursive", self.kind == SourceKind::KvFolder)?;
        has(self.folder.whole, "each", self.kind == SourceKind::KvFolder)?;
        if self.secret_version.is_some() && self.version == Some(KvVersion::V1) {
            return Err("`secret_version` needs KV version 2: version 1 keeps no versions".to_owned());
        }
        if self.folder.whole && self.field.is_some() {
            return Err("`each = \"secret\"` takes every key, so `field` is not valid".to_owned());
        }
        if self.kind == SourceKind::DataSources {
            let alone = self.field.is_none() && self.name.is_none() && self.file.is_none() && self.prefix.is_none();
            if !alone || self.shell_names || self.is_base64 {
                return Err("data sources name their variables themselves: only `mount`, `version` and `optional` go \
                            with them"
                    .to_owned());
            }
        }
        if self.kind == SourceKind::KvFolder && (self.name.is_some() || self.file.is_some()) {
            return Err("a folder gives many variables: `name` and `file` need a single value".to_owned());
        }
        if self.name.is_some() && self.file.is_some() {
            return Err("`file` already names the variable, so `name` is not valid".to_owned());
        }
        if (self.name.is_some() || self.file.is_some()) && !one_value {
            return Err("`name` and `file` need a `field` (or a `url`)".to_owned());
        }
        if (self.fields.is_some() || self.files.is_some()) && self.field.is_some() {
            return Err("`field` can't be combined with `fields` or `files`".to_owned());
        }
        self.check_aws_profile()?;
        if let Some(url) = &self.url {
            if self.name.is_none() && self.file.is_none() {
                return Err("`url` needs a `name` for its variable".to_owned());
            }
            if self.kind == SourceKind::Database && !(url.contains("{username}") && url.contains("{password}")) {
                return Err("`url` must contain {username} and {password}".to_owned());
            }
        }
        if self.name.as_deref() == Some("") || self.file.as_deref() == Some("") || self.field.as_deref() == Some("") {
            return Err("an empty name or field".to_owned());
        }
        Ok(())
    }

    /// Refuses settings that can't be combined with `aws_profile`.
    fn check_aws_profile(&self) -> Result<(), String> {
        let Some(profile) = &self.aws_profile else { return Ok(()) };
        if !matches!(self.kind, SourceKind::Read | SourceKind::Write) {
            return Err("`aws_profile` is only valid for `read` and `write`".to_owned());
        }
        if !is_aws_profile(profile) {
            return Err("`aws_profile` must consist of at most 64 letters, digits, -, _ and .".to_owned());
        }
        let others = [&self.name, &self.file, &self.field, &self.url, &self.prefix];
        if others.iter().any(|other| other.is_some()) || self.files.is_some() || self.is_base64 || self.shell_names {
            return Err(
                "`aws_profile` sets its own variables: it can only be combined with `fields`, `with` and `optional`"
                    .to_owned(),
            );
        }
        if let Some(fields) = &self.fields {
            let has = |key: &str| fields.values().filter(|value| *value == key).count();
            let known = fields.values().all(|value| AWS_KEYS.contains(&value.as_str()));
            if !known || has(AWS_KEYS[0]) != 1 || has(AWS_KEYS[1]) != 1 || has(AWS_KEYS[2]) > 1 {
                return Err(
                    "`fields` beside `aws_profile` says which field is AccessKeyId, which is SecretAccessKey, \
                            and which is SessionToken, if there is one"
                        .to_owned(),
                );
            }
        }
        Ok(())
    }
}

/// Whether an AWS profile may have this name: a word that needs no quotes in a file or a command line.
pub fn is_aws_profile(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 64 && !name.starts_with('-') && name.chars().all(is_letter)
}

/// A name that a shell accepts: capitals, digits and `_`, no digit first.
pub(crate) fn shell_name(name: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
    let first = name.starts_with(|first: char| first.is_ascii_digit()).then_some('_');
    first.into_iter().chain(name.chars().map(letter)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Origin, SourceKind, SourceSpec, Template};

    fn parsed(spec: &str) -> Option<(String, Option<String>, Option<String>)> {
        let source = SourceSpec::from_spec(spec, &Origin::Flag("--secrets")).ok()?;
        Some((source.path.as_written().to_owned(), source.field, source.name))
    }

    #[test]
    fn a_source_knows_what_it_may_have_given() {
        let of = |spec: &str| SourceSpec::from_spec(spec, &Origin::Flag("--secrets")).unwrap();
        let whole = of("secret/users/{metadata.name}/x-{env.A}");
        for (path, may) in [
            ("secret/users/ada/x-1", true),
            ("secret/users/ada/x-", false),
            ("secret/users/ada/y/x-1", false),
            ("secret/users/ada/x-1/more", false),
        ] {
            assert_eq!(whole.may_give("ANY", path), may, "{path}");
        }
        let one = of("secret/a#FIELD=NAME");
        assert!(one.may_give("NAME", "secret/a") && !one.may_give("FIELD", "secret/a"));
        let folder = Template::parse_folder("secret/f").unwrap();
        let mut folder = SourceSpec::new(SourceKind::KvFolder, folder, Origin::Flag("--secrets"));
        folder.prefix = Some("P_".to_owned());
        assert!(folder.may_give("P_ONE", "secret/f/ONE") && !folder.may_give("P_ONE", "secret/f"));
        assert!(!folder.may_give("ONE", "secret/f/ONE"));
        (folder.prefix, folder.shell_names) = (None, true);
        assert!(!folder.may_give("A_ONE", "secret/f/a/one"));
        folder.folder.recursive = true;
        assert!(folder.may_give("A_ONE", "secret/f/a/one") && folder.may_give("ONE", "secret/f/one"));
        assert!(!folder.may_give("ONE", "secret/f/a/one") && !folder.may_give("A_ONE", "secret/g/a/one"));
        folder.folder.whole = true;
        assert!(folder.may_give("ANY", "secret/f/a/one") && !folder.may_give("ANY", "secret/g/one"));
    }

    #[test]
    fn a_spec_is_a_path_a_field_and_a_name() {
        let owned = |text: &str| Some(text.to_owned());
        assert_eq!(parsed("secret/a"), Some(("secret/a".to_owned(), None, None)));
        assert_eq!(parsed("secret/a#K"), Some(("secret/a".to_owned(), owned("K"), None)));
        assert_eq!(parsed("secret/a#K=N"), Some(("secret/a".to_owned(), owned("K"), owned("N"))));
        assert_eq!(parsed("/secret/a"), parsed("secret/a"));
        assert_eq!(parsed("secret/a=b"), Some(("secret/a=b".to_owned(), None, None)));
        for malformed in ["", "secret", "secret/", "/secret", "secret//a", "secret/../a", "secret/a#", "secret/a#K="] {
            assert_eq!(parsed(malformed), None, "{malformed}");
        }
    }
}
