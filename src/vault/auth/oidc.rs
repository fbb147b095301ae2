//! OpenID Connect: the provider's address to sign in at, and a token in exchange for the provider's code.
//! <https://openbao.org/api-docs/auth/jwt/#oidc-authorization-url-request>
//!
//! The client nonce never leaves this process before the end, so another process that intercepts the code gets no
//! token for it.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;

use super::super::body::{Answer, malformed};
use super::super::client::{Client, Raw};
use super::super::error::Operation;
use super::authenticated::Authenticated;
use super::exchange::use_login_token;
use crate::error::{Error, Kind, Result};

/// Asks Vault for the sign-in address; afterwards the provider sends the browser to `redirect`.
pub(crate) async fn address(
    client: &Client,
    mount: &str,
    role: Option<&str>,
    redirect: &str,
    nonce: &str,
) -> Result<String> {
    #[derive(Deserialize)]
    struct Data {
        auth_url: String,
    }
    let what = format!("asking auth/{mount} for the address to sign in at");
    let body = json!({ "role": role.unwrap_or_default(), "redirect_uri": redirect, "client_nonce": nonce });
    let raw = Raw::post(&format!("auth/{mount}/oidc/auth_url"), body.to_string().into_bytes());
    let reply = client.call(&raw, Operation::Login(mount, None)).await.map_err(|error| match error.kind() {
        Kind::LoginRefused => {
            let what = format!("Vault at {} returned no address to sign in at for auth/{mount}", client.address());
            let advice = "check that auth/MOUNT is an oidc method (--mount), and that the role exists (--role)";
            Error::new(Kind::LoginRefused, what, advice)
        }
        _ => error,
    })?;
    let data: Data =
        serde_json::from_str(Answer::parse(&reply, &what)?.data(&what)?.get()).map_err(|_| malformed(&what))?;
    if data.auth_url.is_empty() {
        let role = role.unwrap_or("of the mount's default");
        let what = format!("the role {role} at auth/{mount} does not allow the redirect to {redirect}");
        let advice = format!("ask to have {redirect} added to the role's allowed_redirect_uris");
        return Err(Error::new(Kind::LoginRefused, what, advice));
    }
    Ok(data.auth_url)
}

/// Exchanges the provider's code for a token, and makes `client` use it.
pub(crate) async fn login(
    client: &mut Client,
    mount: &str,
    state: &str,
    code: &str,
    nonce: &str,
) -> Result<Authenticated> {
    let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let query = format!("state={}&code={}&client_nonce={}", encoded(state), encoded(code), encoded(nonce));
    let raw = Raw::get(&format!("auth/{mount}/oidc/callback")).with_query(query);
    let reply = client.call(&raw, Operation::Login(mount, None)).await.map_err(|error| match error.kind() {
        Kind::LoginRefused => Error::new(
            Kind::LoginRefused,
            format!("Vault rejected the provider's claims about you, at auth/{mount}"),
            "ask whether the role admits you (bound_claims, bound_audiences), then sign in again",
        ),
        _ => error,
    })?;
    let what = format!("logging in at auth/{mount}");
    let auth = Answer::parse(&reply, &what)?.auth.ok_or_else(|| malformed(&what))?;
    use_login_token(client, auth.get(), &what, &format!("the login at auth/{mount}"))
}
