//! Lists of names in the help, from the tables that define them.

use crate::config::method::METHODS;

/// The text `what`, and the names that are accepted.
pub(super) fn one_of(what: &str, names: impl Iterator<Item = &'static str>) -> String {
    let names: Vec<_> = names.collect();
    match names.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{what}: {} or {last}", others.join(", ")),
        _ => format!("{what}: {}", names.concat()),
    }
}

/// The text `what`, and the login methods that have the setting `key`.
pub(super) fn asked_by(what: &str, key: &str) -> String {
    let methods = METHODS.iter().filter(|method| method.asks_for(key)).map(|method| method.name);
    format!("{what} ({})", methods.collect::<Vec<_>>().join(", "))
}
