//! A server's lists of kernels, and of the notebooks that they belong to.
//!
//! Each request sets `no_track_activity`. Otherwise a server that is queried every minute would never count as idle,
//! and JupyterHub could not stop it for idleness.
//!
//! Source: <https://jupyter-server.readthedocs.io/en/stable/developers/rest-api.html>.

use std::cell::RefCell;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, LOCATION};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::address::Base;
use crate::config::credential::Credential;
use crate::error::{Error, Kind, Result, one_line};
use crate::net::ServerKind;
use crate::net::address::Address;
use crate::net::connect::{Connector, broken, silent};
use crate::net::deadline::Deadline;
use crate::net::options::{Proxy, Tls};

/// The largest list accepted, in bytes.
const LARGEST: usize = 4 << 20;
/// The time limit for one request, even if the caller's deadline is later.
const PATIENCE: Duration = Duration::from_secs(20);

/// A kernel, as a server lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListedKernel {
    /// Its id.
    pub id: String,
    /// The kernelspec's name.
    #[serde(default)]
    pub name: String,
    /// The time of its last activity, in the server's own format.
    #[serde(default)]
    pub last_activity: String,
    /// `idle`, `busy`, `starting`, `restarting`, `dead`.
    #[serde(default)]
    pub execution_state: Option<String>,
    /// How many front ends are connected, if the server counts them. The count can be negative: jupyter_server may
    /// subtract a front end that left early and was never added.
    #[serde(default)]
    pub connections: Option<i64>,
}

/// A session of a front end: a notebook or a console, and its kernel.
#[derive(Debug, Clone, Deserialize)]
pub struct NotebookSession {
    /// The notebook's path below the server's root folder.
    #[serde(default)]
    pub path: String,
    /// The kernel.
    #[serde(default)]
    pub kernel: Option<ListedKernel>,
}

/// A Jupyter server, and the token for it.
#[derive(Debug)]
pub struct JupyterServer {
    base: Base,
    connector: Connector,
    token: RefCell<ServerToken>,
}

/// The token sent to the server, if any, and its origin.
#[derive(Debug, Default)]
struct ServerToken {
    header: Option<HeaderValue>,
    origin: String,
}

impl ServerToken {
    fn of(token: Option<&Credential>) -> Result<Self> {
        let Some(token) = token else { return Ok(Self::default()) };
        Ok(Self { header: Some(header(token)?), origin: token.origin.clone() })
    }
}

impl JupyterServer {
    /// Prepares requests to the server at `base`; sends nothing yet.
    pub fn new(base: Base, token: Option<&Credential>, tls: &Tls, proxy: &Proxy) -> Result<Self> {
        let connector =
            Connector::new(ServerKind::Jupyter, &base.address, tls, proxy).map_err(|error| match &tls.ca_cert {
                Some(path) if error.what().starts_with(&one_line(&path.display().to_string())) => {
                    Error::new(error.kind(), error.what(), "name a PEM file with the CA of the server: --ca-cert FILE")
                }
                _ => error,
            })?;
        let token = RefCell::new(ServerToken::of(token)?);
        Ok(Self { base, connector, token })
    }

    /// Sets the token for later requests; returns whether it differs from the previous one.
    pub fn set_token(&self, token: Option<&Credential>) -> Result<bool> {
        let before = self.token.replace(ServerToken::of(token)?);
        Ok(before.header != self.token.borrow().header)
    }

    /// The address, for messages.
    pub const fn address(&self) -> &Base {
        &self.base
    }

    /// Lists the kernels.
    pub async fn kernels(&self, deadline: Deadline) -> Result<Vec<ListedKernel>> {
        let listed: Vec<ListedKernel> = self.list("/api/kernels", deadline).await?;
        Ok(listed.into_iter().filter(|kernel| is_id(&kernel.id)).collect())
    }

    /// Looks up one kernel. A gateway may allow this and refuse the list.
    pub async fn kernel(&self, id: &str, deadline: Deadline) -> Result<ListedKernel> {
        if !is_id(id) {
            return Err(self.unknown(id));
        }
        let reply = self.get(&format!("/api/kernels/{id}"), deadline).await?;
        if reply.status() == StatusCode::NOT_FOUND {
            return Err(self.not_found(id, deadline).await);
        }
        self.read(reply, deadline).await
    }

    /// The error for a 404: a missing kernel, or an address that is not a Jupyter server's.
    pub(super) async fn not_found(&self, id: &str, deadline: Deadline) -> Error {
        match self.get("/api", deadline).await {
            Ok(reply) if reply.status() == StatusCode::OK => self.unknown(id),
            Ok(reply) => self.refusal(&reply),
            Err(error) => error,
        }
    }

