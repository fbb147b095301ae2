//! Jupyter's own test suites, unchanged, with each of their kernels started through the provisioner.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::front_end::{config, environment};
use crate::support::launcher::Scratch;
use crate::support::openbao::Server;
use crate::support::python::{source_package, suites};
use crate::support::wheel;
use serde_json::json;

/// nbclient's whole suite; a failed test fails the run, and pytest says how many there were.
#[test]
#[ignore = "takes minutes"]
fn nbclients_own_suite_passes_through_the_provisioner() {
    let server = Server::shared();
    server.put("suites", &json!({"KERNEL_SECRET": "canary"}));
    let scratch = Scratch::new();
    scratch.file("config/vault.toml", config(&server.address(), "suites"));
    scratch.file("config/token", "root\n");
    let venv = wheel::install(&scratch);
    wheel::add_packages(&venv, suites());
    let source = source_package("nbclient", "0.11.0");
    let mut pytest = Command::new(venv.join("bin/python"));
    environment(&mut pytest, &scratch).current_dir(Path::new(&source));
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", venv.join("bin").display());
    pytest.env("PATH", path).env("JUPYTER_DEFAULT_PROVISIONER_NAME", "vault-provisioner");
    // Newer releases of its tools warn of settings that they do not set themselves.
    pytest.args(["-m", "pytest", "-q", "--color=no", "-p", "no:cacheprovider", "-W", "ignore", "--timeout", "120"]);
    pytest.args(["-o", "asyncio_default_fixture_loop_scope=function", "tests"]);
    // pytest limits the time of each test.
    let outcome = pytest.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert!(outcome.status.success() && said.contains(" passed"), "{said}");
    println!("{}", said.lines().last().unwrap_or_default());
}
