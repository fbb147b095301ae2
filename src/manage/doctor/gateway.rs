//! Checks whether a launch would find everything in a scrubbed environment.
//!
//! Kernel Gateway and Enterprise Gateway pass on only `PATH`, the variables on their allow-lists, and those of the
//! request. Settings from this shell's variables are missing there. So the plan is made once more, from `PATH` and the
//! files alone.

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

/// Reports a launch that works here and would fail there.
pub(super) fn check(request: &Request, parent: &Environment, configured: &Configured, report: &mut Report) {
    if !configured.whole {
        return;
    }
    report.section("gateways");
    match scrubbed(request, parent) {
        Ok(()) => {
            report.add(Status::Ok, "the files alone suffice, so a gateway that scrubs the environment is no problem");
        }
        Err(error) => {
            let status = if is_gateway(parent) { Status::Warning } else { Status::Note };
            let what = format!("a gateway does not pass on this shell's variables; without them: {}", error.what());
            report
                .add(status, what)
                .advise("Kernel Gateway and Enterprise Gateway pass on PATH and an allow-list only: put the settings in a vault.toml, and name it with --config")
                .fact("missing", error.what());
        }
    }
}

/// Whether this is a gateway's environment: variables with these prefixes are its settings.
fn is_gateway(parent: &Environment) -> bool {
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
