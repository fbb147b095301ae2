//! Vault's reply before it is parsed.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use zeroize::Zeroizing;

/// An HTTP response.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// Whether the server calls it JSON.
    pub json: bool,
    /// The body, wiped when dropped.
    pub body: Zeroizing<Vec<u8>>,
    pub(super) retry_after: Option<Duration>,
    pub(super) location: Option<HeaderValue>,
}

impl Reply {
    #[cfg(any(test, feature = "internals"))]
    /// A reply from parts, for tests and fuzzing; `None` if the status is invalid.
    pub fn new(status: u16, json: bool, body: Vec<u8>) -> Option<Self> {
        let status = StatusCode::from_u16(status).ok()?;
        Some(Self { status, json, body: Zeroizing::new(body), retry_after: None, location: None })
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Reply({}, {} bytes)", self.status, self.body.len())
    }
}
