//! Finds the KV mounts that the sources are in, ahead of any launch.
//!
//! A launch that does not know a mount's version needs one more request to look it up. A program that prepares
//! launches looks it up once, and stores it.

use super::fetch::REVOKE;
use super::refusal;
use super::source::{Reader, known};
use crate::config::env::Environment;
use crate::config::login::Login;
use crate::config::plan::Plan;
use crate::config::source::{KnownMount, SourceSpec};
use crate::error::{Error, Kind, Result};
use crate::net::deadline::Deadline;
use crate::vault::auth::{self, Authenticated, Identity};
use crate::vault::client::Client;
use crate::vault::mount::Mount;

/// The mounts found so far, and the first failure.
#[derive(Debug, Default)]
pub struct Looked {
    /// The mounts that are not in the plan.
    pub mounts: Vec<KnownMount>,
    /// The first mount that could not be looked up.
    pub trouble: Option<Error>,
}

/// Looks up the mounts of the sources whose KV version the configuration does not give. The token of a login is
/// revoked afterwards.
pub fn mounts(plan: &Plan, parent: &Environment) -> Looked {
    if !plan.sources.iter().any(|source| is_open(plan, source)) {
        return Looked::default();
    }
    if matches!(plan.login, Login::Wrapped(_)) {
        let what = "the KV versions were not looked up: that would use up the wrapped token";
        return failed(Error::new(
            Kind::Credential,
            what,
            "each start looks them up; set `version` in vault.toml to avoid that",
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else {
        return failed(Error::new(
            Kind::Os,
            "a network client can't be set up",
            "check the limits on descriptors (ulimit -a)",
        ));
    };
    let looked = runtime.block_on(ask(plan, parent)).unwrap_or_else(failed);
    runtime.shutdown_background();
    looked
}

fn failed(trouble: Error) -> Looked {
    Looked { mounts: Vec::new(), trouble: Some(trouble) }
}

async fn ask(plan: &Plan, parent: &Environment) -> Result<Looked> {
    let mut client = Client::new(&plan.server, Deadline::after(plan.budget))?;
    let mut session = refusal::login(&mut client, plan).await?;
    let looked = look_up(plan, parent, &client, &mut session).await;
    if session.revocable {
        // The token would expire anyway; nothing depends on it.
        let _ = auth::revoke(&client, REVOKE).await;
    }
    looked
}

/// Whether a launch would have to look up the source's mount.
fn is_open(plan: &Plan, source: &SourceSpec) -> bool {
    source.kind.is_kv() && source.version.is_none() && known(plan, source.path.as_written()).is_none()
}

/// Looks up the mounts of all such sources; one failure does not stop the others.
async fn look_up(plan: &Plan, parent: &Environment, client: &Client, session: &mut Authenticated) -> Result<Looked> {
    let open: Vec<_> = plan.sources.iter().filter(|source| is_open(plan, source)).collect();
    let identity = match session.identity.take() {
        Some(identity) => identity,
        None if open.iter().any(|source| source.needs_identity()) => auth::identity(client).await?,
        None => Identity::default(),
    };
    let mut reader = Reader::new(plan, parent, client, identity);
    let mut looked = Looked::default();
    for source in open {
        let outcome = match reader.path(source) {
            Ok(path) => reader.mounts.of(client, &path).await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(Mount { path, version }) => {
                let mount = KnownMount { path, version };
                if !looked.mounts.contains(&mount) {
                    looked.mounts.push(mount);
                }
            }
            Err(error) => looked.trouble = looked.trouble.or(Some(error)),
        }
    }
    Ok(looked)
}
