//! Checks whether Vault answers: name resolution, the route, TLS, Vault's state, and both clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::Deserialize;

use super::super::report::{Report, Status};
use super::super::time::shown;
use super::certificate;
use crate::config::plan::Plan;
use crate::config::server::Server;
use crate::error::{Error, Kind, Result};
use crate::net::ServerKind;
use crate::net::address::{Address, Tcp};
use crate::net::connect::{Connector, Handshake, resolve};
use crate::net::deadline::Deadline;
use crate::net::options::Tls;
use crate::vault::client::{Client, Raw};
use crate::vault::error::Operation;

/// The servers that the tests ran against.
const TRIED: &str = "OpenBao 2.7.2, HashiCorp Vault 1.21.4";
/// The largest clock difference that does not affect a login by JWT or a certificate.
const APART: u64 = 30;
/// A certificate that expires within this time is reported.
const SOON: Duration = Duration::from_secs(14 * 86_400);

/// Reports on the route to Vault and on its state; returns whether it can be used.
pub(super) async fn check(plan: &Plan, report: &mut Report) -> bool {
    report.section("vault");
    let deadline = Deadline::after(plan.budget);
    let chosen =
        if plan.server.others.is_empty() { None } else { first_that_answers(&plan.server, plan.budget, report).await };
    let server = chosen.as_ref().unwrap_or(&plan.server);
    warn(server, report);
    let connector = match Connector::new(ServerKind::Vault, &server.address, &server.tls, &server.proxy) {
        Ok(connector) => connector,
        Err(error) => {
            report.fail(&error);
            return false;
        }
    };
    if let Some(proxy) = connector.proxy_authority() {
        report.add(Status::Note, format!("requests go through the proxy {proxy}")).fact("proxy", proxy);
    } else if let Address::Tcp(tcp) = &server.address
        && !resolves(tcp, deadline, report).await
    {
        return false;
    }
    let start = Instant::now();
    match connector.handshake(&server.address, deadline).await {
        Ok(peer) => connected(server, peer.as_ref(), start.elapsed(), report),
        Err(error) => {
            report.fail(&error).fact("address", server.address.to_string());
            if matches!(error.kind(), Kind::TlsUnknownIssuer | Kind::TlsWrongHost | Kind::TlsExpired | Kind::Tls) {
                show_untrusted(server, deadline, report).await;
            }
            return false;
        }
    }
    match state(server, deadline, report).await {
        State::Unusable => false,
        State::Usable { namespaces: true } => namespace(server, deadline, report).await,
        State::Usable { namespaces: false } => {
            without_namespaces(server, report);
            true
        }
    }
}

/// What Vault's state means for the further checks.
enum State {
    Unusable,
    Usable {
        /// Whether it may have namespaces.
        namespaces: bool,
    },
}

/// Warns that a namespace is set, but the server ignores it and reads the root namespace's secrets.
fn without_namespaces(server: &Server, report: &mut Report) {
    let Some(name) = &server.namespace else { return };
    let what = format!(
        "this server has no namespaces (HashiCorp Vault without a licence): the setting {name} has no effect, and \
         secrets are read from the root namespace"
    );
    let finding = report.add(Status::Warning, what).advise("remove `namespace`, or unset VAULT_NAMESPACE");
    finding.fact("namespace", name.clone()).fact("namespaces", false);
}

/// The first address that accepts a connection, as a launch chooses it.
async fn first_that_answers(server: &Server, budget: Duration, report: &mut Report) -> Option<Server> {
    let share = budget / 4;
    for address in server.addresses() {
        let one = Server { address: address.clone(), others: Vec::new(), ..server.clone() };
        let reply =
            match Client::new(&Server { max_retries: Some(0), namespace: None, ..one.clone() }, Deadline::after(share))
            {
                Ok(client) => health(&client).await.map(drop),
                Err(error) => Err(error),
            };
        match reply {
            Err(error) if error.kind().exit_code() == 69 => {
                let finding = report.add(Status::Warning, format!("skipped: {}", error.what()));
                finding.advise(error.advice()).fact("passed_over", address.to_string());
            }
            _ => return Some(one),
        }
    }
    None
}

