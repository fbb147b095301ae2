//! Checks whether a launch would find everything in a scrubbed environment.
//!
//! Kernel Gateway and Enterprise Gateway give a kernel `PATH`, the variables on their allow-lists, and those of the
//! request. Settings from this shell's variables are missing there. So the plan is made once more, from `PATH` and
//! the files alone.

use super::super::report::{Report, Status};
use super::configuration::Configured;
use crate::config::env::Environment;
use crate::config::layer::Layer;
use crate::config::locations::Locations;
use crate::config::lock;
use crate::config::origin::Origin;
use crate::config::plan::Plan;
use crate::config::source::SourceSpec;
use crate::error::{Error, Result};
use crate::launch::Request;

/// Reports if a launch works here and would fail there.
pub(super) fn look(request: &Request, parent: &Environment, configured: &Configured, report: &mut Report) {
    if !configured.whole {
        return;
    }
    report.section("gateways");
    match scrubbed(request, parent) {
        Ok(()) => {
            report.add(Status::Ok, "the files alone suffice, also where a gateway scrubs the environment");
        }
        Err(error) => {
            let status = if is_in_sight(parent) { Status::Warning } else { Status::Note };
            let what = format!("a gateway passes none of this shell's variables on; without them: {}", error.what());
            report
                .add(status, what)
                .advise("Kernel Gateway and Enterprise Gateway pass PATH and an allow-list: put it in a vault.toml that --config names")
                .fact("missing", error.what());
        }
    }
}

/// Whether this is the environment of a gateway: its settings are variables with these prefixes.
fn is_in_sight(parent: &Environment) -> bool {
    parent
        .entries()
        .iter()
        .any(|entry| ["KG_", "EG_"].iter().any(|begin| entry.as_bytes().starts_with(begin.as_bytes())))
}

fn scrubbed(request: &Request, parent: &Environment) -> Result<(), Error> {
    let path = parent.entries().iter().filter(|entry| entry.as_bytes().starts_with(b"PATH="));
    let environment = Environment::from_entries(path.cloned());
    let mut flags = Layer::default();
    if !request.secrets.is_empty() {
        let sources = request.secrets.iter().map(|spec| SourceSpec::from_spec(spec, &Origin::Flag("--secrets")));
        flags.set_sources(sources.collect::<Result<_>>()?);
    }
    let mut layers = vec![flags];
    layers.extend(Locations::new(request.config.as_deref(), &environment).read()?);
    let layer = lock::merge(layers)?;
    Plan::new(&layer, &environment).map(drop)
}
