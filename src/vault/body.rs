//! Parses Vault's answers strictly, without leaving copies of values.
//!
//! Values stay raw JSON text in the reply's zeroizing buffer until each becomes a [`SecretValue`]. serde_json's error
//! texts are not used, as they quote the input.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::error::wrong_kv_version;
use super::reply::Reply;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;

/// The deepest nesting accepted for a value that is an object or array.
const DEEPEST: usize = 128;

/// The envelope of every answer.
#[derive(Debug, Deserialize)]
pub struct Answer<'a> {
    /// The data that was read.
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
    /// The token, in the answer to a login.
    #[serde(borrow, default)]
    pub auth: Option<&'a RawValue>,
    /// The lease; empty if there is none.
    #[serde(borrow, default)]
    pub lease_id: Option<Cow<'a, str>>,
    /// The lease's duration, in seconds.
    #[serde(default)]
    pub lease_duration: u64,
    /// Whether it can be renewed.
    #[serde(default)]
    pub renewable: bool,
}

impl<'a> Answer<'a> {
    /// Parses a reply with status 200. `what` names the request, for messages.
    pub fn parse(reply: &'a Reply, what: &str) -> Result<Self> {
        if !reply.json {
            return Err(Error::new(
                Kind::NotVault,
                format!("the answer to {what} is not JSON by its content type"),
                "check that the address is Vault's API, and not a login page or a proxy",
            ));
        }
        // A derived type accepts an array in place of an object; Vault never sends one.
        if reply.body.trim_ascii_start().first() == Some(&b'[') {
            return Err(malformed(what));
        }
        serde_json::from_slice(&reply.body).map_err(|cause| match cause.classify() {
            serde_json::error::Category::Data => malformed(what),
            _ => Error::new(
                Kind::NotVault,
                format!("the answer to {what} is labelled JSON but is not JSON"),
                "check that the address is Vault's, and check any proxy before it",
            ),
        })
    }

    /// The data; an error if there is none.
    pub fn data(&self, what: &str) -> Result<&'a RawValue> {
        self.data.ok_or_else(|| malformed(what))
    }
}

/// The error for JSON of the wrong shape.
pub fn malformed(what: &str) -> Error {
    Error::new(
        Kind::Malformed,
        format!("the answer to {what} is not in Vault's format"),
        "check that the address is Vault's or OpenBao's, and the server's version",
    )
}

/// The fields of one secret, in the answer's order, without duplicates.
#[derive(Debug)]
pub struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Parses an object; `path` is for messages.
    pub fn parse(raw: &'a RawValue, path: &str) -> Result<Self> {
        let Object(entries) = serde_json::from_str(raw.get()).map_err(|_| malformed(&format!("reading {path}")))?;
        let mut seen = std::collections::BTreeSet::new();
        if let Some((twice, _)) = entries.iter().find(|(key, _)| !seen.insert(key.as_str())) {
            return Err(Error::new(
                Kind::DuplicateKey,
                format!("the answer to reading {path} has the key {twice} twice"),
                "Vault never answers like that: check any proxy before it",
            ));
        }
        Ok(Self(entries))
    }

    /// Copies the fields out of the reply's buffer.
    pub(crate) fn into_owned(self) -> Vec<(String, Box<RawValue>)> {
        self.0.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
    }

    /// The names of the fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// The value of one field.
    pub fn get(&self, name: &str, path: &str) -> Result<SecretValue> {
        let found = self.0.iter().find(|(key, _)| key == name).ok_or_else(|| {
            let known: Vec<_> = self.names().collect();
            Error::new(
                Kind::FieldMissing,
                format!("the secret at {path} has no field {name}"),
                format!("its fields are: {}", known.join(", ")),
            )
        })?;
        value(found.1, name, path)
    }
}

/// A JSON object with its keys in their original order, duplicates included.
struct Object<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }
        deserializer.deserialize_map(Entries).map(Self)
    }
}

/// A value as a variable holds it: text unchanged; numbers, booleans, objects and arrays as JSON.
pub fn value(raw: &RawValue, name: &str, path: &str) -> Result<SecretValue> {
    let bad = |why: &str, advice: &str| {
        Err(Error::new(Kind::BadValue, format!("the value of {name} at {path} {why}"), advice))
    };
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => {
            let Ok(text) = serde_json::from_str::<String>(text).map(Zeroizing::new) else {
                return bad("is not valid text", "write it again, as UTF-8");
            };
            if text.contains('\0') {
                return bad("contains a NUL byte, which a variable can't hold", "store it encoded, such as in base64");
            }
            Ok(SecretValue::from(text))
        }
        Some(b'n') => bad("is null", "give it a value, or remove the key"),
        Some(b'{' | b'[') if depth(text) > DEEPEST => Err(too_deep(&format!("the value of {name} at {path}"))),
        _ => Ok(SecretValue::new(text.as_bytes().to_vec())),
    }
}

fn too_deep(what: &str) -> Error {
    let advice = "store deeply nested structures as text";
    Error::new(Kind::Malformed, format!("{what} is nested more than {DEEPEST} levels deep"), advice)
}

