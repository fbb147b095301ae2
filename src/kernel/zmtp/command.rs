//! Commands of the protocol: a name and its data; READY's properties.

use super::Violation;

/// Splits a command's body into name and rest.
pub fn split(body: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    let (length, rest) = body.split_first().ok_or(Violation("a command without a name"))?;
    rest.split_at_checked(usize::from(*length)).ok_or(Violation("a command's name is cut short"))
}

/// The body of the PONG for the data of a PING: two bytes of time to live, then the context to send back.
pub fn pong(ping: &[u8]) -> Vec<u8> {
    compose(b"PONG", ping.get(2..).unwrap_or_default())
}

/// A command's body.
pub fn compose(name: &[u8], rest: &[u8]) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    let mut body = Vec::with_capacity(1 + name.len() + rest.len());
    body.push(length);
    body.extend_from_slice(&name[..usize::from(length)]);
    body.extend_from_slice(rest);
    body
}

/// A peer's description of itself in READY.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties {
    /// `Socket-Type`, such as `DEALER`.
    pub socket_type: Vec<u8>,
    /// `Identity`, by which a ROUTER knows it; often empty.
    pub identity: Vec<u8>,
}

impl Properties {
    /// Reads a list of properties. Unknown ones are skipped; the case of names does not matter.
    pub fn parse(mut bytes: &[u8]) -> Result<Self, Violation> {
        const CUT: Violation = Violation("a property is cut short");
        let mut found = Self::default();
        while let Some((length, rest)) = bytes.split_first() {
            let (name, rest) = rest.split_at_checked(usize::from(*length)).ok_or(CUT)?;
            let (length, rest) = rest.split_first_chunk::<4>().ok_or(CUT)?;
            let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| CUT)?;
            let (value, rest) = rest.split_at_checked(length).ok_or(CUT)?;
            if name.eq_ignore_ascii_case(b"Socket-Type") {
                found.socket_type = value.to_vec();
            } else if name.eq_ignore_ascii_case(b"Identity") {
                found.identity = value.to_vec();
            }
            bytes = rest;
        }
        if found.identity.len() > 255 {
            return Err(Violation("an identity is longer than 255 bytes"));
        }
        Ok(found)
    }

    /// Writes the properties as bytes.
    pub fn compose(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in [(&b"Socket-Type"[..], &self.socket_type), (b"Identity", &self.identity)] {
            bytes.push(u8::try_from(name.len()).unwrap_or(0));
            bytes.extend_from_slice(name);
            bytes.extend_from_slice(&u32::try_from(value.len()).unwrap_or(0).to_be_bytes());
            bytes.extend_from_slice(value);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_come_back_and_a_part_of_them_is_refused() {
        let properties = Properties { socket_type: b"DEALER".to_vec(), identity: b"me".to_vec() };
        let bytes = properties.compose();
        assert_eq!(Properties::parse(&bytes), Ok(properties));
        assert!((1..bytes.len()).filter(|cut| Properties::parse(&bytes[..*cut]).is_ok()).count() <= 1);
        assert!(Properties::parse(&[1, b'x', 0xff, 0xff, 0xff, 0xff]).is_err());
    }

    #[test]
    fn a_command_is_split_after_its_name() {
        assert_eq!(split(&compose(b"PING", b"\0\0x")), Ok((&b"PING"[..], &b"\0\0x"[..])));
        assert!(split(b"").is_err() && split(b"\x05PIN").is_err());
    }
}
