//! Requests and replies as bytes: one deadline, retries of transient failures, at most one redirect.
//!
//! Connections are reused. A body is read into a zeroizing buffer of limited size. One redirect is followed if it is a
//! 307 or 308 to the same scheme and host, because the token is sent with it. Only transient failures are retried
//! ([`crate::error::Kind::is_transient`]), with a jittered back-off, until the deadline; a request that is not a read
//! is never sent twice once it may have arrived.

use std::error::Error as _;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, LOCATION, PROXY_AUTHORIZATION, RETRY_AFTER};
use http::{HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use zeroize::Zeroizing;

use super::error;
use super::nodes::Nodes;
use super::redirect;
use super::reply::Reply;
use crate::config::server::Server;
use crate::error::{Error, Kind, Result};
use crate::net::address::Address;
use crate::net::connect::{broken, silent};
use crate::net::deadline::Deadline;
use crate::net::{ServerKind, tls};

/// The largest accepted body, in bytes: several times the size of an environment.
pub const LARGEST_BODY: usize = 16 << 20;
/// The first pause before a retry; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// With several addresses, each gets this fraction of the time.
const SHARES: u32 = 4;
/// The first request to each of several addresses; a standby node is as good as the active one.
const HEALTH: &str = "/v1/sys/health?standbyok=true&perfstandbyok=true";
/// The longest pause between retries, unless Vault names one.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The request. Its body may contain a credential: it is freed, and so wiped, after the last attempt.
pub struct Call {
    /// GET, LIST, POST …
    pub method: Method,
    /// Path and query, from `/v1/` on, encoded; the prefix of an address comes before it.
    pub path: String,
    /// Headers, with the token marked sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The JSON body.
    pub body: Bytes,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Call({} {}, {} bytes)", self.method, self.path, self.body.len())
    }
}

impl Call {
    fn only_reads(&self) -> bool {
        self.method == Method::GET || self.method.as_str() == "LIST"
    }
}

/// Connections to one Vault, and the time left for all of them.
#[derive(Debug)]
pub struct Transport {
    nodes: Nodes,
    deadline: Deadline,
    /// The time limit for an address to answer, if there are other addresses.
    share: Duration,
    max_retries: u64,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
}

/// Where one request goes: to a node of Vault, or where that redirects it.
struct Hop<'a> {
    path: String,
    address: &'a Address,
    /// Whether an idle connection is used, and the connection is kept.
    is_kept: bool,
}

impl Transport {
    /// Sets up for `server`; nothing is sent yet.
    pub fn new(server: &Server, deadline: Deadline) -> Result<Self> {
        Ok(Self {
            nodes: Nodes::of(server)?,
            deadline,
            share: deadline.remaining() / SHARES,
            max_retries: server.max_retries.unwrap_or(u64::MAX),
            idle: Mutex::new(Vec::new()),
        })
    }

