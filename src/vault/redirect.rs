//! Redirects: one redirect is followed, and only a 307 or 308 to the same scheme and host, because the token is sent
//! with the request.

use http::{StatusCode, Uri};

use super::reply::Reply;
use crate::error::{Error, Kind, Result};
use crate::net::address::{Address, Tcp};

/// The address to continue at, if the reply is a redirect that may be followed.
pub(super) fn follow(reply: &Reply, here: &Address) -> Result<Option<(Address, String)>> {
    if !reply.status.is_redirection() {
        return Ok(None);
    }
    let refuse = |kind, what: String, advice: &str| Err(Error::new(kind, what, advice));
    if !matches!(reply.status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT) {
        let what = format!("Vault at {here} answered with an unexpected redirect ({})", reply.status.as_u16());
        return refuse(Kind::RedirectUnexpected, what, "check that the address is Vault's API, not a web page's");
    }
    let uri = reply.location.as_ref().and_then(|location| Uri::try_from(location.as_bytes()).ok());
    let path = uri.as_ref().and_then(Uri::path_and_query).map(|path| path.as_str().to_owned());
    let (Some(uri), Some(path)) = (uri, path.filter(|path| path.starts_with('/'))) else {
        let what = format!("Vault at {here} answered with a redirect without a target");
        return refuse(Kind::RedirectUnexpected, what, "check any proxy before Vault");
    };
    if uri.host().is_none() {
        return Ok(Some((here.clone(), path)));
    }
    let advice = "if that address is Vault's, configure it: the token is not sent to other hosts";
    match (here, Tcp::from_uri(&uri).ok()) {
        (Address::Tcp(from), Some(to)) if from.https && !to.https => {
            let what = format!("Vault at {here} redirects to {} without TLS", to.authority());
            refuse(Kind::RedirectDowngrade, what, "have api_addr in Vault's configuration changed to https://")
        }
        (Address::Tcp(from), Some(to)) if from.host == to.host && from.https == to.https => {
            Ok(Some((Address::Tcp(Tcp { prefix: from.prefix.clone(), ..to }), path)))
        }
        (_, Some(to)) => {
            let what = format!("Vault at {here} redirects to another host, {}", to.authority());
            refuse(Kind::RedirectOtherHost, what, advice)
        }
        (_, None) => {
            let what = format!("Vault at {here} redirects to something other than an HTTP address");
            refuse(Kind::RedirectUnexpected, what, "check any proxy before Vault")
        }
    }
}
