//! Finds the cause of a refusal by Vault, so that the user can act on it.
//!
//! Vault says little on purpose. `permission denied` alone means that it does not know the token, `1 error occurred: *
//! permission denied` that a policy forbids the request; a missing mount, a missing path and the wrong KV version are
//! all a 404. Vault's texts are read here to tell these cases apart. They are never shown, as they can quote the
//! request.

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::reply::Reply;
use super::version::VersionState;
use crate::config::credential::LOG_IN;
use crate::error::{Error, Kind};
use crate::net::address::Address;

/// The operation of the refused request.
#[derive(Debug, Clone, Copy)]
pub enum Operation<'a> {
    /// Reading a path: as the user writes it, and as a policy names it.
    Read(&'a str, &'a str),
    /// Listing a folder, with the same two paths.
    List(&'a str, &'a str),
    /// Writing a secret, with the same two paths.
    Write(&'a str, &'a str),
    /// Changing a secret's description, with the same two paths.
    Patch(&'a str, &'a str),
    /// Deleting a secret, with the same two paths.
    Delete(&'a str, &'a str),
    /// Looking up the mount of a path.
    Mount(&'a str),
    /// A login at a method's mount; with the user name, if the request's path contains it.
    Login(&'a str, Option<&'a str>),
    /// Unwrapping a token.
    Unwrap,
    /// Looking up the token's user.
    Identity,
    /// Revoking the token.
    Revoke,
    /// Asking for the server's health.
    Health,
    /// Asking for the token's capabilities on a path.
    Capabilities(&'a str),
}

/// The server that the refused request was sent to, and the token used.
#[derive(Debug, Clone, Copy)]
pub struct Sender<'a> {
    /// Vault's address.
    pub address: &'a Address,
    /// The namespace, if one was named.
    pub namespace: Option<&'a str>,
    /// Where the token came from.
    pub token_origin: &'a str,
    /// Whether Vault accepted it earlier in this launch.
    pub token_worked: bool,
}

/// The error for a status after which a retry may succeed.
pub fn transient(reply: &Reply, address: &Address) -> Option<Error> {
    let (kind, what, advice) = match reply.status.as_u16() {
        // A new KV version 2 mount, or one that a standby node does not yet know as ready.
        400 if contains(&reply.body, "unavailable for a brief period") => (
            Kind::Standby,
            "is still upgrading the mount to version 2 (400)",
            "try again in a moment; a standby waits for the active node",
        ),
        412 => (Kind::Standby, "has not yet replicated an earlier write (412)", "try again in a moment"),
        429 => (
            Kind::RateLimited,
            "received too many requests (429)",
            "try again later; if it persists, ask for a higher rate-limit quota",
        ),
        472 => (Kind::Standby, "is a disaster-recovery standby (472)", "use the address of the active cluster"),
        473 => {
            (Kind::Standby, "is a performance standby that can't answer this (473)", "use the active node's address")
        }
        503 => (
            Kind::Sealed,
            "is sealed or not in service (503)",
            "have it unsealed (`vault status` or `bao status` shows its state), then start the kernel again",
        ),
        _ => return None,
    };
    Some(Error::new(kind, format!("Vault at {address} {what}"), advice))
}

/// The parts of a refusal that distinguish the causes.
#[derive(Debug, Default, Deserialize)]
struct Body<'a> {
    #[serde(default)]
    errors: Option<Vec<String>>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

/// What Vault says about a version that it does not return.
#[derive(Debug, Deserialize)]
struct AbsentVersion {
    metadata: VersionState,
}