fn warn(server: &Server, report: &mut Report) {
    if server.tls.skip_verify {
        report
            .add(
                Status::Warning,
                "TLS IS NOT VERIFIED (skip_verify): any server that claims the address gets the token",
            )
            .advise("name the CA with `ca_cert` under [vault] (or VAULT_CACERT), and remove skip_verify")
            .fact("skip_verify", true);
    }
    if let Address::Tcp(Tcp { https: false, host, .. }) = &server.address {
        let loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
        if !loopback {
            report
                .add(Status::Warning, format!("{} is not encrypted: the network sees the token", server.address))
                .advise("write the address with https://");
        }
    }
}

async fn resolves(tcp: &Tcp, deadline: Deadline, report: &mut Report) -> bool {
    if tcp.host.parse::<std::net::IpAddr>().is_ok() {
        return true;
    }
    let start = Instant::now();
    let late = |_| Error::new(Kind::Dns, format!("no name server resolved {} in time", tcp.host), "check them");
    match deadline.bound(resolve(&tcp.host, tcp.port)).await.map_err(late).and_then(|resolved| resolved) {
        Ok(addresses) => {
            let mut list: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
            list.dedup();
            let what = format!("{} is {} ({})", tcp.host, list.join(", "), shown(start.elapsed()));
            report.add(Status::Ok, what).fact("host", tcp.host.clone()).fact("resolves_to", list);
            true
        }
        Err(error) => {
            report.fail(&error).fact("host", tcp.host.clone());
            false
        }
    }
}

fn connected(server: &Server, peer: Option<&Handshake>, time: Duration, report: &mut Report) {
    let address = server.address.to_string();
    let tls = peer.map_or_else(String::new, |peer| format!(", by {}", peer.protocol));
    let what = format!("{address} accepts connections{tls} ({})", shown(time));
    let finding = report.add(Status::Ok, what).fact("address", address).fact("connect_ms", millis(time));
    let Some(peer) = peer else { return };
    finding.fact("tls", peer.protocol.clone());
    let Some(certificate) = certificate::read(&peer.certificate) else { return };
    let trusted = if server.tls.skip_verify { "an unverified" } else { "a trusted" };
    let what = format!("{trusted} certificate, issued by {}, until {}", certificate.issuer, certificate.until);
    let soon = certificate.left.is_none_or(|left| left < SOON);
    let finding = report.add(if soon { Status::Warning } else { Status::Ok }, what);
    finding.fact("issuer", certificate.issuer).fact("valid_until", certificate.until);
    if soon {
        finding.advise("have it renewed: it expires within two weeks, or has expired");
    }
}

/// Shows the certificate of a server that is not trusted, so that the user can find the right CA. Only the handshake
/// is sent.
async fn show_untrusted(server: &Server, deadline: Deadline, report: &mut Report) {
    let untrusting = Tls { skip_verify: true, client_cert: None, client_key: None, ..server.tls.clone() };
    let Ok(connector) = Connector::new(ServerKind::Vault, &server.address, &untrusting, &server.proxy) else { return };
    let Ok(Some(peer)) = connector.handshake(&server.address, deadline).await else { return };
    if let Some(certificate) = certificate::read(&peer.certificate) {
        let what = format!(
            "the refused certificate was issued by {}, valid until {}; nothing was sent",
            certificate.issuer, certificate.until
        );
        report
            .add(Status::Note, what)
            .fact("issuer", certificate.issuer)
            .fact("valid_until", certificate.until)
            .fact("trusted", false);
    }
}

#[derive(Deserialize)]
struct Health {
    initialized: bool,
    sealed: bool,
    #[serde(default)]
    standby: bool,
    #[serde(default)]
    server_time_utc: u64,
    #[serde(default)]
    version: String,
    /// Only HashiCorp Vault has this. Without a licence it ignores the namespace header.
    enterprise: Option<bool>,
}

#[derive(Deserialize)]
struct Seal {
    t: u64,
    progress: u64,
}

