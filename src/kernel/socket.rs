//! One listening socket of a kernel, with its connected peers.
//!
//! A ROUTER sends its answer over the request's connection; if that is closed, to the peer that reconnected with the
//! same identity, which is how a DEALER continues after a broken connection. A PUB sends to peers with a matching
//! subscription. A peer that does not read loses messages, but does not block this process.
//!
//! [`Socket::finish`] ends all connections without losing a request: a peer may finish sending one, pending output is
//! flushed, this side is closed, and the peer's side is read to its end. A client that connects meanwhile stays in the
//! listener's queue without a greeting, and so can't have sent anything yet.

use std::cell::RefCell;
use std::future::Future;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{sleep, timeout};

use super::endpoint::{Channel, Endpoint};
use super::listener::Listener;
use super::outbox::Outgoing;
pub use super::peers::{MessageOrigin, SocketEvent};
use super::peers::{Peer, Peers};
use super::zmtp::peer::Security;
use crate::error::{Error, Kind, Result};

/// The most connections of one socket.
const MOST_PEERS: usize = 1024;
/// Descriptors that are kept free for connections to Vault and for files.
const RESERVED: usize = 64;
/// A message that arrives in pieces may take this many times the allowed pause between two pieces.
const LONG: u32 = 5;

/// A listening socket; must be used inside a `LocalSet`.
pub struct Socket {
    shared: Rc<Peers>,
    accepting: RefCell<Option<AbortHandle>>,
}

impl Socket {
    /// Binds `endpoint`; the socket's events are sent to `events`.
    pub async fn bind(
        channel: Channel,
        endpoint: &Endpoint,
        security: Rc<Security>,
        events: mpsc::Sender<SocketEvent>,
    ) -> Result<Self> {
        let listener = Listener::bind(endpoint).await.map_err(|cause| cannot_listen(channel, endpoint, &cause))?;
        let shared = Peers::new(channel, listener, security, events);
        let socket = Self { shared, accepting: RefCell::new(None) };
        socket.open();
        Ok(socket)
    }

    /// Takes connections from now on.
    pub fn open(&self) {
        self.shared.closing.set(false);
        let shared = Rc::clone(&self.shared);
        let task = spawn_local(async move {
            let most = most_peers();
            loop {
                // Further ones wait in the listener's queue.
                while shared.open.get() >= most {
                    shared.moved.notified().await;
                }
                match shared.listener.accept().await {
                    Ok(connection) => {
                        shared.open.set(shared.open.get() + 1);
                        spawn_local(Rc::clone(&shared).serve(connection.into_stream()));
                    }
                    // The process is out of descriptors until other connections close.
                    Err(_) => sleep(Duration::from_millis(100)).await,
                }
            }
        });
        if let Some(before) = self.accepting.replace(Some(task.abort_handle())) {
            before.abort();
        }
    }

    /// Sends a message to `to`; returns whether there is such a peer.
    pub fn send(&self, to: &MessageOrigin, parts: Vec<Vec<u8>>) -> bool {
        let peers = self.shared.known.borrow();
        let same = |peer: &&Peer| !to.identity.is_empty() && peer.identity == to.identity;
        let peer = peers.get(&to.connection).or_else(|| peers.values().rev().find(same));
        peer.is_some_and(|peer| peer.to.leave(Outgoing::Message(Rc::new(parts))))
    }

    /// Sends a message to each peer that subscribed to its first frame.
    pub fn publish(&self, parts: Vec<Vec<u8>>) {
        let parts = Rc::new(parts);
        let topic = parts.first().map_or(&[][..], Vec::as_slice);
        for peer in self.shared.known.borrow().values() {
            if peer.topics.iter().any(|wanted| topic.starts_with(wanted)) {
                peer.to.leave(Outgoing::Message(Rc::clone(&parts)));
            }
        }
    }

    /// Whether a peer with that origin's identity is connected.
    pub fn reaches(&self, to: &MessageOrigin) -> bool {
        let peers = self.shared.known.borrow();
        peers.contains_key(&to.connection)
            || (!to.identity.is_empty() && peers.values().any(|peer| peer.identity == to.identity))
    }

    /// How many peers have a subscription.
    pub fn listeners(&self) -> usize {
        self.shared.known.borrow().values().filter(|peer| !peer.topics.is_empty()).count()
    }

    /// How many peers there are.
    pub fn peers(&self) -> usize {
        self.shared.known.borrow().len()
    }

    /// After [`Socket::finish`]: takes up to `count` connections that come back within `limit`, and does
    /// not greet them. Their peers can send nothing as long as they are open.
    pub async fn hold_back(&self, count: usize, limit: Duration) -> Vec<OwnedFd> {
        let mut held = Vec::new();
        let taking = async {
            while held.len() < count {
                let Ok(connection) = self.shared.listener.accept().await else { break };
                held.extend(connection.into_descriptor());
            }
        };
        let _ = timeout(limit, taking).await;
        held
    }

    /// Whether pending messages are still sent to peers.
    pub fn is_open(&self) -> bool {
        !self.shared.closing.get()
    }

    /// Stops accepting connections, waits at most `rest` for messages that are arriving, flushes, closes this side of
    /// each connection, and waits at most `limit` until the peers have closed theirs. Everything that they sent has
    /// then become an [`SocketEvent`].
    pub fn finish(&self, rest: Duration, limit: Duration) -> impl Future<Output = ()> + use<> {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        let shared = Rc::clone(&self.shared);
        async move {
            // If the connection closes in the middle of a message, the client drops the message.
            let _ = timeout(rest * LONG, shared.wait_until_idle(rest)).await;
            // A peer that is about to join is then closed anyway.
            shared.closing.set(true);
            shared.closed.notify_waiters();
            for peer in shared.known.borrow().values() {
                peer.to.leave(Outgoing::Close);
            }
            let _ = timeout(limit, shared.until(|| shared.open.get() == 0)).await;
        }
    }
}

fn cannot_listen(channel: Channel, endpoint: &Endpoint, cause: &std::io::Error) -> Error {
    let (why, advice) = match cause.kind() {
        ErrorKind::AddrInUse => {
            ("is in use by another process".to_owned(), "start the kernel again: Jupyter then chooses other ports")
        }
        kind => (
            format!("can't be listened on: {kind}"),
            "the address in the kernel's connection file must be this machine's, and its folder writable for this user",
        ),
    };
    Error::new(Kind::PortTaken, format!("the kernel's {} {endpoint} {why}", channel.key()), advice)
}

/// The most peers of each of the five sockets that the limit on descriptors allows.
fn most_peers() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(RESERVED as u64, |(soft, _)| soft);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    (limit.saturating_sub(RESERVED) / Channel::ALL.len()).clamp(16, MOST_PEERS)
}
