//! Any other path that can be read: database roles, cloud credentials, cubbyhole.

use super::body::{Answer, Fields};
use super::client::{Client, Raw};
use super::error::Asked;
use super::reply::Reply;
use crate::error::Result;

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

    /// Whether it ends with a lease: then its token must not be revoked.
    pub fn is_leased(&self) -> Result<bool> {
        Answer::parse(&self.reply, &format!("reading {}", self.path)).map(|answer| answer.is_leased())
    }
}

/// Reads `path` as it is.
pub async fn read(client: &Client, path: &str) -> Result<Generic> {
    let reply = client.call(&Raw::get(path), Asked::Read(path, path)).await?;
    Ok(Generic { reply, path: path.to_owned() })
}
