//! Records the kernel's variables, for `inject`, `watch` and `kernels`.
//!
//! Only a command that names a connection file is a kernel that can be found again. If a record can't be written, the
//! launch goes on without a message: an injection may then change variables that it could have left alone.

use std::collections::BTreeMap;
use std::time::SystemTime;

use humantime::format_rfc3339_seconds;

use super::given::{Given, origins};
use super::request::Request;
use crate::config::env::Environment;
use crate::config::inheritance::Winner;
use crate::config::plan::Plan;
use crate::kernel::argument;
use crate::record::{Record, Variable};

/// The variables of `given` that the command gets, as an inherited variable may take precedence.
pub(super) fn ours(plan: &Plan, given: &Given, parent: &Environment) -> BTreeMap<String, Variable> {
    let mut ours = origins(given);
    let inheritance = &plan.inheritance;
    let is_inherited = |name: &str| parent.has(name) && inheritance.keeps(name.as_bytes());
    ours.retain(|name, _| inheritance.winner == Winner::Secret || !is_inherited(name));
    ours
}

/// Records that the command of `request`, which this process is about to become, has `variables` and this number of
/// leases, and when its given token ends.
pub(super) fn remember(
    request: &Request,
    plan: &Plan,
    variables: BTreeMap<String, Variable>,
    (leases, ends): (usize, Option<SystemTime>),
) {
    let Some(file) = argument::path(&request.command) else { return };
    let Some(kernel) = file.file_stem().and_then(|stem| stem.to_str()) else { return };
    if let Some(mut record) = Record::of_launch(file, variables, leases) {
        record.credential_ends = ends.map(|ends| format_rfc3339_seconds(ends).to_string());
        let _ = record.write(&plan.runtime_dir, kernel);
    }
}
