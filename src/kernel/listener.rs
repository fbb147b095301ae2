//! The listener of a kernel's socket: a TCP port or a socket file.

use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream, lookup_host};
use tokio::time::{Instant, sleep};

use super::endpoint::Endpoint;
use super::zmtp::traffic::Stream;

/// How long binding a port is retried while another process uses it.
const TAKEN: Duration = Duration::from_secs(1);

/// A bound endpoint. Dropping it removes its socket file.
pub(super) enum Listener {
    Tcp(TcpListener),
    Ipc(UnixListener, PathBuf),
}

/// A peer that has connected.
pub(super) enum AcceptedStream {
    Tcp(TcpStream),
    Ipc(UnixStream),
}

impl Listener {
    /// Binds `endpoint`. Since Jupyter chose the port, the system may have given it to an outgoing connection; most of
    /// these end soon, so a port in use is tried again.
    pub(super) async fn bind(endpoint: &Endpoint) -> Result<Self> {
        let end = Instant::now() + TAKEN;
        loop {
            match Self::bind_once(endpoint).await {
                Err(cause) if cause.kind() == ErrorKind::AddrInUse && Instant::now() < end => sleep(TAKEN / 10).await,
                bound => return bound,
            }
        }
    }

    async fn bind_once(endpoint: &Endpoint) -> Result<Self> {
        match endpoint {
            Endpoint::Tcp(host, port) => {
                let mut last = Error::from(ErrorKind::AddrNotAvailable);
                for address in addresses(host, *port).await? {
                    match TcpListener::bind(address).await {
                        Ok(listener) => return Ok(Self::Tcp(listener)),
                        Err(cause) => last = cause,
                    }
                }
                Err(last)
            }
            Endpoint::Ipc(path) => {
                remove_stale_socket(path).await?;
                let listener = UnixListener::bind(path)?;
                // Others may be able to enter the folder, but not to use the socket.
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
                Ok(Self::Ipc(listener, path.clone()))
            }
        }
    }

    /// Accepts the next connection.
    pub(super) async fn accept(&self) -> Result<AcceptedStream> {
        match self {
            Self::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                let _ = stream.set_nodelay(true);
                AcceptedStream::Tcp(stream)
            }),
            Self::Ipc(listener, _) => listener.accept().await.map(|(stream, _)| AcceptedStream::Ipc(stream)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Ipc(_, path) = self {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl AcceptedStream {
    pub(super) fn into_stream(self) -> Box<dyn Stream> {
        match self {
            Self::Tcp(stream) => Box::new(stream),
            Self::Ipc(stream) => Box::new(stream),
        }
    }

    pub(super) fn into_descriptor(self) -> Result<OwnedFd> {
        match self {
            Self::Tcp(stream) => stream.into_std().map(OwnedFd::from),
            Self::Ipc(stream) => stream.into_std().map(OwnedFd::from),
        }
    }
}

/// The addresses of a host, as libzmq resolves them: `*` is every IPv4 address, and a name's IPv4 addresses come first.
async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let host = if host == "*" { "0.0.0.0" } else { host };
    let mut addresses: Vec<_> = lookup_host((host, port)).await?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    Ok(addresses)
}

/// Removes a socket file that no process listens on, as libzmq does: the file outlives its process.
async fn remove_stale_socket(path: &Path) -> Result<()> {
    match UnixStream::connect(path).await {
        Ok(_) => Err(ErrorKind::AddrInUse.into()),
        Err(cause) if cause.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(_) => Ok(()),
    }
}
