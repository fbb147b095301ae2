//! One `[[source]]` of vault.toml.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::reader::{Entry, Reader};
use crate::config::source::{SourceKind, SourceSpec, With};
use crate::config::template::Template;
use crate::error::Result;

/// The other keys of a `[[source]]`.
const SOURCE_KEYS: &[&str] = &[
    "mount",
    "version",
    "field",
    "name",
    "prefix",
    "optional",
    "url",
    "fields",
    "files",
    "file",
    "with",
    "aws_profile",
    "names",
    "decode",
    "secret_version",
    "recursive",
    "each",
];

/// Parses the table `source`.
pub(super) fn source(reader: &Reader<'_>, source: &Spanned<DeValue<'_>>) -> Result<SourceSpec> {
    let Some(table) = source.get_ref().as_table() else {
        return Err(reader.wrong(&source.span(), "a source is not a table", "write [[source]]"));
    };
    let known = SourceKind::ALL.iter().map(SourceKind::key).chain(SOURCE_KEYS.iter().copied());
    for key in table.keys() {
        if !known.clone().any(|known| known == key.get_ref().as_ref()) {
            return Err(reader.unknown(&key.span(), key.get_ref(), known));
        }
    }
    let get = |wanted: &str| table.iter().find(|(key, _)| key.get_ref() == wanted).map(|(_, value)| value);
    let mut kinds = SourceKind::ALL.iter().filter_map(|kind| get(kind.key()).map(|value| (kind, value)));
    let (Some((kind, path_value)), None) = (kinds.next(), kinds.next()) else {
        let mut keys: Vec<_> = SourceKind::ALL.iter().map(|kind| format!("`{}`", kind.key())).collect();
        let last = keys.pop().unwrap_or_default();
        let what = format!("a source needs exactly one of {} and {last}", keys.join(", "));
        return Err(reader.wrong(&source.span(), &what, "name the secrets' path, as in kv = \"secret/users/ada\""));
    };
    let text = |key: &str| -> Result<Option<String>> {
        let Some(value) = get(key) else { return Ok(None) };
        let text = value.get_ref().as_str().map(str::to_owned);
        text.map(Some)
            .ok_or_else(|| reader.wrong(&value.span(), &format!("`{key}` is not text in quotes"), "correct the value"))
    };
    let path = text(kind.key())?.unwrap_or_default();
    let is_folder = kind.is_folder();
    let template = if is_folder { Template::parse_folder(&path) } else { Template::parse(&path) };
    let template = template.map_err(|why| {
        let what = format!("the path \"{path}\" {why}");
        reader.wrong(&path_value.span(), &what, "write the mount and the path below it, such as secret/users/ada")
    })?;
    let mut spec = SourceSpec::new(kind.clone(), template, reader.origin(&path_value.span()));
    spec.mount = text("mount")?.map(|mount| mount.trim_matches('/').to_owned());
    spec.version = get("version").map(|value| reader.version(value)).transpose()?;
    spec.field = text("field")?;
    spec.name = text("name")?;
    spec.prefix = text("prefix")?;
    spec.url = text("url")?;
    spec.file = text("file")?;
    spec.aws_profile = text("aws_profile")?;
    spec.shell_names = choice(reader, "names", get("names"), "verbatim", "shell")?;
    spec.is_base64 = choice(reader, "decode", get("decode"), "none", "base64")?;
    spec.fields = get("fields").map(|value| fields(reader, "fields", value)).transpose()?;
    spec.files = get("files").map(|value| fields(reader, "files", value)).transpose()?;
    spec.with = get("with").map(|value| with(reader, value)).transpose()?.unwrap_or_default();
    let flag = |key: &str| -> Result<bool> {
        let Some(value) = get(key) else { return Ok(false) };
        let wrong = || reader.wrong(&value.span(), &format!("`{key}` is not true or false"), "correct the value");
        value.get_ref().as_bool().ok_or_else(wrong)
    };
    spec.optional = flag("optional")?;
    spec.folder.recursive = flag("recursive")?;
    spec.folder.whole = choice(reader, "each", get("each"), "value", "secret")?;
    spec.secret_version = get("secret_version").map(|value| secret_version(reader, value)).transpose()?;
    let below_mount = spec.mount.as_ref().is_none_or(|mount| {
        let rest = spec.path.as_written().strip_prefix(mount.as_str());
        rest.is_some_and(|rest| rest.starts_with('/') || (rest.is_empty() && is_folder))
    });
    if !below_mount {
        return Err(reader.wrong(&path_value.span(), "the path is not below `mount`", "begin the path with the mount"));
    }
    spec.check().map_err(|why| reader.wrong(&source.span(), &why, "correct the source"))?;
    Ok(spec)
}

fn secret_version(reader: &Reader<'_>, value: &Spanned<DeValue<'_>>) -> Result<u64> {
    let number = match value.get_ref() {
        DeValue::Integer(number) => number.as_str().parse().ok().filter(|number| *number > 0),
        _ => None,
    };
    let advice = "write a version's number, as in secret_version = 3, or leave it out for the newest";
    number.ok_or_else(|| reader.wrong(&value.span(), "`secret_version` is not a positive number", advice))
}

/// Whether `value` is `other`; no value means `usual`.
fn choice(
    reader: &Reader<'_>,
    key: &str,
    value: Option<&Spanned<DeValue<'_>>>,
    usual: &str,
    other: &str,
) -> Result<bool> {
    let Some(value) = value else { return Ok(false) };
    match value.get_ref().as_str() {
        Some(word) if word == usual => Ok(false),
        Some(word) if word == other => Ok(true),
        _ => {
            let what = format!("`{key}` is not \"{usual}\" or \"{other}\"");
            Err(reader.wrong(&value.span(), &what, "correct the value"))
        }
    }
}

/// The keys of the body for a write; a text that contains `{` is a template.
fn with(reader: &Reader<'_>, value: &Spanned<DeValue<'_>>) -> Result<BTreeMap<String, With>> {
    let wrong = |span: &Range<usize>, what: &str| {
        reader.wrong(
            span,
            &format!("`with` {what}"),
            "write with = { common_name = \"{metadata.username}.example.org\" }",
        )
    };
    let table = value.get_ref().as_table().ok_or_else(|| wrong(&value.span(), "is not a table"))?;
    let one = |(key, value): Entry<'_, '_>| {
        let text = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Boolean(flag) => flag.to_string(),
            DeValue::Integer(number) => number.as_str().to_owned(),
            _ => return Err(wrong(&value.span(), "contains a value that is not text")),
        };
        let with = if text.contains('{') {
            With::Filled(Template::parse_folder(&text).map_err(|why| wrong(&value.span(), &why))?)
        } else {
            With::Text(text)
        };
        Ok((key.get_ref().to_string(), with))
    };
    table.iter().map(one).collect()
}

fn fields(reader: &Reader<'_>, key: &str, value: &Spanned<DeValue<'_>>) -> Result<BTreeMap<String, String>> {
    let fields = value.get_ref().as_table().and_then(|table| {
        let pair =
            |(key, value): Entry<'_, '_>| Some((key.get_ref().to_string(), value.get_ref().as_str()?.to_owned()));
        table.iter().map(pair).collect::<Option<BTreeMap<_, _>>>()
    });
    fields.filter(|fields| !fields.is_empty()).ok_or_else(|| {
        let advice = format!("write {key} = {{ field = \"VARIABLE\" }}");
        reader.wrong(&value.span(), &format!("`{key}` is not a table of field and variable"), &advice)
    })
}
