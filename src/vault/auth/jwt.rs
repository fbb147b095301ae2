//! A JWT from a file or a request: the JWT method, and Kubernetes with its service accounts.
//! <https://openbao.org/api-docs/auth/jwt/#jwt-login>, <https://openbao.org/api-docs/auth/kubernetes/#login>

use serde::Serialize;
use vaultrs::api::auth::kubernetes::requests::LoginWithKubernetesRequest;

use super::super::client::{Client, Raw, encode};
use super::authenticated::Authenticated;
use super::exchange::{exchange, text};
use crate::config::credential::Credential;
use crate::error::{Error, Kind, Result};

/// vaultrs's type for this method requires a role; a mount may have a default role.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'a str>,
    jwt: &'a str,
}

pub(super) async fn login(
    client: &mut Client,
    mount: &str,
    role: Option<&str>,
    jwt: &Credential,
    kubernetes: bool,
) -> Result<Authenticated> {
    if let (true, Some(role)) = (kubernetes, role) {
        let endpoint = LoginWithKubernetesRequest { mount: encode(mount), role: role.to_owned(), jwt: text(jwt)? };
        return exchange(client, &endpoint, mount).await;
    }
    let body = serde_json::to_vec(&Body { role, jwt: jwt.text()? })
        .map_err(|_| Error::new(Kind::Internal, "a login can't be written as JSON", "report this as a bug"))?;
    exchange(client, &Raw::post(&format!("auth/{mount}/login"), body), mount).await
}
