//! A link to a running kernel, whichever way it is reached: messages out, messages in.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use crate::error::Result;
use crate::kernel::client::Sockets;
use crate::kernel::endpoint::Channel;
use crate::kernel::message::Arrived;
use crate::server::websocket::Socket;

/// The ways to a running kernel. Each link has a session of its own.
#[derive(Debug)]
pub enum Link {
    /// Its own sockets.
    Sockets(Box<Sockets>),
    /// Its server's websocket.
    Server(Box<Socket>),
}

impl Link {
    /// Connects to `channel`, where that is not done yet.
    pub async fn open(&mut self, channel: Channel) -> Result<()> {
        match self {
            Self::Sockets(sockets) => sockets.open(&[channel]).await,
            // All are there from the beginning.
            Self::Server(_) => Ok(()),
        }
    }

    /// Sends a message of type `kind` and gives its id. `parent` is what it answers, as on stdin.
    pub async fn send(
        &mut self,
        channel: Channel,
        kind: &str,
        parent: Option<&Arrived>,
        content: &Value,
    ) -> Result<String> {
        match self {
            Self::Sockets(sockets) => sockets.send(channel, kind, parent, content).await,
            Self::Server(socket) => socket.send(channel, kind, parent, content).await,
        }
    }

    /// The next message of any channel. Nothing is lost when this is dropped half-way.
    pub async fn next(&mut self) -> Result<Arrived> {
        match self {
            Self::Sockets(sockets) => sockets.next().await,
            Self::Server(socket) => socket.next().await,
        }
    }

    /// The session that messages are sent in.
    pub fn session_id(&self) -> &str {
        match self {
            Self::Sockets(sockets) => sockets.session_id(),
            Self::Server(socket) => socket.session_id(),
        }
    }

    /// For a kernel that does not answer: opens what may tell why, and asks again on a new connection.
    pub async fn look_around(&mut self) -> Result<()> {
        match self {
            Self::Sockets(sockets) => sockets.look_around().await,
            // All channels are there already, and the server's connections to the kernel are its own.
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
            Self::Server(_) => {}
        }
    }

    /// Whether iopub was closed because the kernel sent more there than anybody takes.
    pub fn is_flooded(&self) -> bool {
        match self {
            Self::Sockets(sockets) => sockets.is_flooded(),
            Self::Server(_) => false,
        }
    }

    /// Whether the heartbeat comes back within `limit`; `None` where it can't be seen.
    pub async fn beats(&mut self, limit: Duration) -> Option<bool> {
        match self {
            Self::Sockets(sockets) => Some(sockets.beats(limit).await),
            Self::Server(_) => None,
        }
    }

    /// From now on messages are for that subshell of the kernel, or for its main shell.
    pub fn set_subshell(&mut self, subshell: Option<String>) {
        match self {
            Self::Sockets(sockets) => sockets.session().set_subshell(subshell),
            Self::Server(socket) => socket.session().set_subshell(subshell),
        }
    }

    /// Ends it as whoever is at the other end expects.
    pub async fn close(self) {
        match self {
            Self::Sockets(sockets) => drop(sockets),
            Self::Server(socket) => socket.close().await,
        }
    }
}
