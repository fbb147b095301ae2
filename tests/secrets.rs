//! `secrets`: stored by the real program in a real OpenBao, read back by a launch.
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
#![cfg(feature = "manage")]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Once;

use serde_json::{Value, json};
use support::launcher::{Outcome, Scratch, finish, run};
use support::openbao::Server;

/// A user with a login of its own, and a configuration with the user's own path.
struct User {
    server: &'static Server,
    scratch: Scratch,
}

impl User {
    /// Own secrets in one KV secret.
    fn with_keys(name: &str) -> Self {
        Self::new(name, "kv = \"secret/users/{metadata.username}\"\noptional = true\n")
    }

    /// Own secrets in a folder.
    fn with_folder(name: &str) -> Self {
        Self::new(name, "kv_folder = \"secret/users/{metadata.username}\"\noptional = true\n")
    }

    fn new(name: &str, source: &str) -> Self {
        static METHOD: Once = Once::new();
        let server = Server::shared();
        METHOD.call_once(|| {
            server.enable_auth("userpass", "userpass");
            let own = |part: &str, may: &str| {
                let path = "{{identity.entity.aliases.ACCESSOR.name}}";
                format!("path \"secret/{part}/users/{path}\" {{ capabilities = [{may}] }}\npath \"secret/{part}/users/{path}/*\" {{ capabilities = [{may}] }}\n")
            };
            let all = own("data", r#""create", "read", "update", "delete""#)
                + &own("metadata", r#""create", "read", "update", "list", "patch""#)
                + &own("undelete", r#""update""#);
            let accessor = server.must("GET", "sys/auth", &Value::Null)["data"]["userpass/"]["accessor"].clone();
            server.policy("own", &all.replace("ACCESSOR", accessor.as_str().unwrap()));
        });
        server.must("POST", &format!("auth/userpass/users/{name}"), &json!({"password": "pw", "policies": "own"}));
        let scratch = Scratch::new();
        scratch.file("config/password", "pw");
        let password = scratch.path("config/password");
        let text = format!(
            "[vault]\naddress = \"{}\"\n[auth]\nmethod = \"userpass\"\nusername = \"{name}\"\npassword_file = {password:?}\n[[source]]\n{source}",
            server.address()
        );
        scratch.file("config/vault.toml", text);
        Self { server, scratch }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.scratch.launcher();
        command.arg("secrets").args(arguments);
        command
    }

    /// Runs with `input` on standard input.
    fn ran_with(&self, arguments: &[&str], input: &[u8]) -> Outcome {
        let mut command = self.command(arguments);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writing = std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        });
        let outcome = finish(child);
        writing.join().unwrap();
        outcome
    }

    /// Runs, must succeed, and gives the text, which must show no value.
    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> String {
        self.ok_with(arguments, b"")
    }

    #[track_caller]
    fn ok_with(&self, arguments: &[&str], input: &[u8]) -> String {
        let outcome = self.ran_with(arguments, input);
        assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
        let text = String::from_utf8(outcome.stdout).unwrap();
        assert!(!text.contains("canary") && !outcome.stderr.contains("canary"), "{text}{}", outcome.stderr);
        text
    }

    #[track_caller]
    fn set(&self, name: &str, value: &str) {
        self.ok_with(&["set", name], value.as_bytes());
    }

    /// What a launch gives.
    #[track_caller]
    fn launched(&self) -> std::collections::BTreeMap<String, String> {
        run(self.scratch.launcher().args(["exec", "--", "env", "-0"])).environment()
    }

    fn listed(&self) -> Value {
        serde_json::from_str(&self.ok(&["list", "--json"])).unwrap()
    }

    #[track_caller]
    fn row(&self, name: &str) -> Value {
        let list = self.listed();
        let rows = list["secrets"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name} in {list}")).clone()
    }
}

#[test]
fn what_is_set_is_what_the_next_launch_gives() {
    for user in [User::with_keys("set-keys"), User::with_folder("set-folder")] {
        let several = "canary line 1\nzwölf\n\ttab \"quotes\" \\ $HOME";
        assert!(user.ok_with(&["set", "ONE"], b"canary-1\n").starts_with("added ONE in secret/users/set-"));
        user.set("TWO", several);
        let key = user.scratch.file("key.pem", "canary\nkey\n");
        user.ok(&["set", "KEY", "--file", key.to_str().unwrap()]);
        assert!(user.ok_with(&["set", "ONE"], b"canary-2").starts_with("replaced ONE"));
        let given = user.launched();
        assert_eq!(given["ONE"], "canary-2");
        assert_eq!(given["TWO"], several);
        assert_eq!(given["KEY"], "canary\nkey\n", "a file is taken as it is");
    }
}

#[test]
fn a_value_may_be_as_long_as_a_variable() {
    let user = User::with_keys("long");
    let longest = "x".repeat(131_071 - "LONG".len() - 1);
    user.set("LONG", &longest);
    assert_eq!(user.launched()["LONG"], longest);
    let refused = user.ran_with(&["set", "LONG"], format!("{longest}y").as_bytes());
    refused.is_error(65, &["LONG", "131,071 bytes"]);
}

#[test]
fn a_name_or_value_that_no_launch_takes_is_refused_before_it_is_stored() {
    let user = User::with_keys("refused");
    for (arguments, input, code, says) in [
        (vec!["set", "LD_PRELOAD"], &b"canary"[..], 65, "takes over the process"),
        (vec!["set", "A=B"], b"canary", 65, "can't be a variable"),
        (vec!["set", ""], b"canary", 65, "can't be a variable"),
        (vec!["set", "A"], b"canary\0", 65, "NUL"),
        (vec!["set", "A"], b"canary\xff", 65, "not UTF-8"),
        (vec!["set", "A"], b"", 65, "is empty"),
        (vec!["rename", "A", "PATH"], b"", 65, "takes over the process"),
        (vec!["set", "A", "--to", "secret/other"], b"canary", 64, "no source of the configuration"),
    ] {
        user.ran_with(&arguments, input).is_error(code, &[says]);
    }
    assert_eq!(user.listed()["secrets"], json!([]));
    user.ok_with(&["set", "PYTHONPATH", "--allow", "PYTHONPATH"], b"canary");
}

#[test]
fn the_list_shows_what_is_known_and_never_a_value() {
    for user in [User::with_keys("list-keys"), User::with_folder("list-folder")] {
        user.ok_with(&["set", "ONE", "--description", "for the billing API", "--kind", "token"], b"canary-1");
        user.set("TWO", "canary-2");
        user.ok(&["describe", "TWO", "--kind", "password"]);
        let one = user.row("ONE");
        assert_eq!((&one["kind"], &one["description"]), (&json!("token"), &json!("for the billing API")));
        assert!(one["by"].as_str().unwrap().starts_with("list-"), "{one}");
        assert!(one["time"].as_str().unwrap().starts_with("20"), "{one}");
        assert_eq!(user.row("TWO")["kind"], "password");
        let text = user.ok(&["list"]);
        assert!(text.contains("for the billing API") && text.contains("secrets: 2"), "{text}");
        // A new value keeps the description.
        user.set("ONE", "canary-3");
        assert_eq!(user.row("ONE")["description"], "for the billing API");
    }
}

#[test]
fn a_removed_secret_is_gone_for_a_launch_and_comes_back_by_restore() {
    for user in [User::with_keys("rm-keys"), User::with_folder("rm-folder")] {
        user.set("ONE", "canary-1");
        user.set("TWO", "canary-2");
        user.ok(&["rm", "ONE"]);
        let given = user.launched();
        assert!(!given.contains_key("ONE") && given["TWO"] == "canary-2");
        user.ok(&["restore", "ONE"]);
        assert_eq!(user.launched()["ONE"], "canary-1");
        user.ran_with(&["rm", "TWO", "THREE"], b"").is_error(66, &["no secret THREE"]);
        assert_eq!(user.launched()["TWO"], "canary-2", "all or none");
    }
}

#[test]
fn an_earlier_value_is_restored_by_its_version() {
    for user in [User::with_keys("restore-keys"), User::with_folder("restore-folder")] {
        user.set("ONE", "canary-1");
        user.set("OTHER", "canary-x");
        user.set("ONE", "canary-2");
        user.set("ONE", "canary-3");
        let versions: Value = serde_json::from_str(&user.ok(&["versions", "ONE", "--json"])).unwrap();
        let set: Vec<_> =
            versions["versions"].as_array().unwrap().iter().map(|v| v["version"].as_u64().unwrap()).collect();
        assert_eq!(set.len(), 3, "{versions}");
        user.ok(&["restore", "ONE"]);
        assert_eq!(user.launched()["ONE"], "canary-2", "the last one that differs");
        user.ok(&["restore", "ONE", "--version", &set[2].to_string()]);
        let given = user.launched();
        assert_eq!((given["ONE"].as_str(), given["OTHER"].as_str()), ("canary-1", "canary-x"));
        user.ran_with(&["restore", "ONE", "--version", "99"], b"").is_error(66, &["version 99"]);
    }
}

#[test]
fn a_renamed_secret_keeps_its_value_and_description_and_takes_no_other_ones_name() {
    for user in [User::with_keys("mv-keys"), User::with_folder("mv-folder")] {
        user.ok_with(&["set", "OLD", "--description", "kept"], b"canary-1");
        user.set("OTHER", "canary-2");
        user.ran_with(&["rename", "OLD", "OTHER"], b"").is_error(64, &["there is a secret OTHER"]);
        user.ran_with(&["rename", "NONE", "NEW"], b"").is_error(66, &["no secret NONE"]);
        user.ok(&["rename", "OLD", "NEW"]);
        let given = user.launched();
        assert!(!given.contains_key("OLD"));
        assert_eq!((given["NEW"].as_str(), given["OTHER"].as_str()), ("canary-1", "canary-2"));
        assert_eq!(user.row("NEW")["description"], "kept");
    }
}

#[test]
fn a_value_that_was_changed_since_its_user_saw_it_is_not_replaced() {
    for user in [User::with_keys("expect-keys"), User::with_folder("expect-folder")] {
        let with = |name: &str, version: &str, value: &str| {
            user.ran_with(&["set", name, "--expect-version", version], value.as_bytes())
        };
        assert_eq!(with("ONE", "0", "canary-1").code(), Some(0));
        with("ONE", "0", "canary-2").is_error(87, &["there is a secret ONE", "nothing was written"]);
        let seen = user.row("ONE")["version"].to_string();
        // Another name of the same secret is another writer's business.
        user.set("OTHER", "canary-x");
        assert_eq!(with("ONE", &seen, "canary-3").code(), Some(0));
        with("ONE", &seen, "canary-4").is_error(87, &[&format!("was changed since version {seen}")]);
        assert_eq!(user.launched()["ONE"], "canary-3");
        let seen = user.row("ONE")["version"].to_string();
        user.ok(&["rm", "ONE"]);
        with("ONE", &seen, "canary-5").is_error(87, &["ONE"]);
        with("ONE", "99", "canary-5").is_error(87, &["ONE"]);
        assert_eq!(with("ONE", "0", "canary-6").code(), Some(0));
        assert_eq!(user.launched()["ONE"], "canary-6");
    }
}

#[test]
fn writers_at_once_lose_none_of_one_anothers_changes() {
    let user = User::with_keys("at-once");
    user.set("FIRST", "canary");
    let writing: Vec<_> = (0..12)
        .map(|number| {
            let mut command = user.command(&["set", &format!("N{number}")]);
            let mut child =
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(format!("canary-{number}").as_bytes()).unwrap();
            child
        })
        .collect();
    for child in writing {
        let outcome = finish(child);
        assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    }
    let given = user.launched();
    for number in 0..12 {
        assert_eq!(given[&format!("N{number}")], format!("canary-{number}"));
    }
    assert_eq!(given["FIRST"], "canary");
}

#[test]
fn what_another_tool_stored_keeps_its_form() {
    let user = User::with_keys("forms");
    user.server.put("users/forms", &json!({"NUMBER": 12_345_678_901_u64, "LIST": ["canary", 1], "TEXT": "t"}));
    user.set("NEW", "canary");
    let data = user.server.must("GET", "secret/data/users/forms", &Value::Null)["data"]["data"].clone();
    assert_eq!(data, json!({"NUMBER": 12_345_678_901_u64, "LIST": ["canary", 1], "TEXT": "t", "NEW": "canary"}));
}

#[test]
fn a_file_is_imported_as_it_says_and_shown_first() {
    for user in [User::with_keys("import-keys"), User::with_folder("import-folder")] {
        user.set("SAME", "canary-0");
        user.set("OLD", "canary-1");
        let env = user
            .scratch
            .file(".env", "# mine\nexport NEW='canary $HOME'\nOLD=canary-2\nSAME=canary-0\nLINES=\"canary\\nb\"\n");
        let env = env.to_str().unwrap();
        let preview = user.ok(&["import", env, "--dry-run"]);
        for line in ["add     NEW", "replace OLD", "same    SAME", "add     LINES", "nothing was written"] {
            assert!(preview.contains(line), "{preview}");
        }
        user.ran_with(&["import", env], b"").is_error(64, &["a confirmation is needed", "--yes"]);
        assert_eq!(user.launched()["OLD"], "canary-1");
        user.ok(&["import", env, "--yes"]);
        let given = user.launched();
        assert_eq!(given["NEW"], "canary $HOME");
        assert_eq!((given["OLD"].as_str(), given["LINES"].as_str()), ("canary-2", "canary\nb"));
        user.ok_with(&["import", "-", "--format", "json", "--yes"], br#"{"FROM_JSON": "canary"}"#);
        let yaml = user.scratch.file("more.yaml", "FROM_YAML: |\n  canary\n  two\n");
        user.ok(&["import", yaml.to_str().unwrap(), "--yes"]);
        let given = user.launched();
        assert_eq!((given["FROM_JSON"].as_str(), given["FROM_YAML"].as_str()), ("canary", "canary\ntwo\n"));
        let bad = user.scratch.file("bad.env", "GOOD=1\nLD_PRELOAD=canary\n");
        user.ran_with(&["import", bad.to_str().unwrap(), "--yes"], b"").is_error(65, &["LD_PRELOAD"]);
        assert!(!user.launched().contains_key("GOOD"), "all or none");
    }
}

#[test]
fn version_1_works_and_its_limits_are_said() {
    let server = Server::shared();
    server.mount_kv("secrets-v1", 1);
    let scratch = Scratch::new();
    scratch.file("config/vault.toml", "[[source]]\nkv = \"secrets-v1/ada\"\noptional = true\n");
    let ran = |arguments: &[&str], input: &[u8]| {
        let mut command = scratch.launcher();
        command.env("VAULT_ADDR", server.address()).env("VAULT_TOKEN", "root").arg("secrets").args(arguments);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        finish(child)
    };
    assert_eq!(ran(&["set", "ONE"], b"canary").code(), Some(0));
    assert_eq!(ran(&["set", "TWO"], b"canary").code(), Some(0));
    ran(&["set", "ONE", "--description", "x"], b"canary").is_error(64, &["KV version 1"]);
    ran(&["versions", "ONE"], b"").is_error(64, &["KV version 1"]);
    ran(&["rm", "ONE"], b"").is_error(64, &["confirmation"]);
    assert_eq!(ran(&["rm", "ONE", "--yes"], b"").code(), Some(0));
    let list: Value = serde_json::from_slice(&ran(&["list", "--json"], b"").stdout).unwrap();
    assert_eq!(list["secrets"].as_array().unwrap().len(), 1, "{list}");
}

#[test]
fn another_source_is_named_by_to_and_a_refusal_says_what_to_ask_for() {
    let user = User::new(
        "team",
        "kv = \"secret/teams/research\"\noptional = true\n[[source]]\nkv = \"secret/users/{metadata.username}\"\noptional = true\n",
    );
    user.server.put("teams/research", &json!({"SHARED": "canary"}));
    let refused = user.ran_with(&["set", "ONE", "--to", "secret/teams/research"], b"canary");
    refused.is_error(77, &["secret/data/teams/research", "capabilities"]);
}

#[test]
fn no_token_of_a_login_is_left_behind() {
    let user = User::with_keys("tokens");
    let count = || {
        let list = user.server.must("LIST", "auth/token/accessors", &Value::Null)["data"]["keys"].clone();
        list.as_array()
            .unwrap()
            .iter()
            .filter(|accessor| {
                let asked = json!({"accessor": accessor});
                let about = user.server.api("POST", "auth/token/lookup-accessor", Some(&asked)).1;
                about["data"]["meta"]["username"] == "tokens"
            })
            .count()
    };
    user.set("ONE", "canary");
    user.ok(&["list"]);
    assert_eq!(count(), 0);
}

#[test]
fn a_notebook_goes_without_what_is_off_for_it_and_the_file_stays_as_it_was() {
    let user = User::with_keys("off");
    for name in ["KEPT", "OFF"] {
        user.set(name, "canary");
    }
    let file = user.scratch.path("config/vault.toml");
    let before = "# mine\n".to_owned() + &std::fs::read_to_string(&file).unwrap().replace("[auth]", "\n[auth]   # who");
    std::fs::write(&file, &before).unwrap();
    let names = |session: Option<&str>| {
        let mut command = user.scratch.launcher();
        command.args(["exec", "--", "env", "-0"]);
        if let Some(session) = session {
            command.env("JPY_SESSION_NAME", session);
        }
        let given = run(&mut command).environment();
        ["KEPT", "OFF"].into_iter().filter(|name| given.contains_key(*name)).collect::<Vec<_>>()
    };
    let said = user.ok(&["off", "OFF", "LATER", "--notebook", "work/a \"b\".ipynb"]);
    assert!(said.contains("goes without OFF, LATER"), "{said}");
    user.ok(&["off", "KEPT", "--notebook", "/home/ada/c.ipynb"]);
    assert!(std::fs::read_to_string(&file).unwrap().starts_with(&before), "all else stays");
    assert_eq!(names(Some("/home/ada/work/a \"b\".ipynb")), ["KEPT"]);
    assert_eq!(names(Some("work/a \"b\".ipynb")), ["KEPT"]);
    assert_eq!(names(Some("/home/ada/c.ipynb")), ["OFF"]);
    for other in [None, Some(""), Some("/home/ada/work/aa.ipynb"), Some("/home/bert/c.ipynb")] {
        assert_eq!(names(other), ["KEPT", "OFF"], "{other:?}");
    }
    let list: Value = serde_json::from_str(&user.ok(&["list", "--json"])).unwrap();
    assert_eq!(
        list["notebooks"],
        json!([
            {"notebook": "/home/ada/c.ipynb", "without": ["KEPT"]},
            {"notebook": "work/a \"b\".ipynb", "without": ["OFF", "LATER"]},
        ])
    );
    user.ran_with(&["on", "NEVER", "--notebook", "/home/ada/c.ipynb"], b"").is_error(64, &["is not off"]);
    user.ran_with(&["off", "A=B", "--notebook", "c.ipynb"], b"").is_error(64, &["A=B"]);
    user.ran_with(&["off", "A", "--notebook", "work/"], b"").is_error(64, &["no path of a notebook"]);
    user.ok(&["on", "OFF", "LATER", "--notebook", "work/a \"b\".ipynb"]);
    user.ok(&["on", "KEPT", "--notebook", "/home/ada/c.ipynb"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before, "not a byte is left");
    // A file that no launch would take is not touched; one that is not there is made.
    std::fs::write(&file, before.clone() + "[notebok.\"a\"]\n").unwrap();
    user.ran_with(&["off", "A", "--notebook", "a.ipynb"], b"").is_error(78, &["notebok", "notebook"]);
    std::fs::remove_file(&file).unwrap();
    user.ok(&["off", "A", "--notebook", "a.ipynb"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "[notebook.\"a.ipynb\"]\nwithout = [\"A\"]\n");
}

#[test]
fn two_who_switch_at_once_lose_neither_change() {
    let user = User::with_keys("off-at-once");
    std::thread::scope(|scope| {
        for number in 0..8 {
            let user = &user;
            scope.spawn(move || user.ok(&["off", &format!("N{number}"), "--notebook", "a.ipynb"]));
        }
    });
    let list: Value = serde_json::from_str(&user.ok(&["list", "--json"])).unwrap();
    assert_eq!(list["notebooks"][0]["without"].as_array().unwrap().len(), 8, "{list}");
}

#[test]
fn the_list_says_where_the_policy_lets_one_write_and_which_line_would() {
    let server = Server::shared();
    server.put("team/read-only", &json!({"SHARED": "canary"}));
    let user = User::new(
        "reader",
        "kv = \"secret/users/{metadata.username}\"\noptional = true\n[[source]]\nkv = \"secret/team/read-only\"\n[[source]]\nkv_folder = \"secret/team/folder\"\noptional = true\n",
    );
    server.policy("team", "path \"secret/data/team/*\" { capabilities = [\"read\"] }\npath \"secret/metadata/team/*\" { capabilities = [\"list\"] }");
    server.must("POST", "auth/userpass/users/reader", &json!({"password": "pw", "policies": "own,team"}));
    let list: Value = serde_json::from_str(&user.ok(&["list", "--json"])).unwrap();
    let places = list["places"].as_array().unwrap();
    assert_eq!(places.iter().map(|place| &place["writable"]).collect::<Vec<_>>(), [true, false, false], "{list}");
    let line = |place: usize| places[place]["policy"].as_str().unwrap().to_owned();
    assert!(line(1).starts_with("path \"secret/data/team/read-only\" {"), "{list}");
    assert!(line(2).starts_with("path \"secret/data/team/folder/*\" {"), "{list}");
    // The lines are what it takes.
    let refused = user.ran_with(&["set", "NEW", "--to", "secret/team/read-only"], b"canary");
    refused.is_error(77, &["secret/data/team/read-only"]);
    server.policy(
        "team",
        &format!("{}\n{}\npath \"secret/metadata/team/*\" {{ capabilities = [\"list\"] }}", line(1), line(2)),
    );
    user.ok_with(&["set", "NEW", "--to", "secret/team/read-only"], b"canary");
    user.ok_with(&["set", "NEW", "--to", "secret/team/folder"], b"canary");
    user.ok(&["rm", "NEW", "--to", "secret/team/folder"]);
    let list: Value = serde_json::from_str(&user.ok(&["list", "--json"])).unwrap();
    assert!(list["places"].as_array().unwrap().iter().all(|place| place["writable"] == true), "{list}");
}