    /// Sets the deadline of later requests.
    pub fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = deadline;
        self.share = deadline.remaining() / SHARES;
    }

    /// The deadline of all requests.
    #[cfg(feature = "cloud")]
    pub const fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// The address, for messages.
    pub fn address(&self) -> &Address {
        &self.nodes.current().address
    }

    /// Sends `call`, with retries and a redirect; returns the reply with any status.
    pub async fn send(&self, call: &Call) -> Result<Reply> {
        self.send_within(call, self.deadline).await
    }

    /// As [`Transport::send`], within `limit` and without retries.
    pub async fn send_once(&self, call: &Call, limit: Duration) -> Result<Reply> {
        self.attempt(call, self.deadline.at_most(limit)).await.map_err(|failure| failure.error)
    }

    async fn send_within(&self, call: &Call, deadline: Deadline) -> Result<Reply> {
        let mut pause = FIRST_PAUSE;
        let mut attempts = 1_u64;
        let mut earlier = None;
        loop {
            let chosen = self.choose_address(deadline).await;
            let (error, wanted, again) = match chosen {
                Err((error, retryable)) => (error, None, retryable),
                Ok(()) => match self.attempt(call, deadline).await {
                    Ok(reply) => match error::transient(&reply, self.address()) {
                        None => return Ok(reply),
                        Some(error) => (earlier.insert(error).clone(), reply.retry_after, true),
                    },
                    Err(failure) => {
                        let again = failure.error.kind().is_transient() && (failure.unsent || call.only_reads());
                        // If the time ends within a retry, the cause is the earlier error from Vault.
                        let ended = failure.error.kind() == Kind::TimedOut;
                        (earlier.take().filter(|_| ended).unwrap_or(failure.error), None, again)
                    }
                },
            };
            let gave_up = |error: Error| {
                if attempts > 1 { error.remark(&format!("gave up after {attempts} attempts")) } else { error }
            };
            if !again || attempts > self.max_retries {
                return Err(gave_up(error));
            }
            // Waits as long as Vault asks for, plus a random pause, so that clients with the same answer spread out.
            let jittered = wanted.unwrap_or_default() + pause.mul_f64(0.5 + fastrand::f64());
            if deadline.pause(jittered).await.is_err() {
                return Err(gave_up(error));
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            attempts += 1;
            self.nodes.forget_choice();
        }
    }

    /// If there are several addresses and none is chosen, chooses the first that answers. The error says why none did,
    /// and whether a retry may help.
    async fn choose_address(&self, deadline: Deadline) -> Result<(), (Error, bool)> {
        if self.nodes.has_choice() {
            return Ok(());
        }
        let call = Call { method: Method::GET, path: HEALTH.to_owned(), headers: Vec::new(), body: Bytes::new() };
        let mut failed = Vec::new();
        let (mut kind, mut retryable) = (Kind::Unreachable, false);
        for index in 0..self.nodes.count() {
            self.nodes.choose(index);
            self.close_idle();
            let here = self.address();
            match self.exchange(&call, &self.direct(&call), deadline.at_most(self.share)).await {
                // A sealed server, or a gateway without a Vault behind it, is skipped.
                Ok(reply) if reply.status.is_server_error() => {
                    (kind, retryable) = (Kind::Sealed, true);
                    failed.push(format!("{here} answered with {}", reply.status.as_u16()));
                }
                Ok(_) => return Ok(()),
                Err(failure) => {
                    kind = failure.error.kind();
                    // An address may use only its share, so time is left for a retry.
                    retryable |= kind.is_transient() || kind == Kind::TimedOut;
                    failed.push(failure.error.what().to_owned());
                }
            }
        }
        self.nodes.forget_choice();
        let what = format!("none of Vault's {} addresses can be used: {}", failed.len(), failed.join("; "));
        let advice = "check `address` under [vault], and that one of these nodes runs and is unsealed";
        Err((Error::new(kind, what, advice), retryable))
    }

    /// The hop of `call` to the chosen address.
    fn direct(&self, call: &Call) -> Hop<'_> {
        let address = self.address();
        let path = match address {
            Address::Tcp(tcp) => format!("{}{}", tcp.prefix, call.path),
            Address::Unix(_) => call.path.clone(),
        };
        Hop { path, address, is_kept: true }
    }

    /// One attempt, with one redirect.
    async fn attempt(&self, call: &Call, deadline: Deadline) -> Result<Reply, Failure> {
        let here = self.address();
        let reply = self.exchange(call, &self.direct(call), deadline).await?;
        let Some((target, path)) = redirect::follow(&reply, self.address()).map_err(Failure::sent)? else {
            return Ok(reply);
        };
        let same = target == *here;
        let hop = Hop { path, address: &target, is_kept: same };
        let reply = self.exchange(call, &hop, deadline).await;
        let reply = reply.map_err(|failure| if same { failure } else { failure.after_redirect(here, &target) })?;
        if reply.status.is_redirection() {
            return Err(Failure::sent(Error::new(
                Kind::RedirectLoop,
                format!("Vault at {} redirects more than once", self.address()),
                "use the address of the active node, and check api_addr in Vault's configuration",
            )));
        }
        Ok(reply)
    }

    async fn exchange(&self, call: &Call, hop: &Hop<'_>, deadline: Deadline) -> Result<Reply, Failure> {
        let mut sender = match self.take_idle().filter(|_| hop.is_kept) {
            Some(sender) => sender,
            None => self.open(hop.address, deadline).await?,
        };
        let request = self.request(call, &hop.path, hop.address).map_err(Failure::unsent)?;
        let late = |what: &str| Failure::sent(silent(ServerKind::Vault.name(), &self.address().to_string(), what));
        let mut unsent = false;
        let response = match deadline.bound(sender.send_request(request)).await {
            Err(_) => return Err(late("it did not answer the request")),
            Ok(Ok(response)) => response,
            Ok(Err(cause)) => {
                unsent |= cause.is_canceled();
                return Err(Failure { error: self.failure(&cause), unsent });
            }
        };
        let reply = deadline.bound(self.read(response)).await.map_err(|_| late("its answer is incomplete"))?;
        let reply = reply.map_err(Failure::sent)?;
        if hop.is_kept && sender.ready().await.is_ok() {
            self.lock_idle().push(sender);
        }
        Ok(reply)
    }

    /// Closes idle connections.
    pub fn close_idle(&self) {
        self.lock_idle().clear();
    }

    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.lock_idle();
        std::iter::from_fn(|| idle.pop()).find(|sender| !sender.is_closed())
    }

    fn lock_idle(&self) -> std::sync::MutexGuard<'_, Vec<SendRequest<Full<Bytes>>>> {
        self.idle.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn open(&self, target: &Address, deadline: Deadline) -> Result<SendRequest<Full<Bytes>>, Failure> {
        let connecting = async {
            let stream = self.nodes.current().connector.connect(target, deadline).await?;
            let mut builder = Builder::new();
            builder.max_buf_size(64 << 10).max_headers(64);
            let (sender, connection) =
                builder.handshake(TokioIo::new(stream)).await.map_err(|cause| self.failure(&cause))?;
            tokio::spawn(connection);
            Ok(sender)
        };
        let late = |_| silent(ServerKind::Vault.name(), &target.to_string(), "it did not accept a connection");
        deadline.bound(connecting).await.map_err(late).and_then(|opened| opened).map_err(Failure::unsent)
    }

    fn request(&self, call: &Call, path: &str, target: &Address) -> Result<Request<Full<Bytes>>> {
        let mut uri = path.to_owned();
        let mut request = Request::builder().method(call.method.clone());
        let host = match target {
            Address::Tcp(tcp) => tcp.authority(),
            Address::Unix(_) => "localhost".to_owned(),
        };
        if self.nodes.current().connector.is_forwarded() {
            uri = format!("http://{host}{path}");
            if let Some(credentials) = self.nodes.current().connector.proxy_credentials() {
                request = request.header(PROXY_AUTHORIZATION, credentials);
            }
        }
        request = request.uri(uri).header(HOST, host);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(call.body.clone())).map_err(|_| {
            Error::new(Kind::Config, "a path to read can't be written as a URL", "check the paths of the sources")
        })
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Reply> {
        let (parts, mut incoming) = response.into_parts();
        let header = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        let json = header(CONTENT_TYPE)
            .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("application/json"));
        let retry_after = header(RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
        let location = parts.headers.get(LOCATION).cloned();
        let promised = http_body::Body::size_hint(&incoming).lower();
        let room = usize::try_from(promised).unwrap_or(usize::MAX);
        if room > LARGEST_BODY {
            return Err(self.oversized());
        }
        let mut body = Zeroizing::new(Vec::with_capacity(room));
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|_| {
                Error::new(
                    Kind::Truncated,
                    format!("the answer of Vault at {} is truncated", self.address()),
                    "try again; if it persists, check any proxy before Vault",
                )
            })?;
            let Ok(data) = frame.into_data() else { continue };
            if body.len() + data.len() > LARGEST_BODY {
                return Err(self.oversized());
            }
            body.extend_from_slice(&data);
        }
        Ok(Reply { status: parts.status, json, body, retry_after, location })
    }

    fn oversized(&self) -> Error {
        Error::new(
            Kind::Oversized,
            format!("the answer of Vault at {} is larger than {} MiB", self.address(), LARGEST_BODY >> 20),
            "check that the address is Vault's, and read fewer or smaller secrets",
        )
    }

    /// The error for a failure of hyper, whose own text may quote the request.
    fn failure(&self, cause: &hyper::Error) -> Error {
        let authority = match self.address() {
            Address::Tcp(tcp) => tcp.authority(),
            Address::Unix(path) => path.display().to_string(),
        };
        let mut inner = cause.source();
        while let Some(error) = inner {
            if let Some(io) = error.downcast_ref::<std::io::Error>() {
                let secured = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
                return secured.map_or_else(
                    || broken(io, ServerKind::Vault.name(), &authority),
                    |secured| tls::failure(secured, ServerKind::Vault, &authority),
                );
            }
            inner = error.source();
        }
        if cause.is_parse() {
            let plain = matches!(self.address(), Address::Tcp(tcp) if !tcp.https);
            let advice = if plain {
                "if that port speaks TLS, write the address with https://"
            } else {
                "check that the address is Vault's"
            };
            return Error::new(
                Kind::NotVault,
                format!("the answer from {authority} is not HTTP, or not from Vault"),
                advice,
            );
        }
        broken(&std::io::ErrorKind::ConnectionReset.into(), ServerKind::Vault.name(), &authority)
    }
}

/// A failed attempt without a reply, and whether the request can't have arrived.
#[derive(Debug)]
struct Failure {
    error: Error,
    unsent: bool,
}

impl Failure {
    const fn sent(error: Error) -> Self {
        Self { error, unsent: false }
    }

    const fn unsent(error: Error) -> Self {
        Self { error, unsent: true }
    }

    /// The same failure at `target`, to which `configured` redirected the request: the message names both addresses.
    fn after_redirect(self, configured: &Address, target: &Address) -> Self {
        let what =
            format!("Vault at {configured} redirects requests to {target}, where this failed: {}", self.error.what());
        let advice = "the cluster may be electing a leader: try again; otherwise check that node, and api_addr in its configuration";
        Self { error: Error::new(self.error.kind(), what, advice), ..self }
    }
}
