//! AppRole: a role id, and a secret id that may itself be wrapped.
//! <https://openbao.org/api-docs/auth/approle/#login-with-approle>

use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;

use super::super::client::{Client, encode};
use super::authenticated::Authenticated;
use super::exchange::{exchange, text};
use super::wrapped;
use crate::config::credential::Credential;
use crate::error::Result;

pub(super) async fn login(
    client: &mut Client,
    mount: &str,
    role_id: &Credential,
    secret_id: Option<&Credential>,
    is_wrapped: bool,
) -> Result<Authenticated> {
    let secret_id = match secret_id {
        Some(wrapping) if is_wrapped => std::mem::take(&mut *wrapped::secret_id(client, wrapping).await?),
        Some(plain) => text(plain)?,
        None => String::new(),
    };
    let endpoint = LoginWithApproleRequest { mount: encode(mount), role_id: text(role_id)?, secret_id };
    exchange(client, &endpoint, mount).await
}
