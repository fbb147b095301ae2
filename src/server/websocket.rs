//! A connection to one kernel through its server: a websocket that carries all channels.
//!
//! hyper performs the upgrade, so a refusal is read like any other response; tungstenite handles the frames. Servers
//! use the subprotocol of [`super::frames`]; older servers and gateways use JSON. The response to the upgrade says
//! which.
//!
//! While the connection is open, the server counts it and does not cull the kernel, unless it also culls connected
//! kernels. So the connection is closed as soon as it is no longer needed.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{HeaderValue, StatusCode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use serde_json::Value;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::error::{Error as Wrong, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::address::Base;
use super::frames::{self, Parts, V1};
use super::rest::{JupyterServer, down, is_id};
use crate::error::{Error, Kind, Result};
use crate::kernel::endpoint::Channel;
use crate::kernel::message::KernelMessage;
use crate::kernel::message::{KernelRequest, Session};
use crate::kernel::signature::{Scheme, Signer};
use crate::net::deadline::Deadline;

/// The text that a server appends to the key (RFC 6455).
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// The time limit for checking that a server which did not connect to a kernel is alive.
const AFTERWARDS: Duration = Duration::from_secs(5);
/// The time limit for the server to close its side.
const CLOSE: Duration = Duration::from_secs(1);
/// The largest message accepted, in bytes.
const LARGEST: usize = 64 << 20;

/// A connection to one kernel.
pub struct Websocket {
    stream: WebSocketStream<TokioIo<Upgraded>>,
    session: Session,
    v1: bool,
    kernel: String,
    server: Base,
}

impl std::fmt::Debug for Websocket {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Websocket({} at {})", self.kernel, self.server)
    }
}

