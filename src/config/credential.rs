//! Credentials: where each is looked for, and how a file with one is read.

use std::path::{Path, PathBuf};

use super::env::Environment;
use super::layer::Layer;
use super::origin::Origin;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;
use crate::sys::file::{self, AllowedWriters, ReadError};

/// How messages tell a user to get a new token; the launcher alone has no command for it.
pub const LOG_IN: &str =
    if cfg!(feature = "manage") { "`jupyter-vault login`" } else { "`vault login` (or `bao login`)" };

/// The largest credential, in bytes.
const LARGEST: u64 = 64 * 1024;

/// A credential and its origin, for messages.
#[derive(Debug)]
pub struct Credential {
    /// The credential; only a password may begin or end with white space.
    pub value: SecretValue,
    /// A variable's name or a file's path.
    pub origin: String,
}

impl Credential {
    /// The credential as text for a request's body.
    pub fn text(&self) -> Result<&str> {
        self.value.expose_text().ok_or_else(|| {
            Error::new(Kind::Credential, format!("the credential in {} is not text", self.origin), "write it as UTF-8")
        })
    }

    /// Reads the file at `path`, and drops white space around the credential.
    pub fn read(path: &Path) -> Result<Self> {
        Self::of(&content(path)?, path.display().to_string(), SecretValue::trimmed).ok_or_else(|| empty(path))
    }

    /// The same for a password: its own spaces belong to it, and only one line end is dropped.
    pub fn read_password(path: &Path) -> Result<Self> {
        Self::of(&content(path)?, path.display().to_string(), SecretValue::without_line_end).ok_or_else(|| empty(path))
    }

    fn of(content: &SecretValue, origin: String, trim: fn(&SecretValue) -> SecretValue) -> Option<Self> {
        let value = trim(content);
        (!value.expose().is_empty()).then_some(Self { value, origin })
    }
}

fn content(path: &Path) -> Result<SecretValue> {
    file::read(path, LARGEST, AllowedWriters::NotEveryone).map(SecretValue::new).map_err(|why| {
        let advice = match why {
            ReadError::EveryoneWrites => "remove that permission: chmod o-w",
            _ => "check the path, and that the user who starts the kernel may read the file",
        };
        Error::new(Kind::Credential, format!("the credential file {} {why}", path.display()), advice)
    })
}

fn empty(path: &Path) -> Error {
    let what = format!("the credential file {} is empty", path.display());
    Error::new(Kind::Credential, what, "write the credential to it, or name another file")
}

/// Looks for a credential: in the file that setting `file_key` names, else in the first of `variables`.
pub fn find(
    layer: &Layer,
    environment: &Environment,
    file_key: Option<&str>,
    variables: &[&str],
) -> Result<Option<Credential>> {
    if let Some(path) = file_key.and_then(|key| path_setting(layer, environment, key)) {
        return Credential::read(&path).map(Some);
    }
    Ok(of_variables(environment, variables, SecretValue::trimmed))
}

/// As [`find`], for a password.
pub fn find_password(
    layer: &Layer,
    environment: &Environment,
    file_key: &str,
    variables: &[&str],
) -> Result<Option<Credential>> {
    match path_setting(layer, environment, file_key) {
        Some(path) => Credential::read_password(&path).map(Some),
        None => Ok(of_variables(environment, variables, SecretValue::without_line_end)),
    }
}

fn of_variables(
    environment: &Environment,
    variables: &[&str],
    trim: fn(&SecretValue) -> SecretValue,
) -> Option<Credential> {
    let found = |name: &&str| Credential::of(environment.credential(name)?, environment.origin_of(name), trim);
    variables.iter().find_map(found)
}

/// The file where a login leaves its token: the one in the settings, or that of Vault's own client.
pub fn token_path(layer: &Layer, environment: &Environment) -> Option<PathBuf> {
    path_setting(layer, environment, "auth.token_file")
        .or_else(|| environment.home().map(|home| home.join(".vault-token")))
}

/// The path in setting `key`: `~/` is the home, and a relative path in a file is relative to that file.
pub fn path_setting(layer: &Layer, environment: &Environment, key: &str) -> Option<PathBuf> {
    let text = layer.text(key)?;
    if let Some(rest) = text.strip_prefix("~/") {
        return environment.home().map(|home| home.join(rest));
    }
    match &layer.get(key)?.origin {
        Origin::File { path, .. } => Some(path.parent().unwrap_or(Path::new("")).join(text)),
        _ => Some(PathBuf::from(text)),
    }
}
