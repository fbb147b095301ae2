//! Login methods: one file each, and one arm in [`login`].
//!
//! A method sends the credential that `config::method` has found, and puts the token into the client. The result is an
//! [`Authenticated`]: what Vault says about the user, and whether to revoke the token afterwards. A token from the
//! configuration is never revoked; a token from a login is, unless a lease depends on it.

mod approle;
mod cert;
#[cfg(feature = "cloud")]
mod cloud;
mod jwt;
#[cfg(feature = "manage")]
pub(crate) mod mfa;
#[cfg(feature = "manage")]
pub(crate) mod oidc;
mod password;
mod wrapped;

use std::collections::BTreeMap;
use std::time::Duration;

use rustify::endpoint::Endpoint;
use vaultrs::api::token::requests::{LookupTokenSelfRequest, RevokeTokenSelfRequest};

use super::body::{Answer, Auth, OwnToken, malformed};
use super::client::{Client, Raw};
use super::error::Operation;
use crate::config::credential::Credential;
use crate::config::login::Login;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;

/// The token's user, as the login's response describes it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The identity's id, if there is one.
    pub entity_id: Option<String>,
    /// What the login method knows of the user.
    pub metadata: BTreeMap<String, String>,
}

impl Identity {
    fn new(entity_id: Option<String>, metadata: Option<BTreeMap<String, Option<String>>>) -> Self {
        let known = metadata.unwrap_or_default().into_iter().filter_map(|(key, value)| Some((key, value?)));
        Self { entity_id: entity_id.filter(|id| !id.is_empty()), metadata: known.collect() }
    }
}

#[cfg(feature = "manage")]
impl Identity {
    /// The user's name, where the method tells it.
    pub(crate) fn user(&self) -> Option<&str> {
        let names = ["username", "name", "service_account_name"];
        names.iter().find_map(|key| self.metadata.get(*key)).map(String::as_str)
    }
}

/// Vault's description of a token, without the token.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct About {
    /// Its policies, including those of its entity.
    pub policies: Vec<String>,
    /// The remaining lifetime; `None` if it never expires.
    pub ttl: Option<Duration>,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Whether it has a period, and lives as long as it is renewed.
    pub periodic: bool,
    /// The number of requests left; `None` if unlimited.
    pub uses: Option<u64>,
    /// The name that it is shown by, behind that of its method.
    pub display_name: Option<String>,
    /// The path of the login that made it, as in `auth/userpass/login/ada`.
    pub path: Option<String>,
}

impl About {
    /// The user's name out of the shown one, which begins with the method's mount.
    #[cfg(feature = "manage")]
    pub(crate) fn user(&self) -> Option<String> {
        let name = self.display_name.as_deref().filter(|name| !name.is_empty())?;
        let mount = self.path.as_deref().and_then(|path| path.strip_prefix("auth/")).unwrap_or_default();
        let ends = mount.match_indices('/').map(|(at, _)| format!("{}-", mount[..at].replace('/', "-")));
        let longest = ends.filter_map(|end| name.strip_prefix(&end)).min_by_key(|rest| rest.len());
        Some(longest.filter(|rest| !rest.is_empty()).unwrap_or(name).to_owned())
    }

    fn new(policies: Option<Vec<String>>, ttl: u64, renewable: bool, uses: i64) -> Self {
        Self {
            policies: policies.unwrap_or_default(),
            ttl: (ttl > 0).then(|| Duration::from_secs(ttl)),
            renewable,
            periodic: false,
            uses: u64::try_from(uses).ok().filter(|uses| *uses > 0),
            display_name: None,
            path: None,
        }
    }
}

/// The result of a login.
#[derive(Debug)]
pub struct Authenticated {
    /// The token's user; `None` if unknown (a token from the configuration, an agent).
    pub identity: Option<Identity>,
    /// What the login says about the token; `None` in the same cases.
    pub about: Option<About>,
    /// Whether the token comes from a login, so that it is revoked.
    pub revocable: bool,
}

impl Authenticated {
    const fn given() -> Self {
        Self { identity: None, about: None, revocable: false }
    }
}

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

/// Sends a login request of any method, and uses the token in its response.
async fn exchange<E: Endpoint>(client: &mut Client, endpoint: &E, mount: &str) -> Result<Authenticated> {
    exchange_for(client, endpoint, mount, None).await
}

/// Sends a login request whose path names `user`.
async fn exchange_for<E: Endpoint>(
    client: &mut Client,
    endpoint: &E,
    mount: &str,
    user: Option<&str>,
) -> Result<Authenticated> {
    let reply = client.call(endpoint, Operation::Login(mount, user)).await?;
    let what = format!("logging in at auth/{mount}");
    let auth = Answer::parse(&reply, &what)?.auth.ok_or_else(|| malformed(&what))?;
    take_into_use(client, auth.get(), &what, &format!("the login at auth/{mount}"))
}

fn take_into_use(client: &mut Client, auth: &str, what: &str, origin: &str) -> Result<Authenticated> {
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

/// The credential as text, in a separate buffer for a request type that needs one.
fn text(credential: &Credential) -> Result<String> {
    credential.text().map(str::to_owned)
}
