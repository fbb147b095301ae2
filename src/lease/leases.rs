//! What a fetch has left at Vault, and what it takes to read the same again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::config::credential::Credential;
use crate::secret::SecretValue;
use crate::vault::generic::Lease;

/// What a fetch has left at Vault.
pub(crate) struct Leases {
    /// The token that they hang on; `None` where an agent adds it.
    pub(crate) token: Option<Credential>,
    /// Whether we logged in for it.
    pub(crate) is_ours: bool,
    /// The time that the token was given, where its login said.
    pub(crate) ttl: Option<Duration>,
    /// When everything has ended by itself, if nothing is renewed; `None` where that is not known.
    pub(crate) left: Option<Duration>,
    /// What hangs on it.
    pub(crate) held: Vec<Lease>,
}

impl Leases {
    /// How long the token is to live from now on. An increment also lengthens, so it is no longer than the token's
    /// own time.
    pub(crate) fn increment(&self, window: Duration) -> Duration {
        increment(self.ttl, window)
    }
}

/// How long a token that was given `ttl` is to live from now on.
pub(crate) fn increment(ttl: Option<Duration>, window: Duration) -> Duration {
    ttl.map_or(window, |ttl| ttl.min(window))
}

/// A process that has what the leases are for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// Its number.
    pub(crate) pid: u32,
    /// When it started, in clock ticks since boot.
    pub(crate) start_time: u64,
    /// Its connection file, where it is a kernel.
    pub(crate) file: Option<PathBuf>,
}

/// What a client may ask for: an AWS profile, and its keys.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The profile.
    pub(crate) profile: String,
    /// The path of the source that gave it, as it is written in the configuration.
    pub(crate) source: String,
    /// The keys, by what AWS calls them.
    pub(crate) keys: Vec<(String, String)>,
}

/// What it takes to read the same sources anew, when their leases can't be lengthened any more. No credential is in
/// it: a login is possible again where its credential stands in a file.
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
    /// The variables that settings were taken from, as `NAME=VALUE`.
    pub(crate) environment: Vec<String>,
    /// What each variable held.
    pub(crate) held: Digests,
}

/// Which value each variable had, told without the values.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Digests {
    key: [u8; 16],
    digests: BTreeMap<String, Vec<u8>>,
}

impl Digests {
    /// Those of `values`, by a key of their own.
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
