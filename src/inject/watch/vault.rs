//! A session with Vault that outlasts its token, for as long as kernels run.
//!
//! The token of a login is kept between rounds, so that a round costs one request per source. No connection is kept:
//! its buffers would hold the last response until the next round. When Vault no longer accepts the token, the
//! configuration is read again and a new login follows. A refused login is repeated slowly, because Vault locks users
//! out.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::env::Environment;
use crate::config::plan::Plan;
use crate::error::{Kind, Result};
use crate::launch::fetch::{self, REVOKE};
use crate::launch::given::Given;
use crate::launch::keep::{Fetch, keep};
use crate::launch::refusal;
use crate::launch::versions::{Digester, Seen, look_up_versions};
use crate::launch::{self, Request};
use crate::lease::{Keeper, Owner};
use crate::net::deadline::Deadline;
use crate::vault::auth::{self, Authenticated, Identity};
use crate::vault::client::Client;
use crate::vault::generic::Lease;

/// The first pause after a failure; it doubles each time.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The first pause after a refused login, and the longest.
const REFUSED: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));

/// Vault, as one request configures it.
#[derive(Debug)]
pub struct Vault<'a> {
    request: &'a Request,
    parent: &'a Environment,
    digester: Digester,
    plan: Plan,
    open: Option<Open>,
    pause: Duration,
    not_before: Option<Instant>,
}

#[derive(Debug)]
struct Open {
    client: Client,
    session: Authenticated,
}

impl<'a> Vault<'a> {
    /// Reads the configuration; sends nothing yet.
    pub fn new(request: &'a Request, parent: &'a Environment) -> Result<Self> {
        Ok(Self {
            request,
            parent,
            digester: Digester::new()?,
            plan: launch::plan(request, parent)?,
            open: None,
            pause: FIRST_PAUSE,
            not_before: None,
        })
    }

    /// The plan of the configuration.
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The earliest time for the next request after a failure; `None`: at any time.
    pub const fn not_before(&self) -> Option<Instant> {
        self.not_before
    }

    /// Looks up the versions of the sources. `holding` is set while a login is in progress.
    pub async fn look_up_versions(&mut self, holding: &Cell<Option<Instant>>) -> Result<Seen> {
        let looked = self
            .attempt(holding, async |plan, parent, digester, open| {
                let identity = identity(plan, open).await?;
                look_up_versions(plan, parent, &open.client, identity, digester).await
            })
            .await;
        self.pace(looked)
    }

    /// Fetches the secrets; also returns the leases that depend on the session's token.
    pub async fn fetch(&mut self, holding: &Cell<Option<Instant>>) -> Result<(Given, Vec<Lease>)> {
        let fetched = self
            .attempt(holding, async |plan, parent, _, open| {
                fetch::read(plan, parent, &open.client, &open.session).await
            })
            .await;
        self.pace(fetched)
    }

    /// Starts the keeper for the `owners` of the fetched leases. If the session's token comes from a login, the keeper
    /// gets it, and the next request logs in again.
    pub async fn keep(&mut self, given: &Given, held: Vec<Lease>, owners: Vec<Owner>) -> Result<Option<Keeper>> {
        let Some(mut open) = self.open.take().filter(|_| !held.is_empty()) else { return Ok(None) };
        open.client.set_deadline(Deadline::after(REVOKE));
        let leases = fetch::left_by(&self.plan, &open.client, &open.session, held).await;
        let keeper = if owners.is_empty() {
            // The exit of a kernel on another machine can't be noticed here: its leases end with the window.
            Ok(None)
        } else {
            let fetch = Fetch { plan: &self.plan, request: self.request, parent: self.parent, given };
            keep(&fetch, &leases, owners).map(Some)
        };
        open.client.close_idle();
        if !open.session.revocable {
            self.open = Some(open);
        }
        keeper
    }

    /// Revokes the token if it comes from a login.
    pub async fn close(&mut self) {
        if let Some(mut open) = self.open.take().filter(|open| open.session.revocable) {
            open.client.set_deadline(Deadline::after(REVOKE));
            let _ = auth::revoke(&open.client, REVOKE).await;
        }
    }

    async fn attempt<T>(
        &mut self,
        holding: &Cell<Option<Instant>>,
        work: impl AsyncFn(&Plan, &Environment, &Digester, &Open) -> Result<T>,
    ) -> Result<T> {
        if let Some(open) = &mut self.open {
            open.client.set_deadline(Deadline::after(self.plan.budget));
            let outcome = work(&self.plan, self.parent, &self.digester, open).await;
            open.client.close_idle();
            match outcome {
                // It has expired or was revoked: log in again.
                Err(error) if matches!(error.kind(), Kind::BadToken | Kind::TokenSpent) => self.open = None,
                outcome => return outcome,
            }
        }
        let plan = launch::plan(self.request, self.parent)?;
        let mut client = Client::new(&plan.server, Deadline::after(plan.budget))?;
        holding.set(plan.login.makes_token().then(|| Instant::now() + plan.budget));
        let session = refusal::login(&mut client, &plan).await;
        holding.set(None);
        self.plan = plan;
        let open = self.open.insert(Open { client, session: session? });
        let outcome = work(&self.plan, self.parent, &self.digester, open).await;
        open.client.close_idle();
        outcome
    }

    /// Sets the earliest time for the next request.
    fn pace<T>(&mut self, outcome: Result<T>) -> Result<T> {
        match &outcome {
            Ok(_) => (self.pause, self.not_before) = (FIRST_PAUSE, None),
            Err(error) => {
                let refused = matches!(error.kind(), Kind::LoginRefused | Kind::MfaRequired | Kind::WrappedTokenUsed);
                let (least, most) = if refused { REFUSED } else { (FIRST_PAUSE, LONGEST_PAUSE) };
                let pause = self.pause.clamp(least, most);
                self.not_before = Some(Instant::now() + jittered(pause));
                self.pause = pause * 2;
            }
        }
        outcome
    }
}

async fn identity(plan: &Plan, open: &Open) -> Result<Identity> {
    match &open.session.identity {
        Some(identity) => Ok(identity.clone()),
        None if plan.sources.iter().any(|source| source.path.needs_identity()) => auth::identity(&open.client).await,
        None => Ok(Identity::default()),
    }
}

/// The pause with a jitter of a tenth, so that a thousand sidecars do not send their requests at once.
pub fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.9 + 0.2 * fastrand::f64())
}
