//! Any other path that can be read or written to: database roles, cloud credentials, certificates.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::body::{Answer, Fields};
use super::client::{Client, Raw};
use super::error::Operation;
use super::reply::Reply;
use crate::error::Result;

/// A lease that Vault ends unless it is renewed, or a credential with its own expiry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Its id; empty if Vault has none: for an identity token, a certificate, a static role's password.
    pub id: String,
    /// Its duration, in seconds.
    pub seconds: u64,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Whether Vault changes the value in place at its end, such as a static role's password: it is read after that.
    pub rotates: bool,
    /// The path of the source that gave it, as it is written in the configuration.
    pub source: String,
}

/// The expiry in the data of an answer without a lease.
#[derive(Deserialize)]
struct End<'a> {
    /// The time that an identity token or a static role has left, in seconds.
    #[serde(borrow, default)]
    ttl: Option<&'a RawValue>,
    /// The end of a certificate, in seconds since 1970.
    #[serde(borrow, default)]
    expiration: Option<&'a RawValue>,
    /// The pace at which Vault changes the password of a static role.
    #[serde(borrow, default)]
    rotation_period: Option<&'a RawValue>,
    #[serde(borrow, default)]
    rotation_schedule: Option<&'a RawValue>,
}

impl End<'_> {
    fn seconds(&self) -> Option<u64> {
        let number = |raw: Option<&RawValue>| raw?.get().parse::<u64>().ok().filter(|number| *number > 0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        number(self.ttl).or_else(|| number(self.expiration)?.checked_sub(now))
    }
}

/// The answer of any engine.
#[derive(Debug)]
pub struct Generic {
    reply: Reply,
    path: String,
}

impl Generic {
    /// The fields of `data`.
    pub fn fields(&self) -> Result<Fields<'_>> {
        let what = format!("reading {}", self.path);
        Fields::parse(Answer::parse(&self.reply, &what)?.data(&what)?, &self.path)
    }

    /// The lease, or the credential's own expiry. `source` is the path in the configuration.
    pub fn lease(&self, source: &str) -> Result<Option<Lease>> {
        let answer = Answer::parse(&self.reply, &format!("reading {}", self.path))?;
        let source = source.to_owned();
        if let Some(id) = answer.lease_id.filter(|id| !id.is_empty()).map(Cow::into_owned) {
            let (seconds, renewable) = (answer.lease_duration, answer.renewable);
            return Ok(Some(Lease { id, seconds, renewable, rotates: false, source }));
        }
        let end: Option<End<'_>> = answer.data.and_then(|data| serde_json::from_str(data.get()).ok());
        Ok(end.and_then(|end| {
            let rotates = end.rotation_period.is_some() || end.rotation_schedule.is_some();
            // A static role may be in its last second.
            let seconds = end.seconds().or(rotates.then_some(1))?;
            Some(Lease { id: String::new(), seconds, renewable: false, rotates, source })
        }))
    }
}

/// Reads `path` as it is.
pub async fn read(client: &Client, path: &str) -> Result<Generic> {
    let reply = client.call(&Raw::get(path), Operation::Read(path, path)).await?;
    Ok(Generic { reply, path: path.to_owned() })
}

/// Writes `body`, a JSON object, to `path`, whose answer contains the result.
pub async fn write(client: &Client, path: &str, body: Vec<u8>) -> Result<Generic> {
    let reply = client.call(&Raw::post(path, body), Operation::Write(path, path)).await?;
    Ok(Generic { reply, path: path.to_owned() })
}
