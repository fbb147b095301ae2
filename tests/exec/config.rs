//! Configuration: its places, their order, and the errors for mistakes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::faults::{Faults, Reply, relay_to};
use crate::support::launcher::{Outcome, Scratch, run};
use crate::support::openbao::Server;
use crate::support::waiting::at_most;
use jupyter_vault::error::Kind;
use jupyter_vault::internals::Locations;
use jupyter_vault::internals::{merge_layers, parse_config};
use serde_json::json;

const ENV: &[&str] = &["/usr/bin/env", "-0"];

fn launch(scratch: &Scratch, options: &[&str], variables: &[(&str, &str)]) -> Outcome {
    let mut command = scratch.launcher();
    command.env("VAULT_TOKEN", "root").arg("exec").args(options).arg("--").args(ENV);
    run(command.envs(variables.iter().copied()))
}

/// A server that reports the address, namespace and path of a request.
fn witness() -> Faults {
    Faults::start(|_, _| Reply::json(200, r#"{"data":{"data":{"ASKED":"yes"},"metadata":{"version":1}}}"#))
}

#[test]
fn flags_win_over_variables_over_the_named_file_over_the_users_key_by_key() {
    let server = Server::shared();
    for name in ["flag", "variable", "named", "user"] {
        server.put(&format!("config/{name}"), &json!({"FROM": name}));
    }
    let scratch = Scratch::new();
    let source = |name: &str| format!("[[source]]\nkv = \"secret/config/{name}\"\nversion = 2\n");
    let named = scratch.file("named.toml", source("named"));
    // Only the user's file sets the address: files are merged, not alternatives.
    scratch.file("config/vault.toml", format!("[vault]\naddress = \"{}\"\n{}", server.address(), source("user")));
    let named = named.to_str().unwrap();
    assert_eq!(launch(&scratch, &[], &[]).environment()["FROM"], "user");
    assert_eq!(launch(&scratch, &["--config", named], &[]).environment()["FROM"], "named");
    assert_eq!(launch(&scratch, &[], &[("JUPYTER_VAULT_CONFIG", named)]).environment()["FROM"], "named");
    let variable = [("JUPYTER_VAULT_SECRETS", "secret/config/variable")];
    assert_eq!(launch(&scratch, &["--config", named], &variable).environment()["FROM"], "variable");
    let flag = ["--config", named, "--secrets", "secret/config/flag"];
    assert_eq!(launch(&scratch, &flag, &variable).environment()["FROM"], "flag");
    let list = [("JUPYTER_VAULT_SECRETS", "secret/config/variable#FROM=A,\nsecret/config/user#FROM=B")];
    let environment = launch(&scratch, &[], &list).environment();
    assert_eq!((environment["A"].as_str(), environment["B"].as_str()), ("variable", "user"));
}

#[test]
fn the_system_files_come_after_the_users_in_their_order() {
    let scratch = Scratch::new();
    let text = |namespace: &str, key: &str| format!("[vault]\nnamespace = \"{namespace}\"\n{key} = \"{namespace}\"\n");
    let usual = vec![
        scratch.file("1.toml", text("user", "tls_server_name")),
        scratch.path("missing.toml"),
        scratch.file("2.toml", text("local", "client_cert")),
        scratch.file("3.toml", text("etc", "client_cert")),
    ];
    let merged = merge_layers(Locations { named: None, usual }.read().unwrap()).unwrap();
    assert_eq!(merged.text("vault.namespace"), Some("user"));
    assert_eq!(merged.text("vault.client_cert"), Some("local"));
    assert!(merged.origin("vault.client_cert").ends_with("2.toml:3)"));
    let environment = jupyter_vault::internals::Environment::from_entries([c"HOME=/home/ada".to_owned()]);
    let usual: Vec<_> = Locations::new(None, &environment).usual;
    let expected = ["/home/ada/.jupyter/vault.toml", "/usr/local/etc/jupyter/vault.toml", "/etc/jupyter/vault.toml"];
    assert_eq!(usual, expected.map(std::path::PathBuf::from));
}

#[test]
fn jupyter_vault_variables_override_bao_then_vault_then_the_file_and_empty_counts_as_unset() {
    let [ours, bao, vault, file] = [witness(), witness(), witness(), witness()];
    let scratch = Scratch::new();
    scratch.file(
        "config/vault.toml",
        format!("[vault]\naddress = \"{}\"\n[[source]]\nkv = \"a/b\"\nversion = 2\n", file.address()),
    );
    let (ours_at, bao_at, vault_at) = (ours.address(), bao.address(), vault.address());
    let mut variables =
        vec![("JUPYTER_VAULT_ADDRESS", ours_at.as_str()), ("BAO_ADDR", &bao_at), ("VAULT_ADDR", &vault_at)];
    for expected in [&ours, &bao, &vault, &file] {
        let before = expected.seen().len();
        assert_eq!(launch(&scratch, &[], &variables).environment()["ASKED"], "yes");
        assert_eq!(expected.seen().len(), before + 1);
        if let Some(set) = variables.iter_mut().find(|(_, value)| !value.is_empty()) {
            set.1 = "";
        }
    }
}

#[test]
fn a_mistake_in_a_file_is_named_with_its_line_and_advice() {
    let cases: &[(&str, &[&str])] = &[
        ("[vault]\n\nadress = \"x\"\n", &["vault.toml:3", "unknown key `adress`", "did you mean `address`"]),
        ("[vautl]\naddress = \"x\"\n", &["vault.toml:1", "`vautl`", "did you mean `vault`"]),
        ("[vault]\nzzz = 1\n", &["vault.toml:2", "`zzz`", "known keys: address"]),
        ("[vault]\naddress = 7\n", &["vault.toml:2", "`address` is not an address"]),
        ("[vault]\nskip_verify = \"yes\"\n", &["vault.toml:2", "true or false"]),
        ("[vault]\ntimeout = \"soon\"\n", &["vault.toml:2", "a duration"]),
        ("[vault]\nmax_retries = -1\n", &["vault.toml:2", "whole number"]),
        ("[environment]\nallow = \"PATH\"\n", &["vault.toml:2", "list of names"]),
        ("[environment]\nmask_output = true\n", &["vault.toml:2", "mask_output"]),
        ("vault = 1\n", &["vault.toml:1", "not a table"]),
        ("[source]\nkv = \"a/b\"\n", &["vault.toml:1", "[[source]]"]),
        ("[[source]]\nkw = \"a/b\"\n", &["vault.toml:2", "`kw`", "did you mean `kv`"]),
        ("[[source]]\nname = \"X\"\n", &["vault.toml:1", "exactly one of"]),
        ("[[source]]\nkv = \"a/b\"\nread = \"a/b\"\n", &["vault.toml:1", "exactly one of"]),
        ("[[source]]\nkv = \"alone\"\n", &["vault.toml:2", "no path below"]),
        ("[[source]]\nkv = \"a/../b\"\n", &["vault.toml:2", "`..`"]),
        ("[[source]]\nkv = \"a/{who}\"\n", &["vault.toml:2", "unknown placeholder"]),
        ("[[source]]\nkv = \"a/b\"\nversion = 3\n", &["vault.toml:3", "not 1 or 2"]),
        ("[[source]]\nkv = \"a/b\"\nname = \"X\"\n", &["vault.toml:1", "`field`"]),
        ("[[source]]\nkv = \"a/b\"\noptional = 1\n", &["vault.toml:3", "`optional`"]),
        ("[[source]]\nkv_folder = \"a/b\"\nname = \"X\"\n", &["vault.toml:1", "folder"]),
        ("[[source]]\nkv = \"a/b\"\nmount = \"c\"\n", &["vault.toml:2", "not below `mount`"]),
        ("[[source]]\ndatabase = \"d/creds/x\"\nname = \"U\"\nurl = \"x\"\n", &["{username}"]),
        ("[[source]]\nread = \"a/b\"\nfields = { a = 1 }\n", &["vault.toml:3", "`fields`"]),
        ("[vault]\naddress = \"canary\n", &["vault.toml:2", "not TOML"]),
        ("[vault]\naddress = \"a\"\naddress = \"b\"\n", &["vault.toml:3", "not TOML"]),
        ("[vault]\naddress = \"vault:8200\"\n", &["vault.toml:2", "https://"]),
        ("[vault]\naddress = \"http://ada:canary@vault\"\n[[source]]\nkv = \"a/b\"\n", &["vault.toml:2", "password"]),
    ];
    for (text, fragments) in cases {
        let scratch = Scratch::new();
        scratch.file("config/vault.toml", text);
        let outcome = launch(&scratch, &[], &[]);
        outcome.is_error(78, fragments);
    }
}

#[test]
fn a_missing_setting_is_named() {
    let scratch = Scratch::new();
    launch(&scratch, &["--secrets", "a/b"], &[]).is_error(78, &["no address", "VAULT_ADDR"]);
    launch(&scratch, &[], &[("VAULT_ADDR", "http://127.0.0.1:1")]).is_error(78, &["no source", "--secrets"]);
    let no_token = [("VAULT_ADDR", "http://127.0.0.1:1"), ("VAULT_TOKEN", "")];
    launch(&scratch, &["--secrets", "a/b"], &no_token).is_error(78, &["no credential", "VAULT_TOKEN"]);
    launch(&scratch, &["--config", "/no/such.toml"], &[]).is_error(78, &["/no/such.toml", "does not exist"]);
    launch(&scratch, &["--secrets", "a/b"], &[("VAULT_CLIENT_TIMEOUT", "soon")])
        .is_error(78, &["VAULT_CLIENT_TIMEOUT"]);
    launch(&scratch, &["--secrets", "a/b"], &[("VAULT_MAX_RETRIES", "x")]).is_error(78, &["VAULT_MAX_RETRIES"]);
}

#[test]
fn a_file_that_others_may_have_written_is_refused() {
    let scratch = Scratch::new();
    let path = scratch.file("config/vault.toml", "[vault]\n");
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    for refused in [0o666, 0o602, 0o646] {
        mode(refused);
        launch(&scratch, &[], &[]).is_error(78, &["vault.toml", "writable by every user", "chmod o-w"]);
    }
    mode(0o644);
    launch(&scratch, &[], &[]).is_error(78, &["no address"]);
    if nix::unistd::geteuid().is_root() {
        nix::unistd::chown(&path, Some(nix::unistd::Uid::from_raw(65_534)), None).unwrap();
        launch(&scratch, &[], &[]).is_error(78, &["belongs to another user", "65534"]);
    } else {
        mode(0o000);
        launch(&scratch, &[], &[]).is_error(78, &["can't be read"]);
    }
    let large = scratch.file("large.toml", "#".repeat((1 << 20) + 1));
    launch(&scratch, &["--config", large.to_str().unwrap()], &[]).is_error(78, &["1 MiB"]);
    launch(&scratch, &["--config", scratch.path("home").to_str().unwrap()], &[]).is_error(78, &["not a plain file"]);
    let fifo = scratch.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
    launch(&scratch, &["--config", fifo.to_str().unwrap()], &[]).is_error(78, &["not a plain file"]);
}

#[test]
fn a_credential_file_that_cannot_be_used_is_named() {
    let scratch = Scratch::new();
    scratch.file("empty", " \n");
    scratch.file("large", "x".repeat(70_000));
    for (file, fragment) in
        [("no-such", "does not exist"), ("empty", "is empty"), ("large", "64 KiB"), ("home", "plain file")]
    {
        scratch.file(
            "config/vault.toml",
            format!("[vault]\naddress = \"http://127.0.0.1:1\"\n[auth]\ntoken_file = \"../{file}\"\n"),
        );
        launch(&scratch, &["--secrets", "a/b"], &[]).is_error(78, &[file, fragment]);
    }
}

#[test]
fn a_path_in_a_file_is_relative_to_the_file_or_to_the_home() {
    let server = Server::shared();
    server.put("config/relative", &json!({"A": "1"}));
    for (place, written) in [("config/token", "token"), ("home/token", "~/token")] {
        let scratch = Scratch::new();
        scratch.file(place, "root");
        scratch.file("config/vault.toml", format!("[auth]\ntoken_file = \"{written}\"\n"));
        let variables = [("VAULT_ADDR", server.address()), ("VAULT_TOKEN", String::new())];
        let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(launch(&scratch, &["--secrets", "secret/config/relative"], &variables).environment()["A"], "1");
    }
}

#[test]
fn variables_of_a_kubernetes_service_are_not_settings() {
    let server = Server::shared();
    server.put("config/cluster", &json!({"A": "1"}));
    let scratch = Scratch::new();
    let address = server.address();
    let variables = [
        ("VAULT_ADDR", address.as_str()),
        ("JUPYTER_VAULT_PORT", "tcp://10.0.0.1:80"),
        ("JUPYTER_VAULT_SERVICE_HOST", "10.0.0.1"),
        ("VAULT_PORT", "tcp://10.0.0.2:8200"),
    ];
    assert_eq!(launch(&scratch, &["--secrets", "secret/config/cluster"], &variables).environment()["A"], "1");
}

#[test]
fn the_time_for_vault_comes_from_the_flag_the_variable_or_the_file() {
    let scratch = Scratch::new();
    let hanging = Faults::start(|_, _| Reply::Hang(Vec::new()));
    let address = hanging.address();
    scratch.file("config/vault.toml", "[vault]\ntimeout = \"300ms\"\n");
    for (options, variable) in [
        (&["--secrets", "a/b"][..], ""),
        (&["--secrets", "a/b"], "0.2"),
        (&["--secrets", "a/b", "--timeout", "100ms"], "3600"),
    ] {
        let variables = [("VAULT_ADDR", address.as_str()), ("VAULT_CLIENT_TIMEOUT", variable)];
        at_most(std::time::Duration::from_secs(5), "well below the default of 10 s", || {
            launch(&scratch, options, &variables).is_error(69, &["timed out"]);
        });
    }
}

#[test]
fn every_setting_of_the_documented_example_is_known() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")).unwrap();
    let examples: Vec<_> = readme.split("```toml").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(!examples.is_empty());
    for example in examples {
        if let Err(error) = parse_config(example, Path::new("docs/configuration.md")) {
            panic!("{error}\n{example}");
        }
    }
    let wrong = parse_config("[vault]\nx = 1", Path::new("x.toml")).unwrap_err();
    assert_eq!(wrong.kind(), Kind::Config);
}

#[test]
fn requests_pass_an_address_with_a_path_before_v1() {
    let server = Server::shared();
    server.put("config/prefix", &json!({"A": "1"}));
    let relay = relay_to(server.port());
    let gate = Faults::start(move |request, number| {
        let mut request = request.clone();
        request.path = request.path.strip_prefix("/gate").expect("the prefix").to_owned();
        relay(&request, number)
    });
    let scratch = Scratch::new();
    let address = format!("{}/gate/", gate.address());
    let outcome = launch(&scratch, &["--secrets", "secret/config/prefix"], &[("VAULT_ADDR", &address)]);
    assert_eq!(outcome.environment()["A"], "1");
}
