//! One listening socket of a kernel, with whoever is connected to it.
//!
//! A ROUTER's answer goes over the connection that the question came on; if that is gone, to whoever has
//! come back under the same identity, which is how a DEALER goes on after a broken connection. A PUB
//! sends to those whose subscription fits. A peer that does not read loses messages, never our time.
//!
//! [`Socket::finish`] ends all connections without losing a request: what was sent is flushed, our side
//! is closed, and the peer's side is read to its end. A client that connects meanwhile stays in the
//! listener's queue, ungreeted, and so can't have sent anything yet.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep, timeout};

use super::connection::{Channel, Endpoint};
use super::zmtp::command::{self, Properties};
use super::zmtp::peer::{Reader, Received, Security, Stream, Writer, accept};
use crate::error::{Error, Kind, Result};

/// How long a port that is taken is tried.
const TAKEN: Duration = Duration::from_secs(1);
/// The most messages that wait for one peer.
const HIGH_WATER: usize = 1000;
/// The most peers of one socket.
const MOST_PEERS: usize = 256;

/// What happened on a socket.
#[derive(Debug)]
pub enum Event {
    /// Somebody finished the handshake, on this channel.
    Joined(Channel),
    /// A message came.
    Message {
        /// On this channel.
        channel: Channel,
        /// From this peer.
        from: Origin,
        /// Its frames.
        parts: Vec<Vec<u8>>,
    },
    /// A peer subscribed to a topic.
    Subscribed {
        /// The peer.
        from: Origin,
        /// The topic; empty for everything.
        topic: Vec<u8>,
    },
}

/// Who sent something: a connection, and the identity that outlives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    connection: u64,
    identity: Vec<u8>,
}

enum Outgoing {
    Message(Rc<Vec<Vec<u8>>>),
    Command(Vec<u8>),
    Close,
}

struct Peer {
    identity: Vec<u8>,
    to: mpsc::Sender<Outgoing>,
    topics: Vec<Vec<u8>>,
}

enum Listener {
    Tcp(TcpListener),
    Ipc(UnixListener, PathBuf),
}

struct Shared {
    channel: Channel,
    listener: Listener,
    security: Rc<Security>,
    events: mpsc::Sender<Event>,
    peers: RefCell<BTreeMap<u64, Peer>>,
    next: Cell<u64>,
    left: Notify,
}

/// A listening socket; must be used inside a `LocalSet`.
pub struct Socket {
    shared: Rc<Shared>,
    accepting: RefCell<Option<AbortHandle>>,
}

impl Socket {
    /// Binds `endpoint`; what happens there goes to `events`.
    ///
    /// # Errors
    /// [`Kind::PortTaken`] when it can't be bound.
    pub async fn bind(
        channel: Channel,
        endpoint: &Endpoint,
        security: Rc<Security>,
        events: mpsc::Sender<Event>,
    ) -> Result<Self> {
        let listener = patiently(endpoint).await.map_err(|cause| {
            let why = if cause.kind() == ErrorKind::AddrInUse {
                "is taken by another process".to_owned()
            } else {
                format!("can't be listened on: {}", cause.kind())
            };
            let what = format!("the kernel's {} {endpoint} {why}", channel.key());
            Error::new(Kind::PortTaken, what, "start the kernel again, Jupyter then chooses other ports")
        })?;
        let shared = Shared {
            channel,
            listener,
            security,
            events,
            peers: RefCell::default(),
            next: Cell::new(0),
            left: Notify::new(),
        };
        let socket = Self { shared: Rc::new(shared), accepting: RefCell::new(None) };
        socket.open();
        Ok(socket)
    }

