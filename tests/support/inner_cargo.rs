//! Starts cargo from a program that cargo started.
//!
//! `cargo run` and `cargo test` set variables that describe the package. If a build script watches one of them
//! (ring's does), the inner cargo would rebuild everything, and the next outer one again.

use std::process::Command;

/// The prefixes of their names.
const OF_THE_PACKAGE: [&str; 6] =
    ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_CRATE_NAME", "CARGO_BIN_NAME", "CARGO_PRIMARY_PACKAGE", "OUT_DIR"];

/// `program`, which is cargo or starts it, without those variables.
pub fn inner_cargo(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| OF_THE_PACKAGE.iter().any(|begin| name.starts_with(begin))) {
            command.env_remove(name);
        }
    }
    command
}
