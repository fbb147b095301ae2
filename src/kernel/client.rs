//! The client's side of a kernel's sockets: one connection for each channel that is used.
//!
//! Shell, control and stdin are DEALERs with the same identity, because a kernel sends an input request to the
//! identity of the shell request. A closed connection means that the kernel has exited or restarted, so there is no
//! reason to wait. A further connection needs another identity, since a ROUTER rejects an identity that is still
//! connected.
//!
//! Everything that arrives is bounded: frames and messages in [`super::zmtp`], a handshake in time. Only iopub can
//! flood, so it is read last, and only if it was opened.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::{FutureExt, select_all, try_join_all};
use serde_json::{Value, json};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::connection::ConnectionFile;
use super::endpoint::{Channel, Endpoint, reached_at};
use super::message::KernelMessage;
use super::message::{KernelRequest, Refused, Session};
use super::signature::Signer;
use super::trouble::{died, gone, silent, violation, wrong_signature};
use super::zmtp::Violation;
use super::zmtp::command::{self, Properties};
use super::zmtp::curve_client::Pair;
use super::zmtp::peer::{ClientSecurity, connect};
use super::zmtp::traffic::{MessageReader, MessageWriter, Received, Stream};
use crate::error::{Error, Kind, Result};

/// The time limit for connecting to a port.
const CONNECT: Duration = Duration::from_secs(10);

/// The order in which channels are read: those for this client before the broadcast one.
const ORDER: [Channel; 4] = [Channel::Shell, Channel::Control, Channel::Stdin, Channel::IoPub];

struct ChannelConnection {
    reader: MessageReader,
    writer: MessageWriter,
}

/// The connections to one kernel.
pub struct Sockets {
    file: ConnectionFile,
    trust: ClientSecurity,
    session: Session,
    identity: Vec<u8>,
    open: [Option<ChannelConnection>; 5],
    /// Further connections to shell, each with its own identity, on which a request was repeated.
    again: Vec<ChannelConnection>,
    flooded: bool,
}

impl std::fmt::Debug for Sockets {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Sockets({})", self.file.path().display())
    }
}

/// A connection to a kernel's heartbeat on which nothing is sent, so neither side wakes up for it.
pub struct Pulse(ChannelConnection);

impl std::fmt::Debug for Pulse {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Pulse")
    }
}

impl Pulse {
    /// Waits until the connection ends: until the kernel's process does.
    pub async fn end(mut self) {
        while self.0.reader.next().await.is_ok() {}
    }
}

impl Sockets {
    /// Connects to `channels` of the kernel that `file` describes.
    pub async fn connect(file: ConnectionFile, channels: &[Channel]) -> Result<Self> {
        let session = Session::new(Signer::new(file.scheme(), file.key()));
        let trust = match file.curve() {
            None => ClientSecurity::Null,
            Some(keys) => {
                let ours = Pair::new().map_err(|cause| Error::new(Kind::Os, cause.0, "check /dev/urandom"))?;
                ClientSecurity::Curve { kernel: keys.public.into(), ours }
            }
        };
        let identity = session.id().as_bytes().to_vec();
        let mut sockets =
            Self { file, trust, session, identity, open: [const { None }; 5], again: Vec::new(), flooded: false };
        sockets.open(channels).await?;
        Ok(sockets)
    }

    /// Connects to further channels.
    pub async fn open(&mut self, channels: &[Channel]) -> Result<()> {
        let wanted = channels.iter().filter(|channel| self.open[**channel as usize].is_none());
        let opened = try_join_all(wanted.map(|channel| self.reach(*channel, &self.identity))).await?;
        for (channel, connection) in opened {
            self.open[channel as usize] = Some(connection);
        }
        Ok(())
    }

    /// Opens control, iopub and a second connection to shell, and requests kernel_info on control and on the new shell
    /// connection. A new connection makes the kernel read requests that it had left unread.
    pub async fn probe(&mut self) -> Result<()> {
        self.open(&[Channel::Control, Channel::IoPub]).await?;
        self.send(Channel::Control, "kernel_info_request", None, &json!({})).await?;
        let identity = format!("{:032x}", fastrand::u128(..)).into_bytes();
        let (_, mut connection) = self.reach(Channel::Shell, &identity).await?;
        let frames = self.session.frames("kernel_info_request", b"", &json!({}));
        connection.writer.message(&frames).await.map_err(|_| died(&self.file))?;
        self.again.push(connection);
        Ok(())
    }

    /// The id of the session of the messages sent.
    pub fn session_id(&self) -> &str {
        self.session.id()
    }

    /// The session of the messages sent.
    pub const fn session(&mut self) -> &mut Session {
        &mut self.session
    }

    /// Sends a message of type `kind`; returns its id.
    pub async fn send(
        &mut self,
        channel: Channel,
        kind: &str,
        parent: Option<&KernelMessage>,
        content: &Value,
    ) -> Result<String> {
        self.open(&[channel]).await?;
        let id = self.session.next_id();
        let frames = self.session.frames(kind, parent.map_or(b"", |parent| &parent.raw_header), content);
        if let Some(connection) = &mut self.open[channel as usize]
            && connection.writer.message(&frames).await.is_ok()
        {
            return Ok(id);
        }
        Err(died(&self.file))
    }

