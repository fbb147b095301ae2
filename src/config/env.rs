//! Settings and credentials from the environment.
//!
//! `JUPYTER_VAULT_*` variables belong to this program; `BAO_*` and `VAULT_*` are also read by the clients of OpenBao
//! and Vault. An unknown `JUPYTER_VAULT_*` is not an error: a Kubernetes service called `jupyter-vault` adds
//! `JUPYTER_VAULT_PORT` and others to every pod. Credentials are separated by name before anything else is read (see
//! [`is_credential`]), and never reach the kernel.

use std::cell::OnceCell;
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::keys::{KEYS, Key, SECRETS_VARIABLE, Type};
use super::layer::Layer;
use super::origin::{ANSWER, Origin};
use super::source::SourceSpec;
use super::value::{Value, parse_bool, parse_duration};
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;
use crate::sys::environ::{SplitEnvironment, name_and_value};

/// Parts of a name that mark a variable of Vault's as a credential.
const CREDENTIAL_WORDS: &[&str] = &[
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "JWT",
    "ROLE_ID",
    "ROLEID",
    "UNSEAL",
    "RECOVERY",
    "CREDENTIAL",
    "WRAPPED",
    "MFA",
    "TOTP",
    "PRIVATE",
    "APIKEY",
    "API_KEY",
];

/// The variables with paths and the user's name, and the prefixes of Vault's, Jupyter's and this program's
/// variables.
const SETTINGS: &[&str] = &["HOME", "USER", "LOGNAME", "SSL_CERT_FILE", "SSL_CERT_DIR"];
const SETTING_PREFIXES: &[&str] = &["JUPYTER_", "VAULT_", "BAO_", "JPY_SESSION_NAME", "XDG_"];

/// The prefixes of the variables of [`KEYS`].
const KEY_PREFIXES: &[&str] = &["JUPYTER_VAULT_", "BAO_", "VAULT_"];

/// Whether a variable of this name holds a Vault credential, or points to one: `KERNEL_VAULT_*`, and any name that
/// begins with `VAULT_`, `BAO_` or `JUPYTER_VAULT_` and contains a word such as `TOKEN`, `SECRET` or `PASSWORD`.
pub fn is_credential(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    if name == SECRETS_VARIABLE {
        return false;
    }
    if name.starts_with("KERNEL_VAULT_") || name.starts_with("KERNEL_BAO_") {
        return true;
    }
    ["VAULT_", "BAO_", "JUPYTER_VAULT_", "OPENBAO_"]
        .iter()
        .filter_map(|prefix| name.strip_prefix(prefix))
        .any(|rest| CREDENTIAL_WORDS.iter().any(|part| rest.to_ascii_uppercase().contains(part)))
}

/// The parent's environment, with credentials set apart. Debug output shows the number of entries.
pub struct Environment {
    entries: Vec<CString>,
    /// The index of each entry and its name's length, by name: dozens of names are looked up.
    index: Vec<(usize, usize)>,
    credentials: Vec<(String, SecretValue)>,
    /// Typed credentials, by the variable that each stands for.
    typed: Vec<&'static str>,
    /// The home folder, read from the system at most once: its user database may be a directory server.
    home: OnceCell<Option<PathBuf>>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Environment({} entries, {} credentials)", self.entries.len(), self.credentials.len())
    }
}

impl Environment {
    /// Takes the process's own environment, and wipes credentials from the block.
    pub fn take() -> Self {
        let SplitEnvironment { entries, credentials } = crate::sys::environ::take(is_credential);
        Self::new(entries, credentials)
    }

    /// An environment of given entries, for other programs and for tests.
    pub fn from_entries(entries: impl IntoIterator<Item = CString>) -> Self {
        let (mut kept, mut credentials) = (Vec::new(), Vec::new());
        for entry in entries {
            match name_and_value(entry.as_bytes()) {
                Some((name, value)) if is_credential(name) => {
                    credentials.push((String::from_utf8_lossy(name).into_owned(), SecretValue::new(value.to_vec())));
                }
                _ => kept.push(entry),
            }
        }
        Self::new(kept, credentials)
    }

    fn new(entries: Vec<CString>, credentials: Vec<(String, SecretValue)>) -> Self {
        let named = |(at, entry): (usize, &CString)| Some((at, name_and_value(entry.as_bytes())?.0.len()));
        let mut index: Vec<_> = entries.iter().enumerate().filter_map(named).collect();
        // The first entry of a name counts.
        index.sort_by_key(|(at, length)| (&entries[*at].as_bytes()[..*length], *at));
        Self { entries, index, credentials, typed: Vec::new(), home: OnceCell::new() }
    }

