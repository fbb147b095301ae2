//! `wrap` and `unwrap` on real kernelspecs: what is written, what is left alone, and that the kernels start.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unnecessary_debug_formatting,
    clippy::needless_raw_string_hashes,
    clippy::too_many_lines,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test fails by panicking"
)]

mod support;

use std::process::Command;

use serde_json::{Value, json};
use support::faults::{Faults, relay_to};
use support::kernelspecs::{IPYKERNEL, jupyter, spec, succeed, tree, user, vault};
use support::launcher::{Scratch, binary};
use support::openbao::Server;
use support::python::environment;

/// A vault.toml for `secret/PATH`, with its token beside it.
fn config(scratch: &Scratch, address: &str, path: &str) -> String {
    scratch.file("token", "root\n");
    let text = format!(
        "# ours\n[vault]\naddress = \"{address}\"\n[auth]\ntoken_file = \"token\" # there\n[[source]]\nkv = \"secret/{path}\"\n"
    );
    scratch.file("team.toml", text).display().to_string()
}

#[test]
fn a_wrapped_kernel_starts_with_its_secrets_asks_once_and_is_unwrapped_byte_for_byte() {
    let server = Server::shared();
    server.put("wrapped", &json!({"KERNEL_SECRET": "canary-of-21-letters!"}));
    let relay = Faults::start(relay_to(server.port()));
    let scratch = Scratch::new();
    let folder = spec(&user(&scratch), "vaulted", IPYKERNEL);
    let before = tree(&folder);
    let config = config(&scratch, &relay.address(), "wrapped");
    succeed(&mut vault(&scratch, &["wrap", "vaulted", "--config", &config]));

    let text = std::fs::read_to_string(folder.join("kernel.json")).unwrap();
    let launcher = binary().display();
    let python = environment().canonicalize().unwrap().join("bin/python");
    let python = python.display();
    let words = format!(
        "  \"{launcher}\",\n  \"exec\",\n  \"--config\",\n  \"{{resource_dir}}/vault.toml\",\n  \"--\",\n  \"{python}\","
    );
    assert_eq!(text, IPYKERNEL.replace("  \"python\",", &words));
    let settings = std::fs::read_to_string(folder.join("vault.toml")).unwrap();
    assert!(settings.contains("[[mount]]\npath = \"secret\"\nversion = 2\n"), "{settings}");
    assert!(settings.starts_with("# ours\n") && settings.contains(" # there\n"), "{settings}");

    let asked = relay.seen().len();
    let mut command = Command::new(support::python::python());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/kernel.py"));
    let seen: Value = serde_json::from_slice(&succeed(jupyter(&mut command, &scratch)).stdout).unwrap();
    assert_eq!((&seen["first"]["length"], &seen["second"]["length"]), (&json!(21), &json!(21)), "{seen}");
    assert_eq!(seen["interrupted"], "KeyboardInterrupt", "{seen}");
    // Started and restarted: one request each, because the KV version was written down.
    assert_eq!(relay.seen().len() - asked, 2, "{:?}", relay.seen());

    succeed(&mut vault(&scratch, &["unwrap", "vaulted"]));
    assert_eq!(tree(&folder), before);
}
