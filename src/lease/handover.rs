//! The launcher's message to the keeper: Vault's address, the token, the leases, their owners, and how to read their
//! sources again.
//!
//! Four bytes of length, then JSON. The pipe stays open until the kernel is executed: its end is not a message. One
//! further byte says that there will be no kernel, so that everything ends now.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::leases::{Again, Leases, Owner, ProfileAnswer};
use crate::config::credential::Credential;
use crate::config::plan::Plan;
use crate::config::server::Server;
use crate::error::{Error, Kind, Result};
use crate::net::address::Address;
use crate::net::options::{Proxy, Tls};
use crate::secret::SecretValue;
use crate::vault::generic::Lease;

/// The longest message, in bytes: a pipe takes that much without blocking.
const LARGEST: usize = 60_000;

/// The message. Its text holds the token, and is wiped with its buffer.
#[derive(Serialize, Deserialize)]
pub(crate) struct HandOver {
    addresses: Vec<String>,
    namespace: Option<String>,
    ca_cert: Option<PathBuf>,
    ca_cert_bytes: Option<String>,
    ca_path: Option<PathBuf>,
    client_cert: Option<PathBuf>,
    client_key: Option<PathBuf>,
    server_name: Option<String>,
    skip_verify: bool,
    proxies: [Option<String>; 4],
    token: Option<String>,
    is_ours: bool,
    ttl_ms: Option<u64>,
    left_ms: Option<u64>,
    leases: Vec<Lease>,
    window_ms: u64,
    grace_ms: u64,
    runtime_dir: PathBuf,
    owners: Vec<Owner>,
    again: Option<Again>,
    answers: Vec<ProfileAnswer>,
}

impl HandOver {
    /// A message for `owners`, with the settings of `plan`.
    pub(super) fn new(
        plan: &Plan,
        leases: &Leases,
        owners: Vec<Owner>,
        again: Option<Again>,
        answers: &[ProfileAnswer],
    ) -> Result<Self> {
        let server = &plan.server;
        let Tls { ca_cert, ca_cert_bytes, ca_path, client_cert, client_key, server_name, skip_verify } =
            server.tls.clone();
        let absolute = |path: Option<PathBuf>| path.map(|path| std::path::absolute(&path).unwrap_or(path));
        let Proxy { for_vault, http, https, none } = server.proxy.clone();
        Ok(Self {
            addresses: server.addresses().map(ToString::to_string).collect(),
            namespace: server.namespace.clone(),
            ca_cert: absolute(ca_cert),
            ca_cert_bytes,
            ca_path: absolute(ca_path),
            client_cert: absolute(client_cert),
            client_key: absolute(client_key),
            server_name,
            skip_verify,
            proxies: [for_vault, http, https, none],
            token: leases.token.as_ref().map(|token| token.text().map(str::to_owned)).transpose()?,
            is_ours: leases.is_ours,
            ttl_ms: leases.ttl.map(millis),
            left_ms: leases.left.map(millis),
            leases: leases.held.clone(),
            window_ms: millis(plan.keeper_window),
            grace_ms: millis(plan.keeper_grace),
            runtime_dir: plan.runtime_dir.clone(),
            owners,
            again,
            answers: answers.to_vec(),
        })
    }

    /// The message, with its length first.
    pub(super) fn message(&self) -> Result<Zeroizing<Vec<u8>>> {
        let mut message = Zeroizing::new(vec![0; 4]);
        serde_json::to_writer(&mut *message, self).map_err(|_| unusable("can't be written"))?;
        let length = message.len() - 4;
        if length > LARGEST {
            return Err(unusable("is too long"));
        }
        let length = u32::try_from(length).map_err(|_| unusable("is too long"))?;
        message[..4].copy_from_slice(&length.to_le_bytes());
        Ok(message)
    }

    /// Reads a message from the start of a pipe.
    pub(crate) fn read(pipe: &mut impl std::io::Read) -> Result<Self> {
        let mut length = [0; 4];
        pipe.read_exact(&mut length).map_err(|_| unusable("did not arrive"))?;
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        if length > LARGEST {
            return Err(unusable("is too long"));
        }
        let mut message = Zeroizing::new(vec![0; length]);
        pipe.read_exact(&mut message).map_err(|_| unusable("is truncated"))?;
        parse(&message)
    }

    /// How to reach Vault.
    pub(crate) fn server(&self) -> Result<Server> {
        let mut addresses = self.addresses.iter().map(|text| Address::parse(text, "the launcher"));
        let [for_vault, http, https, none] = self.proxies.clone();
        Ok(Server {
            address: addresses.next().ok_or_else(|| unusable("contains no address"))??,
            others: addresses.collect::<Result<_>>()?,
            namespace: self.namespace.clone(),
            tls: Tls {
                ca_cert: self.ca_cert.clone(),
                ca_cert_bytes: self.ca_cert_bytes.clone(),
                ca_path: self.ca_path.clone(),
                client_cert: self.client_cert.clone(),
                client_key: self.client_key.clone(),
                server_name: self.server_name.clone(),
                skip_verify: self.skip_verify,
            },
            proxy: Proxy { for_vault, http, https, none },
            // The keeper sets its own deadlines.
            max_retries: Some(0),
        })
    }

    /// The token and the leases to hold.
    pub(crate) fn leases(&self) -> Leases {
        let token = self.token.as_ref().map(|token| Credential {
            value: SecretValue::new(token.clone().into_bytes()),
            origin: "the launcher".to_owned(),
        });
        let [ttl, left] = [self.ttl_ms, self.left_ms].map(|time| time.map(Duration::from_millis));
        Leases { token, is_ours: self.is_ours, ttl, left, held: self.leases.clone() }
    }

    /// How long the leases live without a keeper.
    pub(crate) const fn window(&self) -> Duration {
        Duration::from_millis(self.window_ms)
    }

    /// How long replaced credentials live on.
    pub(crate) const fn grace(&self) -> Duration {
        Duration::from_millis(self.grace_ms)
    }

    /// The folder of the owners' files.
    pub(crate) fn runtime_dir(&self) -> &Path {
        &self.runtime_dir
    }

    /// The processes that the leases are for.
    pub(crate) fn owners(&self) -> &[Owner] {
        &self.owners
    }

    /// The profiles that clients can ask for.
    pub(crate) fn answers(&self) -> &[ProfileAnswer] {
        &self.answers
    }

    /// How to read the sources again, if that is possible.
    pub(crate) const fn again(&self) -> Option<&Again> {
        self.again.as_ref()
    }
}

/// Whether these bytes are the JSON of a message.
#[cfg(feature = "internals")]
pub fn is_message(message: &[u8]) -> bool {
    parse(message).is_ok_and(|hand_over| hand_over.server().is_ok())
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn parse(message: &[u8]) -> Result<HandOver> {
    serde_json::from_slice(message).map_err(|_| unusable("is malformed"))
}

fn unusable(why: &str) -> Error {
    Error::new(Kind::Internal, format!("the keeper's message {why}"), "report this as a bug")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_cut_or_too_long_is_refused() {
        assert!(HandOver::read(&mut &[][..]).is_err());
        assert!(HandOver::read(&mut &[9, 0, 0, 0, b'{'][..]).is_err());
        assert!(HandOver::read(&mut &u32::MAX.to_le_bytes()[..]).is_err());
        assert!(HandOver::read(&mut &[2, 0, 0, 0, b'{', b'}'][..]).is_err());
    }
}