/// The error for a reply other than success.
pub fn refusal(reply: &Reply, operation: Operation<'_>, sender: Sender<'_>) -> Error {
    let address = sender.address;
    let new = |kind, what: String, advice: &str| Error::new(kind, what, advice);
    if let Some(error) = transient(reply, address) {
        return error;
    }
    let says = |phrase: &str| contains(&reply.body, phrase);
    if reply.status == StatusCode::BAD_REQUEST && says("HTTP request to an HTTPS server") {
        let what = format!("{address} speaks TLS, but the request was plain HTTP");
        return new(Kind::PlainHttpToTls, what, "write the address with https://");
    }
    if reply.status.is_server_error() {
        let what = format!("Vault at {address} failed while {} ({})", action(operation), reply.status.as_u16());
        return new(Kind::ServerError, what, "check Vault's log, and any proxy or load balancer before it");
    }
    let Ok(body) = serde_json::from_slice::<Body<'_>>(&reply.body) else {
        let what =
            format!("{address} answered {}, but not like Vault, while {}", reply.status.as_u16(), action(operation));
        return match reply.status {
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                let what = format!("{address} denied access, but not like Vault, while {}", action(operation));
                new(Kind::PolicyDenied, what, "check for a proxy or firewall between this machine and Vault")
            }
            _ => new(Kind::NotVault, what, "check that the address is Vault's, with nothing after host and port"),
        };
    };
    if says("namespace not found") || says("no namespace") || says("missing namespace") {
        let namespace = sender.namespace.unwrap_or("none was named");
        let what = format!("the namespace ({namespace}) does not exist in Vault, while {}", action(operation));
        return new(
            Kind::NamespaceMissing,
            what,
            "set `namespace` under [vault], or VAULT_NAMESPACE, to an existing one",
        );
    }
    match (reply.status.as_u16(), operation) {
        (400, _) if says("wrapping token") => wrapped_token_used(sender),
        (_, Operation::Unwrap) => wrapped_token_used(sender),
        (400, Operation::Write(path, _) | Operation::Patch(path, _)) if says("check-and-set") => new(
            Kind::Conflict,
            format!("another client changed {path} meanwhile; nothing was written"),
            "try again, starting from the newest version",
        ),
        (400, _) if says("missing client token") => no_token(sender, operation),
        (400 | 401 | 403 | 412, Operation::Login(mount, _)) => new(
            Kind::LoginRefused,
            format!("Vault at {address} refused the login at auth/{mount}"),
            "check the role, the mount and the credentials under [auth], and that they have not expired; after several refusals \
             Vault may have locked the user (by default for 15 minutes): sys/locked-users shows that to an operator",
        ),
        // The method exists, but the user name does not match its pattern.
        (404 | 405, Operation::Login(mount, Some(user))) if says("unsupported path") => new(
            Kind::Config,
            format!("the login method at auth/{mount} does not accept the user name \"{user}\""),
            "correct `username` under [auth] (for userpass: letters, digits and - . _, with no . or _ at either end), and check \
             that `mount` is this method's",
        ),
        (404 | 405, Operation::Login(mount, _)) => new(
            Kind::MountMissing,
            format!("there is no login method at auth/{mount} in Vault at {address}"),
            "check `method` and `mount` under [auth], and the namespace",
        ),
        (403 | 401, _) => denied(&body, operation, sender),
        (404, _) => missing(&body, operation, sender, &says),
        // Each engine words this differently.
        (400, Operation::Read(path, _) | Operation::Write(path, _))
            if says("unknown role") || says("role") && (says("not found") || says("does not exist")) =>
        {
            new(
                Kind::BadRequest,
                format!("the secrets engine does not know the role that {path} names"),
                "check the name: `vault list` (or `bao list`) shows the mount's roles",
            )
        }
        _ => new(
            Kind::BadRequest,
            format!("Vault rejected the request, while {} ({})", action(operation), reply.status.as_u16()),
            "check the path: the mount, then the path below it, without v1/ and data/",
        ),
    }
}

fn contains(body: &[u8], phrase: &str) -> bool {
    body.windows(phrase.len()).any(|window| window.eq_ignore_ascii_case(phrase.as_bytes()))
}

fn action(operation: Operation<'_>) -> String {
    match operation {
        Operation::Read(path, _) => format!("reading {path}"),
        Operation::List(path, _) => format!("listing {path}"),
        Operation::Write(path, _) => format!("writing {path}"),
        Operation::Patch(path, _) => format!("describing {path}"),
        Operation::Delete(path, _) => format!("deleting {path}"),
        Operation::Mount(path) => format!("looking up the mount of {path}"),
        Operation::Login(mount, _) => format!("logging in at auth/{mount}"),
        Operation::Unwrap => "unwrapping the token".to_owned(),
        Operation::Identity => "looking up the token's identity".to_owned(),
        Operation::Revoke => "revoking the token".to_owned(),
        Operation::Health => "checking its health".to_owned(),
        Operation::Capabilities(path) => format!("looking up the token's capabilities on {path}"),
    }
}

fn wrapped_token_used(sender: Sender<'_>) -> Error {
    Error::new(
        Kind::WrappedTokenUsed,
        format!("the wrapping token from {} was already used, has expired or was altered", sender.token_origin),
        "each start, and each restart, needs a new wrapped token; if you did not use this one, someone else did",
    )
}

fn no_token(sender: Sender<'_>, operation: Operation<'_>) -> Error {
    Error::new(
        Kind::Credential,
        format!("Vault at {} received no token, while {}", sender.address, action(operation)),
        "let the agent add one (use_auto_auth_token), or configure a login under [auth]",
    )
}

/// The advice for a path with data/ in it, which is part of the API's path and added automatically.
pub const LEAVE_DATA_OUT: &str = "leave out data/: write the mount and the secret's path";
/// Vault's answer is the same for a mistyped path and for a missing policy line; the former is more likely.
pub const IF_RIGHT: &str = "check the path for typos; if it is right, ";

/// Whether a request path of KV version 2 contains the API's `data/` twice.
fn has_needless_data(path: &str) -> bool {
    let rest = |middle: &str| path.split_once(middle).map(|(_, rest)| rest.to_owned());
    let below = rest("/data/").or_else(|| rest("/metadata/"));
    below.is_some_and(|below| ["data/", "metadata/"].iter().any(|part| below.starts_with(part)))
}