    /// The entry for `name`, and the name's length.
    fn find(&self, name: &str) -> Option<(&[u8], usize)> {
        let of = |(at, length): &(usize, usize)| &self.entries[*at].as_bytes()[..*length];
        let first = self.index.partition_point(|entry| of(entry) < name.as_bytes());
        let found = self.index.get(first).filter(|entry| of(entry) == name.as_bytes())?;
        Some((self.entries[found.0].as_bytes(), found.1))
    }

    /// Every entry that is not a credential, unchanged.
    pub fn entries(&self) -> &[CString] {
        &self.entries
    }

    /// Whether a variable with that name is set, even to an empty value.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The value of `name` as bytes; an empty value counts as unset.
    pub fn bytes(&self, name: &str) -> Option<&OsStr> {
        let (entry, length) = self.find(name)?;
        Some(OsStr::from_bytes(&entry[length + 1..])).filter(|value| !value.is_empty())
    }

    /// The value of `name` as text; an empty value counts as unset.
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        let credential = self.credential(name).map(|value| OsStr::from_bytes(value.expose()));
        match self.bytes(name).or(credential) {
            None => Ok(None),
            Some(value) => value.to_str().map(Some).ok_or_else(|| {
                Error::new(
                    Kind::Config,
                    format!("the variable {name} is not UTF-8"),
                    "set it to plain text, or unset it",
                )
            }),
        }
    }

    /// The value of `name` as a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.bytes(name).map(PathBuf::from)
    }

    /// The user's home: `HOME`, or the one in the system's user database.
    pub fn home(&self) -> Option<PathBuf> {
        let of_the_user = || nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.dir);
        self.home.get_or_init(|| self.path("HOME").or_else(of_the_user)).clone()
    }

    /// Sets a credential that was typed, in place of the variable `name`.
    #[cfg(feature = "manage")]
    pub fn set_typed_credential(&mut self, name: &'static str, value: SecretValue) {
        self.typed.push(name);
        self.credentials.retain(|(candidate, _)| candidate != name);
        self.credentials.push((name.to_owned(), value));
    }

    /// The origin of the credential in the variable `name`, for a message.
    pub fn origin_of(&self, name: &str) -> String {
        if self.typed.contains(&name) { ANSWER.to_owned() } else { name.to_owned() }
    }

    /// The credential in the variable `name`; an empty value counts as unset.
    pub fn credential(&self, name: &str) -> Option<&SecretValue> {
        self.credentials
            .iter()
            .find(|(candidate, _)| candidate == name)
            .map(|(_, value)| value)
            .filter(|value| !value.expose().trim_ascii().is_empty())
    }

    /// The entries that settings and the paths of `sources` use, if they are text; never a credential.
    pub fn settings<'a>(&self, sources: impl Iterator<Item = &'a SourceSpec>) -> Vec<String> {
        let named: Vec<&str> = sources.flat_map(SourceSpec::variables).collect();
        let is_setting = |name: &str| {
            SETTINGS.contains(&name)
                || SETTING_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
                || name.to_ascii_lowercase().ends_with("_proxy")
                || named.contains(&name)
        };
        let entries = self.entries.iter().filter_map(|entry| entry.to_str().ok());
        entries
            .filter(|entry| entry.split_once('=').is_some_and(|(name, _)| is_setting(name)))
            .map(str::to_owned)
            .collect()
    }

    /// The settings from variables.
    pub fn layer(&self) -> Result<Layer> {
        let mut first = None;
        let layer = self.layer_leniently(&mut |problem| {
            first.get_or_insert(problem);
        });
        first.map_or(Ok(layer), Err)
    }

    /// As [`Environment::layer`], but goes on after a mistake: `problem` receives each.
    pub fn layer_leniently(&self, problem: &mut dyn FnMut(Error)) -> Layer {
        let mut layer = Layer::default();
        let set = self.ours();
        for key in KEYS.iter().filter(|key| key.variables.iter().any(|variable| set.contains(variable))) {
            match self.setting(key) {
                Ok(Some((variable, value))) => layer.set(key.name, value, Origin::Variable(variable.to_owned())),
                Ok(None) => {}
                Err(error) => problem(error),
            }
        }
        let specs = self.text(SECRETS_VARIABLE).unwrap_or_else(|error| {
            problem(error);
            None
        });
        if let Some(specs) = specs {
            let origin = Origin::Variable(SECRETS_VARIABLE.to_owned());
            let mut sources = Vec::new();
            for spec in specs.split([',', '\n']).map(str::trim).filter(|spec| !spec.is_empty()) {
                match SourceSpec::from_spec(spec, &origin) {
                    Ok(source) => sources.push(source),
                    Err(error) => problem(error),
                }
            }
            layer.set_sources(sources);
        }
        layer
    }

    /// The names of the set variables that could be in [`KEYS`]. They are few, while dozens are looked up.
    fn ours(&self) -> Vec<&str> {
        let entries = self.entries.iter().filter_map(|entry| name_and_value(entry.as_bytes()));
        let names = entries.filter_map(|(name, _)| std::str::from_utf8(name).ok());
        let credentials = self.credentials.iter().map(|(name, _)| name.as_str());
        let is_ours = |name: &&str| KEY_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        names.chain(credentials).filter(is_ours).collect()
    }

    /// The first variable that sets `key`, with its value.
    fn setting(&self, key: &'static Key) -> Result<Option<(&'static str, Value)>> {
        for variable in key.variables {
            if let Some(text) = self.text(variable)? {
                let value = parse(key.of, text).ok_or_else(|| wrong_type(variable, key.of))?;
                return Ok(Some((variable, value)));
            }
        }
        Ok(None)
    }
}

