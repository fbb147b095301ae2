//! Any other path that can be read or written to: database roles, cloud credentials, certificates.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::body::{Answer, Fields};
use super::client::{Client, Raw};
use super::error::Asked;
use super::reply::Reply;
use crate::error::Result;

/// What Vault ends by itself, unless it is renewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Its id.
    pub id: String,
    /// The time that it was given, in seconds.
    pub seconds: u64,
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

    /// The lease that it ends with, if there is one: then its token must not be revoked.
    pub fn lease(&self) -> Result<Option<Lease>> {
        let answer = Answer::parse(&self.reply, &format!("reading {}", self.path))?;
        let id = answer.lease_id.filter(|id| !id.is_empty()).map(Cow::into_owned);
        Ok(id.map(|id| Lease { id, seconds: answer.lease_duration }))
    }
}

/// Reads `path` as it is.
pub async fn read(client: &Client, path: &str) -> Result<Generic> {
    let reply = client.call(&Raw::get(path), Asked::Read(path, path)).await?;
    Ok(Generic { reply, path: path.to_owned() })
}

/// Writes `body`, a JSON object, to `path`, which answers with what it makes.
pub async fn write(client: &Client, path: &str, body: Vec<u8>) -> Result<Generic> {
    let reply = client.call(&Raw::post(path, body), Asked::Write(path, path)).await?;
    Ok(Generic { reply, path: path.to_owned() })
}
