//! Requests with vaultrs's types, sent by this crate's transport, with the token only where it belongs.
//!
//! vaultrs's own client is not used: it forwards the token across hosts on a redirect, prints it in Debug output, and
//! keeps bodies in memory. Its request types know Vault's paths; only their path, method, query and body are used.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use rustify::endpoint::Endpoint;
use serde_json::value::RawValue;

use super::error::{Operation, Sender, refusal};
use super::reply::Reply;
use super::transport::{Call, Transport};
use crate::config::credential::Credential;
use crate::config::server::Server;
use crate::error::{Error, Kind, Result};
use crate::net::address::Address;
use crate::net::deadline::Deadline;
use crate::secret::SecretValue;

const TOKEN: HeaderName = HeaderName::from_static("x-vault-token");
const NAMESPACE: HeaderName = HeaderName::from_static("x-vault-namespace");
const REQUEST: HeaderName = HeaderName::from_static("x-vault-request");

/// The characters that are percent-encoded in a path segment.
const RESERVED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b']')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b';')
    .add(b'+')
    .add(b'&')
    .add(b'=');

/// Encodes a path for a URL; slashes stay.
pub fn encode(path: &str) -> String {
    utf8_percent_encode(path, RESERVED).to_string()
}

/// One server, and the token to use there.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
    namespace: Option<(String, HeaderValue)>,
    token: Option<HeaderValue>,
    token_origin: String,
    token_worked: AtomicBool,
    /// The second factor that a login requires before it gives a token.
    second_factor: Option<Box<RawValue>>,
}

impl Client {
    /// Sets up for `server`, without a token.
    pub fn new(server: &Server, deadline: Deadline) -> Result<Self> {
        let namespace = server.namespace.clone().map(|name| {
            let value = HeaderValue::from_str(&encode(&name));
            let wrong =
                |_| Error::new(Kind::Config, "the namespace can't be sent", "correct `namespace` under [vault]");
            value.map(|value| (name, value)).map_err(wrong)
        });
        Ok(Self {
            transport: Transport::new(server, deadline)?,
            namespace: namespace.transpose()?,
            token: None,
            token_origin: String::new(),
            token_worked: AtomicBool::new(false),
            second_factor: None,
        })
    }

