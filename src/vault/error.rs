//! A refusal of Vault, turned into the one cause that a person can act on.
//!
//! Vault says little on purpose: `permission denied` alone means that it does not know the token,
//! `1 error occurred: * permission denied` that a policy forbids; a missing mount, a missing path and
//! the wrong KV version are all a 404. The texts of Vault are read here to tell these apart, and never
//! shown: they can quote what was sent.

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::reply::Reply;
use crate::config::credential::LOG_IN;
use crate::error::{Error, Kind};
use crate::net::address::Address;

/// What was asked for when the refusal came.
#[derive(Debug, Clone, Copy)]
pub enum Asked<'a> {
    /// To read a path (as the user writes it; the second is the path that a policy names).
    Read(&'a str, &'a str),
    /// To list a folder, likewise.
    List(&'a str, &'a str),
    /// To write a secret, likewise.
    Write(&'a str, &'a str),
    /// To change what is said of a secret, likewise.
    Patch(&'a str, &'a str),
    /// To delete a secret, likewise.
    Delete(&'a str, &'a str),
    /// What is mounted at a path.
    Mount(&'a str),
    /// A token, by a method's mount; for a user, if the request's path names one.
    Login(&'a str, Option<&'a str>),
    /// What a wrapping token holds.
    Unwrap,
    /// The token's own user.
    Identity,
    /// The revocation of our token.
    Revoke,
    /// The server's health.
    Health,
    /// What the token may do with a path.
    Capabilities(&'a str),
}

/// Where a refused request was sent, and by which token.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// Vault's address.
    pub address: &'a Address,
    /// The namespace, if one was named.
    pub namespace: Option<&'a str>,
    /// Where the token came from.
    pub token_origin: &'a str,
    /// Whether Vault accepted it earlier in this launch.
    pub token_worked: bool,
}

/// The error behind a status that may heal by itself.
pub fn to_try_again(reply: &Reply, address: &Address) -> Option<Error> {
    let (kind, what, advice) = match reply.status.as_u16() {
        // A new KV version 2 mount, or one whose standby has not heard that it is ready.
        400 if contains(&reply.body, "unavailable for a brief period") => (
            Kind::Standby,
            "is still upgrading the mount to version 2 (400)",
            "try again in a moment; a standby waits for the active node",
        ),
        412 => (Kind::Standby, "has not caught up with an earlier write (412)", "try again in a moment"),
        429 => (
            Kind::RateLimited,
            "answers that there are too many requests (429)",
            "try again later; ask for a higher rate-limit quota if it stays so",
        ),
        472 => (Kind::Standby, "is a disaster-recovery standby (472)", "use the address of the active cluster"),
        473 => {
            (Kind::Standby, "is a performance standby that can't answer this (473)", "use the active node's address")
        }
        503 => (
            Kind::Sealed,
            "is sealed or not in service (503)",
            "have it unsealed: `vault status` (or `bao status`) tells; then start the kernel again",
        ),
        _ => return None,
    };
    Some(Error::new(kind, format!("Vault at {address} {what}"), advice))
}

/// The parts of a refusal that tell causes apart.
#[derive(Debug, Default, Deserialize)]
struct Body<'a> {
    #[serde(default)]
    errors: Option<Vec<String>>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct Versioned {
    metadata: VersionState,
}

#[derive(Debug, Deserialize)]
struct VersionState {
    #[serde(default)]
    destroyed: bool,
    #[serde(default)]
    deletion_time: String,
}

