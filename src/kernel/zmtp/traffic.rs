//! Messages over a connection: assembled from frames, decrypted if the mechanism is CURVE, and bounded.

use std::cell::Cell;
use std::io::{ErrorKind, Result};
use std::rc::Rc;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};

use super::Violation;
use super::curve::ConnectionKeys;
use super::frame::{self, Decoded, Frame};
use super::greeting;

/// The most frames of one message.
const PARTS: usize = 1024;
/// The most bytes of one message.
const LARGEST: usize = 64 * 1024 * 1024;
/// The largest frame for which a reader's buffer is kept.
const USUAL: usize = 64 * 1024;

/// A stream of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

pub(super) type Boxed = Box<dyn Stream>;

/// What a peer sends.
#[derive(Debug)]
pub enum Received {
    /// A whole message.
    Message(Vec<Vec<u8>>),
    /// A command, with its name in front.
    Command(Vec<u8>),
}

/// The side of a connection that reads.
pub struct MessageReader {
    stream: ReadHalf<Boxed>,
    buffer: BytesMut,
    keys: Option<ConnectionKeys>,
    /// The frames of a message that is not whole yet.
    parts: Vec<Vec<u8>>,
    size: usize,
    progress: Rc<Progress>,
}

/// A reader's progress, for tasks other than the one that reads.
#[derive(Debug, Default)]
pub struct Progress {
    midway: Cell<bool>,
    reads: Cell<u64>,
    messages: Cell<u64>,
}

impl Progress {
    /// Whether only a part of a message has arrived.
    pub const fn is_midway(&self) -> bool {
        self.midway.get()
    }

    /// The number of reads that returned bytes.
    pub const fn reads(&self) -> u64 {
        self.reads.get()
    }

    /// The number of complete messages.
    pub const fn messages(&self) -> u64 {
        self.messages.get()
    }
}

/// The side that writes.
pub struct MessageWriter {
    stream: WriteHalf<Boxed>,
    keys: Option<ConnectionKeys>,
}

/// Splits a new connection into its reading and its writing side.
pub(super) fn sides(stream: Boxed) -> (MessageReader, MessageWriter) {
    let (read, write) = split(stream);
    let buffer = BytesMut::with_capacity(1024);
    let reader =
        MessageReader { stream: read, buffer, keys: None, parts: Vec::new(), size: 0, progress: Rc::default() };
    (reader, MessageWriter { stream: write, keys: None })
}

impl MessageReader {
    /// The peer's greeting.
    pub(super) async fn greeting(&mut self) -> Result<[u8; greeting::LENGTH]> {
        let mut greeting = [0; greeting::LENGTH];
        // A peer of another protocol may never send a whole greeting, so its first bytes are checked alone.
        self.stream.read_exact(&mut greeting[..greeting::SIGNATURE]).await?;
        if greeting[0] != 0xff {
            return Err(Violation("the signature is not ZMTP's").into());
        }
        self.stream.read_exact(&mut greeting[greeting::SIGNATURE..]).await?;
        Ok(greeting)
    }

    async fn frame(&mut self) -> Result<Frame> {
        loop {
            match frame::decode(&self.buffer)? {
                Decoded::Frame(frame, length) => {
                    self.buffer.advance(length);
                    if length > USUAL {
                        self.buffer = BytesMut::from(&self.buffer[..]);
                    }
                    return Ok(frame);
                }
                Decoded::Incomplete => {
                    self.progress.midway.set(!(self.buffer.is_empty() && self.parts.is_empty()));
                    // The buffer grows with the bytes that arrived, never with the announced length.
                    self.buffer.reserve(4096);
                    if self.stream.read_buf(&mut self.buffer).await? == 0 {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                    self.progress.reads.set(self.progress.reads.get() + 1);
                }
            }
        }
    }

    /// From now on everything is encrypted.
    pub(super) fn encrypted_by(&mut self, keys: ConnectionKeys) {
        self.keys = Some(keys);
    }

    /// A command of the handshake.
    pub(super) async fn command(&mut self) -> Result<Vec<u8>> {
        let frame = self.frame().await?;
        if frame.command { Ok(frame.body) } else { Err(Violation("a message before the handshake's end").into()) }
    }

    /// The next message or command. Nothing is lost when this is dropped half-way.
    pub async fn next(&mut self) -> Result<Received> {
        loop {
            let mut frame = self.frame().await?;
            if let Some(keys) = &mut self.keys {
                let (more, command, body) = keys.open(&frame.body)?;
                frame = Frame { more, command, body };
            }
            if frame.command {
                return Ok(Received::Command(frame.body));
            }
            self.size += frame.body.len();
            self.parts.push(frame.body);
            if self.size > LARGEST || self.parts.len() > PARTS {
                return Err(Violation("a message is too large").into());
            }
            if !frame.more {
                self.size = 0;
                self.progress.midway.set(!self.buffer.is_empty());
                self.progress.messages.set(self.progress.messages.get() + 1);
                return Ok(Received::Message(std::mem::take(&mut self.parts)));
            }
        }
    }

    /// The reader's progress, updated as it reads.
    pub fn progress(&self) -> Rc<Progress> {
        Rc::clone(&self.progress)
    }
}

impl MessageWriter {
    /// From now on everything is encrypted.
    pub(super) fn encrypt_by(&mut self, keys: ConnectionKeys) {
        self.keys = Some(keys);
    }

    /// Sends this side's greeting.
    pub(super) async fn greeting(&mut self, greeting: &[u8; greeting::LENGTH]) -> Result<()> {
        self.stream.write_all(greeting).await
    }

    pub(super) async fn frame(&mut self, more: bool, command: bool, body: &[u8]) -> Result<()> {
        self.write(&[(more, command, body)]).await
    }

    /// Sends the frames of one message.
    pub async fn message(&mut self, parts: &[Vec<u8>]) -> Result<()> {
        let last = parts.len().saturating_sub(1);
        let frames: Vec<_> = parts.iter().enumerate().map(|(at, part)| (at != last, false, part.as_slice())).collect();
        self.write(&frames).await
    }

    /// Sends a command.
    pub async fn command(&mut self, body: &[u8]) -> Result<()> {
        self.frame(false, true, body).await
    }

    async fn write(&mut self, frames: &[(bool, bool, &[u8])]) -> Result<()> {
        let mut bytes = Vec::with_capacity(frames.iter().map(|(_, _, body)| body.len() + 64).sum());
        for (more, command, body) in frames {
            match &mut self.keys {
                None => frame::encode(*more, *command, body, &mut bytes),
                Some(keys) => frame::encode(false, false, &keys.seal(*more, *command, body)?, &mut bytes),
            }
        }
        self.stream.write_all(&bytes).await?;
        self.stream.flush().await
    }

    /// Closes the writing side.
    pub async fn close(mut self) {
        let _ = self.stream.shutdown().await;
    }
}
