//! Sources: what is read, with how many requests, and under which names.

use crate::support::faults::{Faults, relay_to};
use crate::support::launcher::{Scratch, run};
use crate::support::openbao::Server;
use serde_json::json;

const ENV: &[&str] = &["/usr/bin/env", "-0"];

fn with_config(server: &Server, sources: &str) -> crate::support::launcher::Outcome {
    let scratch = Scratch::new();
    scratch.file("config/vault.toml", sources);
    run(&mut scratch.exec(&server.address(), "root", &[], ENV))
}

#[test]
fn a_whole_secret_gives_a_variable_for_every_key_with_its_bytes() {
    let server = Server::shared();
    let long = "ü\n\"$`\\ =x".repeat(100);
    server.put(
        "whole",
        &json!({"A": "1", "lower.case-name": "x", "Ü": long, "EMPTY": "", "N": 1.5, "B": true, "O": {"a": [1, "ü"]}}),
    );
    let scratch = Scratch::new();
    let environment =
        run(&mut scratch.exec(&server.address(), "root", &["--secrets", "secret/whole"], ENV)).environment();
    for (name, value) in [
        ("A", "1"),
        ("lower.case-name", "x"),
        ("Ü", &long),
        ("EMPTY", ""),
        ("N", "1.5"),
        ("B", "true"),
        ("O", r#"{"a":[1,"ü"]}"#),
    ] {
        assert_eq!(environment.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[test]
fn one_field_can_be_chosen_and_renamed_and_a_later_source_wins() {
    let server = Server::shared();
    server.put("one", &json!({"A": "first", "B": "b"}));
    server.put("two", &json!({"A": "second", "PATH": "x"}));
    let scratch = Scratch::new();
    let specs = ["--secrets", "secret/one", "--secrets", "secret/two#A", "--secrets", "secret/one#B=RENAMED"];
    let environment = run(&mut scratch.exec(&server.address(), "root", &specs, ENV)).environment();
    assert_eq!(environment["A"], "second");
    assert_eq!(environment["RENAMED"], "b");
    assert_ne!(environment["PATH"], "x", "only the field that was asked for is taken");
}

#[test]
fn fields_called_data_metadata_or_value_work_in_both_kv_versions() {
    let server = Server::shared();
    server.mount_kv("names-v1", 1);
    let fields = json!({"data": "d", "metadata": "m", "value": "v", "keys": "k", "auth": "a"});
    server.must("POST", "names-v1/x", &fields);
    server.put("names", &fields);
    for path in ["names-v1/x", "secret/names"] {
        let scratch = Scratch::new();
        let environment = run(&mut scratch.exec(&server.address(), "root", &["--secrets", path], ENV)).environment();
        for (name, value) in [("data", "d"), ("metadata", "m"), ("value", "v"), ("keys", "k"), ("auth", "a")] {
            assert_eq!(environment[name], value, "{path} {name}");
        }
    }
    // A version 1 secret that looks like a version 2 answer is read as version 1.
    let shaped = json!({"data": {"A": "1"}, "metadata": {"version": 1}});
    server.must("POST", "names-v1/shaped", &shaped);
    let outcome = with_config(server, "[[source]]\nkv = \"names-v1/shaped\"\nversion = 1\n");
    assert_eq!(outcome.environment()["data"], r#"{"A":"1"}"#);
}

#[test]
fn a_mount_of_several_segments_is_found_or_configured() {
    let server = Server::shared();
    server.mount_kv("team/deep/kv", 2);
    server.must("POST", "team/deep/kv/data/a/b", &json!({"data": {"DEEP": "1"}}));
    let asked = with_config(server, "[[source]]\nkv = \"team/deep/kv/a/b\"\n");
    assert_eq!(asked.environment()["DEEP"], "1");
    let said = with_config(server, "[[source]]\nkv = \"team/deep/kv/a/b\"\nmount = \"team/deep/kv\"\nversion = 2\n");
    assert_eq!(said.environment()["DEEP"], "1");
    with_config(server, "[[source]]\nkv = \"team/deep/kv/a/b\"\nversion = 2\n")
        .is_error(66, &["team/deep/kv", "mount ="]);
}

#[test]
fn paths_with_any_character_are_read() {
    let server = Server::shared();
    let fields = json!({"data": {"ODD": "1"}});
    server.must("POST", "secret/data/odd%20a%3Fb%23c%25d%2B%C3%A9", &fields);
    let outcome = with_config(server, "[[source]]\nkv = \"secret/odd a?b#c%d+é\"\nversion = 2\n");
    assert_eq!(outcome.environment()["ODD"], "1");
}

#[test]
fn a_prefix_is_added_before_protected_names_are_checked() {
    let server = Server::shared();
    server.put("prefixed", &json!({"PATH": "p", "key": "k"}));
    let outcome = with_config(server, "[[source]]\nkv = \"secret/prefixed\"\nprefix = \"S3_\"\n");
    assert_eq!((outcome.environment()["S3_PATH"].as_str(), outcome.environment()["S3_key"].as_str()), ("p", "k"));
    server.put("prefixed2", &json!({"PRELOAD": "p"}));
    with_config(server, "[[source]]\nkv = \"secret/prefixed2\"\nprefix = \"LD_\"\n")
        .is_error(65, &["LD_PRELOAD", "--allow"]);
}

#[test]
fn a_folder_gives_a_variable_for_each_secret_over_few_connections() {
    let server = Server::shared();
    for version in [1, 2] {
        let mount = format!("folder-v{version}");
        server.mount_kv(&mount, version);
        for number in 0..40 {
            let path = if version == 2 { "data/" } else { "" };
            let fields = json!({"value": format!("v{number}"), "other": "x"});
            let body = if version == 2 { json!({ "data": fields }) } else { fields };
            server.must("POST", &format!("{mount}/{path}team/NAME{number}"), &body);
            server.must("POST", &format!("{mount}/{path}team/below/UNSEEN{number}"), &body);
        }
        let relay = Faults::start(relay_to(server.port()));
        let scratch = Scratch::new();
        scratch.file("config/vault.toml", format!("[[source]]\nkv_folder = \"{mount}/team\"\nversion = {version}\n"));
        let environment = run(&mut scratch.exec(&relay.address(), "root", &[], ENV)).environment();
        for number in 0..40 {
            assert_eq!(environment[&format!("NAME{number}")], format!("v{number}"));
        }
        assert!(!environment.keys().any(|name| name.contains("UNSEEN") || name.contains("below")));
        assert_eq!(relay.seen().len(), 41, "a listing and a read for each");
        assert!(relay.connections() <= 4, "{} connections", relay.connections());
    }
}

#[test]
fn a_deleted_secret_in_a_folder_is_left_out_and_a_missing_field_is_named() {
    let server = Server::shared();
    server.put("gone/STAYS", &json!({"value": "1"}));
    server.put("gone/DELETED", &json!({"value": "2"}));
    server.api("DELETE", "secret/data/gone/DELETED", None);
    let environment = with_config(server, "[[source]]\nkv_folder = \"secret/gone\"\n").environment();
    assert!(environment.contains_key("STAYS") && !environment.contains_key("DELETED"));
    server.put("fieldless/A", &json!({"other": "canary"}));
    with_config(server, "[[source]]\nkv_folder = \"secret/fieldless\"\n")
        .is_error(66, &["secret/fieldless/A", "value", "other"]);
    let named = with_config(server, "[[source]]\nkv_folder = \"secret/fieldless\"\nfield = \"other\"\n");
    assert_eq!(named.environment()["A"], "canary");
}

#[test]
fn a_mount_itself_may_be_the_folder() {
    let server = Server::shared();
    server.mount_kv("rootfolder", 2);
    server.must("POST", "rootfolder/data/AT_ROOT", &json!({"data": {"value": "1"}}));
    let mut outcome = with_config(server, "[[source]]\nkv_folder = \"rootfolder\"\n");
    outcome.stderr.clear();
    // `ready` was written when the mount was created, and has no field `value`.
    assert_eq!(outcome.code(), Some(66));
    server.api("DELETE", "rootfolder/metadata/ready", None);
    assert_eq!(with_config(server, "[[source]]\nkv_folder = \"rootfolder\"\n").environment()["AT_ROOT"], "1");
}

#[test]
fn only_an_optional_source_may_be_missing() {
    let server = Server::shared();
    server.put("there", &json!({"A": "1"}));
    let optional = |source: &str| {
        with_config(server, &format!("[[source]]\nkv = \"secret/there\"\n[[source]]\n{source}\noptional = true\n"))
    };
    for source in
        ["kv = \"secret/not-there\"", "kv = \"secret/there\"\nfield = \"Z\"", "kv_folder = \"secret/no-folder\""]
    {
        assert_eq!(optional(source).environment()["A"], "1", "{source}");
    }
    optional("kv = \"nowhere/x\"\nversion = 2").is_error(66, &["nowhere/x"]);
}

#[test]
fn n_sources_take_n_requests_with_a_token_and_two_more_with_a_login_on_one_connection() {
    let server = Server::shared();
    for name in ["n1", "n2", "n3"] {
        server.put(&format!("count/{name}"), &json!({ name: "1" }));
    }
    server.policy("count", "path \"secret/data/count/*\" { capabilities = [\"read\"] }");
    server.enable_auth("userpass", "count-users");
    server.must("POST", "auth/count-users/users/ada", &json!({"password": "pw-canary", "policies": "count"}));
    let sources =
        ["n1", "n2", "n3"].map(|name| format!("[[source]]\nkv = \"secret/count/{name}\"\nversion = 2\n")).concat();
    let relay = Faults::start(relay_to(server.port()));
    let scratch = Scratch::new();
    scratch.file("config/vault.toml", &sources);
    let environment = run(&mut scratch.exec(&relay.address(), "root", &[], ENV)).environment();
    assert!(["n1", "n2", "n3"].iter().all(|name| environment.contains_key(*name)));
    assert_eq!((relay.seen().len(), relay.connections()), (3, 1));

    let relay = Faults::start(relay_to(server.port()));
    let password = scratch.file("password", "pw-canary\n");
    let auth = format!(
        "[auth]\nmethod = \"userpass\"\nmount = \"count-users\"\nusername = \"ada\"\npassword_file = {password:?}\n"
    );
    scratch.file("config/vault.toml", auth + &sources);
    let mut command = scratch.exec(&relay.address(), "", &[], ENV);
    assert_eq!(run(&mut command).environment()["n3"], "1");
    let paths: Vec<_> = relay.seen().into_iter().map(|request| request.path).collect();
    assert_eq!(paths.len(), 5, "{paths:?}");
    assert_eq!(
        (paths[0].as_str(), paths[4].as_str()),
        ("/v1/auth/count-users/login/ada", "/v1/auth/token/revoke-self")
    );
    assert_eq!(relay.connections(), 1);
}

#[test]
fn the_version_of_each_mount_is_looked_up_once() {
    let server = Server::shared();
    server.put("asked/a", &json!({"A": "1"}));
    server.put("asked/b", &json!({"B": "1"}));
    let relay = Faults::start(relay_to(server.port()));
    let scratch = Scratch::new();
    let specs = ["--secrets", "secret/asked/a", "--secrets", "secret/asked/b"];
    run(&mut scratch.exec(&relay.address(), "root", &specs, ENV)).environment();
    let asked = relay.seen().iter().filter(|request| request.path.contains("internal/ui/mounts")).count();
    assert_eq!((asked, relay.seen().len()), (1, 3));
}

#[test]
fn a_token_that_reads_only_one_path_can_look_up_the_version() {
    let server = Server::shared();
    server.put("narrow", &json!({"NARROW": "1"}));
    server.policy("narrow", "path \"secret/data/narrow\" { capabilities = [\"read\"] }");
    let token = server.token(&["narrow"], &json!({"no_default_policy": true}));
    let scratch = Scratch::new();
    let outcome = run(&mut scratch.exec(&server.address(), &token, &["--secrets", "secret/narrow"], ENV));
    assert_eq!(outcome.environment()["NARROW"], "1");
}

#[test]
fn placeholders_are_filled_by_the_login_or_by_one_look_up_of_a_given_token() {
    let server = Server::shared();
    server.enable_auth("userpass", "template-users");
    server.policy("template", "path \"secret/data/users/*\" { capabilities = [\"read\"] }");
    server.must("POST", "auth/template-users/users/ada", &json!({"password": "pw-canary", "policies": "template"}));
    server.put("users/ada", &json!({"WHO": "ada"}));
    let scratch = Scratch::new();
    let source = "[[source]]\nkv = \"secret/users/{metadata.username}\"\nversion = 2\n";
    let password = scratch.file("password", "pw-canary");
    let auth = format!(
        "[auth]\nmethod = \"userpass\"\nmount = \"template-users\"\nusername = \"ada\"\npassword_file = {password:?}\n"
    );
    scratch.file("config/vault.toml", auth + source);
    let relay = Faults::start(relay_to(server.port()));
    assert_eq!(run(&mut scratch.exec(&relay.address(), "", &[], ENV)).environment()["WHO"], "ada");
    assert!(!relay.seen().iter().any(|request| request.path.contains("lookup-self")), "the login said it");

    let login = server.must("POST", "auth/template-users/login/ada", &json!({"password": "pw-canary"}));
    let token = login["auth"]["client_token"].as_str().unwrap();
    scratch.file("config/vault.toml", source);
    let relay = Faults::start(relay_to(server.port()));
    assert_eq!(run(&mut scratch.exec(&relay.address(), token, &[], ENV)).environment()["WHO"], "ada");
    assert_eq!(relay.seen().len(), 2, "one look-up and one read");
    assert!(server.is_alive(token));
}

#[test]
fn placeholders_cannot_leave_the_path_and_are_not_set_by_a_gateways_client() {
    let server = Server::shared();
    server.put("users/bob", &json!({"WHO": "bob"}));
    let scratch = Scratch::new();
    let exec = |place: &str, name: &str, value: &str| {
        scratch.file("config/vault.toml", format!("[[source]]\nkv = \"secret/users/{{{place}}}\"\n"));
        run(scratch.exec(&server.address(), "root", &[], ENV).env(name, value))
    };
    assert_eq!(exec("env.WHO_AM_I", "WHO_AM_I", "bob").environment()["WHO"], "bob");
    for value in ["..", "../users/bob", "a/b", ""] {
        exec("env.WHO_AM_I", "WHO_AM_I", value).is_error(78, &["env.WHO_AM_I"]);
    }
    exec("env.KERNEL_USERNAME", "KERNEL_USERNAME", "bob").is_error(78, &["KERNEL_", "do not prove"]);
    exec("env.VAULT_TOKEN", "X", "x").is_error(78, &["env.VAULT_TOKEN"]);
    exec("metadata.username", "X", "x").is_error(78, &["metadata.username"]);
    server.put("users/analysis", &json!({"WHO": "notebook"}));
    assert_eq!(exec("notebook", "JPY_SESSION_NAME", "/home/x/analysis.ipynb").environment()["WHO"], "notebook");
}

#[test]
fn a_secret_in_a_file_is_private_and_removed_after_its_process_has_exited() {
    let server = Server::shared();
    server.put("file", &json!({"key.json": "{\"canary\": 1}\n"}));
    let scratch = Scratch::new();
    scratch.file(
        "config/vault.toml",
        "[[source]]\nkv = \"secret/file\"\nfield = \"key.json\"\nfile = \"GOOGLE_APPLICATION_CREDENTIALS\"\n",
    );
    let script = "stat -c '%a %s' \"$GOOGLE_APPLICATION_CREDENTIALS\"; stat -c %a \"$(dirname \"$GOOGLE_APPLICATION_CREDENTIALS\")\"; cat \"$GOOGLE_APPLICATION_CREDENTIALS\"";
    let launch = |argv: &[&str]| run(&mut scratch.exec(&server.address(), "root", &[], argv));
    let outcome = launch(&["/bin/sh", "-c", script]);
    assert_eq!(String::from_utf8_lossy(&outcome.stdout), "600 14\n700\n{\"canary\": 1}\n", "{}", outcome.stderr);
    let files = || std::fs::read_dir(scratch.path("runtime/jupyter-vault")).unwrap().count();
    assert_eq!(files(), 1, "the file is there as long as its process may be");
    launch(&["/bin/true"]);
    assert_eq!(files(), 1, "the first one's is removed by the next launch");
    let not_a_program = scratch.file("broken", [0x7f, 0, 1, 2]);
    std::fs::set_permissions(&not_a_program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    assert_eq!(launch(&[not_a_program.to_str().unwrap()]).code(), Some(126));
    assert_eq!(files(), 0, "a launch that fails leaves none");
}

#[test]
fn a_database_role_gives_a_url_with_what_is_filled_in_encoded() {
    // A password with such characters; tests/keeper.rs has real roles.
    let answer = r#"{"lease_id":"database/creds/ro/x","lease_duration":60,"renewable":true,"data":{"username":"v-ada","password":"p@ss/w:rd-canary"}}"#;
    let login = r#"{"auth":{"client_token":"s.tok","metadata":{},"token_type":"service"}}"#;
    let faults = Faults::start(move |request, _| match request.path.as_str() {
        "/v1/auth/jwt/login" => crate::support::faults::Reply::json(200, login),
        _ => crate::support::faults::Reply::json(200, answer),
    });
    let scratch = Scratch::new();
    let jwt = scratch.file("jwt", "x.y.z");
    scratch.file(
        "config/vault.toml",
        format!(
            "[auth]\nmethod = \"jwt\"\njwt_file = {jwt:?}\n[[source]]\ndatabase = \"database/creds/ro\"\nname = \"DATABASE_URL\"\n\
             url = \"postgresql://{{username}}:{{password}}@db/x\"\n"
        ),
    );
    let environment = run(&mut scratch.exec(&faults.address(), "", &[], ENV)).environment();
    assert_eq!(environment["DATABASE_URL"], "postgresql://v-ada:p%40ss%2Fw%3Ard-canary@db/x");
}

#[test]
fn names_can_be_converted_to_a_shells_form_and_duplicates_are_an_error() {
    let server = Server::shared();
    server.put("shell", &json!({"api-key": "1", "db.user": "2", "3rd": "3", "PLAIN": "4", "é/x": "5"}));
    let start = |more: &str| with_config(server, &format!("[[source]]\nkv = \"secret/shell\"\nversion = 2\n{more}"));
    let environment = start("names = \"shell\"\n").environment();
    for (name, value) in [("API_KEY", "1"), ("DB_USER", "2"), ("_3RD", "3"), ("PLAIN", "4"), ("__X", "5")] {
        assert_eq!(environment.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert!(!environment.contains_key("api-key"));
    assert_eq!(start("names = \"verbatim\"\n").environment()["api-key"], "1");
    assert_eq!(start("names = \"shell\"\nfield = \"api-key\"\n").environment()["API_KEY"], "1");
    assert_eq!(start("names = \"shell\"\nfield = \"api-key\"\nname = \"own\"\n").environment()["own"], "1");
    // doctor shows both.
    let scratch = Scratch::new();
    let text = "[[source]]\nkv = \"secret/shell\"\nversion = 2\nnames = \"shell\"\n";
    scratch.file("config/vault.toml", text);
    let mut doctor = scratch.launcher();
    doctor.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", "root").args(["doctor", "--json"]);
    let said = String::from_utf8_lossy(&run(&mut doctor).stdout).into_owned();
    assert!(said.contains("API_KEY (from api-key)") && said.contains("PLAIN,"), "{said}");
    start("names = \"upper\"\n").is_error(78, &["`names` is not \"verbatim\" or \"shell\""]);
    server.put("shell-two", &json!({"api-key": "1", "api.key": "2"}));
    let two = with_config(server, "[[source]]\nkv = \"secret/shell-two\"\nversion = 2\nnames = \"shell\"\n");
    two.is_error(78, &["api-key and api.key in secret/shell-two would both be the variable API_KEY"]);
    for name in ["a-b", "c"] {
        server.put(&format!("shell-folder/{name}"), &json!({"value": name}));
    }
    let folder = "[[source]]\nkv_folder = \"secret/shell-folder\"\nversion = 2\nnames = \"shell\"\nprefix = \"P_\"\n";
    let environment = with_config(server, folder).environment();
    assert_eq!((environment["P_A_B"].as_str(), environment["P_C"].as_str()), ("a-b", "c"));
}

#[test]
fn a_value_in_base64_is_decoded_to_a_variable_or_a_file() {
    let server = Server::shared();
    server.put("decode", &json!({"TEXT": "aGVsbG8=\n", "BARE": "aGVsbG8", "KEY": "AAEC/w==", "WEB": "Pz8_Pj4-"}));
    let start = |more: &str| {
        with_config(server, &format!("[[source]]\nkv = \"secret/decode\"\nversion = 2\ndecode = \"base64\"\n{more}"))
    };
    for field in ["TEXT", "BARE"] {
        assert_eq!(start(&format!("field = \"{field}\"\n")).environment()[field], "hello");
    }
    assert_eq!(start("field = \"WEB\"\n").environment()["WEB"], "???>>>");
    server.put("decode-bad", &json!({"TEXT": "not base64!-canary"}));
    let bad = with_config(server, "[[source]]\nkv = \"secret/decode-bad\"\nversion = 2\ndecode = \"base64\"\n");
    bad.is_error(65, &["TEXT in secret/decode-bad is not base64", "remove `decode`"]);
    // Bytes that a variable can't hold go to a file.
    let shown = start("field = \"KEY\"\nfile = \"KEY_FILE\"\n").environment();
    assert!(shown.contains_key("KEY_FILE") && !shown.contains_key("KEY"));
}

#[test]
fn any_engine_can_be_read_with_named_fields() {
    let server = Server::shared();
    server.must("POST", "cubbyhole/mine", &json!({"access_key": "AK", "secret_key": "SK", "unused": "x"}));
    let source = "[[source]]\nread = \"cubbyhole/mine\"\nfields = { access_key = \"AWS_ACCESS_KEY_ID\", secret_key = \"AWS_SECRET_ACCESS_KEY\" }\n";
    let environment = with_config(server, source).environment();
    assert_eq!(
        (environment["AWS_ACCESS_KEY_ID"].as_str(), environment["AWS_SECRET_ACCESS_KEY"].as_str()),
        ("AK", "SK")
    );
    assert!(!environment.contains_key("unused"));
    with_config(server, "[[source]]\nkv = \"cubbyhole/mine\"\n").is_error(78, &["a different secrets engine", "read"]);
}

#[test]
fn a_folder_is_read_with_its_folders_by_path_and_whole_secrets_with_every_key() {
    let server = Server::shared();
    for version in [1, 2] {
        let mount = format!("tree-v{version}");
        server.mount_kv(&mount, version);
        let put = |path: &str, fields: serde_json::Value| {
            let (part, body) = if version == 2 { ("data/", json!({ "data": fields })) } else { ("", fields) };
            server.must("POST", &format!("{mount}/{part}{path}"), &body);
        };
        put("team/top", json!({"value": "0", "PORT": "1"}));
        put("team/db", json!({"value": "same name as its folder", "DB_HOST": "h"}));
        put("team/db/pass-word", json!({"value": "1", "DB_PASS": "p"}));
        for deep in 0..30 {
            put(&format!("team/db/deep/{deep}/er"), json!({"value": deep.to_string(), (format!("K{deep}")): "k"}));
        }
        put("team/db/odd%20%3F%23%25%2B/x", json!({"value": "odd", "ODD": "odd"}));
        let relay = Faults::start(relay_to(server.port()));
        let start = |more: &str| {
            let scratch = Scratch::new();
            let text = format!("[[source]]\nkv_folder = \"{mount}/team\"\nversion = {version}\n{more}");
            scratch.file("config/vault.toml", text);
            run(&mut scratch.exec(&relay.address(), "root", &[], ENV))
        };
        let environment = start("recursive = true\n").environment();
        for (name, value) in [("top", "0"), ("db/pass-word", "1"), ("db/deep/29/er", "29"), ("db/odd ?#%+/x", "odd")] {
            assert_eq!(environment.get(name).map(String::as_str), Some(value), "{name}");
        }
        assert_eq!(environment["db"], "same name as its folder");
        assert!(relay.connections() <= 4, "{} connections", relay.connections());
        // A list for each of 34 folders, a read for each secret.
        assert_eq!(relay.seen().len(), 34 + 34);
        let environment = start("recursive = true\nnames = \"shell\"\nprefix = \"T_\"\n").environment();
        assert_eq!((environment["T_DB_PASS_WORD"].as_str(), environment["T_DB_DEEP_7_ER"].as_str()), ("1", "7"));
        start("each = \"secret\"\n").is_error(78, &["value in", "team/db", "team/top", "would both be the variable"]);
        for path in ["team/top", "team/db"] {
            put(path, json!({(path.replace('/', "_")): "whole", "p-ort": "1"}));
        }
        put("team/db", json!({"DB_HOST": "h"}));
        let outcome = start("each = \"secret\"\n");
        assert!(outcome.stderr.contains("are not read: db"), "{}", outcome.stderr);
        let environment = outcome.environment();
        assert_eq!((environment["p-ort"].as_str(), environment["DB_HOST"].as_str()), ("1", "h"));
        assert!(!environment.contains_key("DB_PASS"));
        start("each = \"secret\"\nrecursive = true\n").is_error(78, &["value in", "would both be"]);
        for deep in 0..30 {
            put(&format!("team/db/deep/{deep}/er"), json!({(format!("K{deep}")): "k"}));
        }
        put("team/db/odd%20%3F%23%25%2B/x", json!({"ODD": "odd"}));
        let environment = start("each = \"secret\"\nrecursive = true\nnames = \"shell\"\n").environment();
        for name in ["K0", "K29", "DB_PASS", "DB_HOST", "P_ORT", "ODD"] {
            assert!(environment.contains_key(name), "{name}");
        }
        start("each = \"secret\"\nfield = \"x\"\n").is_error(78, &["each", "field"]);
        start("each = \"key\"\n").is_error(78, &["`each` is not \"value\" or \"secret\""]);
    }
    with_config(server, "[[source]]\nkv = \"secret/x\"\nrecursive = true\n").is_error(78, &["recursive"]);
}

#[test]
fn a_denied_subfolder_is_named_with_its_policy_line_and_an_endless_folder_is_limited() {
    let server = Server::shared();
    server.put("walled/open/A", &json!({"value": "1"}));
    server.put("walled/shut/B", &json!({"value": "2"}));
    server.policy(
        "walled",
        "path \"secret/metadata/walled/\" { capabilities = [\"list\"] }\n\
         path \"secret/metadata/walled/open/\" { capabilities = [\"list\"] }\n\
         path \"secret/data/walled/*\" { capabilities = [\"read\"] }",
    );
    let token = server.token(&["walled"], &json!({}));
    let scratch = Scratch::new();
    scratch.file("config/vault.toml", "[[source]]\nkv_folder = \"secret/walled\"\nversion = 2\nrecursive = true\n");
    let line = "path \"secret/metadata/walled/shut/\" { capabilities = [\"list\"] }";
    run(&mut scratch.exec(&server.address(), &token, &[], ENV)).is_error(77, &["listing secret/walled/shut", line]);
    let mut doctor = scratch.launcher();
    doctor.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", &token).arg("doctor");
    let said = String::from_utf8_lossy(&run(&mut doctor).stdout).into_owned();
    assert!(said.contains("path \"secret/metadata/walled/*\" { capabilities = [\"list\"] }"), "{said}");
    let endless = "a/".repeat(20) + "X";
    server.put(&format!("bottomless/{endless}"), &json!({"value": "1"}));
    with_config(server, "[[source]]\nkv_folder = \"secret/bottomless\"\nversion = 2\nrecursive = true\n")
        .is_error(65, &["secret/bottomless", "16 levels", "[[source]]"]);
    let listing: Vec<_> = (0..1001).map(|number| format!("{number}/")).collect();
    let listing = json!({"data": {"keys": listing}}).to_string();
    let faults = Faults::start(move |_, _| crate::support::faults::Reply::json(200, &listing));
    scratch.file("config/vault.toml", "[[source]]\nkv_folder = \"secret/wide\"\nversion = 2\nrecursive = true\n");
    run(&mut scratch.exec(&faults.address(), "root", &[], ENV)).is_error(65, &["secret/wide", "1000 folders"]);
    assert_eq!(faults.seen().len(), 1);
}

#[test]
fn one_version_of_a_secret_can_be_pinned_and_its_state_is_reported() {
    let server = Server::shared();
    for value in ["one", "two", "three", "four"] {
        server.put("pinned", &json!({ "PINNED": value }));
    }
    server.must("POST", "secret/delete/pinned", &json!({"versions": [2]}));
    server.must("PUT", "secret/destroy/pinned", &json!({"versions": [3]}));
    let start = |version: &str| {
        with_config(
            server,
            &format!(
                "[[source]]\nkv = \"secret/pinned\"\nversion = 2\nsecret_version = {version}\nname = \"OLD\"\nfield = \"PINNED\"\n\
                      [[source]]\nkv = \"secret/pinned\"\nversion = 2\n"
            ),
        )
    };
    let environment = start("1").environment();
    assert_eq!((environment["OLD"].as_str(), environment["PINNED"].as_str()), ("one", "four"));
    start("2").is_error(66, &["version 2 of secret/pinned is deleted", "undelete"]);
    start("3").is_error(66, &["version 3 of secret/pinned is destroyed", "secret_version"]);
    start("9").is_error(66, &["no version 9 of a secret at secret/pinned", "secret_version"]);
    for wrong in ["0", "-1", "\"1\"", "1.5"] {
        start(wrong).is_error(78, &["`secret_version` is not a positive number"]);
    }
    server.mount_kv("pinned-v1", 1);
    server.must("POST", "pinned-v1/x", &json!({"PINNED": "1"}));
    for said in ["", "version = 1\n"] {
        with_config(server, &format!("[[source]]\nkv = \"pinned-v1/x\"\nsecret_version = 1\n{said}"))
            .is_error(78, &["keeps no versions", "secret_version"]);
    }
    with_config(server, "[[source]]\nkv_folder = \"secret/x\"\nsecret_version = 1\n").is_error(78, &["secret_version"]);
}

#[test]
fn slashes_around_a_path_and_backslashes_in_it_work_as_in_vaults_client() {
    let server = Server::shared();
    server.put("slashes", &json!({"SLASHES": "1"}));
    server.must("POST", "secret/data/CORP%5Cada", &json!({"data": {"value": "1", "BACK": "\\"}}));
    for path in ["/secret/slashes", "//secret/slashes/", "secret/slashes/"] {
        let outcome = with_config(server, &format!("[[source]]\nkv = \"{path}\"\nversion = 2\n"));
        assert_eq!(outcome.environment()["SLASHES"], "1", "{path}");
    }
    let scratch = Scratch::new();
    let outcome = run(&mut scratch.exec(&server.address(), "root", &["--secrets", "/secret/slashes#SLASHES"], ENV));
    assert_eq!(outcome.environment()["SLASHES"], "1");
    let outcome = with_config(server, "[[source]]\nkv = 'secret/CORP\\ada'\nversion = 2\n");
    assert_eq!(outcome.environment()["BACK"], "\\");
    // A name with a line end or a control character can't be a variable.
    for key in ["A\nB", "A\u{1b}B", "A\tB"] {
        server.put("lines", &json!({ (key): "canary" }));
        with_config(server, "[[source]]\nkv = \"secret/lines\"\nversion = 2\n").is_error(65, &["control character"]);
    }
}
