//! The loopback port that a browser is redirected to: it accepts only the answer to this sign-in.
//!
//! It listens on both loopback addresses, since a browser may use either for `localhost`. If another process has the
//! port on one of them, the sign-in is refused, because that process would get the answer. Requests with another Host,
//! path, method or state get a page that says so, and the wait continues: another site's page must not end it.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use super::callback::{Callback, of_query};
use crate::error::{Error, Kind, Result};

/// The time limit for a connection's request, and for sending the last page.
const MOMENT: Duration = Duration::from_secs(5);
/// The most connections that are open at once.
const CONNECTIONS: usize = 16;

/// Both loopback addresses.
pub(super) struct Listener {
    four: TcpListener,
    six: Option<TcpListener>,
    port: u16,
}

/// The answer, and the connection that waits for a page.
pub(super) struct Arrived {
    pub(super) callback: Callback,
    pub(super) answer: Option<Answer>,
}

/// The channel for the page, and the signal that it was sent.
pub(super) struct Answer {
    page: oneshot::Sender<(StatusCode, String)>,
    gone: oneshot::Receiver<()>,
}

impl Listener {
    /// Binds the port on both addresses; 0 chooses a free one.
    pub(super) async fn bind(port: u16) -> Result<Self> {
        let taken = |cause: &std::io::Error| {
            let what = format!("the browser can't be redirected to port {port}: {}", crate::error::why(cause.kind()));
            Error::new(Kind::Os, what, "wait until the other sign-in is over, or choose another port with --port")
        };
        let four = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(|cause| taken(&cause))?;
        let port = four.local_addr().map_or(port, |address| address.port());
        let six = match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
            Ok(six) => Some(six),
            Err(cause) if cause.kind() == ErrorKind::AddrInUse => return Err(taken(&cause)),
            // This machine has no IPv6.
            Err(_) => None,
        };
        Ok(Self { four, six, port })
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// Serves until the answer with this `state` has arrived.
    pub(super) async fn wait_for(&self, state: &str) -> Arrived {
        let (arrived, mut arrivals) = mpsc::unbounded_channel();
        let desk =
            Arc::new(SharedState { state: state.to_owned(), port: self.port, arrived: Mutex::new(Some(arrived)) });
        let open = Arc::new(());
        loop {
            tokio::select! {
                biased;
                Some(arrived) = arrivals.recv() => return arrived,
                stream = self.accept() => {
                    if let Some(stream) = stream.filter(|_| Arc::strong_count(&open) <= CONNECTIONS) {
                        tokio::spawn(serve(stream, Arc::clone(&desk), Arc::clone(&open)));
                    }
                }
            }
        }
    }

    async fn accept(&self) -> Option<TcpStream> {
        let six = async {
            match &self.six {
                Some(six) => six.accept().await,
                None => std::future::pending().await,
            }
        };
        let accepted = tokio::select! {
            accepted = self.four.accept() => accepted,
            accepted = six => accepted,
        };
        if accepted.is_err() {
            // Out of descriptors, for example: not at once again.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        accepted.ok().map(|(stream, _)| stream)
    }
}

impl Arrived {
    /// Shows the result in the browser: signed in, or what went wrong.
    pub(super) async fn say(self, error: Option<&Error>) {
        let Some(Answer { page, gone }) = self.answer else { return };
        let end = match error {
            None => (StatusCode::OK, "Signed in. Close this tab.".to_owned()),
            Some(more) if more.kind() == Kind::MfaRequired => {
                (StatusCode::OK, "Signed in, except for the second factor: continue in the terminal.".to_owned())
            }
            Some(error) => (StatusCode::FORBIDDEN, format!("Not signed in: {error}")),
        };
        let _ = page.send(end);
        let _ = tokio::time::timeout(MOMENT, gone).await;
    }
}

/// The state that the connections share.
struct SharedState {
    state: String,
    port: u16,
    /// Taken by the first answer.
    arrived: Mutex<Option<mpsc::UnboundedSender<Arrived>>>,
}

async fn serve(stream: TcpStream, desk: Arc<SharedState>, _open: Arc<()>) {
    let (gone, is_gone) = oneshot::channel::<()>();
    let is_gone = Mutex::new(Some(is_gone));
    let service = service_fn(|request| {
        let is_gone = is_gone.lock().unwrap_or_else(PoisonError::into_inner).take();
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(&request, is_gone).await) }
    });
    let mut server = http1::Builder::new();
    server.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(MOMENT).max_buf_size(32 * 1024);
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
    drop(gone);
}

impl SharedState {
    async fn answer(&self, request: &Request<Incoming>, gone: Option<oneshot::Receiver<()>>) -> Response<Full<Bytes>> {
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let ours =
            [format!("localhost:{}", self.port), format!("127.0.0.1:{}", self.port), format!("[::1]:{}", self.port)];
        if !ours.iter().any(|ours| ours == host) {
            return page(StatusCode::BAD_REQUEST, "This is not the address of a sign-in.");
        }
        if request.uri().path() != "/oidc/callback" {
            return page(StatusCode::NOT_FOUND, "There is nothing here.");
        }
        if request.method() != Method::GET {
            return page(StatusCode::METHOD_NOT_ALLOWED, "A sign-in does not end with this request.");
        }
        let Some(callback) = of_query(request.uri().query().unwrap_or_default(), &self.state) else {
            return page(StatusCode::BAD_REQUEST, "This is not the answer to the current sign-in.");
        };
        let first = self.arrived.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(arrived), Some(gone)) = (first, gone) else {
            return page(StatusCode::GONE, "This sign-in has ended.");
        };
        let (said, told) = oneshot::channel();
        let _ = arrived.send(Arrived { callback, answer: Some(Answer { page: said, gone }) });
        match told.await {
            Ok((status, text)) => page(status, &text),
            Err(_) => page(StatusCode::SERVICE_UNAVAILABLE, "Not signed in: the command has ended."),
        }
    }
}

/// A plain-text page, which browsers neither interpret as another type nor cache.
fn page(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{text}\n"))));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (REFERRER_POLICY, "no-referrer"),
        (http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