/// How deeply brackets are nested in `text`, which is valid JSON.
fn depth(text: &str) -> usize {
    let (mut now, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => {
                now += 1;
                deepest = deepest.max(now);
            }
            b'}' | b']' if !in_text => now = now.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// A secret of KV version 2: its fields and their metadata.
#[derive(Debug, Deserialize)]
pub struct Versioned<'a> {
    /// The fields; null if the version is deleted.
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
    /// The version.
    pub metadata: VersionMetadata,
}

impl<'a> Versioned<'a> {
    /// Parses the data of an answer; `path` is for messages.
    pub fn parse(data: &'a RawValue, path: &str) -> Result<Self> {
        serde_json::from_str(data.get()).map_err(|_| {
            if depth(data.get()) > DEEPEST {
                too_deep(&format!("the answer to reading {path}"))
            } else {
                wrong_kv_version(path, 2, "1, or no KV")
            }
        })
    }
}

/// The metadata of a version of a secret.
#[derive(Debug, Deserialize)]
pub struct VersionMetadata {
    /// Counted from 1.
    pub version: u64,
}

/// The answer to a LIST request.
#[derive(Debug, Deserialize)]
pub struct Listing {
    /// The names; those of folders end with `/`.
    pub keys: Vec<String>,
}

/// The mount that a path is below.
#[derive(Debug, Deserialize)]
pub struct MountInfo {
    /// The engine's type.
    #[serde(rename = "type")]
    pub engine: String,
    /// The mount's path, with a `/` at the end.
    pub path: String,
    /// The mount's options, such as the KV version.
    #[serde(default)]
    pub options: Option<BTreeMap<String, String>>,
}

/// A token and its user, in the answer to a login.
#[derive(Deserialize)]
pub struct Auth {
    /// The token.
    #[serde(default)]
    pub client_token: Zeroizing<String>,
    /// `service` or `batch`.
    #[serde(default)]
    pub token_type: Option<String>,
    /// The id of the user's entity.
    #[serde(default)]
    pub entity_id: Option<String>,
    /// The login method's metadata of the user.
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, Option<String>>>,
    /// Its policies, including those of its entity.
    #[serde(default)]
    pub policies: Option<Vec<String>>,
    /// Its lifetime, in seconds; 0 if it does not expire.
    #[serde(default)]
    pub lease_duration: u64,
    /// Whether it can be renewed.
    #[serde(default)]
    pub renewable: bool,
    /// How many requests it can be used for; 0 if that is not limited.
    #[serde(default)]
    pub num_uses: i64,
    /// Present if the login requires a second factor.
    #[serde(default)]
    pub mfa_requirement: Option<Box<RawValue>>,
}

/// The answer to a look-up of the request's own token.
#[derive(Deserialize)]
pub struct OwnToken {
    /// The id of the user's entity.
    #[serde(default)]
    pub entity_id: Option<String>,
    /// The login method's name, then the user's.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The path of the login that created it.
    #[serde(default)]
    pub path: Option<String>,
    /// The login method's metadata of the user.
    #[serde(default)]
    pub meta: Option<BTreeMap<String, Option<String>>>,
    /// Its own policies.
    #[serde(default)]
    pub policies: Option<Vec<String>>,
    /// The policies of its entity.
    #[serde(default)]
    pub identity_policies: Option<Vec<String>>,
    /// The rest of its lifetime, in seconds; 0 if it does not expire.
    #[serde(default)]
    pub ttl: u64,
    /// Whether it can be renewed.
    #[serde(default)]
    pub renewable: bool,
    /// The period of a periodic token, which lives as long as it is renewed; otherwise 0.
    #[serde(default)]
    pub period: u64,
    /// How many more requests it can be used for; 0 if that is not limited.
    #[serde(default)]
    pub num_uses: i64,
}

#[cfg(test)]
mod tests {
    use super::{Fields, depth, value};
    use crate::error::Kind;
    use serde_json::value::RawValue;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn a_text_value_is_unchanged_and_others_are_json() {
        for (json, expected) in [
            (r#""a\nb""#, "a\nb"),
            (r#""""#, ""),
            ("12345678901234567890.10", "12345678901234567890.10"),
            ("true", "true"),
            (r#"{"a":[1,"}"]}"#, r#"{"a":[1,"}"]}"#),
        ] {
            assert_eq!(value(&raw(json), "K", "kv/a").unwrap().expose(), expected.as_bytes());
        }
        for json in ["null", r#""a\u0000b""#, r#""\ud800""#] {
            let refused = value(&raw(json), "K", "kv/a").unwrap_err();
            assert_eq!(refused.kind(), Kind::BadValue, "{json}");
            assert!(refused.what().contains("K at kv/a"));
        }
    }

    #[test]
    fn brackets_in_text_do_not_count_as_nesting() {
        assert_eq!(depth(r#"{"a":"[[[\"[","b":[[1]]}"#), 3);
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(value(&raw(&deep), "K", "kv/a").unwrap_err().kind(), Kind::Malformed);
    }

    #[test]
    fn a_duplicate_key_is_an_error() {
        let twice = raw(r#"{"A":"1","B":"2","A":"3"}"#);
        assert_eq!(Fields::parse(&twice, "kv/a").unwrap_err().kind(), Kind::DuplicateKey);
    }
}
