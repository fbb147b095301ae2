//! Credentials: where each may stand, and how a file with one is read.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::libc;

use super::env::Environment;
use super::layer::Layer;
use super::origin::Origin;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;

/// The largest credential taken, in bytes.
const LARGEST: u64 = 64 * 1024;

/// A credential and where it was found, for messages.
#[derive(Debug)]
pub struct Credential {
    /// The credential, without surrounding white space.
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

    /// Reads the file at `path`; what surrounds the credential is trimmed.
    pub fn read(path: &Path) -> Result<Self> {
        let trouble = |what: &str| {
            let advice = "check the path, and that the user who starts the kernel may read the file";
            Error::new(Kind::Credential, format!("the credential file {} {what}", path.display()), advice)
        };
        let unreadable = |cause: std::io::Error| trouble(&format!("can't be read: {}", cause.kind()));
        let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(trouble("is not a plain file"));
        }
        if metadata.len() > LARGEST {
            return Err(trouble("is larger than 64 KiB"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
        let read = file.take(LARGEST).read_to_end(&mut bytes);
        let value = SecretValue::new(bytes);
        read.map_err(unreadable)?;
        Self::checked(&value, path.display().to_string()).ok_or_else(|| trouble("is empty"))
    }

    fn checked(value: &SecretValue, origin: String) -> Option<Self> {
        let value = value.trimmed();
        (!value.expose().is_empty()).then_some(Self { value, origin })
    }
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
    Ok(variables.iter().find_map(|name| Credential::checked(environment.credential(name)?, (*name).to_owned())))
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
