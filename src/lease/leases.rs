//! The leases of a fetch, and the data needed to read the same sources again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::config::credential::Credential;
use crate::secret::SecretValue;
use crate::vault::generic::Lease;

/// The leases and the token of a fetch.
pub(crate) struct Leases {
    /// The token that the leases depend on; `None` if an agent adds it.
    pub(crate) token: Option<Credential>,
    /// Whether the token is that of a login.
    pub(crate) is_ours: bool,
    /// The token's TTL, if its login said.
    pub(crate) ttl: Option<Duration>,
    /// When everything expires if nothing is renewed; `None` if unknown.
    pub(crate) left: Option<Duration>,
    /// The leases.
    pub(crate) held: Vec<Lease>,
}

impl Leases {
    /// The TTL that the token is set to. An increment also lengthens, so it is never longer than the token's own TTL.
    pub(crate) fn increment(&self, window: Duration) -> Duration {
        increment(self.ttl, window)
    }
}

/// The TTL that a token with `ttl` is set to.
pub(crate) fn increment(ttl: Option<Duration>, window: Duration) -> Duration {
    ttl.map_or(window, |ttl| ttl.min(window))
}

/// A process that uses the leases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// Its pid.
    pub(crate) pid: u32,
    /// When it started, in clock ticks since boot.
    pub(crate) start_time: u64,
    /// Its connection file, where it is a kernel.
    pub(crate) file: Option<PathBuf>,
}

/// An AWS profile and its keys, for which a client can ask.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ProfileAnswer {
    /// Its name.
    pub(crate) profile: String,
    /// The path of the source that gives it, as written in the configuration.
    pub(crate) source: String,
    /// The keys, by AWS's names for them.
    pub(crate) keys: Vec<(String, String)>,
}

/// The data needed to read the same sources again when their leases can't be renewed any more. It contains no
/// credential: another login is possible if its credential is in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Again {
    /// `--config`.
    pub(crate) config: Option<PathBuf>,
    /// `--secrets`.
    pub(crate) secrets: Vec<String>,
    /// `--allow`.
    pub(crate) allow: Vec<String>,
    /// `--timeout`, in milliseconds.
    pub(crate) timeout_ms: Option<u64>,
    /// The variables that settings came from, as `NAME=VALUE`.
    pub(crate) environment: Vec<String>,
    /// A digest of each variable's value.
    pub(crate) held: Digests,
}

/// Identifies each variable's value without holding it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Digests {
    key: [u8; 16],
    digests: BTreeMap<String, Vec<u8>>,
}

impl Digests {
    /// Digests of `values`, with a new key.
    pub(crate) fn of<'a>(values: impl Iterator<Item = (&'a str, &'a SecretValue)>) -> Self {
        let key = std::array::from_fn(|_| fastrand::u8(..));
        let mut this = Self { key, digests: BTreeMap::new() };
        this.digests = values.map(|(name, value)| (name.to_owned(), this.digest(value))).collect();
        this
    }

    /// Whether the variable `name` had this value.
    pub(crate) fn has(&self, name: &str, value: &SecretValue) -> bool {
        self.digests.get(name) == Some(&self.digest(value))
    }

    fn digest(&self, value: &SecretValue) -> Vec<u8> {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.key), value.expose()).as_ref().to_vec()
    }
}