    /// Takes connections from now on.
    pub fn open(&self) {
        let shared = Rc::clone(&self.shared);
        let task = spawn_local(async move {
            loop {
                let accepted = match &shared.listener {
                    Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                        let _ = stream.set_nodelay(true);
                        Box::new(stream) as Box<dyn Stream>
                    }),
                    Listener::Ipc(listener, _) => {
                        listener.accept().await.map(|(stream, _)| Box::new(stream) as Box<dyn Stream>)
                    }
                };
                match accepted {
                    Ok(stream) if shared.peers.borrow().len() < MOST_PEERS => {
                        spawn_local(Rc::clone(&shared).serve(stream));
                    }
                    Ok(_) => {}
                    // Out of descriptors: others must close theirs first.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                }
            }
        });
        if let Some(before) = self.accepting.replace(Some(task.abort_handle())) {
            before.abort();
        }
    }

    /// Sends a message to `to`; whether there is anybody to send it to.
    pub fn send(&self, to: &Origin, parts: Vec<Vec<u8>>) -> bool {
        let peers = self.shared.peers.borrow();
        let same = |peer: &&Peer| !to.identity.is_empty() && peer.identity == to.identity;
        let peer = peers.get(&to.connection).or_else(|| peers.values().rev().find(same));
        peer.is_some_and(|peer| peer.to.try_send(Outgoing::Message(Rc::new(parts))).is_ok())
    }

    /// Sends a message to whoever subscribed to its first frame.
    pub fn publish(&self, parts: Vec<Vec<u8>>) {
        let parts = Rc::new(parts);
        let topic = parts.first().map_or(&[][..], Vec::as_slice);
        for peer in self.shared.peers.borrow().values() {
            if peer.topics.iter().any(|wanted| topic.starts_with(wanted)) {
                let _ = peer.to.try_send(Outgoing::Message(Rc::clone(&parts)));
            }
        }
    }

    /// Whether somebody of that origin's identity is connected.
    #[must_use]
    pub fn reaches(&self, to: &Origin) -> bool {
        let peers = self.shared.peers.borrow();
        peers.contains_key(&to.connection)
            || (!to.identity.is_empty() && peers.values().any(|peer| peer.identity == to.identity))
    }

    /// How many peers have a subscription.
    #[must_use]
    pub fn listeners(&self) -> usize {
        self.shared.peers.borrow().values().filter(|peer| !peer.topics.is_empty()).count()
    }

    /// How many peers there are.
    #[must_use]
    pub fn peers(&self) -> usize {
        self.shared.peers.borrow().len()
    }

    /// After [`Socket::finish`]: takes up to `count` connections that come back within `limit`, and does
    /// not greet them. Their peers can send nothing as long as they are open.
    pub async fn hold_back(&self, count: usize, limit: Duration) -> Vec<OwnedFd> {
        let mut held = Vec::new();
        let taking = async {
            while held.len() < count {
                let connection = match &self.shared.listener {
                    Listener::Tcp(listener) => {
                        listener.accept().await.and_then(|(stream, _)| stream.into_std()).map(OwnedFd::from)
                    }
                    Listener::Ipc(listener, _) => {
                        listener.accept().await.and_then(|(stream, _)| stream.into_std()).map(OwnedFd::from)
                    }
                };
                let Ok(connection) = connection else { break };
                held.push(connection);
            }
        };
        let _ = timeout(limit, taking).await;
        held
    }

    /// Takes no more connections, flushes, closes our side of each, and waits at most `limit` until the
    /// peers have closed theirs. Whatever they had sent has then become an [`Event`].
    pub async fn finish(&self, limit: Duration) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        for peer in self.shared.peers.borrow().values() {
            let _ = peer.to.try_send(Outgoing::Close);
        }
        let gone = async {
            while !self.shared.peers.borrow().is_empty() {
                self.shared.left.notified().await;
            }
        };
        let _ = timeout(limit, gone).await;
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Listener::Ipc(_, path) = &self.listener {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Shared {
    const fn socket_type(&self) -> &'static [u8] {
        match self.channel {
            Channel::IoPub => b"PUB",
            _ => b"ROUTER",
        }
    }

    /// Who may connect: what libzmq lets talk to a ROUTER or a PUB.
    fn fits(&self, theirs: &[u8]) -> bool {
        match self.channel {
            Channel::IoPub => matches!(theirs, b"SUB" | b"XSUB"),
            _ => matches!(theirs, b"DEALER" | b"REQ" | b"ROUTER"),
        }
    }

    async fn serve(self: Rc<Self>, stream: Box<dyn Stream>) {
        let ours = Properties { socket_type: self.socket_type().to_vec(), identity: Vec::new() };
        let Ok((reader, writer, theirs)) = accept(stream, &self.security, &ours).await else { return };
        if !self.fits(&theirs.socket_type) || self.events.send(Event::Joined(self.channel)).await.is_err() {
            return;
        }
        let connection = self.next.get();
        self.next.set(connection + 1);
        let (to, outgoing) = mpsc::channel(HIGH_WATER);
        let origin = Origin { connection, identity: theirs.identity.clone() };
        let peer = Peer { identity: theirs.identity, to: to.clone(), topics: Vec::new() };
        self.peers.borrow_mut().insert(connection, peer);
        let writing = spawn_local(write(writer, outgoing));
        self.read(reader, &origin, to).await;
        writing.abort();
        self.peers.borrow_mut().remove(&connection);
        self.left.notify_one();
    }

    async fn read(&self, mut reader: Reader, origin: &Origin, to: mpsc::Sender<Outgoing>) {
        while let Ok(received) = reader.next().await {
            let event = match received {
                Received::Message(parts) if self.channel == Channel::IoPub => {
                    match parts.first().and_then(|part| part.split_first()) {
                        Some((1, topic)) => self.subscribe(origin, topic),
                        Some((0, topic)) => self.cancel(origin, topic),
                        _ => None,
                    }
                }
                Received::Message(parts) => Some(Event::Message { channel: self.channel, from: origin.clone(), parts }),
                Received::Command(body) => match command::split(&body) {
                    Ok((b"PING", rest)) => {
                        // Two bytes of time to live, then what must come back.
                        let pong = command::compose(b"PONG", rest.get(2..).unwrap_or_default());
                        let _ = to.try_send(Outgoing::Command(pong));
                        None
                    }
                    Ok((b"SUBSCRIBE", topic)) if self.channel == Channel::IoPub => self.subscribe(origin, topic),
                    Ok((b"CANCEL", topic)) if self.channel == Channel::IoPub => self.cancel(origin, topic),
                    _ => None,
                },
            };
            if let Some(event) = event
                && self.events.send(event).await.is_err()
            {
                return;
            }
        }
    }

    fn subscribe(&self, origin: &Origin, topic: &[u8]) -> Option<Event> {
        let mut peers = self.peers.borrow_mut();
        let peer = peers.get_mut(&origin.connection).filter(|peer| peer.topics.len() < HIGH_WATER)?;
        peer.topics.push(topic.to_vec());
        Some(Event::Subscribed { from: origin.clone(), topic: topic.to_vec() })
    }

    fn cancel(&self, origin: &Origin, topic: &[u8]) -> Option<Event> {
        let mut peers = self.peers.borrow_mut();
        let topics = &mut peers.get_mut(&origin.connection)?.topics;
        if let Some(at) = topics.iter().position(|known| known == topic) {
            topics.swap_remove(at);
        }
        None
    }
}

