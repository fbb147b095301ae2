//! A login for one command. Its token is revoked when the command ends, even if a signal ends it.

use super::common::Common;
use super::place::{Form, Place, Unusable, places};
use crate::config::env::Environment;
use crate::config::plan::Plan;
use crate::error::{Error, Kind, Result};
use crate::launch::fetch::{REVOKE, ending, runtime};
use crate::launch::refusal;
use crate::launch::source::Reader;
use crate::launch::{self, Request, expiry};
use crate::net::deadline::Deadline;
use crate::sys::hardening::Hardening;
use crate::sys::signals::{Caught, end_by, with_default_effect};
use crate::vault::auth::{self, Identity};
use crate::vault::client::Client;
use crate::vault::kv::list;
use crate::vault::kv_store::Stored;

/// The state of one command: a logged-in Vault client, and the places of the configuration.
pub(in crate::manage) struct LoggedIn<'a> {
    pub(in crate::manage) client: &'a mut Client,
    pub(in crate::manage) plan: &'a Plan,
    pub(in crate::manage) environment: &'a Environment,
    /// The login's user name, stored as the author of a change.
    pub(super) user: Option<String>,
    pub(super) places: Vec<Place>,
    /// The places whose path or mount could not be determined.
    pub(super) unusable: Vec<Unusable>,
    identity: Identity,
}

impl LoggedIn<'_> {
    /// Restarts the time limit: a question may have taken long.
    pub(in crate::manage) fn extend(&mut self) {
        self.client.set_deadline(Deadline::after(self.plan.budget));
    }

    /// A reader of the configured sources.
    pub(in crate::manage) fn reader(&self) -> Reader<'_> {
        Reader::new(self.plan, self.environment, self.client, self.identity.clone())
    }

    /// The key of the variable `name` in `place`. If a launch converts names to a shell's form, it is the existing key
    /// that becomes that variable, if any.
    pub(super) async fn key(&self, place: &Place, name: &str) -> Result<String> {
        let key = place.key(name)?;
        if !place.shell_names {
            return Ok(key.to_owned());
        }
        let there: Vec<String> = match place.form {
            Form::Keys => {
                let content = self.stored(place, &place.path).current().await?;
                content.keys.into_iter().map(|(key, _)| key).collect()
            }
            Form::Folder { .. } => names_in(self.client, place).await?,
        };
        let wanted = place.variable(key);
        let found = there.iter().find(|there| *there == key);
        let found = found.or_else(|| there.iter().find(|there| place.variable(there) == wanted));
        Ok(found.map_or(key, String::as_str).to_owned())
    }

    /// The secret at `path` in `place`.
    pub(super) fn stored<'b>(&'b self, place: &'b Place, path: &'b str) -> Stored<'b> {
        Stored::new(self.client, &place.mount, path)
    }
}

/// The names of the secrets in a folder; none if the folder does not exist yet.
pub(super) async fn names_in(client: &Client, place: &Place) -> Result<Vec<String>> {
    match list(client, &place.mount, &place.path, place.recursive).await {
        Err(none) if none.kind() == Kind::PathMissing => Ok(Vec::new()),
        listed => listed,
    }
}

/// Reads the configuration, logs in, and runs `work`; fails if a place can't be used that the command may be meant for.
pub(in crate::manage) fn with<T>(common: &Common, work: impl AsyncFnOnce(&mut LoggedIn<'_>) -> Result<T>) -> Result<T> {
    with_usable(common, async |session| match session.unusable.iter().position(|place| place.may_be_meant(common)) {
        Some(at) => Err(session.unusable.swap_remove(at).error),
        None => work(session).await,
    })
}

/// Like [`with`], but the places that can't be used are left to `work`.
pub(super) fn with_usable<T>(common: &Common, work: impl AsyncFnOnce(&mut LoggedIn<'_>) -> Result<T>) -> Result<T> {
    let _ = Hardening::apply()?;
    let environment = Environment::take();
    let request = Request {
        config: common.config.clone(),
        timeout: common.timeout,
        allow: common.allow.clone(),
        ..Request::default()
    };
    let mut plan = launch::plan(&request, &environment)?;
    plan.by_user = true;
    let runtime = runtime()?;
    let caught = Caught::new(if plan.login.makes_token() { with_default_effect() } else { Vec::new() });
    let outcome = runtime.block_on(async {
        let mut client = Client::new(&plan.server, Deadline::after(plan.budget))?;
        let session = refusal::login(&mut client, &plan).await?;
        let outcome = {
            let working = async {
                let identity = match session.identity.clone() {
                    Some(identity) => identity,
                    // The identity completes the user's own path, and is stored with the value.
                    None => match auth::look_up(&client).await {
                        Ok((identity, about)) => {
                            expiry::learn(&plan, &about);
                            identity
                        }
                        Err(_) => Identity::default(),
                    },
                };
                let user = identity.user().map(str::to_owned);
                let mut reader = Reader::new(&plan, &environment, &client, identity.clone());
                let (places, unusable) = places(&plan, &mut reader).await;
                let (plan, environment) = (&plan, &environment);
                let client = &mut client;
                work(&mut LoggedIn { client, plan, environment, user, places, unusable, identity }).await
            };
            let stopping = ending(&caught);
            futures_util::pin_mut!(working, stopping);
            tokio::select! {
                biased;
                signal = &mut stopping => Err(signal),
                outcome = &mut working => Ok(outcome),
            }
        };
        if session.revocable {
            let _ = auth::revoke(&client, REVOKE).await;
        }
        Ok::<_, Error>(outcome)
    });
    runtime.shutdown_background();
    drop(caught);
    match outcome? {
        Ok(outcome) => outcome,
        Err(signal) => end_by(signal),
    }
}
