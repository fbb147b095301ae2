//! The peers that are connected to a kernel's socket: each has a task that reads and one that writes.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::endpoint::Channel;
use super::listener::Listener;
use super::outbox::{Outbox, Outgoing};
use super::zmtp::command::{self, Properties};
use super::zmtp::peer::{Greeted, Security};
use super::zmtp::traffic::{MessageReader, Progress, Received, Stream};

/// The most topics of one peer, and the length of the longest, in bytes.
const MOST_TOPICS: usize = 1000;
const LONGEST_TOPIC: usize = 1024;
/// After this many checks in a row without a new byte, no message is on its way.
const CALM: u32 = 5;
const CHECK: Duration = Duration::from_millis(1);
/// A peer that sends this many messages without a pause is not waited for.
const FLOOD: u64 = 100;

/// What happened on a socket.
#[derive(Debug)]
pub enum SocketEvent {
    /// A peer finished the handshake.
    Joined,
    /// A message came.
    Message {
        /// On this channel.
        channel: Channel,
        /// From this peer.
        from: MessageOrigin,
        /// Its frames.
        parts: Vec<Vec<u8>>,
    },
    /// A peer subscribed to a topic.
    Subscribed {
        /// The peer.
        from: MessageOrigin,
        /// The topic; empty for everything.
        topic: Vec<u8>,
    },
}

/// The sender of a message: its connection, and the identity that outlives the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageOrigin {
    pub(super) connection: u64,
    pub(super) identity: Vec<u8>,
    joined: Instant,
}

impl MessageOrigin {
    /// The time at which the handshake ended.
    pub const fn joined(&self) -> Instant {
        self.joined
    }
}

/// A connected peer.
pub(super) struct Peer {
    pub(super) identity: Vec<u8>,
    pub(super) to: Outbox,
    pub(super) topics: Vec<Vec<u8>>,
    progress: Rc<Progress>,
}

/// All peers of one socket, and the state that their tasks share.
pub(super) struct Peers {
    channel: Channel,
    pub(super) listener: Listener,
    security: Rc<Security>,
    events: mpsc::Sender<SocketEvent>,
    pub(super) known: RefCell<BTreeMap<u64, Peer>>,
    next: Cell<u64>,
    /// The number of connections, including those that have not finished their greeting.
    pub(super) open: Cell<usize>,
    /// Whether all connections must close.
    pub(super) closing: Cell<bool>,
    /// A message has come, or a peer has left.
    pub(super) moved: Notify,
    /// Wakes the tasks to close their connections.
    pub(super) closed: Notify,
}

impl Peers {
    pub(super) fn new(
        channel: Channel,
        listener: Listener,
        security: Rc<Security>,
        events: mpsc::Sender<SocketEvent>,
    ) -> Rc<Self> {
        Rc::new(Self {
            channel,
            listener,
            security,
            events,
            known: RefCell::default(),
            next: Cell::new(0),
            open: Cell::new(0),
            closing: Cell::new(false),
            moved: Notify::new(),
            closed: Notify::new(),
        })
    }

