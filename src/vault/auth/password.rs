//! A user's name and password: userpass, and LDAP under its own mount with the same request.
//! <https://openbao.org/api-docs/auth/userpass/#login>, <https://openbao.org/api-docs/auth/ldap/#login-with-ldap-user>

use vaultrs::api::auth::userpass::requests::LoginRequest;

use super::super::client::{Client, encode};
use super::authenticated::Authenticated;
use super::exchange::{exchange_for, text};
use crate::config::credential::Credential;
use crate::error::{Error, Kind, Result};

pub(super) async fn login(
    client: &mut Client,
    mount: &str,
    username: &str,
    password: &Credential,
) -> Result<Authenticated> {
    if username.contains('/') || matches!(username, "." | "..") {
        return Err(Error::new(
            Kind::Config,
            "the user name for the login is not a path segment",
            "correct `username` under [auth]",
        ));
    }
    let endpoint = LoginRequest { mount: encode(mount), username: encode(username), password: text(password)? };
    exchange_for(client, &endpoint, mount, Some(username)).await
}
