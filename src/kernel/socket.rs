//! One listening socket of a kernel, with whoever is connected to it.
//!
//! A ROUTER's answer goes over the connection that the question came on; if that is gone, to whoever has
//! come back under the same identity, which is how a DEALER goes on after a broken connection. A PUB
//! sends to those whose subscription fits. A peer that does not read loses messages, never our time.
//!
//! [`Socket::finish`] ends all connections without losing a request: whoever is sending one may end it,
//! what was sent is flushed, our side is closed, and the peer's side is read to its end. A client that
//! connects meanwhile stays in the listener's queue, ungreeted, and so can't have sent anything yet.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, sleep, timeout};

use super::connection::{Channel, Endpoint};
use super::listener::Listener;
use super::outbox::{Outbox, Outgoing};
use super::zmtp::command::{self, Properties};
use super::zmtp::peer::{Greeted, Progress, Reader, Received, Security, Stream};
use crate::error::{Error, Kind, Result};

/// The most topics of one peer, and the longest one.
const MOST_TOPICS: usize = 1000;
const LONGEST_TOPIC: usize = 1024;
/// The most connections of one socket.
const MOST_PEERS: usize = 1024;
/// The descriptors that clients leave to others: to Vault, to files.
const RESERVED: usize = 64;
/// How often one looks, and sees each time that nothing comes, before nothing is on its way.
const CALM: u32 = 5;
const LOOK: Duration = Duration::from_millis(1);
/// How many times the time allowed for a pause a message may take that comes with pauses.
const LONG: u32 = 5;
/// Who sends as many messages without a pause is not waited for.
const FLOOD: u64 = 100;

/// What happened on a socket.
#[derive(Debug)]
pub enum Event {
    /// Somebody finished the handshake.
    Joined,
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
    joined: Instant,
}

impl Origin {
    /// When the connection's handshake was over.
    #[must_use]
    pub const fn joined(&self) -> Instant {
        self.joined
    }
}

struct Peer {
    identity: Vec<u8>,
    to: Outbox,
    topics: Vec<Vec<u8>>,
    progress: Rc<Progress>,
}

struct Shared {
    channel: Channel,
    listener: Listener,
    security: Rc<Security>,
    events: mpsc::Sender<Event>,
    peers: RefCell<BTreeMap<u64, Peer>>,
    next: Cell<u64>,
    /// How many connections there are, those included that are not greeted yet.
    open: Cell<usize>,
    /// Whether all of them are to end.
    closing: Cell<bool>,
    /// Something has come or somebody has left.
    moved: Notify,
    /// They are to end now.
    closed: Notify,
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
        let listener = Listener::bind(endpoint).await.map_err(|cause| cannot_listen(channel, endpoint, &cause))?;
        let shared = Shared {
            channel,
            listener,
            security,
            events,
            peers: RefCell::default(),
            next: Cell::new(0),
            open: Cell::new(0),
            closing: Cell::new(false),
            moved: Notify::new(),
            closed: Notify::new(),
        };
        let socket = Self { shared: Rc::new(shared), accepting: RefCell::new(None) };
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
                    // Out of descriptors: others must close theirs first.
                    Err(_) => sleep(Duration::from_millis(100)).await,
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
        peer.is_some_and(|peer| peer.to.leave(Outgoing::Message(Rc::new(parts))))
    }

    /// Sends a message to whoever subscribed to its first frame.
    pub fn publish(&self, parts: Vec<Vec<u8>>) {
        let parts = Rc::new(parts);
        let topic = parts.first().map_or(&[][..], Vec::as_slice);
        for peer in self.shared.peers.borrow().values() {
            if peer.topics.iter().any(|wanted| topic.starts_with(wanted)) {
                peer.to.leave(Outgoing::Message(Rc::clone(&parts)));
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
                let Ok(connection) = self.shared.listener.accept().await else { break };
                held.extend(connection.into_descriptor());
            }
        };
        let _ = timeout(limit, taking).await;
        held
    }

    /// Whether peers are still sent what is left for them.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.shared.closing.get()
    }

    /// Takes no more connections, waits at most `rest` for messages that have begun to come, flushes, closes
    /// our side of each, and waits at most `limit` until the peers have closed theirs. Whatever they had sent
    /// has then become an [`Event`].
    pub fn finish(&self, rest: Duration, limit: Duration) -> impl Future<Output = ()> + use<> {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
        }
        let shared = Rc::clone(&self.shared);
        async move {
            // A client's library throws away a message whose connection ends half-way.
            let _ = timeout(rest * LONG, shared.calm(rest)).await;
            // Whoever is about to join closes by itself then.
            shared.closing.set(true);
            shared.closed.notify_waiters();
            for peer in shared.peers.borrow().values() {
                peer.to.leave(Outgoing::Close);
            }
            let _ = timeout(limit, shared.until(|| shared.open.get() == 0)).await;
        }
    }
}

