//! Frames: one byte of flags, a length of one or eight bytes, the body.

use super::Violation;

/// The largest frame accepted, in bytes: more than any notebook cell, less than a machine's memory.
pub const LARGEST: usize = 32 * 1024 * 1024;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// Whether further frames of the same message follow.
    pub more: bool,
    /// Whether it is a command of the protocol and no part of a message.
    pub command: bool,
    /// Its content.
    pub body: Vec<u8>,
}

/// The result of decoding the beginning of a buffer.
#[derive(Debug, PartialEq, Eq)]
pub enum Decoded {
    /// A whole frame, and how many bytes it took.
    Frame(Frame, usize),
    /// The beginning of a frame.
    Incomplete,
}

/// Reads one frame off the beginning of `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Decoded, Violation> {
    let Some((flags, rest)) = bytes.split_first() else { return Ok(Decoded::Incomplete) };
    if flags & !(MORE | LONG | COMMAND) != 0 {
        return Err(Violation("a frame has unknown flags"));
    }
    if flags & COMMAND != 0 && flags & MORE != 0 {
        return Err(Violation("a command is in parts"));
    }
    let (length, rest) = if flags & LONG == 0 {
        let Some((length, rest)) = rest.split_first() else { return Ok(Decoded::Incomplete) };
        (usize::from(*length), rest)
    } else {
        let Some((length, rest)) = rest.split_first_chunk::<8>() else { return Ok(Decoded::Incomplete) };
        let length = usize::try_from(u64::from_be_bytes(*length)).unwrap_or(usize::MAX);
        (length, rest)
    };
    if length > LARGEST {
        return Err(Violation("a frame is too large"));
    }
    let Some(body) = rest.get(..length) else { return Ok(Decoded::Incomplete) };
    let frame = Frame { more: flags & MORE != 0, command: flags & COMMAND != 0, body: body.to_vec() };
    Ok(Decoded::Frame(frame, bytes.len() - rest.len() + length))
}

/// Appends a frame to `out`.
pub fn encode(more: bool, command: bool, body: &[u8], out: &mut Vec<u8>) {
    let flags = if more { MORE } else { 0 } | if command { COMMAND } else { 0 };
    if let Ok(length) = u8::try_from(body.len()) {
        out.extend_from_slice(&[flags, length]);
    } else {
        out.push(flags | LONG);
        out.extend_from_slice(&(body.len() as u64).to_be_bytes());
    }
    out.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_and_every_part_of_it_is_incomplete() {
        for length in [0, 1, 255, 256, 70_000] {
            for (more, command) in [(false, false), (true, false), (false, true)] {
                let mut bytes = Vec::new();
                encode(more, command, &vec![7; length], &mut bytes);
                let frame = Frame { more, command, body: vec![7; length] };
                assert_eq!(decode(&bytes), Ok(Decoded::Frame(frame, bytes.len())));
                for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
                    assert_eq!(decode(&bytes[..cut.min(bytes.len() - 1)]), Ok(Decoded::Incomplete));
                }
            }
        }
    }

    #[test]
    fn an_absurd_length_is_refused_before_it_is_allocated() {
        assert!(decode(&[LONG, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(decode(&[8, 0]).is_err() && decode(&[COMMAND | MORE, 0]).is_err());
    }
}
