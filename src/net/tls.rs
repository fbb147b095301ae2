//! TLS by rustls and ring. A CA that was given replaces the system's roots: then only it is trusted,
//! and a launch does not parse a hundred and forty certificates to use one.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use super::Peer;
use super::options::Tls;
use crate::error::{Error, Kind, Result};
use crate::sys::file::{self, Unread, Writers};

/// The largest PEM file taken, in bytes: the system's own store has a quarter of a MiB.
const LARGEST: u64 = 4 << 20;

/// Builds a TLS configuration.
pub fn configuration(tls: &Tls) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let internal = |cause: rustls::Error| {
        Error::new(Kind::Internal, format!("TLS can't be set up: {cause}"), "report this as a defect")
    };
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(internal)?;
    let builder = if tls.skip_verify {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AcceptAny(provider)))
    } else {
        let given = given(tls)?;
        let roots = Arc::new(roots(given.as_ref())?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider)
            .build()
            .map_err(|_| unusable("the CA certificates", "hold no usable certificate"))?;
        match given {
            // A server's own certificate may be among them.
            Some((given, _)) => {
                let pinned = Pinned { given, usual: verifier };
                builder.dangerous().with_custom_certificate_verifier(Arc::new(pinned))
            }
            None => builder.with_webpki_verifier(verifier),
        }
    };
    let mut config = match (&tls.client_cert, &tls.client_key) {
        (Some(cert), Some(key)) => {
            let chain = certificates(cert)?;
            let key_der = private_key(key)?;
            builder.with_client_auth_cert(chain, key_der).map_err(|_| {
                unusable(&key.display().to_string(), "is not the key of the client certificate, or of an unknown kind")
            })?
        }
        (None, None) => builder.with_no_client_auth(),
        _ => return Err(unusable("`client_cert` or `client_key`", "is set without the other")),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Certificates, and where they came from.
type Given = (Vec<CertificateDer<'static>>, String);

/// The certificates that are trusted in place of the system's, if any are named.
fn given(tls: &Tls) -> Result<Option<Given>> {
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

fn roots(given: Option<&Given>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (found, origin) = match given {
        Some((found, origin)) => (found.clone(), origin.as_str()),
        None => (rustls_native_certs::load_native_certs().certs, "the system's store of CA certificates"),
    };
    if roots.add_parsable_certificates(found).0 == 0 {
        return Err(unusable(origin, "holds no usable certificate in PEM form"));
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let shown = path.display().to_string();
    let text = pem(path)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&text).filter_map(Result::ok).collect();
    if found.is_empty() { Err(unusable(&shown, "holds no certificate in PEM form")) } else { Ok(found) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let text = pem(path)?;
    let is_encrypted = [&b"ENCRYPTED PRIVATE KEY"[..], b"Proc-Type: 4,ENCRYPTED"]
        .iter()
        .any(|mark| text.windows(mark.len()).any(|window| window == *mark));
    let shown = path.display().to_string();
    if is_encrypted {
        let what = format!("the client key {shown} is encrypted, and a launch has no one to ask for its password");
        let advice = "decrypt it into a file that only this user may read: openssl pkey -in KEY -out NEW";
        return Err(Error::new(Kind::Config, what, advice));
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|_| unusable(&shown, "holds no private key in PEM form"))
}

/// The text of a PEM file.
fn pem(path: &Path) -> Result<Vec<u8>> {
    let unread = |why: Unread| unusable(&path.display().to_string(), &why.to_string());
    file::read(path, LARGEST, Writers::NotEveryone).map_err(unread)
}

fn unusable(what: &str, why: &str) -> Error {
    let advice = "check ca_cert, ca_path, client_cert and client_key under [vault], and VAULT_CACERT and its kin";
    Error::new(Kind::Config, format!("{what} {why}"), advice)
}

/// The failure of a handshake, or of the first read after it, as the cause a person can act on.
pub fn failure(cause: &rustls::Error, peer: Peer, authority: &str) -> Error {
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
        Tls::InvalidCertificate(_) => {
            let inspect = format!("inspect it: openssl s_client -connect {authority}");
            return Error::new(
                Kind::Tls,
                format!("no TLS connection to {} at {authority}: its certificate is not acceptable", peer.name()),
                inspect,
            );
        }
        Tls::InvalidMessage(_) => (
            Kind::TlsToPlainHttp,
            "it does not speak TLS",
            "if that port is plain HTTP, write the address with http://",
        ),
        Tls::AlertReceived(Alert::CertificateRequired | Alert::BadCertificate | Alert::UnknownCA) => {
            (Kind::Tls, "it did not accept our client certificate, or asks for one", settings.client)
        }
        _ => (Kind::Tls, "the TLS handshake failed", "check that both sides have a TLS version and cipher in common"),
    };
    Error::new(kind, format!("no TLS connection to {} at {authority}: {what}", peer.name()), advice)
}

/// `VAULT_SKIP_VERIFY`: encrypts, and knows nothing of who is at the other end.
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
        rustls::crypto::verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether only who has issued it is wrong with a certificate. Its dates come before that: they are right then.
fn lacks_an_issuer(why: &CertificateError) -> bool {
    match why {
        CertificateError::UnknownIssuer => true,
        // webpki's own error, for which rustls has no name.
        CertificateError::Other(other) => format!("{other:?}").contains("CaUsedAsEndEntity"),
        _ => false,
    }
}

/// Certificates that were given: as issuers, and as what they are. A server that shows one of them, byte for byte, is
/// trusted though it calls itself a CA (`openssl req -x509`) or its issuer is not given; name and dates are checked.
#[derive(Debug)]
struct Pinned {
    given: Vec<CertificateDer<'static>>,
    usual: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let usual = self.usual.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        let is_given = || self.given.iter().any(|given| given.as_ref() == end_entity.as_ref());
        match &usual {
            Err(rustls::Error::InvalidCertificate(why)) if lacks_an_issuer(why) && is_given() => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            _ => usual,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls12_signature(message, cert, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.usual.verify_tls13_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.usual.supported_verify_schemes()
    }
}
