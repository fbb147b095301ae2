//! The client certificate of the TLS connection.
//! <https://openbao.org/api-docs/auth/cert/#login-with-tls-certificate-method>
//!
//! vaultrs 0.8 has a type for this but calls the field `cert_name`. Vault reads `name`, and without it tries every
//! role. So the request is defined here.

use super::super::client::{Client, Raw};
use super::authenticated::Authenticated;
use super::exchange::exchange;
use crate::error::Result;

pub(super) async fn login(client: &mut Client, mount: &str, role: Option<&str>) -> Result<Authenticated> {
    let body = role.map_or_else(|| serde_json::json!({}), |role| serde_json::json!({ "name": role }));
    exchange(client, &Raw::post(&format!("auth/{mount}/login"), body.to_string().into_bytes()), mount).await
}
