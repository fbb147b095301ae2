//! Checks the environment that a kernel would get: odd or shadowed names, and its size.

use super::super::report::{Report, Status};
use super::sources::Found;
use crate::config::env::Environment;
use crate::config::inheritance::Winner;
use crate::config::plan::Plan;
use crate::launch::environment::build;
use crate::secret::{SecretSet, SecretValue, warning_for};
use crate::sys::exec::Space;

/// The longest name of a file in its folder, in bytes.
const FILE_NAME: usize = 64;

/// Reports on all names together.
pub(super) fn check(plan: &Plan, parent: &Environment, found: &Found, report: &mut Report) {
    if found.names.is_empty() {
        return;
    }
    report.section("environment");
    let mut stand_ins = SecretSet::default();
    for (name, named) in &found.names {
        let text = name.as_str();
        if !is_shell_name(text) {
            report
                .add(Status::Warning, format!("a shell can't use the name \"{text}\" (from {})", named.path))
                .advise("code can; for a shell, use letters, digits and _, with no digit first")
                .fact("name", text);
        }
        if let Some(why) = warning_for(text) {
            report
                .add(Status::Warning, format!("{text} (from {}) is accepted, but {why}", named.path))
                .advise("check that this is intended")
                .fact("name", text);
        }
        if parent.bytes(text).is_some() && plan.inheritance.keeps(text.as_bytes()) {
            match plan.inheritance.winner {
                Winner::Secret => {
                    let what = format!("{text} replaces the inherited variable");
                    report.add(Status::Note, what).fact("name", text).fact("wins", "secret");
                }
                Winner::Inherited => {
                    report
                        .add(Status::Warning, format!("{text} is shadowed by the inherited variable"))
                        .advise("unset it where the kernel is started, or set `override = true` under [environment]")
                        .fact("name", text)
                        .fact("wins", "inherited");
                }
                // Reported below, by the error that a launch gives.
                Winner::Error => {}
            }
        }
        let length = named.length.unwrap_or_else(|| plan.runtime_dir.as_os_str().len() + FILE_NAME);
        stand_ins.insert(name.clone(), SecretValue::new(vec![b'x'; length]));
    }
    let space = Space::of_this_system();
    match build(parent.entries(), stand_ins, &plan.inheritance, space, 0) {
        Ok(entries) => {
            let used: usize = entries.iter().map(|entry| entry.as_bytes_with_nul().len() + size_of::<usize>()).sum();
            let what = format!("{} entries in {used} bytes; the system's limit is {}", entries.len(), space.all);
            report.add(Status::Ok, what).fact("entries", entries.len()).fact("bytes", used).fact("limit", space.all);
        }
        Err(error) => {
            report.fail(&error);
        }
    }
}

fn is_shell_name(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && !name.starts_with(|first: char| first.is_ascii_digit())
}