    /// Uses `token` for later requests.
    pub fn use_token(&mut self, token: &Credential) -> Result<()> {
        if !token.value.expose().iter().all(u8::is_ascii_graphic) {
            return Err(Error::new(
                Kind::Credential,
                format!("the token from {} contains characters that a token can't have", token.origin),
                "check that it contains one token and nothing else: no line breaks, spaces or quotes",
            ));
        }
        let mut header = HeaderValue::from_bytes(token.value.expose()).map_err(|_| {
            Error::new(Kind::Credential, format!("the token from {} can't be sent", token.origin), "get a new one")
        })?;
        header.set_sensitive(true);
        self.token = Some(header);
        self.token_origin.clone_from(&token.origin);
        self.token_worked.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Stores the second factor that a login requires.
    pub fn set_second_factor(&mut self, second_factor: Box<RawValue>) {
        self.second_factor = Some(second_factor);
    }

    /// The second factor that the last login requires, if any.
    #[cfg(feature = "manage")]
    pub fn take_second_factor(&mut self) -> Option<Box<RawValue>> {
        self.second_factor.take()
    }

    /// Sets the deadline of later requests.
    pub fn set_deadline(&mut self, deadline: Deadline) {
        self.transport.set_deadline(deadline);
    }

    /// The deadline of all requests.
    #[cfg(feature = "cloud")]
    pub fn deadline(&self) -> Deadline {
        self.transport.deadline()
    }

    /// Closes idle connections: their buffers contain the last response.
    pub fn close_idle(&self) {
        self.transport.close_idle();
    }

    /// The token that is sent, if there is one.
    pub fn token(&self) -> Option<Credential> {
        let value = SecretValue::new(self.token.as_ref()?.as_bytes().to_vec());
        Some(Credential { value, origin: self.token_origin.clone() })
    }

    /// Stops sending the token.
    pub fn forget_token(&mut self) {
        self.token = None;
        self.token_origin.clear();
    }

    /// Vault's address, for messages.
    pub fn address(&self) -> &Address {
        self.transport.address()
    }

    /// Sends a request; returns the reply if it is a success.
    pub async fn call<E: Endpoint>(&self, endpoint: &E, operation: Operation<'_>) -> Result<Reply> {
        let reply = self.transport.send(&self.request(endpoint)?).await?;
        self.checked(reply, operation)
    }

    /// As [`Client::call`], within `limit` and without retries.
    pub async fn call_once<E: Endpoint>(
        &self,
        endpoint: &E,
        operation: Operation<'_>,
        limit: Duration,
    ) -> Result<Reply> {
        let reply = self.transport.send_once(&self.request(endpoint)?, limit).await?;
        self.checked(reply, operation)
    }

    fn checked(&self, reply: Reply, operation: Operation<'_>) -> Result<Reply> {
        if matches!(reply.status, StatusCode::OK | StatusCode::NO_CONTENT) {
            self.token_worked.store(true, Ordering::Relaxed);
            return Ok(reply);
        }
        let sender = Sender {
            address: self.address(),
            namespace: self.namespace.as_ref().map(|(name, _)| name.as_str()),
            token_origin: &self.token_origin,
            token_worked: self.token_worked.load(Ordering::Relaxed),
        };
        Err(refusal(&reply, operation, sender))
    }

    fn request<E: Endpoint>(&self, endpoint: &E) -> Result<Call> {
        let internal = |_| Error::new(Kind::Internal, "a request can't be written", "report this as a bug");
        // Some of vaultrs's paths begin with white space or a slash.
        let mut path = format!("/v1/{}", endpoint.path().trim().trim_start_matches('/'));
        if let Some(query) = endpoint.query().map_err(internal)?.filter(|query| !query.is_empty()) {
            path = format!("{path}?{query}");
        }
        let method: Method = endpoint.method().into();
        let body = endpoint
            .body()
            .map_err(internal)?
            .filter(|_| matches!(method, Method::POST | Method::PATCH))
            .unwrap_or_default();
        let mut headers = vec![(REQUEST, HeaderValue::from_static("true"))];
        headers.extend(self.namespace.as_ref().map(|(_, value)| (NAMESPACE, value.clone())));
        if method == Method::PATCH {
            headers.push((CONTENT_TYPE, HeaderValue::from_static("application/merge-patch+json")));
        }
        headers.extend(self.token.clone().map(|token| (TOKEN, token)));
        Ok(Call { method, path, headers, body: body.into() })
    }
}

/// Any other path of Vault's API, for which vaultrs has no type.
pub struct Raw {
    method: rustify::enums::RequestMethod,
    path: String,
    query: Option<String>,
    body: Option<zeroize::Zeroizing<Vec<u8>>>,
}

impl Raw {
    /// A GET of `path` (encoded here).
    pub fn get(path: &str) -> Self {
        Self { method: rustify::enums::RequestMethod::GET, path: encode(path), query: None, body: None }
    }

    /// A POST of JSON to `path` (encoded here).
    pub fn post(path: &str, body: Vec<u8>) -> Self {
        Self { method: rustify::enums::RequestMethod::POST, path: encode(path), query: None, body: Some(body.into()) }
    }

    /// A PATCH of JSON to `path` (encoded here): other members are unchanged.
    pub fn patch(path: &str, body: Vec<u8>) -> Self {
        Self { method: rustify::enums::RequestMethod::PATCH, ..Self::post(path, body) }
    }

    /// A DELETE of `path` (encoded here).
    pub fn delete(path: &str) -> Self {
        Self { method: rustify::enums::RequestMethod::DELETE, ..Self::get(path) }
    }

    /// Adds a query, already encoded.
    pub fn with_query(self, query: impl Into<String>) -> Self {
        Self { query: Some(query.into()), ..self }
    }
}

impl Endpoint for Raw {
    type Response = ();
    const REQUEST_BODY_TYPE: rustify::enums::RequestType = rustify::enums::RequestType::JSON;
    const RESPONSE_BODY_TYPE: rustify::enums::ResponseType = rustify::enums::ResponseType::JSON;

    fn path(&self) -> String {
        self.path.clone()
    }

    fn method(&self) -> rustify::enums::RequestMethod {
        self.method.clone()
    }

    fn query(&self) -> Result<Option<String>, rustify::errors::ClientError> {
        Ok(self.query.clone())
    }

    fn body(&self) -> Result<Option<Vec<u8>>, rustify::errors::ClientError> {
        Ok(self.body.as_ref().map(|body| body.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn a_path_stays_a_path_whatever_a_secret_is_called() {
        assert_eq!(encode("secret/a b?c#d%2f/é"), "secret/a%20b%3Fc%23d%252f/%C3%A9");
    }
}
