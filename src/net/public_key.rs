//! The public keys that TLS accepts here, and names for the others.
//!
//! If a key is too weak, or of a kind that no provider supports, its signature can't be checked, and the error is
//! "unknown issuer" or a handshake failure without a reason. So the key itself is examined.

use std::fmt;

use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode, Reader, SliceReader};
use rustls::pki_types::CertificateDer;
use rustls::server::ParsedCertificate;

/// The accepted keys, for an error's advice.
pub(super) const SUPPORTED_KEYS: &str = if cfg!(feature = "p521") {
    "RSA with 2048 to 8192 bits, P-256, P-384, P-521 or Ed25519"
} else {
    "RSA with 2048 to 8192 bits, P-256, P-384 or Ed25519"
};

/// The kinds of keys, by their object identifiers.
const KINDS: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.10", "RSA for PSS only"),
    ("1.2.840.10040.4.1", "DSA"),
    ("1.3.101.113", "Ed448"),
    ("1.2.840.10045.3.1.1", "P-192"),
    ("1.3.132.0.33", "P-224"),
    ("1.3.132.0.35", "P-521"),
    ("1.3.132.0.10", "secp256k1"),
    ("1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"),
    ("1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"),
    ("1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"),
    ("1.2.156.10197.1.301", "SM2"),
];
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ELLIPTIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
/// P-256, P-384, P-521.
const CURVES: &[ObjectIdentifier] = &[
    ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
    ObjectIdentifier::new_unwrap("1.3.132.0.34"),
    #[cfg(feature = "p521")]
    ObjectIdentifier::new_unwrap("1.3.132.0.35"),
];

/// A key that this program refuses: its owner and its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnsupportedKey {
    /// Whether it is the server's own, and not an issuer's.
    pub is_servers: bool,
    /// Its kind, such as `RSA with 1024 bits`.
    pub kind: String,
}

impl fmt::Display for UnsupportedKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whose = if self.is_servers { "its key" } else { "a key that its certificate is signed with" };
        write!(out, "{whose} is {}", self.kind)
    }
}

impl std::error::Error for UnsupportedKey {}

/// The kind of `certificate`'s key, if it is not accepted.
pub(super) fn unsupported_key(certificate: &CertificateDer<'_>) -> Option<String> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    unsupported_spki_info(parsed.subject_public_key_info().as_ref())
}

/// As [`unsupported_key`], for a SubjectPublicKeyInfo.
fn unsupported_spki_info(info: &[u8]) -> Option<String> {
    SliceReader::new(info).ok()?.sequence(check_spki).ok()?
}

/// As [`unsupported_key`], for the content of a SubjectPublicKeyInfo.
pub(super) fn unsupported_spki(content: &[u8]) -> Option<String> {
    check_spki(&mut SliceReader::new(content).ok()?).ok()?
}

fn check_spki<'a>(reader: &mut SliceReader<'a>) -> der::Result<Option<String>> {
    let (algorithm, curve) = reader.sequence(|reader: &mut SliceReader<'a>| {
        let algorithm = ObjectIdentifier::decode(reader)?;
        let curve = Option::<AnyRef<'a>>::decode(reader)?.and_then(|parameter| parameter.decode_as().ok());
        der::Result::Ok((algorithm, curve))
    })?;
    let key = BitStringRef::decode(reader)?;
    match (algorithm, curve) {
        (ED25519, _) => Ok(None),
        (ELLIPTIC, Some(curve)) if CURVES.contains(&curve) => Ok(None),
        (ELLIPTIC, Some(curve)) => Ok(Some(named(curve))),
        (RSA, _) => {
            let bits = modulus_bits(key.raw_bytes())?;
            Ok((!(2048..=8192).contains(&bits)).then(|| format!("RSA with {bits} bits")))
        }
        _ => Ok(Some(named(algorithm))),
    }
}

/// The length of an RSA key's modulus.
fn modulus_bits(key: &[u8]) -> der::Result<usize> {
    SliceReader::new(key)?.sequence(|reader: &mut SliceReader<'_>| {
        let modulus = UintRef::decode(reader)?;
        UintRef::decode(reader)?;
        let first = modulus.as_bytes().first().copied().unwrap_or_default();
        der::Result::Ok(modulus.as_bytes().len() * 8 - first.leading_zeros() as usize)
    })
}

fn named(kind: ObjectIdentifier) -> String {
    let identifier = kind.to_string();
    let known = KINDS.iter().find(|(known, _)| *known == identifier);
    known.map_or_else(|| format!("of the kind {identifier}"), |(_, name)| (*name).to_owned())
}
