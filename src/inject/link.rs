//! A link to a running kernel, direct or through a server: sends and receives messages.

use std::time::Duration;

use serde_json::{Value, json};

use crate::error::Result;
use crate::kernel::client::Sockets;
use crate::kernel::endpoint::Channel;
use crate::kernel::message::KernelMessage;
use crate::server::websocket::Websocket;

/// How a running kernel is reached. Each link has its own session.
#[derive(Debug)]
pub enum Link {
    /// Its own sockets.
    Sockets(Box<Sockets>),
    /// Its server's websocket.
    Server(Box<Websocket>),
}

impl Link {
    /// Connects to `channel`, unless it is connected already.
    pub async fn open(&mut self, channel: Channel) -> Result<()> {
        match self {
            Self::Sockets(sockets) => sockets.open(&[channel]).await,
            // A websocket carries all channels.
            Self::Server(_) => Ok(()),
        }
    }

    /// Sends a message of type `kind` and returns its id. `parent` is the header of the message that it answers, if
    /// any.
    pub async fn send(
        &mut self,
        channel: Channel,
        kind: &str,
        parent: Option<&KernelMessage>,
        content: &Value,
    ) -> Result<String> {
        match self {
            Self::Sockets(sockets) => sockets.send(channel, kind, parent, content).await,
            Self::Server(socket) => socket.send(channel, kind, parent, content).await,
        }
    }

    /// Waits for the next message on any channel. Dropping the future loses no message.
    pub async fn next(&mut self) -> Result<KernelMessage> {
        match self {
            Self::Sockets(sockets) => sockets.next().await,
            Self::Server(socket) => socket.next().await,
        }
    }

    /// The session id of the messages sent.
    pub fn session_id(&self) -> &str {
        match self {
            Self::Sockets(sockets) => sockets.session_id(),
            Self::Server(socket) => socket.session_id(),
        }
    }

    /// Probes a kernel that does not answer: opens the channels that may show why, and requests kernel_info on control
    /// and on a new shell connection.
    pub async fn probe(&mut self) -> Result<()> {
        match self {
            Self::Sockets(sockets) => sockets.probe().await,
            // All channels are open already, and the connections to the kernel are the server's.
            Self::Server(socket) => {
                for channel in [Channel::Control, Channel::Shell] {
                    socket.send(channel, "kernel_info_request", None, &json!({})).await?;
                }
                Ok(())
            }
        }
    }

    /// Unsubscribes from iopub, where that is possible.
    pub fn leave_iopub(&mut self) {
        match self {
            Self::Sockets(sockets) => sockets.leave_iopub(),
            Self::Server(_) => {}
        }
    }

    /// Whether iopub was closed because the kernel sent too much there.
    pub fn is_flooded(&self) -> bool {
        match self {
            Self::Sockets(sockets) => sockets.is_flooded(),
            Self::Server(_) => false,
        }
    }

    /// Whether the heartbeat comes back within `limit`; `None` if it can't be tried.
    pub async fn beats(&mut self, limit: Duration) -> Option<bool> {
        match self {
            Self::Sockets(sockets) => Some(sockets.beats(limit).await),
            Self::Server(_) => None,
        }
    }

    /// Directs later messages to that subshell, or to the main shell.
    pub fn set_subshell(&mut self, subshell: Option<String>) {
        match self {
            Self::Sockets(sockets) => sockets.session().set_subshell(subshell),
            Self::Server(socket) => socket.session().set_subshell(subshell),
        }
    }

    /// Closes the link, a websocket with its closing handshake.
    pub async fn close(self) {
        match self {
            Self::Sockets(sockets) => drop(sockets),
            Self::Server(socket) => socket.close().await,
        }
    }
}
