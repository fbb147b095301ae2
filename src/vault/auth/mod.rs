//! Login methods: one file each, and one arm in [`login`].
//!
//! A method sends the credential that `config::method` has found, and puts the token into the client. The result is an
//! [`Authenticated`]: what Vault says about the user, and whether to revoke the token afterwards. A token from the
//! configuration is never revoked; a token from a login is, unless a lease depends on it.

mod approle;
mod authenticated;
mod cert;
#[cfg(feature = "cloud")]
mod cloud;
mod exchange;
mod jwt;
#[cfg(feature = "manage")]
pub(crate) mod mfa;
#[cfg(feature = "manage")]
pub(crate) mod oidc;
mod password;
mod wrapped;

use std::time::Duration;

use vaultrs::api::token::requests::{LookupTokenSelfRequest, RevokeTokenSelfRequest};

pub use self::authenticated::{About, Authenticated, Identity};
use super::body::{Answer, Auth, OwnToken, malformed};
use super::client::{Client, Raw};
use super::error::Operation;
use crate::config::login::Login;
use crate::error::{Kind, Result};

/// Gets a token by `login`, and makes `client` use it.
pub async fn login(client: &mut Client, login: &Login) -> Result<Authenticated> {
    match login {
        Login::Token(token) => client.use_token(token).map(|()| Authenticated::given()),
        Login::Agent => Ok(Authenticated::given()),
        Login::Wrapped(token) => wrapped::login(client, token).await,
        Login::Jwt { method, mount, role, jwt } => {
            jwt::login(client, mount, role.as_deref(), jwt, *method == "kubernetes").await
        }
        Login::AppRole { mount, role_id, secret_id, wrapped } => {
            approle::login(client, mount, role_id, secret_id.as_ref(), *wrapped).await
        }
        Login::Password { mount, username, password, .. } => password::login(client, mount, username, password).await,
        #[cfg(feature = "cloud")]
        Login::Cloud { mount, role, identity, .. } => cloud::login(client, mount, role.as_deref(), identity).await,
        Login::Cert { mount, role } => cert::login(client, mount, role.as_deref()).await,
    }
}

/// Asks Vault for the user of a token from the configuration.
pub async fn identity(client: &Client) -> Result<Identity> {
    look_up(client).await.map(|(identity, _)| identity)
}

/// Asks Vault for a token's user, policies and lifetime.
pub async fn look_up(client: &Client) -> Result<(Identity, About)> {
    let reply = client.call(&LookupTokenSelfRequest {}, Operation::Identity).await?;
    let what = "looking up the token's identity";
    let data = Answer::parse(&reply, what)?.data(what)?;
    let own: OwnToken = serde_json::from_str(data.get()).map_err(|_| malformed(what))?;
    let policies = own.policies.into_iter().chain(own.identity_policies).flatten().collect();
    let about = About::new(Some(policies), own.ttl, own.renewable, own.num_uses);
    let about = About { periodic: own.period > 0, display_name: own.display_name, path: own.path, ..about };
    Ok((Identity::new(own.entity_id, own.meta), about))
}

/// Revokes the client's token, waiting for `limit` at most. A token that no longer exists, because its last use is
/// spent, counts as revoked.
pub async fn revoke(client: &Client, limit: Duration) -> Result<()> {
    match client.call_once(&RevokeTokenSelfRequest {}, Operation::Revoke, limit).await {
        Err(gone) if matches!(gone.kind(), Kind::TokenSpent | Kind::BadToken) => Ok(()),
        outcome => outcome.map(drop),
    }
}

/// Renews the client's token to end in `increment`, which may be earlier than before, waiting for `limit` at most.
/// Returns the lifetime that Vault granted.
pub async fn renew(client: &Client, increment: Duration, limit: Duration) -> Result<Duration> {
    let what = "renewing the token";
    let body = format!("{{\"increment\":\"{}s\"}}", increment.as_secs().max(1));
    let reply =
        client.call_once(&Raw::post("auth/token/renew-self", body.into_bytes()), Operation::Revoke, limit).await?;
    let auth = Answer::parse(&reply, what)?.auth.ok_or_else(|| malformed(what))?;
    let auth: Auth = serde_json::from_str(auth.get()).map_err(|_| malformed(what))?;
    Ok(Duration::from_secs(auth.lease_duration))
}