fn cannot_listen(channel: Channel, endpoint: &Endpoint, cause: &std::io::Error) -> Error {
    let (why, advice) = match cause.kind() {
        ErrorKind::AddrInUse => {
            ("is taken by another process".to_owned(), "start the kernel again, Jupyter then chooses other ports")
        }
        kind => (
            format!("can't be listened on: {kind}"),
            "the address in the kernel's connection file must be one of this machine, its folder one that the user may write",
        ),
    };
    Error::new(Kind::PortTaken, format!("the kernel's {} {endpoint} {why}", channel.key()), advice)
}

/// What the limit on descriptors leaves for each of the five sockets.
fn most_peers() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(RESERVED as u64, |(soft, _)| soft);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    (limit.saturating_sub(RESERVED) / Channel::ALL.len()).clamp(16, MOST_PEERS)
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

    /// Waits until that is so.
    async fn until(&self, is_so: impl Fn() -> bool) {
        while !is_so() {
            self.moved.notified().await;
        }
    }

    /// Waits until no message is on its way, or what has begun to come is still the same after `rest`. Who
    /// by then has never ceased to send messages has no end that one could wait for.
    async fn calm(&self, rest: Duration) {
        let (mut calm, mut before, mut since) = (0, None, Instant::now());
        let start = since;
        let at_start: BTreeMap<u64, u64> =
            self.peers.borrow().iter().map(|(connection, peer)| (*connection, peer.progress.messages())).collect();
        while calm < CALM && since.elapsed() < rest {
            let (midway, reads) = {
                let peers = self.peers.borrow();
                let floods = |(connection, peer): &(&u64, &Peer)| {
                    let sent = peer.progress.messages() - at_start.get(connection).unwrap_or(&0);
                    sent >= FLOOD && start.elapsed() >= rest
                };
                let awaited = || peers.iter().filter(|each| !floods(each)).map(|(_, peer)| &peer.progress);
                (
                    awaited().any(|progress| progress.is_midway()),
                    awaited().map(|progress| progress.reads()).sum::<u64>(),
                )
            };
            if before.replace(reads) == Some(reads) {
                calm = if midway { 0 } else { calm + 1 };
            } else {
                (calm, since) = (0, Instant::now());
            }
            sleep(LOOK).await;
        }
    }

    async fn closed(&self) {
        while !self.closing.get() {
            self.closed.notified().await;
        }
    }

    async fn serve(self: Rc<Self>, stream: Box<dyn Stream>) {
        self.attend(stream).await;
        self.open.set(self.open.get() - 1);
        self.moved.notify_one();
    }

    async fn attend(&self, stream: Box<dyn Stream>) {
        let ours = Properties { socket_type: self.socket_type().to_vec(), identity: Vec::new() };
        // Whoever has not greeted has sent nothing, and comes back.
        let greeted = tokio::select! {
            biased;
            () = self.closed() => return,
            greeted = Greeted::by(stream, &self.security) => greeted,
        };
        let Ok(greeted) = greeted else { return };
        let Ok((reader, writer, theirs)) = greeted.shake(&self.security, &ours).await else { return };
        if !self.fits(&theirs.socket_type) || self.events.send(Event::Joined).await.is_err() {
            return;
        }
        let connection = self.next.get();
        self.next.set(connection + 1);
        let (to, sender) = Outbox::new();
        let origin = Origin { connection, identity: theirs.identity.clone(), joined: Instant::now() };
        let peer = Peer { identity: theirs.identity, to: to.clone(), topics: Vec::new(), progress: reader.progress() };
        if self.closing.get() {
            to.leave(Outgoing::Close);
        }
        self.peers.borrow_mut().insert(connection, peer);
        let writing = spawn_local(sender.run(writer));
        self.read(reader, &origin, &to).await;
        writing.abort();
        self.peers.borrow_mut().remove(&connection);
    }

    async fn read(&self, mut reader: Reader, origin: &Origin, to: &Outbox) {
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
                        to.leave(Outgoing::Command(pong));
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
        let has_room = |peer: &&mut Peer| peer.topics.len() < MOST_TOPICS && topic.len() <= LONGEST_TOPIC;
        let peer = peers.get_mut(&origin.connection).filter(has_room)?;
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
