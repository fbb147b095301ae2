//! Parses answers, without guessing and without leaving a copy.
//!
//! The values stay raw JSON text inside the reply's wiping buffer until each becomes a
//! [`SecretValue`]. Nothing of serde_json's own error text is used: it quotes what it read.

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

/// The deepest nesting of a value that is an object or array.
const DEEPEST: usize = 128;

/// The envelope of every answer of Vault.
#[derive(Debug, Deserialize)]
pub struct Answer<'a> {
    /// What was read.
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
    /// What a login gives.
    #[serde(borrow, default)]
    pub auth: Option<&'a RawValue>,
    /// Not empty when the data is leased.
    #[serde(borrow, default)]
    pub lease_id: Option<Cow<'a, str>>,
    /// The time of the lease, in seconds.
    #[serde(default)]
    pub lease_duration: u64,
    /// Whether that can be made longer.
    #[serde(default)]
    pub renewable: bool,
}

impl<'a> Answer<'a> {
    /// Parses a reply with status 200; `what` it answers is for the message.
    pub fn parse(reply: &'a Reply, what: &str) -> Result<Self> {
        if !reply.json {
            return Err(Error::new(
                Kind::NotVault,
                format!("the answer to {what} is not JSON by its content type"),
                "check that the address is Vault's API, and what stands between: a login page, a proxy",
            ));
        }
        // A derived type takes an array for an object; Vault never sends one.
        if reply.body.trim_ascii_start().first() == Some(&b'[') {
            return Err(malformed(what));
        }
        serde_json::from_slice(&reply.body).map_err(|cause| match cause.classify() {
            serde_json::error::Category::Data => malformed(what),
            _ => Error::new(
                Kind::NotVault,
                format!("the answer to {what} is called JSON and is none"),
                "check that the address is Vault's, and what stands between here and Vault",
            ),
        })
    }

    /// The data, which must be there.
    pub fn data(&self, what: &str) -> Result<&'a RawValue> {
        self.data.ok_or_else(|| malformed(what))
    }
}

/// The error for JSON of the wrong shape.
pub fn malformed(what: &str) -> Error {
    Error::new(
        Kind::Malformed,
        format!("the answer to {what} has not the shape of Vault's"),
        "check that the address is Vault's or OpenBao's, and its version",
    )
}

/// The fields of one secret, in the order of the answer, each once.
#[derive(Debug)]
pub struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// Takes an object apart; `path` is for the message.
    pub fn parse(raw: &'a RawValue, path: &str) -> Result<Self> {
        let Object(entries) = serde_json::from_str(raw.get()).map_err(|_| malformed(&format!("reading {path}")))?;
        let mut seen = std::collections::BTreeSet::new();
        if let Some((twice, _)) = entries.iter().find(|(key, _)| !seen.insert(key.as_str())) {
            return Err(Error::new(
                Kind::DuplicateKey,
                format!("the answer to reading {path} has the key {twice} twice"),
                "Vault does not answer so: look at what stands between here and Vault",
            ));
        }
        Ok(Self(entries))
    }

    /// The fields, out of the reply's buffer.
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

/// A JSON object with its keys as they came.
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

/// A value as an environment has it: text as it is, numbers, booleans, objects and arrays as their
/// JSON text.
pub fn value(raw: &RawValue, name: &str, path: &str) -> Result<SecretValue> {
    let bad = |why: &str, advice: &str| {
        Err(Error::new(Kind::BadValue, format!("the value of {name} at {path} {why}"), advice))
    };
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'"') => {
            let Ok(text) = serde_json::from_str::<String>(text).map(Zeroizing::new) else {
                return bad("is not valid text", "write it again as UTF-8");
            };
            if text.contains('\0') {
                return bad("holds a NUL byte, which no variable can", "store it encoded, as in base64");
            }
            Ok(SecretValue::from(text))
        }
        Some(b'n') => bad("is null", "give it a value, or remove the key"),
        Some(b'{' | b'[') if depth(text) > DEEPEST => Err(too_deep(&format!("the value of {name} at {path}"))),
        _ => Ok(SecretValue::new(text.as_bytes().to_vec())),
    }
}

fn too_deep(what: &str) -> Error {
    let advice = "Vault's own answers are shallow: store deep structures as text";
    Error::new(Kind::Malformed, format!("{what} is nested more than {DEEPEST} levels deep"), advice)
}

/// How deep brackets are nested; the text is valid JSON already.
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

