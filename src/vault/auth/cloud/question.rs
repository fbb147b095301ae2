//! One request to a service of a cloud, and its answer.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::super::super::transport::{Call, Transport};
use crate::config::server::Server;
use crate::error::{Error, Kind, Result};
use crate::net::address::{Address, Tcp};
use crate::net::deadline::Deadline;
use crate::net::options::{Proxy, Tls};

/// The time limit for the machine's own service: outside a cloud nothing answers at its address.
pub(super) const NEAR: Duration = Duration::from_secs(2);

/// One request to a service of a cloud.
pub(super) struct Question<'a> {
    /// The service's name, for messages.
    pub(super) whom: &'static str,
    pub(super) method: Method,
    pub(super) url: &'a str,
    pub(super) headers: Vec<(&'static str, &'a str)>,
    pub(super) body: Vec<u8>,
    pub(super) proxy: Proxy,
}

impl<'a> Question<'a> {
    pub(super) fn get(whom: &'static str, url: &'a str, headers: Vec<(&'static str, &'a str)>) -> Self {
        Self { whom, method: Method::GET, url, headers, body: Vec::new(), proxy: Proxy::default() }
    }

    /// The answer, which must be a success; `advice` is for the error.
    pub(super) async fn ask(self, deadline: Deadline, limit: Duration, advice: &str) -> Result<Zeroizing<Vec<u8>>> {
        let Self { whom, method, url, headers, body, proxy } = self;
        let wrong =
            || Error::new(Kind::Config, format!("the address of {whom} is not an http:// or https:// URL"), advice);
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let mut place = Tcp::from_uri(&uri).map_err(|_| wrong())?;
        place.prefix.clear();
        let authority = place.authority();
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        let header = |(name, value): (&'static str, &str)| {
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
            value.set_sensitive(true);
            Ok((HeaderName::from_static(name), value))
        };
        let headers = headers.into_iter().map(header).collect::<Result<Vec<_>>>()?;
        let address = Address::Tcp(place);
        let server =
            Server { address, others: Vec::new(), namespace: None, tls: Tls::default(), proxy, max_retries: Some(0) };
        let call = Call { method, path, headers, body: body.into() };
        let reply = Transport::new(&server, deadline)?.send_once(&call, limit).await.map_err(|error| {
            let why = match error.kind() {
                Kind::Refused => "nothing listens there",
                Kind::TimedOut => "no answer in time",
                Kind::Dns => "the name does not resolve",
                Kind::TlsUnknownIssuer | Kind::TlsWrongHost | Kind::TlsExpired | Kind::Tls => "TLS failed",
                _ => "the connection failed",
            };
            Error::new(error.kind(), format!("{whom} at {authority} can't be reached: {why}"), advice)
        })?;
        if !reply.status.is_success() {
            let what = format!("{whom} at {authority} returned no credential ({})", reply.status.as_u16());
            return Err(Error::new(Kind::LoginRefused, what, advice));
        }
        Ok(reply.body)
    }
}

/// An answer as JSON.
pub(super) fn parsed<T: DeserializeOwned>(answer: &[u8], whom: &str, advice: &str) -> Result<T> {
    let malformed = |_| Error::new(Kind::Malformed, format!("{whom} answered in an unknown format"), advice);
    serde_json::from_slice(answer).map_err(malformed)
}

/// An answer that is one line of text.
pub(super) fn line<'a>(answer: &'a [u8], whom: &str, advice: &str) -> Result<&'a str> {
    let text = std::str::from_utf8(answer).ok().map(str::trim).filter(|text| !text.is_empty());
    let is_line = |text: &&str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let malformed = || Error::new(Kind::Malformed, format!("{whom} answered in an unknown format"), advice);
    text.filter(is_line).ok_or_else(malformed)
}

/// Percent-encodes a part of a query or a form.
pub(super) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
