//! Which KV mounts the sources lie in, asked ahead of any launch.
//!
//! A launch that is not told has to ask, with one more request. Whoever prepares launches asks once, and
//! writes the answer down.

use super::fetch::REVOKE;
use super::source;
use crate::config::env::Environment;
use crate::config::plan::{Login, Plan};
use crate::config::source::KnownMount;
use crate::error::{Error, Kind, Result};
use crate::vault::auth;
use crate::vault::client::Client;
use crate::vault::deadline::Deadline;

/// What was found out, and what stood in the way of the rest.
#[derive(Debug, Default)]
pub struct Looked {
    /// The mounts that the plan did not know.
    pub mounts: Vec<KnownMount>,
    /// The first thing that could not be asked.
    pub trouble: Option<Error>,
}

/// Asks for the mounts of the sources whose version the configuration does not say. A login's token is
/// revoked after.
#[must_use]
pub fn mounts(plan: &Plan, parent: &Environment) -> Looked {
    if !plan.sources.iter().any(|source| source::is_open(plan, source)) {
        return Looked::default();
    }
    if matches!(plan.login, Login::Wrapped(_)) {
        let what = "the KV versions are not asked: that would use up the wrapped token";
        return told(Error::new(Kind::Credential, what, "each start asks; or say `version` in vault.toml"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else {
        return told(Error::new(Kind::Os, "the system gave no network", "check the limits on descriptors (ulimit -a)"));
    };
    let looked = runtime.block_on(ask(plan, parent)).unwrap_or_else(told);
    runtime.shutdown_background();
    looked
}

fn told(trouble: Error) -> Looked {
    Looked { mounts: Vec::new(), trouble: Some(trouble) }
}

async fn ask(plan: &Plan, parent: &Environment) -> Result<Looked> {
    let mut client = Client::new(&plan.server, Deadline::after(plan.budget))?;
    let mut session = auth::login(&mut client, &plan.login).await?;
    let looked = source::look_up(plan, parent, &client, &mut session).await;
    if session.revocable {
        // It would end by itself; nothing depends on it.
        let _ = auth::revoke(&client, REVOKE).await;
    }
    looked
}
