//! Chooses a plan's login: the configured method's, the kernel request's, or one that the environment offers.

use super::credential::{LOG_IN, find};
use super::env::Environment;
use super::layer::Layer;
use super::login::Login;
use super::method::{self, Settings, TOKENS, WRAPPED};
use crate::error::{Error, Kind, Result};
use crate::net::address::Address;

/// Whether the credential comes with the kernel request.
pub(super) fn from_request(layer: &Layer) -> bool {
    layer.flag("auth.from_request").unwrap_or(false)
}

/// The login with the request's credentials. A gateway's own credential is not used, because every user would then get
/// the same secrets.
fn request_login(settings: &Settings<'_>) -> Result<Login> {
    let Settings { layer, environment } = *settings;
    let given = |name: &str| find(layer, environment, None, &[name]);
    if let Some(jwt) = given("KERNEL_VAULT_JWT")? {
        let name = if layer.text("auth.method") == Some("kubernetes") { "kubernetes" } else { "jwt" };
        return Ok(Login::Jwt { method: name, mount: settings.mount(name)?, role: settings.role(), jwt });
    }
    if let Some(token) = given("KERNEL_VAULT_WRAPPED_TOKEN")? {
        return Ok(Login::Wrapped(token));
    }
    if let Some(token) = given("KERNEL_VAULT_TOKEN")? {
        return Ok(Login::Token(token));
    }
    Err(Error::new(
        Kind::Credential,
        "the kernel request has no credential, and `from_request` under [auth] allows no other",
        "set KERNEL_VAULT_TOKEN, KERNEL_VAULT_WRAPPED_TOKEN or KERNEL_VAULT_JWT in the client that requests the kernel",
    ))
}

/// The login of a plan; reads the credential's file. `address` is Vault's: a socket belongs to an agent, which needs no
/// token.
pub fn login(layer: &Layer, environment: &Environment, address: &Address) -> Result<Login> {
    let settings = Settings { layer, environment };
    if from_request(layer) {
        return request_login(&settings);
    }
    if let Some(name) = layer.text("auth.method") {
        let unknown = |advice| {
            let what = format!("{} names the unknown login method \"{name}\"", layer.origin("auth.method"));
            Error::new(Kind::Config, what, advice)
        };
        return method::named(name).map_err(unknown)?.login(&settings);
    }
    if let Some(token) = settings.credential("auth.token_file", TOKENS)? {
        return Ok(Login::Token(token));
    }
    if let Some(token) = settings.credential("auth.wrapped_token_file", WRAPPED)? {
        return Ok(Login::Wrapped(token));
    }
    if matches!(address, Address::Unix(_)) || layer.get("vault.agent_address").is_some() {
        return Ok(Login::Agent);
    }
    let advice = format!("log in with {LOG_IN}, set [auth] in vault.toml, or set VAULT_TOKEN");
    let none = || Error::new(Kind::Credential, "there is no credential for a login to Vault", advice);
    settings.stored_token()?.map(Login::Token).ok_or_else(none)
}
