//! Kernel messages as a Jupyter server's websocket carries them.
//!
//! With the subprotocol `v1.kernel.websocket.jupyter.org`, each message is one binary frame: the number of offsets,
//! the offsets, then the channel's name and the parts of the message, as on a kernel's socket but without routing and
//! signature. Without the subprotocol, a message is one JSON object with the parts under their names or, if it has
//! buffers, a binary frame of offsets, the JSON and the buffers. There is no signature: the server authorizes clients
//! by its token, and signs the messages that it passes to the kernel.
//!
//! Source: "WebSocket kernel wire protocols" in jupyter_server's documentation.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::kernel::endpoint::Channel;

/// The subprotocol's name.
pub const V1: &str = "v1.kernel.websocket.jupyter.org";

/// The most parts accepted: five parts, and buffers.
const PARTS: usize = 1024;

/// A message, with its parts as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts<'a> {
    /// The channel.
    pub channel: Channel,
    /// The header.
    pub header: &'a [u8],
    /// The header of the message that this one answers; `{}` or `null` if there is none.
    pub parent: &'a [u8],
    /// The content.
    pub content: &'a [u8],
}

/// A channel's name in a message.
pub const fn name(channel: Channel) -> &'static str {
    match channel {
        Channel::Shell => "shell",
        Channel::Control => "control",
        Channel::Stdin => "stdin",
        Channel::IoPub => "iopub",
        Channel::Heartbeat => "hb",
    }
}

fn channel(name: &[u8]) -> Option<Channel> {
    Channel::ALL.into_iter().find(|channel| self::name(*channel).as_bytes() == name)
}

/// Parses a frame of the subprotocol; `None` if it is malformed.
pub fn parse_v1(frame: &[u8]) -> Option<Parts<'_>> {
    let word = |place: usize| {
        let bytes = frame.get(place * 8..)?.first_chunk::<8>()?;
        usize::try_from(u64::from_le_bytes(*bytes)).ok()
    };
    let count = word(0)?;
    if !(6..=PARTS).contains(&count) {
        return None;
    }
    let part = |place: usize| frame.get(word(1 + place)?..word(2 + place)?);
    // The channel, header, parent, metadata and content; the last offset is the end of the last part.
    let metadata = part(3)?;
    Some(Parts { channel: channel(part(0)?)?, header: part(1)?, parent: part(2)?, content: part(4)? })
        .filter(|_| !metadata.is_empty())
}

/// Composes a frame of the subprotocol. `parts` are header, parent, metadata and content.
pub fn compose_v1(channel: Channel, parts: &[Vec<u8>]) -> Vec<u8> {
    let name = name(channel).as_bytes();
    let mut end = 8 * (parts.len() + 3);
    let mut offsets = vec![parts.len() + 2, end];
    for length in std::iter::once(name.len()).chain(parts.iter().map(Vec::len)) {
        end += length;
        offsets.push(end);
    }
    let mut frame = Vec::with_capacity(end);
    frame.extend(offsets.into_iter().flat_map(|offset| (offset as u64).to_le_bytes()));
    frame.extend_from_slice(name);
    frame.extend(parts.iter().flatten());
    frame
}

#[derive(Deserialize)]
struct Whole<'a> {
    channel: &'a str,
    #[serde(borrow)]
    header: &'a RawValue,
    #[serde(borrow, default)]
    parent_header: Option<&'a RawValue>,
    #[serde(borrow)]
    content: &'a RawValue,
}

/// Parses a message of the JSON protocol; `None` if it is malformed.
pub fn parse_json(text: &[u8]) -> Option<Parts<'_>> {
    let whole: Whole<'_> = serde_json::from_slice(text).ok()?;
    Some(Parts {
        channel: channel(whole.channel.as_bytes())?,
        header: whole.header.get().as_bytes(),
        parent: whole.parent_header.map_or(b"{}".as_slice(), |parent| parent.get().as_bytes()),
        content: whole.content.get().as_bytes(),
    })
}

/// Parses a binary frame of the JSON protocol: a message with buffers.
pub fn parse_json_with_buffers(frame: &[u8]) -> Option<Parts<'_>> {
    let word = |place: usize| {
        let bytes = frame.get(place * 4..)?.first_chunk::<4>()?;
        usize::try_from(u32::from_be_bytes(*bytes)).ok()
    };
    let count = word(0)?;
    if !(1..=PARTS).contains(&count) {
        return None;
    }
    let end = if count > 1 { word(2)? } else { frame.len() };
    parse_json(frame.get(word(1)?..end)?)
}

/// Composes a message of the JSON protocol. `parts` are header, parent, metadata and content, each JSON.
pub fn compose_json(channel: Channel, parts: &[Vec<u8>]) -> Vec<u8> {
    let mut text = format!("{{\"channel\":\"{}\",\"buffers\":[]", name(channel)).into_bytes();
    text.reserve(parts.iter().map(|part| part.len() + 20).sum());
    for (key, part) in ["header", "parent_header", "metadata", "content"].iter().zip(parts) {
        text.extend_from_slice(format!(",\"{key}\":").as_bytes());
        text.extend_from_slice(part);
    }
    text.push(b'}');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Vec<Vec<u8>> {
        [r#"{"msg_id":"é"}"#, "{}", r#"{"m":1}"#, r#"{"code":"1\n"}"#].map(|part| part.as_bytes().to_vec()).to_vec()
    }

    #[test]
    fn a_composed_message_can_be_parsed_in_both_protocols() {
        for channel in Channel::ALL {
            let (v1, json) = (compose_v1(channel, &parts()), compose_json(channel, &parts()));
            for read in [parse_v1(&v1).unwrap(), parse_json(&json).unwrap()] {
                assert_eq!(read.channel, channel);
                assert_eq!([read.header, read.parent, read.content], [&parts()[0][..], &parts()[1], &parts()[3]]);
            }
        }
    }

    #[test]
    fn the_binary_form_is_that_of_jupyter_server() {
        // serialize_msg_to_ws_v1([b"a", b"bc", b"{}", b"d"], "shell") of jupyter_server 2.21.
        let expected = [6_u64, 56, 61, 62, 64, 66, 67].map(u64::to_le_bytes).concat();
        let composed = compose_v1(Channel::Shell, &["a", "bc", "{}", "d"].map(|part| part.as_bytes().to_vec()));
        assert_eq!(composed, [expected, b"shellabc{}d".to_vec()].concat());
    }

    #[test]
    fn a_truncated_frame_or_one_with_false_offsets_is_rejected() {
        let whole = compose_v1(Channel::Shell, &parts());
        for length in 0..whole.len() {
            assert_eq!(parse_v1(&whole[..length]), None, "{length}");
        }
        for place in 0..7 {
            let mut lying = whole.clone();
            lying[place * 8 + 7] = 0x80;
            assert_eq!(parse_v1(&lying), None, "{place}");
        }
        let json = compose_json(Channel::IoPub, &parts());
        let framed = [&1_u32.to_be_bytes()[..], &8_u32.to_be_bytes(), &json].concat();
        assert_eq!(parse_json_with_buffers(&framed), parse_json(&json));
        for length in 0..framed.len() {
            assert_eq!(parse_json_with_buffers(&framed[..length]), None, "{length}");
        }
    }
}
