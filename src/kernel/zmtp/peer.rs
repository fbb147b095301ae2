//! The handshake with a peer, whichever side connects; the messages after it are in [`super::traffic`].

use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use crypto_box::{PublicKey, SecretKey};
use tokio::time::timeout;

use super::Violation;
use super::command::{self, Properties};
use super::curve;
use super::curve_client::{self, Pair};
use super::greeting::{self, Mechanism};
use super::traffic::{Boxed, MessageReader, MessageWriter, sides};

/// The time limit for a peer's handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How the listening side secures connections.
pub enum Security {
    /// No encryption (NULL).
    Null,
    /// CURVE, with this as the local key.
    Curve(SecretKey),
}

impl std::fmt::Debug for Security {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(if matches!(self, Self::Null) { "Null" } else { "Curve" })
    }
}

/// How the connecting side secures a connection.
pub enum ClientSecurity {
    /// No encryption (NULL).
    Null,
    /// By CURVE: the kernel must own this key.
    Curve {
        /// The kernel's public key.
        kernel: PublicKey,
        /// Our own key.
        ours: Pair,
    },
}

impl std::fmt::Debug for ClientSecurity {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(if matches!(self, Self::Null) { "Null" } else { "Curve" })
    }
}

/// Runs the whole handshake of the listening side, which a socket does in two steps.
#[cfg(any(test, feature = "internals"))]
pub async fn accept(
    stream: Boxed,
    security: &Security,
    ours: &Properties,
) -> Result<(MessageReader, MessageWriter, Properties)> {
    Greeted::by(stream, security).await?.handshake(security, ours).await
}

/// A connection whose peer has sent a ZMTP greeting. Before that, it can't have sent a message.
pub struct Greeted {
    reader: MessageReader,
    writer: MessageWriter,
}

impl std::fmt::Debug for Greeted {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Greeted")
    }
}

impl Greeted {
    /// Exchanges greetings with a peer that has connected.
    pub async fn by(stream: Boxed, security: &Security) -> Result<Self> {
        let mechanism = if matches!(security, Security::Null) { Mechanism::Null } else { Mechanism::Curve };
        in_time(async {
            let (mut reader, writer) = greet(stream, mechanism, true).await?;
            greeting::check(&reader.greeting().await?, mechanism)?;
            Ok(Self { reader, writer })
        })
        .await
    }

    /// Runs the rest of the handshake.
    pub async fn handshake(
        self,
        security: &Security,
        ours: &Properties,
    ) -> Result<(MessageReader, MessageWriter, Properties)> {
        in_time(handshake(self, security, ours)).await
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(HANDSHAKE, work).await.map_err(|_| Error::from(ErrorKind::TimedOut))?
}

/// Runs the handshake with a peer; returns both sides and the peer's properties.
pub async fn connect(
    stream: Boxed,
    trust: &ClientSecurity,
    ours: &Properties,
) -> Result<(MessageReader, MessageWriter, Properties)> {
    in_time(shake_hands(stream, trust, ours)).await
}

async fn handshake(
    greeted: Greeted,
    security: &Security,
    ours: &Properties,
) -> Result<(MessageReader, MessageWriter, Properties)> {
    let Greeted { mut reader, mut writer } = greeted;
    let theirs = match security {
        Security::Null => exchange(&mut reader, &mut writer, ours).await?,
        Security::Curve(secret) => {
            let (welcomed, body) = curve::welcome(secret, &reader.command().await?)?;
            writer.frame(false, true, &body).await?;
            let (mut keys, theirs) = welcomed.initiate(secret, &reader.command().await?)?;
            let ready = keys.ready(ours)?;
            writer.frame(false, true, &ready).await?;
            reader.encrypted_by(keys.clone());
            writer.encrypt_by(keys);
            theirs
        }
    };
    Ok((reader, writer, theirs))
}

async fn shake_hands(
    stream: Boxed,
    trust: &ClientSecurity,
    properties: &Properties,
) -> Result<(MessageReader, MessageWriter, Properties)> {
    let mechanism = if matches!(trust, ClientSecurity::Null) { Mechanism::Null } else { Mechanism::Curve };
    let (mut reader, mut writer) = greet(stream, mechanism, false).await?;
    let theirs = match trust {
        ClientSecurity::Null => {
            greeting::check(&reader.greeting().await?, mechanism)?;
            exchange(&mut reader, &mut writer, properties).await?
        }
        ClientSecurity::Curve { kernel, ours } => {
            // The kernel writes its greeting during this computation.
            let (greeted, body) = curve_client::hello(kernel)?;
            greeting::check(&reader.greeting().await?, mechanism)?;
            writer.frame(false, true, &body).await?;
            let (initiated, body) = greeted.initiate(kernel, ours, properties, &reader.command().await?)?;
            writer.frame(false, true, &body).await?;
            let (keys, theirs) = initiated.ready(&reader.command().await?)?;
            reader.encrypted_by(keys.clone());
            writer.encrypt_by(keys);
            theirs
        }
    };
    Ok((reader, writer, theirs))
}

/// Sends this side's greeting; the peer's is still to be read.
async fn greet(stream: Boxed, mechanism: Mechanism, as_server: bool) -> Result<(MessageReader, MessageWriter)> {
    let (reader, mut writer) = sides(stream);
    writer.greeting(&greeting::compose(mechanism, as_server)).await?;
    Ok((reader, writer))
}

/// Exchanges READY, which is the whole handshake of NULL, on both sides.
async fn exchange(reader: &mut MessageReader, writer: &mut MessageWriter, ours: &Properties) -> Result<Properties> {
    let ready = command::compose(b"READY", &ours.compose());
    writer.frame(false, true, &ready).await?;
    let body = reader.command().await?;
    let (b"READY", rest) = command::split(&body)? else {
        return Err(Violation("a command other than READY").into());
    };
    Ok(Properties::parse(rest)?)
}

#[cfg(test)]
mod tests {
    use super::super::traffic::Received;
    use super::*;