    /// The next message on any channel that is open. Nothing is lost when this is dropped half-way.
    pub async fn next(&mut self) -> Result<KernelMessage> {
        loop {
            let (channel, received) = self.received().await?;
            let frames = match received {
                Received::Message(frames) => frames,
                Received::Command(body) => {
                    if let (Ok((b"PING", rest)), Some(connection)) =
                        (command::split(&body), &mut self.open[channel as usize])
                    {
                        connection.writer.command(&command::pong(rest)).await.map_err(|_| died(&self.file))?;
                    }
                    continue;
                }
            };
            match KernelRequest::parse(frames, self.session.signer()) {
                Ok(request) => return Ok(KernelMessage::new(channel, request)),
                Err(Refused::WrongSignature) => return Err(wrong_signature(&self.file)),
                // A broadcast is for all clients, and may use unknown parts of the protocol.
                Err(Refused::Malformed) if channel == Channel::IoPub => {}
                Err(Refused::Malformed) => {
                    let what = format!("the kernel of {} sent a malformed message", self.file.path().display());
                    return Err(Error::new(Kind::NotAKernel, what, "restart the kernel from Jupyter"));
                }
            }
        }
    }

    async fn received(&mut self) -> Result<(Channel, Received)> {
        let mut places: [Option<&mut ChannelConnection>; 5] = self.open.each_mut().map(Option::as_mut);
        let again = self.again.iter_mut().map(|connection| (Channel::Shell, connection));
        let reading: Vec<_> = again
            .chain(ORDER.into_iter().filter_map(|channel| Some((channel, places[channel as usize].take()?))))
            .map(|(channel, connection)| async move { (channel, connection.reader.next().await) }.boxed_local())
            .collect();
        if reading.is_empty() {
            return std::future::pending().await;
        }
        let ((channel, received), ..) = select_all(reading).await;
        match received {
            Ok(received) => Ok((channel, received)),
            // The flood may exceed every limit; the other channels show whether the kernel lives.
            Err(cause) if channel == Channel::IoPub => {
                self.flooded |= cause.kind() == ErrorKind::InvalidData;
                self.open[channel as usize] = None;
                Ok((channel, Received::Command(Vec::new())))
            }
            Err(cause) if cause.kind() == ErrorKind::InvalidData => Err(violation(&self.file, channel, &cause)),
            Err(_) => Err(died(&self.file)),
        }
    }

    /// Closes iopub.
    pub fn leave_iopub(&mut self) {
        self.open[Channel::IoPub as usize] = None;
    }

    /// Whether iopub was closed because the kernel exceeded the limits there.
    pub const fn is_flooded(&self) -> bool {
        self.flooded
    }

    /// Whether the heartbeat comes back within `limit`. If so the process lives, even if it is busy.
    pub async fn beats(&mut self, limit: Duration) -> bool {
        let beat = async {
            self.open(&[Channel::Heartbeat]).await.ok()?;
            let connection = self.open[Channel::Heartbeat as usize].as_mut()?;
            // What a REQ socket sends: an empty frame, then the message.
            let ping = [Vec::new(), self.identity.clone()];
            connection.writer.message(&ping).await.ok()?;
            loop {
                if let Received::Message(back) = connection.reader.next().await.ok()? {
                    return (back == ping).then_some(());
                }
            }
        };
        let beats = timeout(limit, beat).await.ok().flatten().is_some();
        if !beats {
            self.open[Channel::Heartbeat as usize] = None;
        }
        beats
    }

    /// Keeps only the connection to the heartbeat, if it is open, and closes the others.
    pub fn into_pulse(mut self) -> Option<Pulse> {
        self.open[Channel::Heartbeat as usize].take().map(Pulse)
    }

    async fn reach(&self, channel: Channel, identity: &[u8]) -> Result<(Channel, ChannelConnection)> {
        let endpoint = self.file.endpoint(channel);
        let stream = match timeout(CONNECT, stream(&endpoint)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(cause)) => return Err(gone(&self.file, channel, &endpoint, cause.kind())),
            Err(_) => return Err(silent(&self.file, channel, &endpoint)),
        };
        let (socket_type, expected): (&[u8], &[&[u8]]) = match channel {
            Channel::Shell | Channel::Control | Channel::Stdin => (b"DEALER", &[b"ROUTER"]),
            Channel::IoPub => (b"SUB", &[b"PUB", b"XPUB"]),
            Channel::Heartbeat => (b"REQ", &[b"REP", b"ROUTER"]),
        };
        let identity = if socket_type == b"DEALER" { identity.to_vec() } else { Vec::new() };
        let ours = Properties { socket_type: socket_type.to_vec(), identity };
        let (reader, mut writer, theirs) = connect(stream, &self.trust, &ours).await.map_err(|cause| {
            let encrypted = matches!(self.trust, ClientSecurity::Curve { .. });
            match cause.kind() {
                ErrorKind::TimedOut => silent(&self.file, channel, &endpoint),
                // libzmq closes a connection whose HELLO it can't open.
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset if encrypted => wrong_signature(&self.file),
                _ => violation(&self.file, channel, &cause),
            }
        })?;
        if !expected.contains(&theirs.socket_type.as_slice()) {
            return Err(violation(&self.file, channel, &Violation("its socket is of another type").into()));
        }
        if channel == Channel::IoPub {
            // Subscribes as in ZMTP 3.0, which later versions accept too: to everything, and to a topic that no other
            // client has. A kernel sends a signed welcome for each new topic, which shows whether its key is ours.
            let own = [&[1], self.identity.as_slice()].concat();
            writer.message(&[vec![1]]).await.map_err(|_| died(&self.file))?;
            writer.message(&[own]).await.map_err(|_| died(&self.file))?;
        }
        Ok((channel, ChannelConnection { reader, writer }))
    }
}

/// Connects to `endpoint`.
pub async fn stream(endpoint: &Endpoint) -> std::io::Result<Box<dyn Stream>> {
    match endpoint {
        Endpoint::Tcp(host, port) => {
            let stream = TcpStream::connect((reached_at(host), *port)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream))
        }
        Endpoint::Ipc(path) => {
            let path: PathBuf = path.clone();
            Ok(Box::new(UnixStream::connect(path).await?))
        }
    }
}