fn denied(body: &Body<'_>, operation: Operation<'_>, sender: Sender<'_>) -> Error {
    let texts = body.errors.as_deref().unwrap_or_default();
    let unknown = texts.iter().any(|text| text.contains("invalid token") || text.contains("bad token"))
        || texts.iter().all(|text| text.trim() == "permission denied") && !texts.is_empty();
    if unknown && matches!(sender.token_origin, "") {
        return no_token(sender, operation);
    }
    if unknown && sender.token_worked {
        return Error::new(
            Kind::TokenSpent,
            format!(
                "the token from {} became invalid during this launch, while {}",
                sender.token_origin,
                action(operation)
            ),
            "it expired, was revoked, or had no uses left (num_uses): each path read takes one use",
        );
    }
    if unknown {
        return Error::new(
            Kind::BadToken,
            format!("Vault rejected the token from {}, while {}", sender.token_origin, action(operation)),
            format!("it is mistyped, expired, revoked or from another namespace: get a new one with {LOG_IN}"),
        );
    }
    let (path, capability) = match operation {
        Operation::Read(_, policy_path) => (policy_path, "read"),
        Operation::List(_, policy_path) => (policy_path, "list"),
        Operation::Write(_, policy_path) => (policy_path, "create\", \"update"),
        Operation::Patch(_, policy_path) => (policy_path, "patch"),
        Operation::Delete(_, policy_path) => (policy_path, "delete"),
        Operation::Mount(path) => {
            let has_data = matches!(path.split('/').nth(1), Some("data" | "metadata"));
            let right = format!(
                "check the path for typos, its mount first; if it is right, ask for a policy that allows reading below \
                 {path}, or set `version` in vault.toml"
            );
            return Error::new(
                Kind::PolicyDenied,
                format!("nothing is mounted at {path}, or the token may not see the mount"),
                if has_data { LEAVE_DATA_OUT } else { &right },
            );
        }
        Operation::Capabilities(_) => ("sys/capabilities-self", "update"),
        _ => ("auth/token/lookup-self", "read"),
    };
    Error::new(
        Kind::PolicyDenied,
        format!("the policies of the token from {} forbid {}", sender.token_origin, action(operation)),
        if has_needless_data(path) {
            LEAVE_DATA_OUT.to_owned()
        } else {
            format!("{IF_RIGHT}ask for this policy line: path \"{path}\" {{ capabilities = [\"{capability}\"] }}")
        },
    )
}

fn missing(body: &Body<'_>, operation: Operation<'_>, sender: Sender<'_>, says: &dyn Fn(&str) -> bool) -> Error {
    let path = match operation {
        Operation::Read(path, _)
        | Operation::List(path, _)
        | Operation::Write(path, _)
        | Operation::Patch(path, _)
        | Operation::Delete(path, _)
        | Operation::Mount(path) => path,
        _ => "the path",
    };
    let address = sender.address;
    if says("no handler for route") || says("unsupported path") || says("no secret engine mount") {
        return Error::new(
            Kind::MountMissing,
            format!("there is no secrets engine for {path} in Vault at {address}"),
            "check the mount (the beginning of the path) and the namespace: `vault secrets list` (or `bao secrets list`)",
        );
    }
    let warned = body.warnings.as_deref().unwrap_or_default();
    if warned.iter().any(|text| text.contains("versioned K/V")) {
        return wrong_kv_version(path, 1, "2");
    }
    let absent = body.data.and_then(|data| serde_json::from_str::<AbsentVersion>(data.get()).ok());
    match absent.map(|absent| absent.metadata) {
        Some(state) if state.destroyed => Error::new(
            Kind::VersionDestroyed,
            format!("the current version of {path} is destroyed"),
            "write a new version, or remove the secret",
        ),
        Some(state) if !state.deletion_time.is_empty() => Error::new(
            Kind::VersionDeleted,
            format!("the current version of {path} is deleted"),
            "restore it with `vault kv undelete` (or `bao kv undelete`), or write a new version",
        ),
        _ => path_missing(path, address),
    }
}

/// The error for a path without a secret.
pub fn path_missing(path: &str, address: &Address) -> Error {
    let below_data = path.split('/').nth(1) == Some("data");
    let advice = if below_data {
        LEAVE_DATA_OUT
    } else {
        "check the path for typos, write the secret, or set `optional = true`"
    };
    Error::new(Kind::PathMissing, format!("there is no secret at {path} in Vault at {address}"), advice)
}

/// The error for a mount of another KV version than configured.
pub fn wrong_kv_version(path: &str, configured: u8, found: &str) -> Error {
    Error::new(
        Kind::KvVersionMismatch,
        format!("{path} is configured as KV version {configured}, but its mount is version {found}"),
        "correct `version` in vault.toml, or leave it out to have it looked up",
    )
}
