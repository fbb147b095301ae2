//! Signatures by P-521 keys, which ring does not verify.
//!
//! Government profiles and some company CAs require this curve, and Vault's own client supports it. rustls's other
//! provider, aws-lc-rs, supports it too, but costs tens of milliseconds at each start. So ring stays, and the `p521`
//! crate verifies the signatures of peers with such a key. It only sees public data.

use std::sync::LazyLock;

use p521::ecdsa::signature::hazmat::PrehashVerifier;
use p521::ecdsa::{DerSignature, VerifyingKey};
use ring::digest::{self, digest};
use rustls::SignatureScheme;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring as with_ring};
use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id};

type Algorithm = &'static dyn SignatureVerificationAlgorithm;

/// ECDSA on this curve, with one digest.
#[derive(Debug)]
struct P521 {
    digest: &'static digest::Algorithm,
    signature: AlgorithmIdentifier,
}

static SHA256: P521 = P521 { digest: &digest::SHA256, signature: alg_id::ECDSA_SHA256 };
static SHA384: P521 = P521 { digest: &digest::SHA384, signature: alg_id::ECDSA_SHA384 };
static SHA512: P521 = P521 { digest: &digest::SHA512, signature: alg_id::ECDSA_SHA512 };

impl SignatureVerificationAlgorithm for P521 {
    fn verify_signature(&self, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let key = VerifyingKey::from_sec1_bytes(public_key).map_err(|_| InvalidSignature)?;
        let signature = DerSignature::from_bytes(signature).map_err(|_| InvalidSignature)?;
        let digest = digest(self.digest, message);
        key.verify_prehash(digest.as_ref(), &signature).map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::ECDSA_P521
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

/// The algorithms of ring and of this module.
static ALGORITHMS: LazyLock<WebPkiSupportedAlgorithms> = LazyLock::new(|| {
    let rings = with_ring::default_provider().signature_verification_algorithms;
    let ours: [Algorithm; 3] = [&SHA256, &SHA384, &SHA512];
    let mut mapping: Vec<(SignatureScheme, &[Algorithm])> = rings.mapping.to_vec();
    for (scheme, algorithms) in &mut mapping {
        // A TLS 1.2 scheme names only the digest; the key has the curve.
        let more: Algorithm = match scheme {
            SignatureScheme::ECDSA_NISTP256_SHA256 => &SHA256,
            SignatureScheme::ECDSA_NISTP384_SHA384 => &SHA384,
            _ => continue,
        };
        *algorithms = [*algorithms, &[more]].concat().leak();
    }
    mapping.push((SignatureScheme::ECDSA_NISTP521_SHA512, vec![ours[2]].leak()));
    WebPkiSupportedAlgorithms { all: [rings.all, &ours].concat().leak(), mapping: mapping.leak() }
});

/// The provider: ring, which also verifies signatures on this curve.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider { signature_verification_algorithms: *ALGORITHMS, ..with_ring::default_provider() }
}
