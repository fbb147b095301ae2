//! The address of Vault: a URL with a host, or a unix socket.

use std::borrow::Cow;
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
    /// The part of the path before `/v1`: empty, or `/prefix`.
    pub prefix: String,
}

impl Tcp {
    /// `host:port`, always with the port, and with brackets around an IPv6 address.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The host and port of a URI: of a configured address, a redirect or a proxy.
    pub fn from_uri(uri: &Uri) -> Result<Self, InvalidUri> {
        let (https, usual) = match uri.scheme_str() {
            Some("https") => (true, 443),
            Some("http") => (false, 80),
            _ => return Err(InvalidUri::Url),
        };
        let host = host(uri).ok_or(InvalidUri::Url)?.to_ascii_lowercase();
        let port = port(uri)?.unwrap_or(usual);
        Ok(Self { https, host, port, prefix: uri.path().trim_end_matches('/').to_owned() })
    }
}

/// Why a URI is not usable as an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidUri {
    /// It is not `http://` or `https://` with a host.
    Url,
    /// The text after the host's colon is not a port.
    Port,
}

impl InvalidUri {
    /// The end of a sentence that begins with what the URI is.
    pub const fn why(self) -> &'static str {
        match self {
            Self::Url => "has no http:// or https:// and host",
            Self::Port => "has a port that is not 1–65535",
        }
    }
}

/// The port in a URI, if there is one. It is read from the text: the `http` crate ignores a port that is out of range,
/// and the request would then go to the scheme's default port.
fn port(uri: &Uri) -> Result<Option<u16>, InvalidUri> {
    let authority = uri.authority().map(http::uri::Authority::as_str).unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let after_host = if place.starts_with('[') { place.rfind(']').map(|end| &place[end + 1..]) } else { Some(place) };
    match after_host.and_then(|rest| rest.split_once(':')) {
        None => Ok(None),
        Some((_, digits)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok().filter(|port| *port > 0).map(Some).ok_or(InvalidUri::Port)
        }
        Some(_) => Err(InvalidUri::Port),
    }
}

/// Whether a URL that does not parse has an invalid port: the `http` crate refuses some of these itself.
pub fn has_bad_port(text: &str) -> bool {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
    let after_host = if place.starts_with('[') { place.rfind(']').map_or("", |end| &place[end + 1..]) } else { place };
    after_host
        .split_once(':')
        .is_some_and(|(_, port)| port.parse().is_ok_and(|port: u16| port == 0) || port.parse::<u16>().is_err())
}

/// The host of a URI, IPv6 without its brackets; `None` if it is not a host.
pub fn host(uri: &Uri) -> Option<&str> {
    let host = uri.host()?;
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').filter(|inner| inner.parse::<Ipv6Addr>().is_ok()),
        None => Some(host).filter(|name| !name.is_empty() && !name.contains(['[', ']', ':'])),
    }
}

/// A host's name in ASCII, as in name servers and certificates (IDNA); unchanged if it has no such form.
pub fn ascii(host: &str) -> Cow<'_, str> {
    if host.is_ascii() { Cow::Borrowed(host) } else { encoded(host) }
}

#[cfg(feature = "manage")]
fn encoded(host: &str) -> Cow<'_, str> {
    idna::domain_to_ascii(host).map_or(Cow::Borrowed(host), Cow::Owned)
}

/// The launcher-only build only converts to lower case, without Unicode normalization: its tables would be a twentieth
/// of the program.
#[cfg(not(feature = "manage"))]
fn encoded(host: &str) -> Cow<'_, str> {
    let label = |label: &str| {
        if label.is_ascii() {
            return Some(label.to_owned());
        }
        idna::punycode::encode_str(&label.to_lowercase()).map(|encoded| format!("xn--{encoded}"))
    };
    let labels = host.split(['.', '\u{3002}', '\u{ff0e}', '\u{ff61}']).map(label).collect::<Option<Vec<_>>>();
    labels.map_or(Cow::Borrowed(host), |labels| Cow::Owned(labels.join(".")))
}

/// The text of a URL, its host in ASCII.
fn with_ascii_host(text: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = text.split_once("://").filter(|_| !text.is_ascii()) else { return Cow::Borrowed(text) };
    let host = rest.find(['/', ':', '?', '#']).unwrap_or(rest.len());
    Cow::Owned(format!("{scheme}://{}{}", ascii(&rest[..host]), &rest[host..]))
}

impl Address {
    /// Parses `text`, a setting from `origin`.
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
        let text = &*with_ascii_host(text.trim());
        let why = if has_bad_port(text) { InvalidUri::Port.why() } else { "is not a URL" };
        let uri: Uri = text.parse().map_err(|_| wrong(why, example))?;
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(wrong(
                "contains a user name or password",
                "remove what is before the @; configure a login under [auth]",
            ));
        }
        if uri.query().is_some() || text.contains('#') {
            return Err(wrong("has a query or fragment", example));
        }
        let tcp = Tcp::from_uri(&uri).map_err(|why| wrong(why.why(), example))?;
        if tcp.prefix.ends_with("/v1") {
            return Err(wrong("ends with /v1", "leave out /v1: it is added"));
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
            ("https://B\u{fc}cher.example:8200/x", "https://xn--bcher-kva.example:8200/x"),
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
    fn a_port_that_is_none_is_refused_and_becomes_no_other() {
        for port in ["82000", "65536", "82x0", "-1", "", "0", "99999999999999999999", "+80", " 80", "80:80"] {
            for host in ["127.0.0.1", "vault.example.org", "[::1]"] {
                for scheme in ["http", "https"] {
                    for rest in ["", "/", "/gate/"] {
                        let text = format!("{scheme}://{host}:{port}{rest}");
                        let refused = Address::parse(&text, "VAULT_ADDR").unwrap_err();
                        assert!(refused.what().contains("a port that is not 1–65535"), "{text}: {refused}");
                    }
                }
            }
        }
        assert!(Address::parse("http://h:00080", "x").unwrap().to_string().ends_with(":80"));
    }

    #[test]
    fn an_address_with_a_password_is_refused_and_not_shown() {
        let refused = Address::parse("https://ada:canary@vault", "VAULT_ADDR").unwrap_err();
        assert!(!refused.to_string().contains("canary"));
    }
}
