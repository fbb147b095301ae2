//! Connections to any server: a deadline, a stream, TLS.
//!
//! Connections to Vault and to Jupyter servers are made in the same way, and fail in the same way; [`ServerKind`] names
//! the server in an error.

pub mod address;
pub mod connect;
pub mod deadline;
mod no_proxy;
pub mod options;
#[cfg(feature = "p521")]
mod p521;
pub mod proxy;
mod public_key;
mod stream;
pub mod tls;

/// The kind of server, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// Vault, or an agent before it.
    Vault,
    /// A Jupyter server or gateway.
    Jupyter,
}

impl ServerKind {
    /// Its name in a sentence.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vault => "Vault",
            Self::Jupyter => "the Jupyter server",
        }
    }

    /// What to do if its certificate, or the client certificate, is not accepted.
    const fn settings(self) -> CertificateAdvice {
        match self {
            Self::Vault => CertificateAdvice {
                ca: "name the CA that signed it: `ca_cert` under [vault], or VAULT_CACERT",
                name: "use the name in the certificate as the address, or set `tls_server_name` under [vault]",
                client: "set `client_cert` and `client_key` under [vault] to a pair that Vault's listener trusts",
            },
            Self::Jupyter => CertificateAdvice {
                ca: "name the CA that signed it: --ca-cert FILE",
                name: "use the name in the certificate in --url",
                client: "use an address of the server that requires no client certificate",
            },
        }
    }
}

/// Advice on certificates.
struct CertificateAdvice {
    ca: &'static str,
    name: &'static str,
    client: &'static str,
}
