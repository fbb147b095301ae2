//! Starts the keeper of a fetch's leases, and tells it how to read the same sources again.

use super::given::{Form, Given, answers};
use super::request::Request;
use crate::config::env::Environment;
use crate::config::plan::Plan;
use crate::error::Result;
use crate::lease::{Again, Digests, Keeper, Leases, Owner};

/// What was fetched, and from where.
pub(crate) struct Fetch<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) request: &'a Request,
    pub(crate) parent: &'a Environment,
    pub(crate) given: &'a Given,
}

/// Starts the keeper that holds the `leases` of a fetch for `owners`.
pub(crate) fn keep(fetch: &Fetch<'_>, leases: &Leases, owners: Vec<Owner>) -> Result<Keeper> {
    let Fetch { plan, request, parent, given } = *fetch;
    let sources =
        || plan.sources.iter().filter(|source| leases.held.iter().any(|held| held.source == source.path.as_written()));
    let values = given.iter().filter_map(|(name, fetched)| {
        let Form::Variable(value) = &fetched.form else { return None };
        let is_leased = sources().any(|source| source.may_give(name.as_str(), &fetched.path));
        is_leased.then_some((name.as_str(), value))
    });
    let again = Again {
        // The keeper has the same working folder.
        config: request.config.clone(),
        secrets: request.secrets.clone(),
        allow: request.allow.clone(),
        timeout_ms: request.timeout.and_then(|timeout| u64::try_from(timeout.as_millis()).ok()),
        environment: parent.settings(sources()),
        held: Digests::of(values),
    };
    Keeper::start(plan, leases, owners, Some(again), &answers(given))
}
