//! From an address to a stream: unix socket or TCP, perhaps through a proxy, perhaps with TLS.
//!
//! Every step can hang: a name server, a firewall that drops packets, a proxy, a handshake. The caller bounds
//! [`Connector::connect`]; within that, no single address of a host may use up all the time.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use http::HeaderValue;
use hyper_util::client::proxy::matcher::Intercept;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::address::{Address, Tcp};
use super::deadline::Deadline;
use super::options::{Proxy, Tls};
use super::proxy::{endpoint, find, tunnel};
use super::stream::Connection;
use super::{ServerKind, tls};
use crate::error::{Error, Kind, Result};

/// Makes connections to one server.
#[derive(Debug)]
pub struct Connector {
    peer: ServerKind,
    tls: Option<Arc<ClientConfig>>,
    server_name: Option<String>,
    proxy: Option<Intercept>,
}

impl Connector {
    /// Reads the TLS files and settles on a proxy.
    pub fn new(peer: ServerKind, address: &Address, tls: &Tls, wanted: &Proxy) -> Result<Self> {
        let config = match address {
            Address::Tcp(Tcp { https: true, .. }) => Some(tls::configuration(tls)?),
            _ => None,
        };
        Ok(Self { peer, tls: config, server_name: tls.server_name.clone(), proxy: find(address, wanted)? })
    }

    /// Whether a proxy forwards plain HTTP requests, which then name the whole URL.
    pub fn is_forwarded(&self) -> bool {
        self.tls.is_none() && self.proxy.is_some()
    }

    /// The credentials that such requests carry for the proxy.
    pub fn proxy_credentials(&self) -> Option<&HeaderValue> {
        self.proxy.as_ref().filter(|_| self.tls.is_none()).and_then(Intercept::basic_auth)
    }

    /// Connects to `target`: the server's own address, or the target of its redirect.
    pub async fn connect(&self, target: &Address, deadline: Deadline) -> Result<Connection> {
        match target {
            Address::Unix(path) => unix(path, self.peer).await,
            Address::Tcp(tcp) => self.tcp(tcp, deadline).await,
        }
    }

    async fn tcp(&self, target: &Tcp, deadline: Deadline) -> Result<Connection> {
        let stream = self.stream(target, deadline).await?;
        match self.tls.as_ref().filter(|_| target.https) {
            None => Ok(stream),
            Some(config) => Ok(Connection::new(self.secure(stream, config, target).await?)),
        }
    }

    /// A stream to `target`, perhaps through the proxy, not yet secured.
    async fn stream(&self, target: &Tcp, deadline: Deadline) -> Result<Connection> {
        Ok(match &self.proxy {
            None => dial(&target.host, target.port, self.peer.name(), deadline).await?,
            Some(proxy) => {
                let (host, port) = endpoint(proxy)?;
                let stream = dial(&host, port, "the proxy", deadline).await?;
                if target.https { tunnel(stream, target, proxy).await? } else { stream }
            }
        })
    }

    async fn secure(
        &self,
        stream: Connection,
        config: &Arc<ClientConfig>,
        target: &Tcp,
    ) -> Result<TlsStream<Connection>> {
        let name = self.server_name.as_deref().unwrap_or(&target.host);
        let name = ServerName::try_from(name.to_owned()).map_err(|_| {
            Error::new(Kind::Config, "the TLS server name is not a host name", "correct the address or tls_server_name")
        })?;
        let authority = target.authority();
        let secured = TlsConnector::from(Arc::clone(config)).connect(name, stream).await;
        secured.map_err(|cause| {
            let tls = cause.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            tls.map_or_else(
                || broken(&cause, self.peer.name(), &authority),
                |tls| tls::failure(tls, self.peer, &authority),
            )
        })
    }
}

/// What a TLS handshake reveals about the other side.
#[cfg(feature = "manage")]
#[derive(Debug)]
pub struct Handshake {
    /// The protocol's version, in the form of rustls: `TLSv1_3`.
    pub protocol: String,
    /// Its own certificate, as DER.
    pub certificate: Vec<u8>,
}

#[cfg(feature = "manage")]
impl Connector {
    /// Connects to see which server answers, and closes the connection; `None` without TLS.
    pub async fn handshake(&self, target: &Address, deadline: Deadline) -> Result<Option<Handshake>> {
        let late = |_| silent(self.peer.name(), &target.to_string(), "it did not accept a connection");
        let (Address::Tcp(tcp), Some(config)) = (target, &self.tls) else {
            return deadline.bound(self.connect(target, deadline)).await.map_err(late)?.map(|_| None);
        };
        let handshake = async { self.secure(self.stream(tcp, deadline).await?, config, tcp).await };
        let secured = deadline.bound(handshake).await.map_err(late)??;
        let session = secured.get_ref().1;
        let certificate = session.peer_certificates().and_then(<[_]>::first).map(|first| first.as_ref().to_vec());
        let protocol = session.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default();
        Ok(Some(Handshake { protocol, certificate: certificate.unwrap_or_default() }))
    }

