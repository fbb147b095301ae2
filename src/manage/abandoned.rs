//! Leases of a killed keeper: `kernels` ends them with the user's login once their kernels have exited.

use serde_json::{Value, json};

use crate::config::plan::Plan;
use crate::error::{Error, Result};
use crate::launch::fetch::REVOKE;
use crate::launch::refusal;
use crate::lease::AbandonedLeases;
use crate::net::deadline::Deadline;
use crate::vault::auth;
use crate::vault::client::Client;

/// The result.
#[derive(Debug, Default)]
pub(super) struct Ended {
    /// How many were ended.
    number: usize,
    /// How many remain, until when at most, and why they were not ended.
    rest: Vec<String>,
}

impl Ended {
    /// One line for each result.
    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        let ended = (self.number > 0).then(|| format!("{} of a killed keeper: ended now", counted(self.number)));
        ended.into_iter().chain(self.rest.iter().cloned())
    }

    /// The result as a JSON object; `None` if there was nothing to end.
    pub(super) fn object(&self) -> Option<Value> {
        let is_shown = self.number > 0 || !self.rest.is_empty();
        is_shown.then(|| json!({ "ended": self.number, "left": self.rest }))
    }
}

/// Ends the leases in `all` whose kernels have exited, with the login of `plan`.
pub(super) async fn end(all: &[AbandonedLeases], plan: Option<&Plan>) -> Ended {
    let mut ended = Ended::default();
    let over: Vec<_> = all.iter().filter(|left| !left.is_used()).collect();
    let (here, elsewhere): (Vec<_>, Vec<_>) =
        over.into_iter().partition(|left| plan.is_some_and(|plan| left.is_at(&plan.server)));
    for left in elsewhere {
        ended.rest.push(lives_on(left, "they belong to a Vault other than the configured one"));
    }
    let Some(plan) = plan.filter(|_| !here.is_empty()) else { return ended };
    let mut client = match log_in(plan).await {
        Ok(client) => client,
        Err(error) => {
            ended.rest.extend(here.iter().map(|left| lives_on(left, error.what())));
            return ended;
        }
    };
    for left in here {
        match left.end(&mut client.0, &plan.runtime_dir).await {
            Ok(()) => ended.number += left.number(),
            Err(error) => ended.rest.push(lives_on(left, error.what())),
        }
    }
    if client.1 {
        client.0.set_deadline(Deadline::after(REVOKE));
        let _ = auth::revoke(&client.0, REVOKE).await;
    }
    ended
}

/// A logged-in client, and whether its token comes from a login made for this.
async fn log_in(plan: &Plan) -> Result<(Client, bool), Error> {
    let mut client = Client::new(&plan.server, Deadline::after(plan.budget))?;
    let session = refusal::login(&mut client, plan).await?;
    Ok((client, session.revocable))
}

fn lives_on(left: &AbandonedLeases, why: &str) -> String {
    let most = humantime::format_duration(left.window());
    format!("{} of a killed keeper: NOT ended, expires within {most}: {why}", counted(left.number()))
}

fn counted(number: usize) -> String {
    format!("{number} lease{}", if number == 1 { "" } else { "s" })
}
