//! Names the variables for a secret's fields, by the rules of its source.
//!
//! A variable that can't be made is passed on as an error: a launch stops at the first one, a check reports all of
//! them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::given::{Fetched, Form};
use crate::config::source::SourceSpec;
use crate::datasource::template::ValueTemplate;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;
use crate::vault::body::Fields;
use zeroize::Zeroizing;

/// Receives each value.
pub(crate) trait Taker {
    /// Takes the value for `name` (with the source's prefix) from the secret at `path`.
    fn take(&mut self, name: &str, path: &str, fetched: Result<Fetched>) -> Result<()>;
}

/// One secret, as Vault answered.
#[derive(Clone, Copy)]
pub(super) struct SecretContent<'a> {
    pub(super) fields: &'a Fields<'a>,
    pub(super) path: &'a str,
    /// For KV version 2.
    pub(super) version: Option<u64>,
}

/// Passes each variable that `source` creates from `answer` to `taker`.
pub(super) fn take_fields(source: &SourceSpec, answer: SecretContent<'_>, taker: &mut dyn Taker) -> Result<()> {
    let SecretContent { fields, path, version } = answer;
    let mut hand = |name: &str, value: Result<SecretValue>, form: fn(SecretValue) -> Form| {
        let value = value.and_then(|value| decoded(source, name, path, value));
        let fetched = value.map(|value| Fetched { form: form(value), path: path.to_owned(), version });
        give(source, name, path, fetched, taker)
    };
    if let Some(url) = &source.url {
        let name = source.name.as_deref().or(source.file.as_deref()).unwrap_or_default();
        let form = if source.file.is_some() { Form::File } else { Form::Variable };
        return hand(name, fill_url(url, fields, path), form);
    }
    if let Some(field) = &source.field {
        let value = fields.get(field, path);
        return match &source.file {
            Some(file) => hand(file, value, Form::File),
            None => hand(source.name.as_ref().unwrap_or(&source.called(field).into_owned()), value, Form::Variable),
        };
    }
    if source.fields.is_some() || source.files.is_some() {
        for (field, name) in source.fields.iter().flatten() {
            hand(name, fields.get(field, path), Form::Variable)?;
        }
        let mut files = source.files.iter().flatten();
        return files.try_for_each(|(field, name)| hand(name, fields.get(field, path).map(joined), Form::File));
    }
    take_all(source, answer, &mut Names::default(), taker)
}

/// As [`take_fields`], with every key as a variable; `names` holds the source's variables so far.
pub(super) fn take_all(
    source: &SourceSpec,
    answer: SecretContent<'_>,
    names: &mut Names,
    taker: &mut dyn Taker,
) -> Result<()> {
    let SecretContent { fields, path, version } = answer;
    fields.names().try_for_each(|key| {
        let name = names.of(source, key, path)?;
        let value = fields.get(key, path).and_then(|value| decoded(source, key, path, value));
        let form = value.map(|value| Fetched { form: Form::Variable(value), path: path.to_owned(), version });
        // The key is checked too where the variable has another name.
        let shown = if name == key { path.to_owned() } else { format!("{path}#{key}") };
        give(source, &name, &shown, form, taker)
    })
}

/// The variables of one source, with the key or secret and the path that each comes from.
#[derive(Default)]
pub(super) struct Names(BTreeMap<String, (String, String)>);

impl Names {
    /// The variable's name for `key`; an error if another key already has it.
    pub(super) fn of(&mut self, source: &SourceSpec, key: &str, path: &str) -> Result<String> {
        let name = source.called(key).into_owned();
        match self.0.insert(name.clone(), (key.to_owned(), path.to_owned())) {
            Some((other, before)) if source.folder.whole && before != path => Err(Error::new(
                Kind::Config,
                format!("{other} in {before} and {key} in {path} would both be the variable {name}"),
                "rename one of them, or give each secret its own [[source]] with `prefix`",
            )),
            Some((other, _)) if other != key => Err(Error::new(
                Kind::Config,
                format!("{other} and {key} in {path} would both be the variable {name}"),
                "rename one of them, or remove names = \"shell\" and choose names with `field` and `name`",
            )),
            _ => Ok(name),
        }
    }
}

/// Decodes the value if it is stored in base64.
pub(super) fn decoded(source: &SourceSpec, name: &str, path: &str, value: SecretValue) -> Result<SecretValue> {
    if !source.is_base64 {
        return Ok(value);
    }
    // Base64 from any tool: with line ends, with or without padding, and with either alphabet.
    let usual = |byte: u8| match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    };
    let letters = value.expose().iter().filter(|byte| !byte.is_ascii_whitespace() && **byte != b'=');
    let text: Zeroizing<Vec<u8>> = letters.map(|byte| usual(*byte)).collect::<Vec<_>>().into();
    STANDARD_NO_PAD.decode(&*text).map(SecretValue::new).map_err(|_| {
        let what = format!("{name} in {path} is not base64, which `decode` requires");
        Error::new(Kind::BadValue, what, "store it encoded, or remove `decode`")
    })
}

/// Passes on one variable, with the source's prefix.
pub(super) fn give(
    source: &SourceSpec,
    name: &str,
    path: &str,
    fetched: Result<Fetched>,
    taker: &mut dyn Taker,
) -> Result<()> {
    taker.take(&format!("{}{name}", source.prefix.as_deref().unwrap_or_default()), path, fetched)
}

/// Concatenates a list of texts, such as a certificate chain, as a file contains it.
fn joined(value: SecretValue) -> SecretValue {
    if !value.expose().starts_with(b"[") {
        return value;
    }
    match serde_json::from_slice::<Vec<String>>(value.expose()) {
        Ok(texts) => SecretValue::new((texts.join("\n") + "\n").into_bytes()),
        Err(_) => value,
    }
}

/// Fills a URL with fields, percent-encoded.
fn fill_url(url: &str, fields: &Fields<'_>, path: &str) -> Result<SecretValue> {
    let is_field = |name: &str| {
        !name.is_empty() && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-'))
    };
    let template = ValueTemplate::of_url(url, is_field);
    let values = template.fields().map(|(name, _)| Ok((name, fields.get(name, path)?))).collect::<Result<Vec<_>>>()?;
    let value_of = |wanted: &str| values.iter().find(|(name, _)| *name == wanted)?.1.expose_text();
    template.fill(&value_of).ok_or_else(|| {
        let what = format!("a field of {path} that is used in a URL is not UTF-8");
        Error::new(Kind::BadValue, what, "store it encoded, such as in base64")
    })
}