    /// Host and port of the proxy, if one is used.
    pub fn proxy_authority(&self) -> Option<String> {
        let (host, port) = endpoint(self.proxy.as_ref()?).ok()?;
        Some(format!("{host}:{port}"))
    }
}

async fn unix(path: &Path, peer: ServerKind) -> Result<Connection> {
    let owner = if peer == ServerKind::Vault { "Vault agent or proxy" } else { "Jupyter server" };
    let stream = UnixStream::connect(path).await.map_err(|cause| {
        let shown = path.display();
        let is_other = std::fs::metadata(path).is_ok_and(|found| !found.file_type().is_socket());
        match cause.kind() {
            _ if is_other => Error::new(
                Kind::Unreachable,
                format!("{shown} is not a socket"),
                format!("correct the path in the address: it must be the socket of the {owner}"),
            ),
            // A full backlog of a unix socket: the system does not wait.
            ErrorKind::WouldBlock => Error::new(
                Kind::Refused,
                format!("the socket {shown} accepts no more connections at the moment"),
                format!("try again in a moment; if it persists, the {owner} hangs"),
            ),
            ErrorKind::ConnectionRefused => Error::new(
                Kind::Refused,
                format!("nothing listens on the socket {shown}"),
                format!("start the {owner} that serves it"),
            ),
            _ => Error::new(
                Kind::Unreachable,
                format!("the socket {shown} can't be used: {}", crate::error::why(cause.kind())),
                format!("check the path in the address, that the {owner} runs, and that this user may use its socket"),
            ),
        }
    })?;
    Ok(Connection::new(stream))
}

async fn dial(host: &str, port: u16, whom: &str, deadline: Deadline) -> Result<Connection> {
    let addresses = resolve(host, port).await?;
    let authority = format!("{host}:{port}");
    let mut last = None;
    for (tried, address) in addresses.iter().enumerate() {
        let left = u32::try_from(addresses.len() - tried).unwrap_or(1);
        let share = deadline.at_most(deadline.remaining() / left);
        match share.bound(TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                let _ = stream.set_nodelay(true);
                return Ok(Connection::new(stream));
            }
            Ok(Err(cause)) => last = Some(broken(&cause, whom, &authority)),
            Err(_) => last = Some(silent(whom, &authority, "it did not accept a connection")),
        }
    }
    Err(last.unwrap_or_else(|| no_such_host(host)))
}

/// The addresses of a host; the host may be an IP address itself.
pub async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    lookup_host((host, port)).await.map(Iterator::collect).map_err(|_| no_such_host(host))
}

fn no_such_host(host: &str) -> Error {
    Error::new(
        Kind::Dns,
        format!("the host name {host} does not resolve"),
        "check the address for typos, and this machine's name servers",
    )
}

/// The error for a peer that does not answer.
pub fn silent(whom: &str, authority: &str, what: &str) -> Error {
    Error::new(
        Kind::TimedOut,
        format!("{whom} at {authority} timed out: {what}"),
        "check the address and any firewall on the way, or allow more time with --timeout",
    )
}

/// The error for a connection that failed or broke.
pub fn broken(cause: &std::io::Error, whom: &str, authority: &str) -> Error {
    match cause.kind() {
        ErrorKind::ConnectionRefused => Error::new(
            Kind::Refused,
            format!("{whom} at {authority} refused the connection: nothing listens there"),
            "check the address and its port, and that the server runs",
        ),
        ErrorKind::ConnectionReset
        | ErrorKind::BrokenPipe
        | ErrorKind::ConnectionAborted
        | ErrorKind::UnexpectedEof => Error::new(
            Kind::Reset,
            format!("{whom} at {authority} closed the connection before it answered"),
            format!("check that {whom} listens there, and check for a load balancer, or http:// instead of https://"),
        ),
        ErrorKind::TimedOut => silent(whom, authority, "the connection timed out"),
        _ => Error::new(
            Kind::Unreachable,
            format!("{whom} at {authority} can't be reached: {}", crate::error::why(cause.kind())),
            "check the address, the network and its routes",
        ),
    }
}
