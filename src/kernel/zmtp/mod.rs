//! ZMTP 3.1 over a stream: the greeting, a security handshake, then frames.
//!
//! Both sides send a greeting of 64 bytes and must name the same mechanism. NULL exchanges one READY command each
//! way; CURVE exchanges HELLO, WELCOME, INITIATE and READY, and encrypts everything after that. A command or message
//! is a frame: flags, length, body. The parsers here turn bytes into values without I/O, and each is a fuzz target;
//! [`peer`] and [`traffic`] connect them to a stream.
//!
//! Source: <https://rfc.zeromq.org/spec/37/>, <https://rfc.zeromq.org/spec/26/>.

pub mod command;
pub mod curve;
pub mod curve_client;
pub mod frame;
pub mod greeting;
pub mod peer;
pub mod traffic;

/// A peer's violation of the protocol, as a short fixed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Violation(pub &'static str);

impl std::fmt::Display for Violation {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.0)
    }
}

impl std::error::Error for Violation {}

impl From<Violation> for std::io::Error {
    fn from(violation: Violation) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, violation)
    }
}