async fn write(mut writer: Writer, mut outgoing: mpsc::Receiver<Outgoing>) {
    while let Some(next) = outgoing.recv().await {
        let written = match next {
            Outgoing::Message(parts) => writer.message(&parts).await,
            Outgoing::Command(body) => writer.command(&body).await,
            Outgoing::Close => return writer.close().await,
        };
        if written.is_err() {
            return;
        }
    }
}

/// Any client's connection may have got one of the ports since Jupyter chose them: most are over soon.
async fn patiently(endpoint: &Endpoint) -> std::io::Result<Listener> {
    let end = Instant::now() + TAKEN;
    loop {
        match listen(endpoint).await {
            Err(cause) if cause.kind() == ErrorKind::AddrInUse && Instant::now() < end => sleep(TAKEN / 10).await,
            listened => return listened,
        }
    }
}

async fn listen(endpoint: &Endpoint) -> std::io::Result<Listener> {
    match endpoint {
        Endpoint::Tcp(host, port) => {
            let host = if host == "*" { "0.0.0.0" } else { host.trim_start_matches('[').trim_end_matches(']') };
            TcpListener::bind((host, *port)).await.map(Listener::Tcp)
        }
        Endpoint::Ipc(path) => {
            clear_the_way(path).await?;
            let listener = UnixListener::bind(path)?;
            // As long as its folder is open to others, the socket is not.
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
            Ok(Listener::Ipc(listener, path.clone()))
        }
    }
}

/// A socket file outlives its process: one that nobody answers on is removed, as libzmq does.
async fn clear_the_way(path: &Path) -> std::io::Result<()> {
    match UnixStream::connect(path).await {
        Ok(_) => Err(ErrorKind::AddrInUse.into()),
        Err(cause) if cause.kind() == ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(_) => Ok(()),
    }
}