async fn state(server: &Server, deadline: Deadline, report: &mut Report) -> State {
    // Health is the server's, not a namespace's; and a check does not retry.
    let plain = Server { namespace: None, max_retries: Some(0), ..server.clone() };
    let start = Instant::now();
    let reply = match Client::new(&plain, deadline) {
        Ok(client) => health(&client).await.map(|health| (health, client)),
        Err(error) => Err(error),
    };
    match reply {
        Ok((health, client)) => {
            let time = start.elapsed();
            if health.sealed || !health.initialized {
                report
                    .fail(&sealed(&health, &client).await)
                    .fact("sealed", health.sealed)
                    .fact("version", health.version);
                return State::Unusable;
            }
            let standby = if health.standby { "a standby" } else { "active" };
            let what = format!(
                "version {}, unsealed, {standby}; it answers in {} (tested with {TRIED})",
                health.version,
                shown(time)
            );
            report
                .add(Status::Ok, what)
                .fact("version", health.version.clone())
                .fact("tried_with", TRIED)
                .fact("sealed", false)
                .fact("standby", health.standby)
                .fact("answer_ms", millis(time));
            clocks(health.server_time_utc, report);
            State::Usable { namespaces: health.enterprise != Some(false) }
        }
        // A proxy may block this path; the other checks can go on.
        Err(error) if matches!(error.kind().exit_code(), 66 | 77) || error.kind() == Kind::BadRequest => {
            report.add(Status::Note, "its health can't be checked").advise(error.what());
            State::Usable { namespaces: true }
        }
        Err(error) => {
            report.fail(&error);
            State::Unusable
        }
    }
}

async fn health(client: &Client) -> Result<Health> {
    let endpoint = Raw::get("sys/health").with_query(
        "standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200&drsecondarycode=200&performancestandbycode=200",
    );
    let reply = client.call(&endpoint, Operation::Health).await?;
    serde_json::from_slice(&reply.body).map_err(|_| {
        let what = format!("the server at {} does not answer a health check like Vault", client.address());
        Error::new(Kind::NotVault, what, "check that the address is Vault's, with nothing after host and port")
    })
}

async fn sealed(health: &Health, client: &Client) -> Error {
    let address = client.address();
    if !health.initialized {
        let what = format!("Vault at {address} is not initialised");
        return Error::new(Kind::Sealed, what, "have it initialised: `vault operator init` (or `bao operator init`)");
    }
    let reply = client.call(&Raw::get("sys/seal-status"), Operation::Health).await.ok();
    let seal: Option<Seal> = reply.and_then(|reply| serde_json::from_slice(&reply.body).ok());
    let keys = seal.map_or_else(String::new, |seal| format!(": {} of {} keys entered", seal.progress, seal.t));
    let advice = "have it unsealed by the key holders: `vault operator unseal` (or `bao operator unseal`)";
    Error::new(Kind::Sealed, format!("Vault at {address} is sealed{keys}"), advice)
}

/// Checks that the namespace exists: it shows its visible mounts to any client, and a missing one gives an error.
async fn namespace(server: &Server, deadline: Deadline, report: &mut Report) -> bool {
    let Some(name) = &server.namespace else { return true };
    let once = Server { max_retries: Some(0), ..server.clone() };
    let reply = match Client::new(&once, deadline) {
        Ok(client) => client.call(&Raw::get("sys/internal/ui/mounts"), Operation::Mount(name)).await.map(drop),
        Err(error) => Err(error),
    };
    match reply {
        Ok(()) => report.add(Status::Ok, format!("the namespace {name} exists")).fact("namespace", name.clone()),
        Err(error) if error.kind() == Kind::NamespaceMissing => {
            report.fail(&error).fact("namespace", name.clone());
            return false;
        }
        Err(_) => return true,
    };
    true
}

fn clocks(there: u64, report: &mut Report) {
    let here = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    if there == 0 {
        return;
    }
    let apart = here.abs_diff(there);
    if apart <= APART {
        report
            .add(Status::Ok, format!("its clock and this machine's differ by {apart} s"))
            .fact("clocks_apart_s", apart);
        return;
    }
    let side = if here > there { "ahead of" } else { "behind" };
    report
        .add(Status::Warning, format!("this machine's clock is {apart} s {side} Vault's"))
        .advise("set the clock: JWTs and certificates are refused outside their validity")
        .fact("clocks_apart_s", apart);
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
