//! The proxy for a server, if one is set and `NO_PROXY` does not except the address.

use std::net::IpAddr;

use http::header::{HOST, PROXY_AUTHORIZATION};
use http::{Method, Request, Uri};
use http_body_util::Empty;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;

use super::address::{Address, InvalidUri, Tcp, has_bad_port};
use super::no_proxy::NoProxy;
use super::options::Proxy;
use super::stream::Connection;
use crate::error::{Error, Kind, Result};

/// The proxy for `address`. The proxy that is set for Vault is used for every address, as by Vault's client.
pub(super) fn find(address: &Address, wanted: &Proxy) -> Result<Option<Intercept>> {
    let Address::Tcp(tcp) = address else { return Ok(None) };
    let general = if tcp.https { &wanted.https } else { &wanted.http };
    let Some(set) = wanted.for_vault.as_deref().or(general.as_deref()).filter(|set| !set.trim().is_empty()) else {
        return Ok(None);
    };
    if wanted.for_vault.is_none() && is_excepted(tcp, wanted) {
        return Ok(None);
    }
    let uri: Uri = address.to_string().parse().map_err(|_| bad_proxy("is not an http:// URL"))?;
    let Some(found) = Matcher::builder().all(set).build().intercept(&uri) else {
        return Err(bad_proxy(if has_bad_port(set.trim()) { InvalidUri::Port.why() } else { "is not an http:// URL" }));
    };
    endpoint(&found)?;
    Ok(Some(found))
}

/// Whether requests to `address` go through a proxy; an invalid proxy setting counts as one.
pub fn is_used(address: &Address, wanted: &Proxy) -> bool {
    !matches!(find(address, wanted), Ok(None))
}

/// Whether `target` needs no proxy: it is this machine, or `NO_PROXY` lists it.
fn is_excepted(target: &Tcp, wanted: &Proxy) -> bool {
    let is_loopback = target.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback
        || target.host == "localhost"
        || NoProxy::parse(wanted.none.as_deref().unwrap_or_default()).excepts(&target.host, target.port)
}

fn bad_proxy(what: &str) -> Error {
    Error::new(
        Kind::Config,
        format!("the address of the proxy {what}"),
        "correct VAULT_PROXY_ADDR, HTTP_PROXY or HTTPS_PROXY",
    )
}

/// Host and port of a proxy.
pub(super) fn endpoint(proxy: &Intercept) -> Result<(String, u16)> {
    let place = Tcp::from_uri(proxy.uri()).map_err(|why| bad_proxy(why.why()))?;
    if place.https {
        return Err(bad_proxy("is not an http:// URL"));
    }
    Ok((place.host, place.port))
}

/// Asks the proxy at the other end of `stream` for a tunnel to `target` (CONNECT).
pub(super) async fn tunnel(stream: Connection, target: &Tcp, proxy: &Intercept) -> Result<Connection> {
    let refused = || {
        Error::new(
            Kind::Proxy,
            format!("the proxy did not connect to {}", target.authority()),
            "check VAULT_PROXY_ADDR or HTTPS_PROXY, and that the proxy allows CONNECT to that port",
        )
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| refused())?;
    tokio::spawn(connection.with_upgrades());
    let authority = target.authority();
    let mut request = Request::builder().method(Method::CONNECT).uri(&authority).header(HOST, &authority);
    if let Some(credentials) = proxy.basic_auth() {
        request = request.header(PROXY_AUTHORIZATION, credentials);
    }
    let request = request.body(Empty::<bytes::Bytes>::new()).map_err(|_| refused())?;
    let response = sender.send_request(request).await.map_err(|_| refused())?;
    if !response.status().is_success() {
        return Err(refused());
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(|_| refused())?;
    Ok(Connection::new(TokioIo::new(upgraded)))
}