    const fn socket_type(&self) -> &'static [u8] {
        match self.channel {
            Channel::IoPub => b"PUB",
            _ => b"ROUTER",
        }
    }

    /// Whether a peer of this socket type may connect; the same types as libzmq accepts for ROUTER and PUB.
    fn fits(&self, theirs: &[u8]) -> bool {
        match self.channel {
            Channel::IoPub => matches!(theirs, b"SUB" | b"XSUB"),
            _ => matches!(theirs, b"DEALER" | b"REQ" | b"ROUTER"),
        }
    }

    /// Waits until the condition holds; checks it whenever a message comes or a peer leaves.
    pub(super) async fn until(&self, is_so: impl Fn() -> bool) {
        while !is_so() {
            self.moved.notified().await;
        }
    }

    /// Waits until no message is on its way. A message that arrives only in part is waited for until nothing more of
    /// it has come for `rest`. A peer that never stops sending is not waited for.
    pub(super) async fn wait_until_idle(&self, rest: Duration) {
        let (mut calm, mut before, mut since) = (0, None, Instant::now());
        let start = since;
        let at_start: BTreeMap<u64, u64> =
            self.known.borrow().iter().map(|(connection, peer)| (*connection, peer.progress.messages())).collect();
        while calm < CALM && since.elapsed() < rest {
            let (midway, reads) = {
                let peers = self.known.borrow();
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
            sleep(CHECK).await;
        }
    }

    async fn closed(&self) {
        while !self.closing.get() {
            self.closed.notified().await;
        }
    }

    /// One connection, from its greeting to its end.
    pub(super) async fn serve(self: Rc<Self>, stream: Box<dyn Stream>) {
        self.handle_connection(stream).await;
        self.open.set(self.open.get() - 1);
        self.moved.notify_one();
    }

    async fn handle_connection(&self, stream: Box<dyn Stream>) {
        let ours = Properties { socket_type: self.socket_type().to_vec(), identity: Vec::new() };
        // A peer that has not greeted has sent nothing, and connects again.
        let greeted = tokio::select! {
            biased;
            () = self.closed() => return,
            greeted = Greeted::by(stream, &self.security) => greeted,
        };
        let Ok(greeted) = greeted else { return };
        let Ok((reader, writer, theirs)) = greeted.handshake(&self.security, &ours).await else { return };
        if !self.fits(&theirs.socket_type) || self.events.send(SocketEvent::Joined).await.is_err() {
            return;
        }
        let connection = self.next.get();
        self.next.set(connection + 1);
        let (to, sender) = Outbox::new();
        let origin = MessageOrigin { connection, identity: theirs.identity.clone(), joined: Instant::now() };
        let peer = Peer { identity: theirs.identity, to: to.clone(), topics: Vec::new(), progress: reader.progress() };
        if self.closing.get() {
            to.leave(Outgoing::Close);
        }
        self.known.borrow_mut().insert(connection, peer);
        let writing = spawn_local(sender.run(writer));
        self.read(reader, &origin, &to).await;
        writing.abort();
        self.known.borrow_mut().remove(&connection);
    }

    async fn read(&self, mut reader: MessageReader, origin: &MessageOrigin, to: &Outbox) {
        while let Ok(received) = reader.next().await {
            let event = match received {
                Received::Message(parts) if self.channel == Channel::IoPub => {
                    match parts.first().and_then(|part| part.split_first()) {
                        Some((1, topic)) => self.subscribe(origin, topic),
                        Some((0, topic)) => self.cancel(origin, topic),
                        _ => None,
                    }
                }
                Received::Message(parts) => {
                    Some(SocketEvent::Message { channel: self.channel, from: origin.clone(), parts })
                }
                Received::Command(body) => match command::split(&body) {
                    Ok((b"PING", rest)) => {
                        to.leave(Outgoing::Command(command::pong(rest)));
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

    fn subscribe(&self, origin: &MessageOrigin, topic: &[u8]) -> Option<SocketEvent> {
        let mut peers = self.known.borrow_mut();
        let has_room = |peer: &&mut Peer| peer.topics.len() < MOST_TOPICS && topic.len() <= LONGEST_TOPIC;
        let peer = peers.get_mut(&origin.connection).filter(has_room)?;
        peer.topics.push(topic.to_vec());
        Some(SocketEvent::Subscribed { from: origin.clone(), topic: topic.to_vec() })
    }

    fn cancel(&self, origin: &MessageOrigin, topic: &[u8]) -> Option<SocketEvent> {
        let mut peers = self.known.borrow_mut();
        let topics = &mut peers.get_mut(&origin.connection)?.topics;
        if let Some(at) = topics.iter().position(|known| known == topic) {
            topics.swap_remove(at);
        }
        None
    }
}
