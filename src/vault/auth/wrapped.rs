//! A response-wrapped token: it can be used once, so a refused use shows that another client has used it.
//! <https://openbao.org/docs/concepts/response-wrapping/>

use serde::Deserialize;
use zeroize::Zeroizing;

use super::super::body::{Answer, malformed};
use super::super::client::{Client, Raw};
use super::super::error::Operation;
use super::super::reply::Reply;
use super::authenticated::Authenticated;
use super::exchange::use_login_token;
use crate::config::credential::Credential;
use crate::error::Result;
use crate::secret::SecretValue;

const WHAT: &str = "unwrapping the token";

/// The wrapped data, if it is not a login's response: a token or a secret id.
#[derive(Deserialize)]
struct Data {
    #[serde(default)]
    token: Option<Zeroizing<String>>,
    #[serde(default)]
    secret_id: Option<Zeroizing<String>>,
}

pub(super) async fn login(client: &mut Client, wrapping: &Credential) -> Result<Authenticated> {
    let reply = unwrap(client, wrapping).await?;
    let answer = Answer::parse(&reply, WHAT)?;
    let origin = format!("the wrapped token in {}", wrapping.origin);
    if let Some(auth) = answer.auth {
        return use_login_token(client, auth.get(), WHAT, &origin);
    }
    let data: Data = serde_json::from_str(answer.data(WHAT)?.get()).map_err(|_| malformed(WHAT))?;
    let token = data.token.ok_or_else(|| malformed(WHAT))?;
    client.use_token(&Credential { value: SecretValue::from(token), origin })?;
    Ok(Authenticated::given())
}

/// The secret id that an AppRole's wrapping token holds.
pub(super) async fn secret_id(client: &mut Client, wrapping: &Credential) -> Result<Zeroizing<String>> {
    let reply = unwrap(client, wrapping).await?;
    let data = Answer::parse(&reply, WHAT)?.data(WHAT)?;
    let data: Data = serde_json::from_str(data.get()).map_err(|_| malformed(WHAT))?;
    data.secret_id.ok_or_else(|| malformed(WHAT))
}

async fn unwrap(client: &mut Client, wrapping: &Credential) -> Result<Reply> {
    client.use_token(wrapping)?;
    let reply = client.call(&Raw::post("sys/wrapping/unwrap", Vec::new()), Operation::Unwrap).await;
    if reply.is_ok() {
        client.forget_token();
    }
    reply
}
