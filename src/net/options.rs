//! The options of a connection: certificates, and a proxy.

use std::path::PathBuf;

/// Files and switches of TLS.
#[derive(Debug, Default, Clone)]
pub struct Tls {
    /// A file of PEM certificates that replaces the system's roots.
    pub ca_cert: Option<PathBuf>,
    /// The text of such a file.
    pub ca_cert_bytes: Option<String>,
    /// A folder of such files.
    pub ca_path: Option<PathBuf>,
    /// The client's certificate chain.
    pub client_cert: Option<PathBuf>,
    /// The client's key.
    pub client_key: Option<PathBuf>,
    /// The name to check the server's certificate against, in place of the address's host.
    pub server_name: Option<String>,
    /// Whether to accept any certificate.
    pub skip_verify: bool,
}

/// The configured proxies. A proxy's URL may contain a password, so `Debug` shows only whether one is set.
#[derive(Default, Clone)]
pub struct Proxy {
    /// The proxy for Vault only.
    pub for_vault: Option<String>,
    /// `HTTP_PROXY`.
    pub http: Option<String>,
    /// `HTTPS_PROXY`.
    pub https: Option<String>,
    /// `NO_PROXY`.
    pub none: Option<String>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let set = self.for_vault.is_some() || self.http.is_some() || self.https.is_some();
        write!(out, "Proxy({})", if set { "set" } else { "none" })
    }
}
