//! Logins with a machine's cloud identity: sends Vault the answer of the cloud's metadata service.
//!
//! The requests use the program's own transport and the same addresses as the clouds' SDKs, with limits on time and
//! size, and no proxy if the service belongs to the machine. The answers are credentials, so none is shown.

mod aws;
mod aws_keys;
mod azure;
mod gcp;
mod question;

use super::super::client::{Client, Raw};
use super::authenticated::Authenticated;
use super::exchange::exchange;
use crate::config::cloud::Cloud;
use crate::error::Result;

pub(super) async fn login(
    client: &mut Client,
    mount: &str,
    role: Option<&str>,
    cloud: &Cloud,
) -> Result<Authenticated> {
    let deadline = client.deadline();
    let body = match cloud {
        Cloud::Aws(aws) => aws::login(aws, role, deadline).await?,
        Cloud::Gcp(gcp) => gcp::login(gcp, role.unwrap_or_default(), deadline).await?,
        Cloud::Azure(azure) => azure::login(azure, role.unwrap_or_default(), deadline).await?,
    };
    exchange(client, &Raw::post(&format!("auth/{mount}/login"), body.to_string().into_bytes()), mount).await
}