/// A secret of KV version 2: its fields beside their metadata.
#[derive(Debug, Deserialize)]
pub struct Versioned<'a> {
    /// The fields; null when the version is deleted.
    #[serde(borrow, default)]
    pub data: Option<&'a RawValue>,
    /// Which version it is.
    pub metadata: VersionMetadata,
}

impl<'a> Versioned<'a> {
    /// Takes the data of an answer apart; `path` is for the message.
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

/// What version 2 says of a version.
#[derive(Debug, Deserialize)]
pub struct VersionMetadata {
    /// Counted from 1.
    pub version: u64,
}

/// The metadata of a version 2 secret.
#[derive(Debug, Deserialize)]
pub struct Metadata {
    /// The newest version, deleted or not; 0 when there is none yet.
    pub current_version: u64,
    /// What became of each that is kept.
    #[serde(default)]
    pub versions: std::collections::BTreeMap<String, VersionState>,
}

/// What became of a version.
#[derive(Debug, Deserialize)]
pub struct VersionState {
    /// When it was deleted; empty when it was not.
    #[serde(default)]
    pub deletion_time: String,
    /// Whether it can't come back.
    #[serde(default)]
    pub destroyed: bool,
}

/// A listing.
#[derive(Debug, Deserialize)]
pub struct Listing {
    /// The names; those of folders end with `/`.
    pub keys: Vec<String>,
}

/// What is mounted at a path.
#[derive(Debug, Deserialize)]
pub struct MountInfo {
    /// The engine.
    #[serde(rename = "type")]
    pub engine: String,
    /// The mount's path, with a `/` at the end.
    pub path: String,
    /// Its options, such as the KV version.
    #[serde(default)]
    pub options: Option<BTreeMap<String, String>>,
}

/// A token and its user, as a login's answer has them.
#[derive(Deserialize)]
pub struct Auth {
    /// The token.
    #[serde(default)]
    pub client_token: Zeroizing<String>,
    /// `service` or `batch`.
    #[serde(default)]
    pub token_type: Option<String>,
    /// The identity's id.
    #[serde(default)]
    pub entity_id: Option<String>,
    /// What the method knows of the user.
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, Option<String>>>,
    /// Its policies, those of its identity too.
    #[serde(default)]
    pub policies: Option<Vec<String>>,
    /// How long it lives, in seconds; 0: without end.
    #[serde(default)]
    pub lease_duration: u64,
    /// Whether that can be made longer.
    #[serde(default)]
    pub renewable: bool,
    /// How many requests it serves; 0: any number.
    #[serde(default)]
    pub num_uses: i64,
    /// There when a second factor is asked for.
    #[serde(default)]
    pub mfa_requirement: Option<Box<RawValue>>,
}

/// What a look-up of the own token answers.
#[derive(Deserialize)]
pub struct OwnToken {
    /// The identity's id.
    #[serde(default)]
    pub entity_id: Option<String>,
    /// The user's name behind the method's.
    #[serde(default)]
    pub display_name: Option<String>,
    /// Which login made it.
    #[serde(default)]
    pub path: Option<String>,
    /// What the method knew of the user.
    #[serde(default)]
    pub meta: Option<BTreeMap<String, Option<String>>>,
    /// Its own policies.
    #[serde(default)]
    pub policies: Option<Vec<String>>,
    /// Those of its identity.
    #[serde(default)]
    pub identity_policies: Option<Vec<String>>,
    /// How long it still lives, in seconds; 0: without end.
    #[serde(default)]
    pub ttl: u64,
    /// Whether that can be made longer.
    #[serde(default)]
    pub renewable: bool,
    /// Not 0 for a token with a period, which lives as long as it is renewed.
    #[serde(default)]
    pub period: u64,
    /// How many requests it serves after this one; 0: any number.
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
    fn values_are_text_as_it_is_and_the_rest_as_json() {
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
    fn nesting_is_counted_outside_of_text() {
        assert_eq!(depth(r#"{"a":"[[[\"[","b":[[1]]}"#), 3);
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(value(&raw(&deep), "K", "kv/a").unwrap_err().kind(), Kind::Malformed);
    }

    #[test]
    fn a_key_that_stands_twice_is_an_error() {
        let twice = raw(r#"{"A":"1","B":"2","A":"3"}"#);
        assert_eq!(Fields::parse(&twice, "kv/a").unwrap_err().kind(), Kind::DuplicateKey);
    }
}
