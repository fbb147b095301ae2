//! Messages of the kernel protocol, as multipart frames: routing ids, a delimiter, a signature, four
//! JSON objects, buffers.
//!
//! A reply carries its request's header as `parent_header`, byte for byte, so a front end gets back everything that
//! it put there.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::{Value, json};

use super::endpoint::Channel;
use super::signature::Signer;

/// The delimiter between the routing ids and the message.
pub const DELIMITER: &[u8] = b"<IDS|MSG>";
/// The supported version of the protocol.
pub const PROTOCOL: &str = "5.4";

/// The fields of a header that a receiver needs.
#[derive(Debug, Clone, Deserialize)]
pub struct Header {
    /// The message's own id.
    pub msg_id: String,
    /// The type, such as `execute_request`.
    pub msg_type: String,
    /// The client's session.
    #[serde(default)]
    pub session: String,
}

/// A received request whose signature was verified.
#[derive(Debug, Clone)]
pub struct KernelRequest {
    /// The frames before the delimiter, which a reply must begin with.
    pub routing: Vec<Vec<u8>>,
    /// The header.
    pub header: Header,
    /// The header, as received.
    pub raw_header: Vec<u8>,
    /// The parent's header, as received; `{}` without one.
    pub raw_parent: Vec<u8>,
    /// The content.
    pub content: Value,
    /// The size of its frames, in bytes.
    pub size: usize,
}

/// Why frames are not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Its shape or its JSON is wrong.
    Malformed,
    /// The signature is wrong.
    WrongSignature,
}

impl KernelRequest {
    /// Parses frames and verifies their signature. Buffers are not read: nothing here needs them.
    pub fn parse(mut frames: Vec<Vec<u8>>, signer: &Signer) -> Result<Self, Refused> {
        let size = frames.iter().map(Vec::len).sum();
        let delimiter = frames.iter().position(|frame| frame == DELIMITER).ok_or(Refused::Malformed)?;
        let mut message = frames.split_off(delimiter).into_iter().skip(1);
        let mut next = || message.next().ok_or(Refused::Malformed);
        let (signature, raw_header, parent, metadata, content) = (next()?, next()?, next()?, next()?, next()?);
        if !signer.verify(&signature, &[&raw_header, &parent, &metadata, &content]) {
            return Err(Refused::WrongSignature);
        }
        let header = serde_json::from_slice(&raw_header).map_err(|_| Refused::Malformed)?;
        let content: Value = serde_json::from_slice(&content).map_err(|_| Refused::Malformed)?;
        if !content.is_object() {
            return Err(Refused::Malformed);
        }
        Ok(Self { routing: frames, header, raw_header, raw_parent: parent, content, size })
    }
}

/// A sender of messages: a session with its own id and a counter.
#[derive(Debug)]
pub struct Session {
    id: String,
    sent: u64,
    signer: Signer,
    subshell: Option<String>,
}

impl Session {
    /// A new session with its own id.
    pub fn new(signer: Signer) -> Self {
        Self { id: format!("{:032x}", fastrand::u128(..)), sent: 0, signer, subshell: None }
    }

    /// The session's id, 32 hexadecimal digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The session's signer.
    pub const fn signer(&self) -> &Signer {
        &self.signer
    }

    /// Directs later messages to that subshell of the kernel, or to its main shell.
    pub fn set_subshell(&mut self, subshell: Option<String>) {
        self.subshell = subshell;
    }

    /// The id that the next message will have.
    pub fn next_id(&self) -> String {
        format!("{}_{}_{}", self.id, std::process::id(), self.sent + 1)
    }

    /// The frames of a message of type `kind`, from the delimiter on. `parent` is a header as received, or empty.
    pub fn frames(&mut self, kind: &str, parent: &[u8], content: &Value) -> Vec<Vec<u8>> {
        let id = self.next_id();
        self.sent += 1;
        let mut header = json!({
            "msg_id": id,
            "msg_type": kind,
            "session": self.id,
            "username": "jupyter-vault",
            "date": humantime::format_rfc3339_micros(SystemTime::now()).to_string(),
            "version": PROTOCOL,
        });
        if let Some(subshell) = &self.subshell {
            header["subshell_id"] = json!(subshell);
        }
        let header = header.to_string().into_bytes();
        let parent = if parent.is_empty() { b"{}".to_vec() } else { parent.to_vec() };
        let content = content.to_string().into_bytes();
        let signature = self.signer.sign(&[&header, &parent, b"{}", &content]);
        vec![DELIMITER.to_vec(), signature, header, parent, b"{}".to_vec(), content]
    }
}

/// A message from a kernel, with its signature verified.
#[derive(Debug, Clone)]
pub struct KernelMessage {
    /// The channel on which it arrived.
    pub channel: Channel,
    /// Its header.
    pub header: Header,
    /// Its header, as received: the parent header of a reply.
    pub raw_header: Vec<u8>,
    /// The parent's header.
    pub parent: Option<Header>,
    /// Its content.
    pub content: Value,
}

impl KernelMessage {
    /// A message that arrived on `channel`.
    pub fn new(channel: Channel, message: KernelRequest) -> Self {
        let KernelRequest { header, raw_header, raw_parent, content, .. } = message;
        Self { channel, header, raw_header, parent: serde_json::from_slice(&raw_parent).ok(), content }
    }

    /// Whether it is of type `kind` and has the message `id` as its parent.
    pub fn is(&self, kind: &str, id: &str) -> bool {
        self.header.msg_type == kind && self.parent.as_ref().is_some_and(|parent| parent.msg_id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::signature::Scheme;

    fn session() -> Session {
        Session::new(Signer::new(Scheme::Sha256, b"key"))
    }

    #[test]
    fn what_is_sent_can_be_read() {
        let mut session = session();
        let mut frames = vec![b"id".to_vec()];
        frames.extend(session.frames("status", b"", &json!({"execution_state": "idle"})));
        let read = KernelRequest::parse(frames, session.signer()).unwrap();
        assert_eq!((read.routing, read.header.msg_type.as_str()), (vec![b"id".to_vec()], "status"));
        assert_eq!(read.content["execution_state"], "idle");
    }

    #[test]
    fn one_changed_byte_anywhere_is_refused() {
        let mut session = session();
        let frames = session.frames("execute_request", b"{\"msg_id\": \"x\"}", &json!({"code": "1"}));
        for part in 1..frames.len() {
            let mut changed = frames.clone();
            changed[part][0] ^= 1;
            assert_eq!(KernelRequest::parse(changed, session.signer()).unwrap_err(), Refused::WrongSignature, "{part}");
        }
        for length in 0..frames.len() {
            assert_eq!(
                KernelRequest::parse(frames[..length].to_vec(), session.signer()).unwrap_err(),
                Refused::Malformed
            );
        }
    }
}
