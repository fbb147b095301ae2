//! The token that `vault login` and `bao login` leave: kept by their token helper, or else in `~/.vault-token`.
//!
//! `token_helper` in the clients' own file names the helper, a program: `helper get` prints the token. It runs with
//! this user's rights, so the program and that file must belong to this user or root, as vault.toml must.
//! <https://developer.hashicorp.com/vault/docs/commands/token-helper>

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::credential::{Credential, path_setting, token_path};
use super::env::Environment;
use super::layer::Layer;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;
use crate::sys::environ::name_and_value;
use crate::sys::file::{self, AllowedWriters, ReadError};
use crate::sys::program;

/// The variables that name the clients' file.
const VARIABLES: [&str; 2] = ["BAO_CONFIG_PATH", "VAULT_CONFIG_PATH"];
/// Its default, in the home folder.
const USUAL: [&str; 2] = [".bao", ".vault"];
/// The largest such file, in bytes.
const LARGEST: u64 = 64 << 10;
/// The longest answer of a helper, in bytes.
const LONGEST: usize = 64 << 10;
/// The longest time that a helper may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Where the clients keep the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredToken {
    /// In a file.
    File(PathBuf),
    /// With a helper, which a file names.
    Helper { program: PathBuf, file: PathBuf },
}

impl fmt::Display for StoredToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Helper { program, file } => {
                write!(out, "the token helper {} (token_helper in {})", program.display(), file.display())
            }
        }
    }
}

impl StoredToken {
    /// Where the token is kept, if anywhere. A variable chooses the program to run only if variables are trusted.
    pub fn find(layer: &Layer, environment: &Environment) -> Result<Option<Self>> {
        if let Some(path) = path_setting(layer, environment, "auth.token_file") {
            return Ok(Some(path).filter(|path| path.exists()).map(Self::File));
        }
        let named = VARIABLES.iter().find_map(|name| environment.path(name)).filter(|_| !layer.is_locked());
        let home = environment.home();
        let helper = match (&named, &home) {
            (Some(file), _) => configured(file, true)?,
            (None, Some(home)) => {
                let mut files = USUAL.iter().map(|name| home.join(name));
                files.find_map(|file| configured(&file, false).transpose()).transpose()?
            }
            (None, None) => None,
        };
        Ok(helper.or_else(|| token_path(layer, environment).filter(|path| path.exists()).map(Self::File)))
    }

    /// The token.
    pub fn read(&self, layer: &Layer, environment: &Environment) -> Result<Credential> {
        match self {
            Self::File(path) => Credential::read(path),
            Self::Helper { program, .. } => {
                let refused = |why: &str| {
                    let advice = "log in with `vault login` (or `bao login`), or correct token_helper in that file";
                    Error::new(Kind::Credential, format!("{self} {why}"), advice)
                };
                let mut command = Command::new(program);
                let variables = environment.entries().iter().filter_map(|entry| name_and_value(entry.as_bytes()));
                let variables = variables.map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value)));
                command.arg("get").env_clear().envs(variables);
                // Helpers keep a token for each address, and the clients take the address from a variable alone.
                let has_address = ["BAO_ADDR", "VAULT_ADDR"].iter().any(|name| environment.bytes(name).is_some());
                if let Some(address) = layer.text("vault.address").filter(|_| !has_address) {
                    command.env("VAULT_ADDR", address.split(',').next().unwrap_or(address));
                }
                let output = program::answer(&mut command, LIMIT, LONGEST).map_err(|why| refused(&why.to_string()))?;
                let value = SecretValue::new(output.to_vec()).trimmed();
                if value.expose().is_empty() {
                    return Err(refused("returned no token"));
                }
                Ok(Credential { value, origin: self.to_string() })
            }
        }
    }
}

/// The helper that the clients' file names. A file at its default path may belong to another program: Ansible's users
/// keep a password in `~/.vault` too.
fn configured(file: &Path, is_named: bool) -> Result<Option<StoredToken>> {
    let trouble = |what: &str, advice: &str| {
        Error::new(Kind::ConfigFile, format!("{} of Vault's client {what}", file.display()), advice)
    };
    let (content, unsafe_to_use) = match file::read(file, LARGEST, AllowedWriters::UsOrRoot) {
        Ok(content) => (content, None),
        Err(ReadError::Missing) => return Ok(None),
        Err(why @ (ReadError::OtherOwner(_) | ReadError::EveryoneWrites)) => {
            (file::read(file, LARGEST, AllowedWriters::Anyone).unwrap_or_default(), Some(why))
        }
        Err(_) if !is_named => return Ok(None),
        Err(why) => return Err(trouble(&why.to_string(), "correct BAO_CONFIG_PATH or VAULT_CONFIG_PATH, or unset it")),
    };
    let helper = match std::str::from_utf8(&content).map_err(|_| NotRead).and_then(token_helper) {
        Ok(helper) => helper,
        Err(NotRead) if !is_named => None,
        Err(NotRead) => {
            return Err(trouble("is not in its format", "write it like token_helper = \"/usr/local/bin/helper\""));
        }
    };
    let Some(helper) = helper.filter(|helper| !helper.is_empty()) else { return Ok(None) };
    let program = PathBuf::from(helper);
    if let Some(why) = unsafe_to_use {
        let what = format!("names a program to run, but {why}");
        return Err(trouble(&what, "root or this user must own it, and other users must not be able to write it"));
    }
    if !program.is_absolute() {
        let what = format!("names the token helper {}, which is not an absolute path", program.display());
        return Err(trouble(&what, "write the helper's absolute path"));
    }
    file::check_program(&program).map_err(|why| {
        let what = format!("names the token helper {}, which {why}", program.display());
        trouble(
            &what,
            "it must be a program that root or this user owns and no other user can write: correct token_helper",
        )
    })?;
    Ok(Some(StoredToken::Helper { program, file: file.to_owned() }))
}

