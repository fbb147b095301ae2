//! A token's capabilities on paths, asked from Vault instead of tried.
//!
//! The `default` policy allows every token to ask (`sys/capabilities-self`).

use std::collections::BTreeMap;

use super::body::{Answer, malformed};
use super::client::{Client, Raw};
use super::error::Operation;
use crate::error::Result;

/// The capabilities of one path, as Vault calls them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Capabilities(Vec<String>);

impl Capabilities {
    /// Whether it includes `capability`; a root token may do everything.
    pub(crate) fn has(&self, capability: &str) -> bool {
        self.0.iter().any(|had| had == capability || had == "root")
    }
}

/// The capabilities of each path, in one request.
pub(crate) async fn capabilities(client: &Client, paths: &[String]) -> Result<Vec<Capabilities>> {
    let shown = paths.join(", ");
    let what = format!("asking what the token may do with {shown}");
    let body = serde_json::json!({ "paths": paths }).to_string().into_bytes();
    let reply = client.call(&Raw::post("sys/capabilities-self", body), Operation::Capabilities(&shown)).await?;
    let data = Answer::parse(&reply, &what)?.data(&what)?;
    let by_path: BTreeMap<String, Vec<String>> = serde_json::from_str(data.get()).map_err(|_| malformed(&what))?;
    let of = |path: &String| by_path.get(path).cloned().map(Capabilities).ok_or_else(|| malformed(&what));
    paths.iter().map(of).collect()
}
