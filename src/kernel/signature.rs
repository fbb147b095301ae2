//! The signature of a message: an HMAC over its four JSON parts, in hexadecimal.
//!
//! Any process that can connect to a kernel's port can send it bytes; only one that can read the connection file can
//! sign it. Verification takes constant time.

use ring::hmac;

/// A signature scheme of connection files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `hmac-sha256`, the one that Jupyter uses.
    Sha256,
    /// `hmac-sha384`.
    Sha384,
    /// `hmac-sha512`.
    Sha512,
    /// `hmac-sha1`.
    Sha1,
}

impl Scheme {
    /// The scheme called `name`.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "hmac-sha256" => Some(Self::Sha256),
            "hmac-sha384" => Some(Self::Sha384),
            "hmac-sha512" => Some(Self::Sha512),
            "hmac-sha1" => Some(Self::Sha1),
            _ => None,
        }
    }

    const fn algorithm(self) -> hmac::Algorithm {
        match self {
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        }
    }
}

/// Signs and verifies, or does neither when the connection file has no key.
pub struct Signer(Option<hmac::Key>);

impl std::fmt::Debug for Signer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(if self.0.is_some() { "Signer" } else { "Signer(none)" })
    }
}

impl Signer {
    /// A signer with `key`; with an empty one, messages are not signed.
    pub fn new(scheme: Scheme, key: &[u8]) -> Self {
        Self((!key.is_empty()).then(|| hmac::Key::new(scheme.algorithm(), key)))
    }

    /// The signature of `parts`.
    pub fn sign(&self, parts: &[&[u8]]) -> Vec<u8> {
        let Some(key) = &self.0 else { return Vec::new() };
        let tag = tag(key, parts);
        tag.as_ref().iter().flat_map(|byte| [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]).collect()
    }

    /// Whether `signature` is that of `parts`.
    pub fn verify(&self, signature: &[u8], parts: &[&[u8]]) -> bool {
        let Some(key) = &self.0 else { return true };
        let Some(given) = from_hex(signature) else { return false };
        // ring's `verify` takes the message as one slice. So that a large message is not copied, its tag is computed
        // part by part, and the two tags are compared by their own HMACs, in constant time.
        hmac::verify(key, &given, hmac::sign(key, tag(key, parts).as_ref()).as_ref()).is_ok()
    }
}

fn tag(key: &hmac::Key, parts: &[&[u8]]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in parts {
        context.update(part);
    }
    context.sign()
}

const HEX: &[u8; 16] = b"0123456789abcdef";

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, []) = text.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::{Scheme, Signer};

    #[test]
    fn the_signature_is_pythons() {
        // hmac.new(b"key", b"The quick brown fox jumps over the lazy dog", "sha256").hexdigest()
        let signer = Signer::new(Scheme::Sha256, b"key");
        let parts: [&[u8]; 4] = [b"The quick ", b"brown fox ", b"jumps over ", b"the lazy dog"];
        let signature = signer.sign(&parts);
        assert_eq!(signature, b"f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
        assert!(signer.verify(&signature, &parts));
        assert!(!signer.verify(&signature, &parts[..3]));
        assert!(
            !signer.verify(&signature[..62], &parts) && !signer.verify(b"", &parts) && !signer.verify(b"x", &parts)
        );
    }

    #[test]
    fn without_a_key_nothing_is_signed() {
        let signer = Signer::new(Scheme::Sha256, b"");
        assert!(signer.sign(&[b"x"]).is_empty() && signer.verify(b"", &[b"x"]));
    }
}
