//! The URL of a Jupyter server, as Jupyter prints it, a hub links to it, or its server file has it.

use std::path::PathBuf;

use http::Uri;
use percent_encoding::percent_decode_str;

use crate::config::address::{Address, Tcp};
use crate::error::{Error, Kind, Result};

/// Parses the URL of a server: `http://`, `https://`, `http+unix://` with an encoded path, `unix:///path`.
/// What its path begins with is kept: `/user/NAME` behind a hub.
///
/// # Errors
/// [`Kind::Usage`], never quoting the text: it may hold a token.
pub fn parse(text: &str) -> Result<Address> {
    let wrong = |what: &str, advice: &str| Error::new(Kind::Usage, format!("the URL of --url {what}"), advice);
    let example = "write it as https://hub.example.org/user/ada/ or unix:///run/jupyter.sock";
    if let Some(path) = text.strip_prefix("unix://") {
        if !path.starts_with('/') {
            return Err(wrong("is not an absolute socket path", example));
        }
        return Ok(Address::Unix(PathBuf::from(path)));
    }
    if let Some(rest) = text.strip_prefix("http+unix://") {
        let encoded = rest.split('/').next().unwrap_or_default();
        let path = percent_decode_str(encoded).decode_utf8().map_err(|_| wrong("is no socket's path", example))?;
        return parse(&format!("unix://{path}"));
    }
    let uri: Uri = text.trim().parse().map_err(|_| wrong("is not a URL", example))?;
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(wrong("holds a user name or password", "leave out what stands before the @, and use --token-file"));
    }
    if uri.query().is_some() || text.contains('#') {
        return Err(wrong("has a query", "leave out what follows the ?; a token belongs in a file: --token-file FILE"));
    }
    let mut tcp = Tcp::from_uri(&uri).ok_or_else(|| wrong("has no http:// or https:// and host", example))?;
    for page in ["/lab", "/tree", "/api"] {
        if let Some(base) = tcp.prefix.strip_suffix(page) {
            tcp.prefix = base.to_owned();
        }
    }
    Ok(Address::Tcp(tcp))
}

/// The URL's path up to `/api`, without a slash at the end.
#[must_use]
pub fn prefix(address: &Address) -> &str {
    match address {
        Address::Tcp(tcp) => &tcp.prefix,
        Address::Unix(_) => "",
    }
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
            ("unix:///run/j.sock", "unix:///run/j.sock"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_url_with_a_token_is_refused_and_not_shown() {
        for text in ["http://h/?token=canary", "http://canary@h/", "http://h/lab#canary", "canary", "unix://canary"] {
            let refused = parse(text).unwrap_err().to_string();
            assert!(!refused.contains("canary"), "{refused}");
        }
    }
}