    /// Lists the open notebooks and consoles; empty if the server has no such list.
    pub async fn sessions(&self, deadline: Deadline) -> Result<Vec<NotebookSession>> {
        let reply = self.get("/api/sessions", deadline).await?;
        if matches!(reply.status(), StatusCode::NOT_FOUND | StatusCode::FORBIDDEN) {
            return Ok(Vec::new());
        }
        self.read(reply, deadline).await
    }

    async fn list<T: DeserializeOwned>(&self, path: &str, deadline: Deadline) -> Result<T> {
        let reply = self.get(path, deadline).await?;
        self.read(reply, deadline).await
    }

    async fn get(&self, path: &str, deadline: Deadline) -> Result<Response<Incoming>> {
        let reply = self.request(&format!("{path}?no_track_activity=1"), &[], deadline.at_most(PATIENCE)).await;
        reply.map_err(down)
    }

    /// Sends a GET for `path` with `headers` on a new connection, which may be upgraded.
    pub(super) async fn request(
        &self,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        deadline: Deadline,
    ) -> Result<Response<Incoming>> {
        let asking = async {
            let stream = self.connector.connect(&self.base.address, deadline).await?;
            let (mut sender, connection) = hyper::client::conn::http1::Builder::new()
                .max_buf_size(64 << 10)
                .handshake(TokioIo::new(stream))
                .await
                .map_err(|_| self.broken())?;
            tokio::spawn(connection.with_upgrades());
            sender
                .send_request(self.compose(path, headers)?)
                .await
                .map_err(|cause| if cause.is_parse() { self.not_jupyter("does not speak HTTP") } else { self.broken() })
        };
        let late = |_| silent(ServerKind::Jupyter.name(), &self.base.to_string(), "it did not answer the request");
        deadline.bound(asking).await.map_err(late)?
    }

    fn compose(&self, path: &str, headers: &[(HeaderName, HeaderValue)]) -> Result<Request<Empty<Bytes>>> {
        let host = match &self.base.address {
            Address::Tcp(tcp) => tcp.authority(),
            Address::Unix(_) => "localhost".to_owned(),
        };
        let mut uri = format!("{}{path}", self.base.prefix());
        let mut request = Request::get("/").header(HOST, &host);
        if self.connector.is_forwarded() {
            uri = format!("http://{host}{uri}");
            if let Some(credentials) = self.connector.proxy_credentials() {
                request = request.header(http::header::PROXY_AUTHORIZATION, credentials);
            }
        }
        if let Some(token) = &self.token.borrow().header {
            request = request.header(AUTHORIZATION, token);
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request
            .uri(uri)
            .body(Empty::new())
            .map_err(|_| Error::new(Kind::Usage, "the server's address can't be written as a URL", "correct --url"))
    }

    async fn read<T: DeserializeOwned>(&self, reply: Response<Incoming>, deadline: Deadline) -> Result<T> {
        if reply.status() != StatusCode::OK {
            let refusal = self.refusal(&reply);
            let is_vaults = refusal.kind() == Kind::ServerDenied && is_vaults(reply.into_body(), deadline).await;
            return Err(if is_vaults { self.not_jupyter("answers like Vault") } else { refusal });
        }
        let body = Limited::new(reply.into_body(), LARGEST).collect();
        let late = |_| down(silent(ServerKind::Jupyter.name(), &self.base.to_string(), "its answer is incomplete"));
        let body = deadline.at_most(PATIENCE).bound(body).await.map_err(late)?;
        let body = body.map_err(|cause| {
            let what = if cause.is::<LengthLimitError>() {
                "sends too large an answer"
            } else {
                "closed the connection during its answer"
            };
            self.not_jupyter(what)
        })?;
        serde_json::from_slice(&body.to_bytes())
            .map_err(|_| self.not_jupyter("does not answer with a Jupyter server's JSON"))
    }

    /// The error for an answer other than success.
    pub(super) fn refusal(&self, reply: &Response<Incoming>) -> Error {
        let (at, status) = (&self.base, reply.status());
        if status.is_redirection() {
            let target = reply.headers().get(LOCATION).and_then(|target| target.to_str().ok()).unwrap_or_default();
            return self.redirected(target.split('?').next().unwrap_or_default(), status);
        }
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.denied(),
            status if status.is_success() => {
                self.not_jupyter(&format!("does not answer like a Jupyter server ({})", status.as_u16()))
            }
            StatusCode::NOT_FOUND => self.not_jupyter("has no Jupyter API at that path"),
            // A hub's proxy answers so if the user's server is not running.
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::FAILED_DEPENDENCY => {
                self.not_started(status)
            }
            status => Error::new(
                Kind::ServerDown,
                format!("the Jupyter server at {at} failed ({})", status.as_u16()),
                "check the server's log",
            ),
        }
    }

