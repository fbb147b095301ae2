//! The address of Vault: a URL with a host, or a unix socket.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use http::Uri;

use crate::error::{Error, Kind, Result};

/// Where Vault (or an agent before it) listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// `http://` or `https://`.
    Tcp(Tcp),
    /// `unix:///path`.
    Unix(PathBuf),
}

/// A host and how to talk to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// Whether the connection is TLS.
    pub https: bool,
    /// The host's name or IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What stands before `/v1` in the path: empty, or `/prefix`.
    pub prefix: String,
}

impl Tcp {
    /// `host:port`, with brackets around an IPv6 address; the port always stands.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The same place named by another URI, as a redirect does. `None` if it is no http(s) URL.
    pub fn from_uri(uri: &Uri) -> Option<Self> {
        let https = match uri.scheme_str()? {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = host(uri)?.to_ascii_lowercase();
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
        Some(Self { https, host, port, prefix: uri.path().trim_end_matches('/').to_owned() })
    }
}

/// The host of a URI, IPv6 without its brackets. `None` if what stands there is none.
pub fn host(uri: &Uri) -> Option<&str> {
    let host = uri.host()?;
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').filter(|inner| inner.parse::<Ipv6Addr>().is_ok()),
        None => Some(host).filter(|name| !name.is_empty() && !name.contains(['[', ']', ':'])),
    }
}

impl Address {
    /// Parses `text`, which was set at `origin`.
    pub fn parse(text: &str, origin: &str) -> Result<Self> {
        let wrong =
            |what: &str, advice: &str| Error::new(Kind::Config, format!("the address in {origin} {what}"), advice);
        if let Some(path) = text.strip_prefix("unix://") {
            if !path.starts_with('/') {
                return Err(wrong("is not an absolute socket path", "write unix:///run/vault-agent.sock"));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let example = "write it as https://vault.example.org:8200 or unix:///run/vault-agent.sock";
        let uri: Uri = text.trim().parse().map_err(|_| wrong("is not a URL", example))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong("holds a user name or password", "remove what stands before the @; log in with [auth]"));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(wrong("has a query or fragment", example));
        }
        let tcp = Tcp::from_uri(&uri).ok_or_else(|| wrong("has no http:// or https:// and host", example))?;
        if tcp.prefix.ends_with("/v1") {
            return Err(wrong("ends with /v1", "leave /v1 out: it is added"));
        }
        Ok(Self::Tcp(tcp))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(tcp) => {
                write!(out, "{}://{}{}", if tcp.https { "https" } else { "http" }, tcp.authority(), tcp.prefix)
            }
            Self::Unix(path) => write!(out, "unix://{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn addresses_are_urls_or_sockets() {
        for (text, shown) in [
            ("https://Vault.example.org", "https://vault.example.org:443"),
            ("http://127.0.0.1:8200/", "http://127.0.0.1:8200"),
            ("https://[::1]:8200/gate/", "https://[::1]:8200/gate"),
            ("unix:///run/agent.sock", "unix:///run/agent.sock"),
        ] {
            assert_eq!(Address::parse(text, "x").unwrap().to_string(), shown);
        }
        for text in [
            "",
            "vault:8200",
            "127.0.0.1:8200",
            "ftp://x",
            "http://",
            "unix://rel",
            "http://a/?q",
            "http://a/v1/",
            "http://[8:]",
            "http://a[::1]:82",
            "http://,,,,[8:]82",
        ] {
            assert!(Address::parse(text, "x").is_err(), "{text}");
        }
    }

    #[test]
    fn an_address_with_a_password_is_refused_and_not_shown() {
        let refused = Address::parse("https://ada:canary@vault", "VAULT_ADDR").unwrap_err();
        assert!(!refused.to_string().contains("canary"));
    }
}