impl Websocket {
    /// Connects to the kernel `id`. A server answers once the kernel does, which may take a minute for a busy kernel.
    pub async fn connect(server: &JupyterServer, id: &str, deadline: Deadline) -> Result<Self> {
        if !is_id(id) {
            return Err(server.unknown(id));
        }
        let session = Session::new(Signer::new(Scheme::Sha256, b""));
        let key = STANDARD.encode(fastrand::u128(..).to_ne_bytes());
        let key_value = HeaderValue::from_str(&key).map_err(|_| server.broken())?;
        let headers = [
            (CONNECTION, HeaderValue::from_static("Upgrade")),
            (UPGRADE, HeaderValue::from_static("websocket")),
            (SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            (SEC_WEBSOCKET_KEY, key_value),
            (SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(V1)),
        ];
        let path = format!("/api/kernels/{id}/channels?session_id={}", session.id());
        let reply = match server.request(&path, &headers, deadline).await {
            // A server waits for the kernel before it answers.
            Err(error) if error.kind() == Kind::TimedOut => {
                server.kernel(id, Deadline::after(AFTERWARDS)).await?;
                return Err(busy(id));
            }
            reply => reply.map_err(down)?,
        };
        match reply.status() {
            StatusCode::SWITCHING_PROTOCOLS => {}
            StatusCode::NOT_FOUND => return Err(server.not_found(id, deadline).await),
            // The answer ignores the upgrade: a proxy does not pass it on, or the server does not support it.
            StatusCode::OK | StatusCode::BAD_REQUEST | StatusCode::UPGRADE_REQUIRED => {
                return Err(
                    server.not_jupyter("does not open a websocket; a proxy on the way may not support websockets")
                );
            }
            _ => return Err(server.refusal(&reply)),
        }
        let accepted = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes()));
        let header = |name| reply.headers().get(name).map(HeaderValue::as_bytes);
        if header(SEC_WEBSOCKET_ACCEPT) != Some(accepted.as_bytes()) {
            return Err(server.not_jupyter("does not open a websocket"));
        }
        let v1 = header(SEC_WEBSOCKET_PROTOCOL) == Some(V1.as_bytes());
        let upgraded = hyper::upgrade::on(reply).await.map_err(|_| server.broken())?;
        let config = WebSocketConfig::default().max_message_size(Some(LARGEST)).max_frame_size(Some(LARGEST));
        let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, Some(config)).await;
        Ok(Self { stream, session, v1, kernel: id.to_owned(), server: server.address().clone() })
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
        let id = self.session.next_id();
        let whole = self.session.frames(kind, parent.map_or(b"", |parent| &parent.raw_header), content);
        // The delimiter and the signature are left out: the server adds its own.
        let parts = whole.get(2..).unwrap_or_default();
        let message = if self.v1 {
            Message::binary(frames::compose_v1(channel, parts))
        } else {
            let text = String::from_utf8(frames::compose_json(channel, parts)).unwrap_or_default();
            Message::text(text)
        };
        self.stream.send(message).await.map_err(|_| self.gone())?;
        Ok(id)
    }

    /// Waits for the next message on any channel. Dropping the future loses no message.
    pub async fn next(&mut self) -> Result<KernelMessage> {
        loop {
            let message = match self.stream.next().await {
                Some(Ok(message)) => message,
                Some(Err(Wrong::Protocol(ProtocolError::ResetWithoutClosingHandshake))) | None => {
                    return Err(self.gone());
                }
                Some(Err(Wrong::Protocol(_) | Wrong::Capacity(_) | Wrong::Utf8(_))) => {
                    return Err(self.not_a_websocket());
                }
                Some(Err(_)) => return Err(self.gone()),
            };
            let parts = match &message {
                Message::Binary(frame) if self.v1 => frames::parse_v1(frame),
                Message::Binary(frame) => frames::parse_json_with_buffers(frame),
                Message::Text(text) => frames::parse_json(text.as_bytes()),
                Message::Close(_) => return Err(self.gone()),
                _ => continue,
            };
            // A message that can't be parsed belongs to an unknown extension.
            let Some(arrived) = parts.as_ref().and_then(arrived) else { continue };
            if reports_a_dead_kernel(&arrived) {
                return Err(self.gone());
            }
            return Ok(arrived);
        }
    }

    /// Closes the connection with a closing handshake, reading what the server still sends.
    pub async fn close(mut self) {
        let closing = async {
            let _ = self.stream.close(None).await;
            while let Some(Ok(_)) = self.stream.next().await {}
        };
        let _ = timeout(CLOSE, closing).await;
    }

    fn not_a_websocket(&self) -> Error {
        Error::new(
            Kind::NotJupyter,
            format!("the server at {} sends invalid websocket data, or a message that is too large", self.server),
            "check that the address is a Jupyter server's, and check any proxy on the way to it",
        )
    }

    fn gone(&self) -> Error {
        Error::new(
            Kind::KernelDied,
            format!("the kernel {} or its server at {} exited or restarted meanwhile", self.kernel, self.server),
            "once it runs again, run the command again",
        )
    }
}

fn busy(id: &str) -> Error {
    Error::new(
        Kind::KernelBusy,
        format!("the server did not connect to the kernel {id} in time: the kernel is busy, or does not answer"),
        "try again once its cell has finished, or wait longer with --wait SECONDS",
    )
}

fn arrived(parts: &Parts<'_>) -> Option<KernelMessage> {
    let content: Value = serde_json::from_slice(parts.content).ok()?;
    let message = KernelRequest {
        routing: Vec::new(),
        header: serde_json::from_slice(parts.header).ok()?,
        raw_header: parts.header.to_vec(),
        raw_parent: parts.parent.to_vec(),
        content,
        size: parts.content.len(),
    };
    message.content.is_object().then(|| KernelMessage::new(parts.channel, message))
}

/// Whether a message says that the kernel died or restarts; the server sends such messages in the kernel's name.
fn reports_a_dead_kernel(message: &KernelMessage) -> bool {
    message.channel == Channel::IoPub
        && message.header.msg_type == "status"
        && matches!(message.content["execution_state"].as_str(), Some("dead" | "restarting"))
}