    fn properties(socket_type: &[u8]) -> Properties {
        Properties { socket_type: socket_type.to_vec(), identity: b"me".to_vec() }
    }

    /// Each security of a kernel with the matching trust of its client.
    fn pairs() -> [(Security, ClientSecurity); 2] {
        let kernel = SecretKey::from_bytes(*curve::random::<32>().unwrap());
        let trust = ClientSecurity::Curve { kernel: kernel.public_key(), ours: Pair::new().unwrap() };
        [(Security::Null, ClientSecurity::Null), (Security::Curve(kernel), trust)]
    }

    fn any_message() -> Vec<Vec<u8>> {
        let size = |largest: usize| fastrand::usize(0..=largest);
        (0..=size(12)).map(|_| vec![fastrand::u8(..); size(if fastrand::bool() { 300 } else { 70_000 })]).collect()
    }

    fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
    }

    #[test]
    fn any_message_arrives_as_it_was_sent_however_the_stream_is_cut() {
        block_on(async {
            for (security, trust) in pairs() {
                for buffer in [64, 200, 4096] {
                    let (here, there) = tokio::io::duplex(buffer);
                    let (dealer, router) = (properties(b"DEALER"), properties(b"ROUTER"));
                    let client = connect(Box::new(here), &trust, &dealer);
                    let (client, kernel) = tokio::join!(client, accept(Box::new(there), &security, &router));
                    let ((_, mut to, kernels), (mut from, _, clients)) = (client.unwrap(), kernel.unwrap());
                    assert_eq!((kernels, clients), (router, dealer));
                    let messages: Vec<_> = (0..if buffer == 4096 { 40 } else { 3 }).map(|_| any_message()).collect();
                    let sending = async {
                        for message in &messages {
                            to.message(message).await.unwrap();
                        }
                    };
                    let receiving = async {
                        for message in &messages {
                            // Dropping this future loses no bytes.
                            let received = loop {
                                if let Ok(received) = timeout(Duration::from_micros(50), from.next()).await {
                                    break received.unwrap();
                                }
                            };
                            assert!(matches!(received, Received::Message(parts) if parts == *message));
                        }
                    };
                    tokio::join!(sending, receiving);
                }
            }
        });
    }

    #[test]
    fn mismatched_security_is_refused() {
        block_on(async {
            let [(plain, open), (sealed, known)] = pairs();
            let [_, (_, stranger)] = pairs();
            for (security, trust) in [(&plain, &known), (&sealed, &open), (&sealed, &stranger)] {
                let (here, there) = tokio::io::duplex(4096);
                let (dealer, router) = (properties(b"DEALER"), properties(b"ROUTER"));
                // Each side closes the connection when it gives up.
                let kernel = async { accept(Box::new(there), security, &router).await.is_ok() };
                let client = async { connect(Box::new(here), trust, &dealer).await.is_ok() };
                assert_eq!(tokio::join!(client, kernel), (false, false), "{security:?} {trust:?}");
            }
        });
    }
}
