//! A link to a running kernel, whichever way it is reached: messages out, messages in.

use std::time::Duration;

use serde_json::Value;
#[cfg(feature = "inject")]
use serde_json::json;

use super::client::Sockets;
use super::endpoint::Channel;
use super::message::{Header, Request};
use crate::error::Result;
#[cfg(feature = "inject")]
use crate::server::websocket::Socket;

/// A message that came from a kernel, its signature verified.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// Where it came.
    pub channel: Channel,
    /// Its header.
    pub header: Header,
    /// Its header as it came: what a reply has for a parent.
    pub raw_header: Vec<u8>,
    /// The header of what it answers or belongs to.
    pub parent: Option<Header>,
    /// Its content.
    pub content: Value,
}

impl Arrived {
    /// A message that came on `channel`.
    #[must_use]
    pub fn new(channel: Channel, message: Request) -> Self {
        let Request { header, raw_header, raw_parent, content, .. } = message;
        Self { channel, header, raw_header, parent: serde_json::from_slice(&raw_parent).ok(), content }
    }

    /// Whether it is a message of type `kind` that answers or belongs to the one called `id`.
    #[must_use]
    pub fn is(&self, kind: &str, id: &str) -> bool {
        self.header.msg_type == kind && self.parent.as_ref().is_some_and(|parent| parent.msg_id == id)
    }
}

/// The ways to a running kernel. Each link has a session of its own.
#[derive(Debug)]
pub enum Link {
    /// Its own sockets.
    Sockets(Box<Sockets>),
    /// Its server's websocket.
    #[cfg(feature = "inject")]
    Server(Box<Socket>),
}

impl Link {
    /// Connects to `channel`, where that is not done yet.
    ///
    /// # Errors
    /// As [`Sockets::connect`].
    pub async fn open(&mut self, channel: Channel) -> Result<()> {
        match self {
            Self::Sockets(sockets) => sockets.open(&[channel]).await,
            // All are there from the beginning.
            #[cfg(feature = "inject")]
            Self::Server(_) => Ok(()),
        }
    }

    /// Sends a message of type `kind` and gives its id. `parent` is what it answers, as on stdin.
    ///
    /// # Errors
    /// [`crate::error::Kind::KernelDied`] and its kin.
    pub async fn send(
        &mut self,
        channel: Channel,
        kind: &str,
        parent: Option<&Arrived>,
        content: &Value,
    ) -> Result<String> {
        match self {
            Self::Sockets(sockets) => sockets.send(channel, kind, parent, content).await,
            #[cfg(feature = "inject")]
            Self::Server(socket) => socket.send(channel, kind, parent, content).await,
        }
    }

    /// The next message of any channel. Nothing is lost when this is dropped half-way.
    ///
    /// # Errors
    /// [`crate::error::Kind::KernelDied`], [`crate::error::Kind::WrongSignature`] and their kin.
    pub async fn next(&mut self) -> Result<Arrived> {
        match self {
            Self::Sockets(sockets) => sockets.next().await,
            #[cfg(feature = "inject")]
            Self::Server(socket) => socket.next().await,
        }
    }

    /// The session that messages are sent in.
    #[must_use]
    pub fn session_id(&self) -> &str {
        match self {
            Self::Sockets(sockets) => sockets.session_id(),
            #[cfg(feature = "inject")]
            Self::Server(socket) => socket.session_id(),
        }
    }

    /// For a kernel that does not answer: opens what may tell why, and asks again on a new connection.
    ///
    /// # Errors
    /// As [`Link::send`].
    pub async fn look_around(&mut self) -> Result<()> {
        match self {
            Self::Sockets(sockets) => sockets.look_around().await,
            // All channels are there already, and the server's connections to the kernel are its own.
            #[cfg(feature = "inject")]
            Self::Server(socket) => {
                for channel in [Channel::Control, Channel::Shell] {
                    socket.send(channel, "kernel_info_request", None, &json!({})).await?;
                }
                Ok(())
            }
        }
    }

    /// Listens to iopub no more, where it can be chosen.
    pub fn leave_iopub(&mut self) {
        match self {
            Self::Sockets(sockets) => sockets.leave_iopub(),
            #[cfg(feature = "inject")]
            Self::Server(_) => {}
        }
    }

    /// Whether iopub was closed because the kernel sent more there than anybody takes.
    #[must_use]
    pub fn is_flooded(&self) -> bool {
        match self {
            Self::Sockets(sockets) => sockets.is_flooded(),
            #[cfg(feature = "inject")]
            Self::Server(_) => false,
        }
    }

    /// Whether the heartbeat comes back within `limit`; `None` where it can't be seen.
    pub async fn beats(&mut self, limit: Duration) -> Option<bool> {
        match self {
            Self::Sockets(sockets) => Some(sockets.beats(limit).await),
            #[cfg(feature = "inject")]
            Self::Server(_) => None,
        }
    }

    /// From now on messages are for that subshell of the kernel, or for its main shell.
    pub fn set_subshell(&mut self, subshell: Option<String>) {
        match self {
            Self::Sockets(sockets) => sockets.session().set_subshell(subshell),
            #[cfg(feature = "inject")]
            Self::Server(socket) => socket.session().set_subshell(subshell),
        }
    }

    /// Ends it as whoever is at the other end expects.
    pub async fn close(self) {
        match self {
            Self::Sockets(sockets) => drop(sockets),
            #[cfg(feature = "inject")]
            Self::Server(socket) => socket.close().await,
        }
    }
}
