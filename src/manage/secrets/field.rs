//! The field of a stored secret that holds one name's value, and how to write it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::{RawValue, to_raw_value};
use zeroize::Zeroizing;

use super::place::{Form, Place};
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;
use crate::vault::kv_store::{Keys, json_value};

/// The value as the JSON that `place` stores: in base64 if a launch decodes it.
pub(super) fn json_of(place: &Place, value: &SecretValue) -> Result<Box<RawValue>> {
    let unwritable = || Error::new(Kind::BadValue, "the value is not UTF-8", "store it encoded, such as in base64");
    if place.is_base64 {
        let encoded = Zeroizing::new(STANDARD.encode(value.expose()));
        return to_raw_value(encoded.as_str()).map_err(|_| unwritable());
    }
    json_value(value).ok_or_else(unwritable)
}

/// The field of the stored secret that holds the value of `key`.
pub(super) fn field_of<'k>(place: &'k Place, key: &'k str) -> &'k str {
    match &place.form {
        Form::Keys => key,
        Form::Folder { field } => field,
    }
}

/// Sets `field` to `value`; returns whether it replaced a value.
pub(super) fn put(keys: &mut Keys, field: &str, value: Box<RawValue>) -> bool {
    if let Some((_, there)) = keys.iter_mut().find(|(key, _)| key == field) {
        *there = value;
        return true;
    }
    keys.push((field.to_owned(), value));
    false
}