/// Says what a reply that is no success means.
pub fn refusal(reply: &Reply, asked: Asked<'_>, asker: Asker<'_>) -> Error {
    let address = asker.address;
    let new = |kind, what: String, advice: &str| Error::new(kind, what, advice);
    if let Some(error) = to_try_again(reply, address) {
        return error;
    }
    let says = |phrase: &str| contains(&reply.body, phrase);
    if reply.status == StatusCode::BAD_REQUEST && says("HTTP request to an HTTPS server") {
        let what = format!("{address} speaks TLS, and was asked in plain HTTP");
        return new(Kind::PlainHttpToTls, what, "write the address with https://");
    }
    if reply.status.is_server_error() {
        let what = format!("Vault at {address} failed while {} ({})", doing(asked), reply.status.as_u16());
        return new(Kind::ServerError, what, "look at Vault's log, and at what stands between here and Vault");
    }
    let Ok(body) = serde_json::from_slice::<Body<'_>>(&reply.body) else {
        let what = format!("{address} answers {} and not as Vault does, while {}", reply.status.as_u16(), doing(asked));
        return match reply.status {
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                let what = format!("{address} denies access, and not as Vault does, while {}", doing(asked));
                new(Kind::PolicyDenied, what, "look at what stands between here and Vault: a proxy or a firewall")
            }
            _ => new(Kind::NotVault, what, "check that the address is Vault's, with nothing after host and port"),
        };
    };
    if says("namespace not found") || says("no namespace") || says("missing namespace") {
        let namespace =
            asker.namespace.map_or_else(|| "no namespace was named".to_owned(), |name| format!("asked for: {name}"));
        let what = format!("the namespace is missing at Vault ({namespace}), while {}", doing(asked));
        return new(
            Kind::NamespaceMissing,
            what,
            "set `namespace` under [vault], or VAULT_NAMESPACE, to one that exists",
        );
    }
    match (reply.status.as_u16(), asked) {
        (400, _) if says("wrapping token") => wrapped_token_used(asker),
        (_, Asked::Unwrap) => wrapped_token_used(asker),
        (400, Asked::Write(path, _) | Asked::Patch(path, _)) if says("check-and-set") => new(
            Kind::Conflict,
            format!("another writer has changed {path} meanwhile; nothing was written"),
            "try again: the newest version is read anew",
        ),
        (400, _) if says("missing client token") => no_token(asker, asked),
        (400 | 401 | 403 | 412, Asked::Login(mount, _)) => new(
            Kind::LoginRefused,
            format!("Vault at {address} refused the login at auth/{mount}"),
            "check the role and the credentials under [auth], that they have not expired, and the mount; after several refusals \
             Vault may have locked the user (by default for 15 minutes): an operator sees it in sys/locked-users",
        ),
        // There is a method, and it has no such path: the user's name does not fit its pattern.
        (404 | 405, Asked::Login(mount, Some(user))) if says("unsupported path") => new(
            Kind::Config,
            format!("the login method at auth/{mount} takes no user name like \"{user}\""),
            "correct `username` under [auth] (userpass takes letters, digits, - . _, the last two not at an end), and check that \
             `mount` is the method's",
        ),
        (404 | 405, Asked::Login(mount, _)) => new(
            Kind::MountMissing,
            format!("there is no login method at auth/{mount} in Vault at {address}"),
            "check `method` and `mount` under [auth], and the namespace",
        ),
        (403 | 401, _) => denied(&body, asked, asker),
        (404, _) => missing(&body, asked, asker, &says),
        // Each engine has its own words for that.
        (400, Asked::Read(path, _) | Asked::Write(path, _))
            if says("unknown role") || says("role") && (says("not found") || says("does not exist")) =>
        {
            new(
                Kind::BadRequest,
                format!("the secrets engine knows no role of the name at the end of {path}"),
                "check the name: `vault list` (or `bao list`) of the mount's roles shows them",
            )
        }
        _ => new(
            Kind::BadRequest,
            format!("Vault does not accept the request, while {} ({})", doing(asked), reply.status.as_u16()),
            "check the path: the mount, then the path below it, without v1/ and without data/",
        ),
    }
}

fn contains(body: &[u8], phrase: &str) -> bool {
    body.windows(phrase.len()).any(|window| window.eq_ignore_ascii_case(phrase.as_bytes()))
}

fn doing(asked: Asked<'_>) -> String {
    match asked {
        Asked::Read(path, _) => format!("reading {path}"),
        Asked::List(path, _) => format!("listing {path}"),
        Asked::Write(path, _) => format!("writing {path}"),
        Asked::Patch(path, _) => format!("describing {path}"),
        Asked::Delete(path, _) => format!("deleting {path}"),
        Asked::Mount(path) => format!("looking up the mount of {path}"),
        Asked::Login(mount, _) => format!("logging in at auth/{mount}"),
        Asked::Unwrap => "unwrapping the token".to_owned(),
        Asked::Identity => "looking up the token's identity".to_owned(),
        Asked::Revoke => "revoking the token".to_owned(),
        Asked::Health => "asking for its state".to_owned(),
        Asked::Capabilities(path) => format!("asking what the token may do with {path}"),
    }
}

fn wrapped_token_used(asker: Asker<'_>) -> Error {
    Error::new(
        Kind::WrappedTokenUsed,
        format!("the wrapping token from {} was used already, has expired or was altered", asker.token_origin),
        "a wrapped token serves one start only, a restart needs a new one; if you did not use it, another person did",
    )
}

fn no_token(asker: Asker<'_>, asked: Asked<'_>) -> Error {
    Error::new(
        Kind::Credential,
        format!("Vault at {} got no token, while {}", asker.address, doing(asked)),
        "let the agent add one (use_auto_auth_token), or configure a login under [auth]",
    )
}

/// What is said of a path with data/ in it; the API has that, and adds it by itself.
pub const LEAVE_DATA_OUT: &str = "leave data/ out: write the mount and the secret's own path";
/// A typing error is likelier than a policy that lacks a line, and Vault tells neither.
pub const IF_RIGHT: &str = "check the path for a typing error; if it is right, ";

/// Whether the path of a request to KV version 2 has the API's `data/` twice.
fn has_needless_data(path: &str) -> bool {
    let rest = |middle: &str| path.split_once(middle).map(|(_, rest)| rest.to_owned());
    let below = rest("/data/").or_else(|| rest("/metadata/"));
    below.is_some_and(|below| ["data/", "metadata/"].iter().any(|part| below.starts_with(part)))
}