/// The error for a text that is neither HCL nor JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotRead;

/// The `token_helper` of a file in HCL or JSON.
pub fn token_helper(text: &str) -> Result<Option<String>, NotRead> {
    if text.trim_start().starts_with('{') {
        let json: serde_json::Value = serde_json::from_str(text).map_err(|_| NotRead)?;
        return match json.get("token_helper") {
            None => Ok(None),
            Some(helper) => helper.as_str().map(|helper| Some(helper.to_owned())).ok_or(NotRead),
        };
    }
    let mut rest = text;
    while let Some((word, after)) = word(rest)? {
        rest = after;
        if word == Word::Plain("token_helper") || word == Word::Quoted("token_helper".to_owned()) {
            let Some((Word::Plain("="), after)) = self::word(rest)? else { return Err(NotRead) };
            let Some((Word::Quoted(helper), _)) = self::word(after)? else { return Err(NotRead) };
            return Ok(Some(helper));
        }
    }
    Ok(None)
}

/// One word of HCL.
#[derive(Debug, PartialEq, Eq)]
enum Word<'a> {
    Quoted(String),
    Plain(&'a str),
}

/// The first word of `text`, and the rest; comments and white space are skipped.
fn word(text: &str) -> Result<Option<(Word<'_>, &str)>, NotRead> {
    let mut rest = text.trim_start();
    while let Some(start) = ["#", "//", "/*"].iter().find(|start| rest.starts_with(**start)) {
        let end = if *start == "/*" { "*/" } else { "\n" };
        rest = rest[start.len()..].split_once(end).map_or("", |(_, after)| after).trim_start();
    }
    let Some(first) = rest.chars().next() else { return Ok(None) };
    if first != '"' {
        let is_of_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
        let end = rest.find(|letter| !is_of_word(letter)).unwrap_or(rest.len()).max(first.len_utf8());
        return Ok(Some((Word::Plain(&rest[..end]), &rest[end..])));
    }
    let mut quoted = String::new();
    let mut letters = rest[1..].char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Ok(Some((Word::Quoted(quoted), &rest[at + 2..]))),
            '\n' => return Err(NotRead),
            '\\' => match letters.next() {
                Some((_, escaped @ ('"' | '\\'))) => quoted.push(escaped),
                Some((_, 'n')) => quoted.push('\n'),
                Some((_, 't')) => quoted.push('\t'),
                _ => return Err(NotRead),
            },
            letter => quoted.push(letter),
        }
    }
    Err(NotRead)
}

#[cfg(test)]
mod tests {
    use super::{NotRead, token_helper};

    #[test]
    fn the_helper_is_read_from_hcl_and_json() {
        for (text, helper) in [
            ("token_helper = \"/h\"", Ok(Some("/h"))),
            ("token_helper=\"/h\"\n", Ok(Some("/h"))),
            ("\"token_helper\" = \"/h\"", Ok(Some("/h"))),
            (
                "# token_helper = \"/no\"\n// x\n/* token_helper = \"/no\" */ token_helper = \"/a b\\\"c\" # more",
                Ok(Some("/a b\"c")),
            ),
            ("{\"token_helper\": \"/h\"}", Ok(Some("/h"))),
            ("token_helper = \"\"", Ok(Some(""))),
            ("", Ok(None)),
            ("# nothing", Ok(None)),
            ("an Ansible password", Ok(None)),
            ("{\"other\": 1}", Ok(None)),
            ("token_helper = /h", Err(NotRead)),
            ("token_helper = \"/h", Err(NotRead)),
            ("token_helper \"/h\"", Err(NotRead)),
            ("token_helper = 1", Err(NotRead)),
            ("{\"token_helper\": 1}", Err(NotRead)),
            ("{", Err(NotRead)),
        ] {
            assert_eq!(token_helper(text), helper.map(|helper| helper.map(str::to_owned)), "{text}");
        }
    }
}