    /// The error for a redirect: a hub redirects requests for a stopped server to itself, other sites to a login page.
    fn redirected(&self, target: &str, status: StatusCode) -> Error {
        let plain = matches!(&self.base.address, Address::Tcp(tcp) if !tcp.https);
        if target.contains("/hub/user/") {
            self.not_started(status)
        } else if plain && target.starts_with("https://") && !target.contains("/hub/") {
            self.not_jupyter("redirects to https://, and the token is not sent there")
        } else {
            self.denied()
        }
    }

    fn not_started(&self, status: StatusCode) -> Error {
        Error::new(
            Kind::ServerDown,
            format!("the Jupyter server at {} is not started ({})", self.base, status.as_u16()),
            "start it and try again",
        )
    }

    fn denied(&self) -> Error {
        let (at, token) = (&self.base, self.token.borrow());
        if token.header.is_none() {
            let advice = "name a file that contains the token with --token-file FILE, or set JUPYTER_TOKEN";
            return Error::new(Kind::ServerDenied, format!("the Jupyter server at {at} requires a token"), advice);
        }
        Error::new(
            Kind::ServerDenied,
            format!("the Jupyter server at {at} refuses the token from {}, or the request", token.origin),
            "check the token; a gateway may be configured not to list its kernels: then name a kernel by its full id",
        )
    }

    /// The error for an unknown kernel id.
    pub(super) fn unknown(&self, id: &str) -> Error {
        Error::new(
            Kind::NoSuchKernel,
            format!("the Jupyter server at {} has no kernel {id}", self.base),
            "it may have exited: check the server's list of kernels",
        )
    }

    pub(super) fn not_jupyter(&self, what: &str) -> Error {
        Error::new(
            Kind::NotJupyter,
            format!("the server at {} {what}", self.base),
            "check that the address is a Jupyter server's and includes the whole base URL: /user/NAME/ behind a hub",
        )
    }

    /// The error for a connection that broke.
    pub(super) fn broken(&self) -> Error {
        broken(&std::io::ErrorKind::ConnectionReset.into(), ServerKind::Jupyter.name(), &self.base.to_string())
    }
}

/// Sets the kind of an error of the connection to a Jupyter server.
pub(super) fn down(error: Error) -> Error {
    let class = error.kind().exit_code();
    if class == Kind::Refused.exit_code() { error.with_kind(Kind::ServerDown) } else { error }
}

/// Whether `text` can be a kernel's id, which becomes part of URLs and of file names.
pub fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn header(token: &Credential) -> Result<HeaderValue> {
    let text = [b"token ", token.value.expose()].concat();
    let graphic = token.value.expose().iter().all(u8::is_ascii_graphic);
    let mut header = HeaderValue::from_maybe_shared(Bytes::from(text)).ok().filter(|_| graphic).ok_or_else(|| {
        Error::new(
            Kind::Credential,
            format!("the token from {} contains characters that a token can't have", token.origin),
            "check that it contains one token and nothing else: no line breaks, spaces or quotes",
        )
    })?;
    header.set_sensitive(true);
    Ok(header)
}

/// Whether a refusal looks like Vault's: a list of errors and no message.
async fn is_vaults(body: Incoming, deadline: Deadline) -> bool {
    #[derive(serde::Deserialize)]
    struct Refusal {
        #[serde(rename = "errors")]
        _errors: Vec<serde::de::IgnoredAny>,
        message: Option<serde::de::IgnoredAny>,
    }
    let Ok(Ok(body)) = deadline.at_most(PATIENCE).bound(Limited::new(body, 64 << 10).collect()).await else {
        return false;
    };
    serde_json::from_slice::<Refusal>(&body.to_bytes()).is_ok_and(|refusal| refusal.message.is_none())
}

#[cfg(test)]
mod tests {
    use super::ListedKernel;

    #[test]
    fn a_kernel_may_have_a_negative_number_of_front_ends() {
        let listed: ListedKernel = serde_json::from_str(r#"{"id": "1", "connections": -1}"#).unwrap();
        assert_eq!(listed.connections, Some(-1));
    }
}