fn denied(body: &Body<'_>, asked: Asked<'_>, asker: Asker<'_>) -> Error {
    let texts = body.errors.as_deref().unwrap_or_default();
    let unknown = texts.iter().any(|text| text.contains("invalid token") || text.contains("bad token"))
        || texts.iter().all(|text| text.trim() == "permission denied") && !texts.is_empty();
    if unknown && matches!(asker.token_origin, "") {
        return no_token(asker, asked);
    }
    if unknown && asker.token_worked {
        return Error::new(
            Kind::TokenSpent,
            format!("the token from {} ended during this launch, while {}", asker.token_origin, doing(asked)),
            "it expired, was revoked, or its num_uses were used up: each path read takes one use",
        );
    }
    if unknown {
        return Error::new(
            Kind::BadToken,
            format!("Vault does not accept the token from {}, while {}", asker.token_origin, doing(asked)),
            format!("it is mistyped, expired, revoked or of another namespace: get a new one with {LOG_IN}"),
        );
    }
    let (path, capability) = match asked {
        Asked::Read(_, policy_path) => (policy_path, "read"),
        Asked::List(_, policy_path) => (policy_path, "list"),
        Asked::Write(_, policy_path) => (policy_path, "create\", \"update"),
        Asked::Patch(_, policy_path) => (policy_path, "patch"),
        Asked::Delete(_, policy_path) => (policy_path, "delete"),
        Asked::Mount(path) => {
            let has_data = matches!(path.split('/').nth(1), Some("data" | "metadata"));
            let right = format!(
                "check the path for a typing error, its mount first; if it is right, ask for a policy that allows to read \
                 below {path}, or say `version` in vault.toml"
            );
            return Error::new(
                Kind::PolicyDenied,
                format!("the token may not see what is mounted at {path}, or nothing is"),
                if has_data { LEAVE_DATA_OUT } else { &right },
            );
        }
        Asked::Capabilities(_) => ("sys/capabilities-self", "update"),
        _ => ("auth/token/lookup-self", "read"),
    };
    Error::new(
        Kind::PolicyDenied,
        format!("the policies of the token from {} forbid {}", asker.token_origin, doing(asked)),
        if has_needless_data(path) {
            LEAVE_DATA_OUT.to_owned()
        } else {
            format!("{IF_RIGHT}ask for this policy line: path \"{path}\" {{ capabilities = [\"{capability}\"] }}")
        },
    )
}

fn missing(body: &Body<'_>, asked: Asked<'_>, asker: Asker<'_>, says: &dyn Fn(&str) -> bool) -> Error {
    let path = match asked {
        Asked::Read(path, _)
        | Asked::List(path, _)
        | Asked::Write(path, _)
        | Asked::Patch(path, _)
        | Asked::Delete(path, _)
        | Asked::Mount(path) => path,
        _ => "the path",
    };
    let address = asker.address;
    if says("no handler for route") || says("unsupported path") || says("no secret engine mount") {
        return Error::new(
            Kind::MountMissing,
            format!("there is no secrets engine for {path} in Vault at {address}"),
            "check the mount (the path's beginning) and the namespace: `vault secrets list` (or `bao secrets list`)",
        );
    }
    let warned = body.warnings.as_deref().unwrap_or_default();
    if warned.iter().any(|text| text.contains("versioned K/V")) {
        return wrong_kv_version(path, 1, "2");
    }
    let versioned = body.data.and_then(|data| serde_json::from_str::<Versioned>(data.get()).ok());
    match versioned.map(|versioned| versioned.metadata) {
        Some(state) if state.destroyed => Error::new(
            Kind::VersionDestroyed,
            format!("the current version of {path} is destroyed"),
            "write a new version, or remove the secret",
        ),
        Some(state) if !state.deletion_time.is_empty() => Error::new(
            Kind::VersionDeleted,
            format!("the current version of {path} is deleted"),
            "bring it back with `vault kv undelete` (or `bao kv undelete`), or write a new one",
        ),
        _ => path_missing(path, address),
    }
}

/// The error for a path with nothing at it.
pub fn path_missing(path: &str, address: &Address) -> Error {
    let below_data = path.split('/').nth(1) == Some("data");
    let advice = if below_data {
        LEAVE_DATA_OUT
    } else {
        "check the path for a typing error, write the secret, or say `optional = true`"
    };
    Error::new(Kind::PathMissing, format!("there is no secret at {path} in Vault at {address}"), advice)
}

/// The error for a mount that is of another KV version than was said.
pub fn wrong_kv_version(path: &str, said: u8, found: &str) -> Error {
    Error::new(
        Kind::KvVersionMismatch,
        format!("{path} was to be read as KV version {said}, and its mount is version {found}"),
        "correct `version` in vault.toml, or leave it out to have the mount asked",
    )
}
