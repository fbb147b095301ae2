//! Renews or ends one lease, by its id.
//!
//! The `default` policy lets a token renew any lease, but not revoke one. A renewal can also shorten the TTL, so
//! where revoking is forbidden, a renewal for one second ends a lease.

use std::time::Duration;

use serde::Deserialize;

use super::client::{Client, Raw};
use super::error::Operation;
use crate::error::{Error, Kind, Result};

/// The response to a renewal: the time left, in seconds.
#[derive(Deserialize)]
struct Renewed {
    lease_duration: u64,
}

/// Requests a lifetime of `increment` from now; returns the granted lifetime.
pub async fn renew(client: &Client, id: &str, increment: Duration) -> Result<Duration> {
    let body = serde_json::json!({"lease_id": id, "increment": increment.as_secs().max(1)}).to_string();
    let reply = client.call(&Raw::post("sys/leases/renew", body.into_bytes()), Operation::Revoke).await?;
    let malformed = |_| {
        let what = "the answer to renewing a lease is not in Vault's format";
        Error::new(Kind::Malformed, what, "check that the address is Vault's or OpenBao's, and the server's version")
    };
    let renewed: Renewed = serde_json::from_slice(&reply.body).map_err(malformed)?;
    Ok(Duration::from_secs(renewed.lease_duration))
}

/// Ends the lease: revokes it or, if that is forbidden, lets it live for one more second.
pub async fn end(client: &Client, id: &str) -> Result<()> {
    let body = serde_json::json!({"lease_id": id, "sync": true}).to_string();
    match client.call(&Raw::post("sys/leases/revoke", body.into_bytes()), Operation::Revoke).await {
        Ok(_) => Ok(()),
        Err(error) if may_succeed_later(error.kind()) => Err(error),
        Err(_) => renew(client, id, Duration::from_secs(1)).await.map(drop),
    }
}

/// Whether a request that failed like this is worth repeating.
pub const fn may_succeed_later(kind: Kind) -> bool {
    kind.is_transient() || matches!(kind, Kind::TimedOut | Kind::ServerError | Kind::Unreachable | Kind::Dns)
}
