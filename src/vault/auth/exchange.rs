//! A login request, and the token of its response.

use rustify::endpoint::Endpoint;

use super::super::body::{Answer, Auth, malformed};
use super::super::client::Client;
use super::super::error::Operation;
use super::authenticated::{About, Authenticated, Identity};
use crate::config::credential::Credential;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;

/// Sends a login request of any method, and uses the token in its response.
pub(super) async fn exchange<E: Endpoint>(client: &mut Client, endpoint: &E, mount: &str) -> Result<Authenticated> {
    exchange_for(client, endpoint, mount, None).await
}

/// Sends a login request whose path names `user`.
pub(super) async fn exchange_for<E: Endpoint>(
    client: &mut Client,
    endpoint: &E,
    mount: &str,
    user: Option<&str>,
) -> Result<Authenticated> {
    let reply = client.call(endpoint, Operation::Login(mount, user)).await?;
    let what = format!("logging in at auth/{mount}");
    let auth = Answer::parse(&reply, &what)?.auth.ok_or_else(|| malformed(&what))?;
    use_login_token(client, auth.get(), &what, &format!("the login at auth/{mount}"))
}

/// Makes `client` use the token of a login's response; `what` and `origin` are for messages.
pub(super) fn use_login_token(client: &mut Client, auth: &str, what: &str, origin: &str) -> Result<Authenticated> {
    let auth: Auth = serde_json::from_str(auth).map_err(|_| malformed(what))?;
    if let Some(second_factor) = auth.mfa_requirement {
        client.set_second_factor(second_factor);
        return Err(Error::new(
            Kind::MfaRequired,
            format!("Vault requires a second factor, {what}"),
            "run `jupyter-vault login` on a terminal, which asks for it; kernels then use the token that it stores",
        ));
    }
    if auth.client_token.is_empty() {
        return Err(malformed(what));
    }
    let batch = auth.token_type.as_deref() == Some("batch");
    let identity = Identity::new(auth.entity_id, auth.metadata);
    let about = About::new(auth.policies, auth.lease_duration, auth.renewable, auth.num_uses);
    client.use_token(&Credential { value: SecretValue::from(auth.client_token), origin: origin.to_owned() })?;
    Ok(Authenticated { identity: Some(identity), about: Some(about), revocable: !batch })
}

/// The credential as text, in a separate buffer for a request type that needs one.
pub(super) fn text(credential: &Credential) -> Result<String> {
    credential.text().map(str::to_owned)
}
