//! The URL of a Jupyter server, as Jupyter prints it, as a hub links to it, or as in the server's own file.

use std::path::PathBuf;

use http::Uri;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::error::{Error, Kind, Result};
use crate::net::address::{Address, InvalidUri, Tcp, has_bad_port};

/// The address of a server, and the prefix of its URL paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The address where it listens.
    pub address: Address,
    /// The prefix of a server on a socket, whose address can't contain one.
    below: String,
}

impl Base {
    /// The server at `address`, which includes the prefix. On a socket, the prefix is `base_url`.
    pub fn new(address: Address, base_url: &str) -> Self {
        let on_socket = matches!(address, Address::Unix(_));
        let below = base_url.trim_matches('/');
        let below = if on_socket && !below.is_empty() { format!("/{below}") } else { String::new() };
        Self { address, below }
    }

    /// The URL's path before `/api`, without a trailing slash.
    pub fn prefix(&self) -> &str {
        match &self.address {
            Address::Tcp(tcp) => &tcp.prefix,
            Address::Unix(_) => &self.below,
        }
    }

    /// Whether this is the address of the server `found`. A socket belongs to one server, so its prefix does not matter.
    pub fn names(&self, found: &Self) -> bool {
        self.address == found.address && (self.below.is_empty() || self.below == found.below)
    }
}

impl std::fmt::Display for Base {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.address {
            Address::Unix(path) if !self.below.is_empty() => {
                let path = path.to_string_lossy();
                write!(out, "http+unix://{}{}", utf8_percent_encode(&path, NON_ALPHANUMERIC), self.below)
            }
            address => write!(out, "{address}"),
        }
    }
}

/// Parses the URL of a server: `http://`, `https://`, `http+unix://` with an encoded path, `unix:///path`.
/// The path's prefix is kept: `/user/NAME` behind a hub.
pub fn parse(text: &str) -> Result<Base> {
    let wrong = |what: &str, advice: &str| Error::new(Kind::Usage, format!("the URL of --url {what}"), advice);
    let example = "write it as https://hub.example.org/user/ada/ or unix:///run/jupyter.sock";
    if let Some(path) = text.strip_prefix("unix://") {
        if !path.starts_with('/') {
            return Err(wrong("is not an absolute socket path", example));
        }
        return Ok(Base::new(Address::Unix(PathBuf::from(path)), ""));
    }
    let query = || wrong("has a query", "remove the ? and what follows it; pass a token in a file: --token-file FILE");
    if let Some(rest) = text.strip_prefix("http+unix://") {
        if rest.contains(['?', '#']) {
            return Err(query());
        }
        let (encoded, path) = rest.split_once('/').unwrap_or((rest, ""));
        let socket = percent_decode_str(encoded).decode_utf8().map_err(|_| wrong("is not a socket's path", example))?;
        let socket = parse(&format!("unix://{socket}"))?;
        return Ok(Base::new(socket.address, without_page(path.trim_end_matches('/'))));
    }
    let why = if has_bad_port(text.trim()) { InvalidUri::Port.why() } else { "is not a URL" };
    let uri: Uri = text.trim().parse().map_err(|_| wrong(why, example))?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(wrong("contains a user name or password", "remove what is before the @, and use --token-file"));
    }
    if uri.query().is_some() || text.contains('#') {
        return Err(query());
    }
    let mut tcp = Tcp::from_uri(&uri).map_err(|why| wrong(why.why(), example))?;
    tcp.prefix.truncate(without_page(&tcp.prefix).len());
    Ok(Base::new(Address::Tcp(tcp), ""))
}

/// The URL path of a page, without the page.
fn without_page(path: &str) -> &str {
    let page = ["lab", "tree", "api"].iter().find_map(|page| path.strip_suffix(page));
    page.filter(|base| base.is_empty() || base.ends_with('/')).map_or(path, |base| base.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn what_jupyter_prints_and_what_a_browser_shows_is_an_address() {
        for (text, shown) in [
            ("http://localhost:8888/", "http://localhost:8888"),
            ("http://127.0.0.1:8888/lab", "http://127.0.0.1:8888"),
            ("https://hub.example.org/user/ada/", "https://hub.example.org:443/user/ada"),
            ("https://hub.example.org/user/ada/tree", "https://hub.example.org:443/user/ada"),
            ("http+unix://%2Frun%2Fj.sock/", "unix:///run/j.sock"),
            ("http+unix://%2Frun%2Fj.sock/lab", "unix:///run/j.sock"),
            ("http+unix://%2Frun%2Fj.sock/user/ada/lab", "http+unix://%2Frun%2Fj%2Esock/user/ada"),
            ("unix:///run/j.sock", "unix:///run/j.sock"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_url_with_a_token_is_refused_and_not_shown() {
        for text in [
            "http://h/?token=canary",
            "http+unix://%2Fj/?token=canary",
            "http://canary@h/",
            "http://h/lab#canary",
            "canary",
            "unix://canary",
        ] {
            let refused = parse(text).unwrap_err().to_string();
            assert!(!refused.contains("canary"), "{refused}");
        }
    }
}
