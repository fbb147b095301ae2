//! TLS with rustls and ring. A configured CA replaces the system's roots: only that CA is trusted, and a launch does
//! not parse a hundred and forty certificates to use one.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};

use super::ServerKind;
use super::options::Tls;
#[cfg(feature = "p521")]
use super::p521::provider;
use super::public_key::{SUPPORTED_KEYS, UnsupportedKey, unsupported_key, unsupported_spki};
use crate::error::{Error, Kind, Result};
use crate::sys::file::{self, AllowedWriters, ReadError};

/// The largest PEM file that is read, in bytes; a system's store has a quarter of a MiB.
const LARGEST: u64 = 4 << 20;

/// Builds a TLS configuration.
pub fn configuration(tls: &Tls) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(provider());
    let internal = |cause: rustls::Error| {
        Error::new(Kind::Internal, format!("TLS can't be set up: {cause}"), "report this as a bug")
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(internal)?;
    let builder = if tls.skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
    } else {
        let given = given(tls)?;
        let roots = Arc::new(roots(given.as_ref())?);
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), provider)
            .build()
            .map_err(|_| unusable("the CA certificates", "contain no usable certificate"))?;
        let given = given.map(|(given, _)| given).unwrap_or_default();
        builder.dangerous().with_custom_certificate_verifier(Arc::new(TrustedCertificates { given, roots, webpki }))
    };
    let mut config = match (&tls.client_cert, &tls.client_key) {
        (Some(cert), Some(key)) => {
            let chain = certificates(cert)?;
            let key_der = private_key(key)?;
            builder.with_client_auth_cert(chain, key_der).map_err(|_| {
                unusable(
                    &key.display().to_string(),
                    "is not the key of the client certificate, or neither RSA, P-256, P-384 nor Ed25519",
                )
            })?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => return Err(unusable("`client_cert` or `client_key`", "is set without the other")),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

#[cfg(not(feature = "p521"))]
fn provider() -> CryptoProvider {
    rustls::crypto::ring::default_provider()
}

/// Certificates, and where they came from.
type ConfiguredCertificates = (Vec<CertificateDer<'static>>, String);

/// The configured certificates, which are trusted in place of the system's.
fn given(tls: &Tls) -> Result<Option<ConfiguredCertificates>> {
    if let Some(text) = &tls.ca_cert_bytes {
        let found = CertificateDer::pem_slice_iter(text.as_bytes()).filter_map(Result::ok).collect();
        return Ok(Some((found, "VAULT_CACERT_BYTES".to_owned())));
    }
    if let Some(path) = &tls.ca_cert {
        return Ok(Some((certificates(path)?, path.display().to_string())));
    }
    let Some(folder) = &tls.ca_path else { return Ok(None) };
    let entries = std::fs::read_dir(folder).map_err(|cause| {
        unusable(&folder.display().to_string(), &format!("can't be read: {}", crate::error::why(cause.kind())))
    })?;
    let mut paths: Vec<_> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect();
    paths.sort();
    let found = paths.iter().filter_map(|path| certificates(path).ok()).flatten().collect();
    Ok(Some((found, folder.display().to_string())))
}

fn roots(given: Option<&ConfiguredCertificates>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (found, origin) = match given {
        Some((found, origin)) => (found.clone(), origin.as_str()),
        None => (rustls_native_certs::load_native_certs().certs, "the system's store of CA certificates"),
    };
    if roots.add_parsable_certificates(found).0 == 0 {
        return Err(unusable(origin, "contains no usable PEM certificate"));
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let shown = path.display().to_string();
    let text = pem(path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text).filter_map(Result::ok).collect();
    if found.is_empty() { Err(unusable(&shown, "contains no PEM certificate")) } else { Ok(found) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let text = pem(path)?;
    let is_encrypted = [&b"ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| text.windows(mark.len()).any(|window| window == *mark));
    let shown = path.display().to_string();
    if is_encrypted {
        let what = format!("the client key {shown} is encrypted, and a launch can't ask for its password");
        let advice = "decrypt it to a file that only this user can read: openssl pkey -in KEY -out NEW";
        return Err(Error::new(Kind::Config, what, advice));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| unusable(&shown, "contains no PEM private key"))
}

/// The text of a PEM file.
fn pem(path: &Path) -> Result<Vec<u8>> {
    let unread = |why: ReadError| unusable(&path.display().to_string(), &why.to_string());
    file::read(path, LARGEST, AllowedWriters::NotEveryone).map_err(unread)
}

fn unusable(what: &str, why: &str) -> Error {
    let advice = "check ca_cert, ca_path, client_cert and client_key under [vault], and variables such as VAULT_CACERT";
    Error::new(Kind::Config, format!("{what} {why}"), advice)
}

/// The error for a handshake that failed, or for the first read after it, with a cause that a user can act on.
pub fn failure(cause: &rustls::Error, peer: ServerKind, authority: &str) -> Error {
    use rustls::{AlertDescription as Alert, Error as Tls};
    let settings = peer.settings();
    let (kind, what, advice) = match cause {
        Tls::InvalidCertificate(why) if lacks_an_issuer(why) || *why == CertificateError::BadSignature => {
            (Kind::TlsUnknownIssuer, "its certificate comes from an unknown issuer", settings.ca)
        }
        Tls::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => (Kind::TlsWrongHost, "its certificate is for another host name", settings.name),
        Tls::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => (
            Kind::TlsExpired,
            "its certificate is expired or not valid yet",
            "have the certificate renewed, and check this machine's clock",
        ),
        Tls::InvalidCertificate(why) => {
            let (what, advice) = match as_unsupported_key(why) {
                Some(key) => {
                    (format!("{key}, which is not supported"), format!("have it replaced by one of {SUPPORTED_KEYS}"))
                }
                None => (
                    "its certificate is not acceptable".to_owned(),
                    format!("inspect it: openssl s_client -connect {authority}"),
                ),
            };
            return Error::new(
                Kind::Tls,
                format!("no TLS connection to {} at {authority}: {what}", peer.name()),
                advice,
            );
        }
        Tls::InvalidMessage(_) => (
            Kind::TlsToPlainHttp,
            "it does not speak TLS",
            "if that port is plain HTTP, write the address with http://",
        ),
        Tls::AlertReceived(Alert::CertificateRequired | Alert::BadCertificate | Alert::UnknownCA) => {
            (Kind::Tls, "it rejected the client certificate, or requires one", settings.client)
        }
        // The server's alert does not say which of these is wrong.
        _ => {
            return Error::new(
                Kind::Tls,
                format!("no TLS connection to {} at {authority}: the TLS handshake failed", peer.name()),
                format!(
                    "check that both sides have a TLS version (1.2 or 1.3), a cipher and a kind of key in common: a key of \
                     {SUPPORTED_KEYS}"
                ),
            );
        }
    };
    Error::new(kind, format!("no TLS connection to {} at {authority}: {what}", peer.name()), advice)
}

/// `VAULT_SKIP_VERIFY`: encrypts, but does not verify the server's identity.
#[derive(Debug)]
struct AcceptAny(Arc<CryptoProvider>);

impl ServerCertVerifier for AcceptAny {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        name_unsupported_key(rustls::crypto::verify_tls12_signature(message, cert, signature, algorithms), cert)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        name_unsupported_key(rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms), cert)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether a signature of the chain could not be checked, or is not that of a trusted issuer.
fn may_be_key_error(why: &CertificateError) -> bool {
    use CertificateError as Why;
    matches!(why, Why::BadSignature | Why::Other(_))
        || lacks_an_issuer(why)
        || matches!(
            why,
            Why::UnsupportedSignatureAlgorithmContext { .. }
                | Why::UnsupportedSignatureAlgorithmForPublicKeyContext { .. }
        )
}

/// Whether the only fault of a certificate is its issuer. Dates are checked before the issuer, so they are right.
fn lacks_an_issuer(why: &CertificateError) -> bool {
    match why {
        CertificateError::UnknownIssuer => true,
        // webpki's own error, for which rustls has no name.
        CertificateError::Other(other) => format!("{other:?}").contains("CaUsedAsEndEntity"),
        _ => false,
    }
}

/// The key that caused the failure, if it is one that is not accepted.
fn as_unsupported_key(why: &CertificateError) -> Option<&UnsupportedKey> {
    match why {
        CertificateError::Other(OtherError(other)) => other.downcast_ref(),
        _ => None,
    }
}

/// Adds the key's kind to a failed check of a signature, if the key is the cause.
fn name_unsupported_key<T>(
    outcome: Result<T, rustls::Error>,
    certificate: &CertificateDer<'_>,
) -> Result<T, rustls::Error> {
    outcome.map_err(|cause| unsupported_key(certificate).map_or(cause, |kind| refused(true, kind)))
}

fn refused(is_servers: bool, kind: String) -> rustls::Error {
    CertificateError::Other(OtherError(Arc::new(UnsupportedKey { is_servers, kind }))).into()
}

/// The trusted certificates: the roots, and each given certificate itself. A server that shows a given certificate,
/// byte for byte, is trusted even if that certificate is a CA (`openssl req -x509`) or its issuer is not given; its
/// name and dates are checked.
#[derive(Debug)]
struct TrustedCertificates {
    given: Vec<CertificateDer<'static>>,
    roots: Arc<RootCertStore>,
    webpki: Arc<WebPkiServerVerifier>,
}

impl TrustedCertificates {
    /// The key in the chain that is not accepted, so that no signature by it can be checked.
    fn unsupported_key_in_chain(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
    ) -> Option<rustls::Error> {
        if let Some(kind) = unsupported_key(end_entity) {
            return Some(refused(true, kind));
        }
        let names = |name: &[u8]| {
            let mut chain = std::iter::once(end_entity).chain(intermediates);
            chain.any(|certificate| certificate.windows(name.len().max(1)).any(|window| window == name))
        };
        let root_key = || {
            let mut issuers = self.roots.roots.iter().filter(|root| names(&root.subject));
            issuers.find_map(|root| unsupported_spki(&root.subject_public_key_info))
        };
        intermediates.iter().find_map(unsupported_key).or_else(root_key).map(|kind| refused(false, kind))
    }
}

impl ServerCertVerifier for TrustedCertificates {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let webpki = self.webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let Err(rustls::Error::InvalidCertificate(why)) = &webpki else { return webpki };
        if lacks_an_issuer(why) && self.given.iter().any(|given| given.as_ref() == end_entity.as_ref()) {
            verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
            return Ok(ServerCertVerified::assertion());
        }
        if may_be_key_error(why) {
            return self.unsupported_key_in_chain(end_entity, intermediates).map_or(webpki, Err);
        }
        webpki
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        name_unsupported_key(self.webpki.verify_tls12_signature(message, cert, signature), cert)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        name_unsupported_key(self.webpki.verify_tls13_signature(message, cert, signature), cert)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }
}
