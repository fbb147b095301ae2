//! One name within a stored secret: where its value stands, and how it is put there.

use serde_json::value::RawValue;

use super::place::{Form, Place};
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;
use crate::vault::kv_store::{Keys, json_value};

/// The value as JSON.
pub(super) fn json_of(value: &SecretValue) -> Result<Box<RawValue>> {
    let unwritable = || Error::new(Kind::BadValue, "the value is not UTF-8", "store it encoded, as in base64");
    json_value(value).ok_or_else(unwritable)
}

/// The field of the stored secret that holds the value of `key`.
pub(super) fn field_of<'k>(place: &'k Place, key: &'k str) -> &'k str {
    match &place.form {
        Form::Keys => key,
        Form::Folder { field } => field,
    }
}

/// Puts `value` under `field`; whether it replaced one.
pub(super) fn put(keys: &mut Keys, field: &str, value: Box<RawValue>) -> bool {
    if let Some((_, there)) = keys.iter_mut().find(|(key, _)| key == field) {
        *there = value;
        return true;
    }
    keys.push((field.to_owned(), value));
    false
}