fn parse(of: Type, text: &str) -> Option<Value> {
    Some(match of {
        Type::Text | Type::Addresses => Value::Text(text.to_owned()),
        Type::BoolOrError if text == "error" => Value::Text(text.to_owned()),
        Type::Bool | Type::BoolOrError => Value::Bool(parse_bool(text)?),
        Type::Duration => Value::Duration(parse_duration(text)?),
        Type::Count => Value::Count(text.parse().ok()?),
        Type::Names => {
            Value::Names(text.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect())
        }
    })
}

fn wrong_type(variable: &str, of: Type) -> Error {
    let expected = match of {
        Type::Bool => "true or false",
        Type::BoolOrError => "true, false or error",
        Type::Duration => "a duration like 10, 500ms or 1m30s, of at most a day",
        Type::Count => "a whole number",
        Type::Text | Type::Addresses | Type::Names => "text",
    };
    Error::new(Kind::Config, format!("the variable {variable} is not {expected}"), "correct it, or unset it")
}

#[cfg(test)]
mod tests {
    use super::{Environment, KEY_PREFIXES, KEYS, is_credential};
    use std::ffi::CString;

    #[test]
    fn credentials_are_known_by_name_and_settings_are_not_taken_for_them() {
        for name in [
            "VAULT_TOKEN",
            "BAO_TOKEN",
            "VAULT_SECRET_ID",
            "VAULT_ROLE_ID",
            "KERNEL_VAULT_JWT",
            "KERNEL_VAULT_ANY",
            "JUPYTER_VAULT_PASSWORD",
            "VAULT_WRAPPED_TOKEN",
            "BAO_DEV_ROOT_TOKEN_ID",
            "JUPYTER_VAULT_TOKEN_FILE",
        ] {
            assert!(is_credential(name.as_bytes()), "{name}");
        }
        for name in ["VAULT_ADDR", "VAULT_CACERT", "JUPYTER_VAULT_SECRETS", "GITHUB_TOKEN", "KERNEL_USERNAME", "VAULT_"]
        {
            assert!(!is_credential(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn each_variable_of_a_setting_begins_with_a_prefix_that_is_looked_for() {
        for variable in KEYS.iter().flat_map(|key| key.variables) {
            assert!(KEY_PREFIXES.iter().any(|prefix| variable.starts_with(prefix)), "{variable}");
        }
    }

    #[test]
    fn bao_wins_over_vault_and_ours_over_both_and_empty_is_unset() {
        let environment = |entries: &[&str]| {
            let entries = entries.iter().map(|entry| CString::new(*entry).unwrap());
            Environment::from_entries(entries).layer().unwrap().text("vault.address").map(str::to_owned)
        };
        assert_eq!(environment(&["VAULT_ADDR=http://v", "BAO_ADDR=http://b"]).as_deref(), Some("http://b"));
        assert_eq!(environment(&["VAULT_ADDR=http://v", "BAO_ADDR="]).as_deref(), Some("http://v"));
        let all = ["VAULT_ADDR=http://v", "BAO_ADDR=http://b", "JUPYTER_VAULT_ADDRESS=http://j"];
        assert_eq!(environment(&all).as_deref(), Some("http://j"));
        assert_eq!(environment(&["VAULT_ADDR="]), None);
    }
}
