//! Several addresses of one Vault: a dead, sealed or hanging node costs a launch little, and no address but those of
//! the list gets a credential.

use std::time::Duration;

use crate::support::faults::{Faults, Reply, relay_to};
use crate::support::launcher::{Outcome, Scratch, run};
use crate::support::openbao::{Server, free_ports};
use crate::support::waiting::at_least;
use serde_json::json;

/// A launch with this list of addresses, with a token, within `timeout` seconds.
fn launch(addresses: &[&str], login: &str, timeout: u32) -> Outcome {
    let server = Server::shared();
    server.put("addresses", &json!({"REACHED": "canary"}));
    let scratch = Scratch::new();
    scratch.file("token", "root");
    scratch.file("password", "right");
    let text = format!(
        "[vault]\naddress = {addresses:?}\ntimeout = {timeout}\n{login}[[source]]\nkv = \"secret/addresses\"\nversion = 2\n"
    );
    let config = scratch.file("addresses.toml", text);
    run(scratch.launcher().args(["exec", "--config"]).arg(config).args(["--", "/usr/bin/env", "-0"]))
}

const TOKEN: &str = "[auth]\ntoken_file = \"token\"\n";

fn nowhere() -> String {
    let [port] = free_ports();
    format!("http://127.0.0.1:{port}")
}

#[test]
fn the_first_address_that_answers_is_used_for_the_whole_launch() {
    let server = Server::shared();
    let (first, second) = (Faults::start(relay_to(server.port())), Faults::start(relay_to(server.port())));
    let both = [first.address(), second.address()];
    let both: Vec<_> = both.iter().map(String::as_str).collect();
    assert_eq!(launch(&both, TOKEN, 5).environment()["REACHED"], "canary");
    assert!(!first.seen().is_empty() && second.seen().is_empty());
    let dead = nowhere();
    assert_eq!(launch(&[&dead, both[1]], TOKEN, 5).environment()["REACHED"], "canary");
    assert_eq!(second.seen().len(), 2, "asked whether it answers, then for the secret");
    assert!(second.seen()[0].header("x-vault-token").is_none(), "no token before it is chosen");
}

#[test]
fn a_sealed_or_failing_node_is_skipped() {
    let server = Server::shared();
    for status in [500, 501, 503] {
        let failing = Faults::start(move |_, _| Reply::json(status, "{}"));
        let outcome = launch(&[&failing.address(), &server.address()], TOKEN, 5);
        assert_eq!(outcome.environment()["REACHED"], "canary", "{status}");
        assert!(failing.seen().iter().all(|seen| seen.header("x-vault-token").is_none()));
    }
}

#[test]
fn a_hanging_first_node_costs_a_quarter_of_the_time() {
    let server = Server::shared();
    server.enable_auth("userpass", "addresses");
    server.policy("addresses", "path \"secret/data/addresses\" { capabilities = [\"read\"] }");
    server.must("POST", "auth/addresses/users/ada", &json!({"password": "right", "policies": "addresses"}));
    let login =
        "[auth]\nmethod = \"userpass\"\nmount = \"addresses\"\nusername = \"ada\"\npassword_file = \"password\"\n";
    let hanging = Faults::start(|_, _| Reply::Hang(Vec::new()));
    for login in [TOKEN, login] {
        let launch = || launch(&[&hanging.address(), &server.address()], login, 12);
        let outcome = at_least(Duration::from_secs(3), "a quarter of the twelve seconds", launch);
        assert_eq!(outcome.environment()["REACHED"], "canary", "the rest is enough for the second");
    }
    let sent = hanging.seen();
    assert!(sent.iter().all(|seen| seen.body.is_empty() && seen.header("x-vault-token").is_none()), "{sent:?}");
}

#[test]
fn if_no_address_answers_the_error_names_each_and_one_that_recovers_is_used() {
    let (one, two) = (nowhere(), nowhere());
    let outcome = launch(&[&one, &two], TOKEN, 1);
    let (one_at, two_at) = (one.trim_start_matches("http://"), two.trim_start_matches("http://"));
    outcome.is_error(69, &["none of Vault's 2 addresses can be used", one_at, two_at]);
    let server = Server::shared();
    let pass = relay_to(server.port());
    let healing =
        Faults::start(move |request, number| if number < 2 { Reply::json(503, "{}") } else { pass(request, number) });
    assert_eq!(launch(&[&one, &healing.address()], TOKEN, 8).environment()["REACHED"], "canary");
}

#[test]
fn if_a_node_dies_during_a_launch_the_next_one_is_used() {
    let server = Server::shared();
    // It answers the health check, and then nothing more.
    let dying = Faults::start(|_, number| if number == 0 { Reply::json(200, "{}") } else { Reply::Close(Vec::new()) });
    let outcome = launch(&[&dying.address(), &server.address()], TOKEN, 8);
    assert_eq!(outcome.environment()["REACHED"], "canary");
    assert!(dying.seen().len() > 1, "it was chosen first");
}

#[test]
fn a_variable_can_choose_an_address_of_the_list_but_no_other() {
    let server = Server::shared();
    server.put("addresses", &json!({"REACHED": "canary"}));
    let scratch = Scratch::new();
    scratch.file("token", "root");
    let (dead, thief) = (nowhere(), Faults::start(|_, _| Reply::json(404, "{}")));
    let text = format!(
        "[vault]\naddress = [{dead:?}, {:?}]\n{TOKEN}[[source]]\nkv = \"secret/addresses\"\nversion = 2\n",
        server.address()
    );
    let config = scratch.file("addresses.toml", text);
    let start = |address: &str| {
        let mut command = scratch.launcher();
        command.env("VAULT_ADDR", address).args(["exec", "--config"]).arg(&config);
        run(command.args(["--", "/usr/bin/env", "-0"]))
    };
    assert_eq!(start(&server.address()).environment()["REACHED"], "canary");
    start(&thief.address()).is_error(78, &["is not the address in", "nothing was sent"]);
    assert_eq!(thief.connections(), 0);
}

#[cfg(feature = "manage")]
#[test]
fn doctor_names_the_skipped_address() {
    let (server, scratch, dead) = (Server::shared(), Scratch::new(), nowhere());
    server.put("addresses", &json!({"REACHED": "canary"}));
    scratch.file("token", "root");
    let text = format!(
        "[vault]\naddress = [{dead:?}, {:?}]\n{TOKEN}[[source]]\nkv = \"secret/addresses\"\nversion = 2\n",
        server.address()
    );
    let config = scratch.file("addresses.toml", text);
    let outcome = run(scratch.launcher().args(["doctor", "--config"]).arg(config));
    let said = String::from_utf8_lossy(&outcome.stdout).into_owned();
    assert_eq!(outcome.code(), Some(0), "{said}");
    assert!(said.contains("skipped: Vault at") && said.contains(dead.trim_start_matches("http://")), "{said}");
    assert!(said.contains(&format!("{} accepts connections", server.address())), "{said}");
}
