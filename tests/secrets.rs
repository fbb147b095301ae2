//! `secrets`: stored by the real program in a real OpenBao, and read by a launch.
#![cfg(feature = "manage")]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Once;

use serde_json::{Value, json};
use support::faults::{Faults, relay_to};
use support::launcher::{Outcome, Scratch, finish, run};
use support::openbao::Server;
use support::waiting::pause_ms;

/// A user with a separate login, and a configuration with the user's own path.
struct User {
    server: &'static Server,
    scratch: Scratch,
}

impl User {
    /// The user's secrets in one KV secret.
    fn with_keys(name: &str) -> Self {
        Self::new(name, "kv = \"secret/users/{metadata.username}\"\noptional = true\n")
    }

    /// The user's secrets in a folder.
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

    /// Runs, must succeed, and returns the text, which must show no value.
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

    /// The variables that a launch gives.
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
fn a_stored_value_is_in_the_next_launch() {
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
fn a_name_or_value_that_a_launch_would_refuse_is_not_stored() {
    let user = User::with_keys("refused");
    for (arguments, input, code, says) in [
        (vec!["set", "LD_PRELOAD"], &b"canary"[..], 65, "can take over the process"),
        (vec!["set", "A=B"], b"canary", 65, "can't be a variable"),
        (vec!["set", ""], b"canary", 65, "can't be a variable"),
        (vec!["set", "A"], b"canary\0", 65, "NUL"),
        (vec!["set", "A"], b"canary\xff", 65, "not UTF-8"),
        (vec!["set", "A"], b"", 65, "is empty"),
        (vec!["rename", "A", "PATH"], b"", 65, "can take over the process"),
        (vec!["set", "A", "--to", "secret/other"], b"canary", 64, "not a configured source"),
    ] {
        user.ran_with(&arguments, input).is_error(code, &[says]);
    }
    // An argument is not repeated in the error.
    for argument in ["canary", "--value=canary", "--password=canary"] {
        let refused = user.ran_with(&["set", "A", argument], b"");
        refused.is_error(64, &["other users can see", "standard input"]);
        assert!(!refused.stderr.contains("canary"), "{}", refused.stderr);
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
    // A value that another tool has set is not attributed to this program's last user.
    let user = User::with_folder("list-other");
    user.set("ONE", "canary-1");
    assert_eq!(user.row("ONE")["by"], "list-other");
    user.server.put("users/list-other/ONE", &json!({"value": "canary-2"}));
    assert_eq!(user.row("ONE")["by"], Value::Null);
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
        // A change of another name in the same secret is no conflict.
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
fn concurrent_writers_lose_no_change() {
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
fn an_import_shows_its_changes_before_it_makes_them() {
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
        user.ran_with(&["import", env], b"").is_error(64, &["confirmation is required", "--yes"]);
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
fn kv_version_1_works_and_its_limits_are_reported() {
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
fn to_chooses_another_source_and_a_refusal_says_what_to_ask_for() {
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
fn secrets_switched_off_are_withheld_and_the_rest_of_the_file_is_unchanged() {
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
    assert!(said.contains("does not get OFF, LATER"), "{said}");
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
    user.ran_with(&["off", "A", "--notebook", "work/"], b"").is_error(64, &["not a notebook's path"]);
    user.ok(&["on", "OFF", "LATER", "--notebook", "work/a \"b\".ipynb"]);
    user.ok(&["on", "KEPT", "--notebook", "/home/ada/c.ipynb"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), before, "not a byte is left");
    // A file that a launch would refuse is not changed; a missing one is created.
    std::fs::write(&file, before.clone() + "[notebok.\"a\"]\n").unwrap();
    user.ran_with(&["off", "A", "--notebook", "a.ipynb"], b"").is_error(78, &["notebok", "notebook"]);
    std::fs::remove_file(&file).unwrap();
    user.ok(&["off", "A", "--notebook", "a.ipynb"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "[notebook.\"a.ipynb\"]\nwithout = [\"A\"]\n");
}

#[test]
fn two_concurrent_switches_are_both_kept() {
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
fn the_list_says_where_the_policy_allows_writing_and_which_line_would() {
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
    // The file contains exactly these lines.
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

#[test]
fn a_source_that_can_not_be_read_does_not_hide_the_others() {
    let server = Server::shared();
    server.put("forbidden", &json!({"HIDDEN": "canary"}));
    server.mount_kv("forbidden-mount", 2);
    let user = User::new(
        "partly",
        "kv = \"secret/forbidden\"\n[[source]]\nkv = \"secret/users/{metadata.username}\"\noptional = true\n[[source]]\nkv_folder = \"forbidden-mount/team\"\n",
    );
    user.ok_with(&["set", "MINE", "--to", "secret/users/partly"], b"canary");
    let table = user.ran_with(&["list"], b"");
    let text = String::from_utf8(table.stdout.clone()).unwrap();
    assert_eq!((table.code(), table.stderr.as_str()), (Some(77), ""), "{text}");
    assert!(text.contains("secret/users/partly\n  MINE "), "{text}");
    let denied = "secret/forbidden\n  can't be read: the policies of the token from the login at auth/userpass forbid";
    assert!(
        text.contains(denied) && text.contains("path \"secret/data/forbidden\" { capabilities = [\"read\"] }"),
        "{text}"
    );
    assert!(text.contains("forbidden-mount/team\n  can't be read: "), "{text}");
    assert!(text.ends_with("\nsecrets: 1\n"), "{text}");

    let json = user.ran_with(&["list", "--json"], b"");
    assert_eq!((json.code(), json.stderr.as_str()), (Some(77), ""));
    let list: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(list["secrets"].as_array().unwrap().len(), 1, "{list}");
    let place = |path: &str| {
        let places = list["places"].as_array().unwrap();
        places.iter().find(|place| place["source"] == path).unwrap_or_else(|| panic!("no {path} in {list}")).clone()
    };
    let own = place("secret/users/partly");
    assert!(own["default"] == true && own["writable"] == true && own.get("error").is_none(), "{list}");
    for path in ["secret/forbidden", "forbidden-mount/team"] {
        let place = place(path);
        assert!(place["default"] == false && place["writable"] == false, "{list}");
        assert!(place["error"]["what"].is_string() && place["error"]["advice"].is_string(), "{list}");
    }
    // Only that source, and only sources that can't be read: an error.
    user.ok(&["list", "--to", "secret/users/partly"]);
    let only = user.ran_with(&["list", "--to", "secret/forbidden"], b"");
    only.is_error(77, &["forbid reading secret/forbidden", "capabilities"]);
    assert_eq!(only.stdout, b"");
    user.ran_with(&["list", "--to", "forbidden-mount/team", "--json"], b"").is_error(77, &["forbidden-mount"]);
}

#[test]
fn an_output_that_can_not_be_written_is_an_error() {
    let user = User::with_keys("full-disk");
    user.set("ONE", "canary");
    let printing: [&[&str]; 8] = [
        &["secrets", "list"],
        &["secrets", "list", "--json"],
        &["secrets", "versions", "ONE"],
        &["doctor"],
        &["kernels"],
        &["login", "--status"],
        &["wrap", "--help"],
        &["completions", "bash"],
    ];
    for arguments in printing {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = user.scratch.launcher();
        let child = command.args(arguments).stdin(Stdio::null()).stdout(full).stderr(Stdio::piped()).spawn();
        finish(child.unwrap()).is_error(71, &["the output can't be written", "redirect stdout"]);
        // A reader that does not want the rest is no failure.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = user.scratch.launcher();
        let child = command.args(arguments).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn();
        let outcome = finish(child.unwrap());
        assert!(outcome.code() != Some(71) && outcome.stderr.is_empty(), "{arguments:?}: {}", outcome.stderr);
    }
}

/// Sources on a separate mount, read with a root token.
struct Mounted {
    server: &'static Server,
    scratch: Scratch,
    token: String,
}

impl Mounted {
    fn new(mount: &str, config: &Value, sources: &str) -> Self {
        let server = Server::shared();
        server.mount_kv(mount, 2);
        server.must("POST", &format!("{mount}/config"), config);
        let scratch = Scratch::new();
        scratch.file("config/vault.toml", sources);
        Self { server, scratch, token: "root".to_owned() }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.scratch.launcher();
        command.env("VAULT_ADDR", self.server.address()).env("VAULT_TOKEN", &self.token).args(arguments);
        command
    }

    fn ran(&self, arguments: &[&str], input: &str) -> Outcome {
        let mut command = self.command(arguments);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        finish(child)
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str], input: &str) -> String {
        let outcome = self.ran(arguments, input);
        assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
        String::from_utf8(outcome.stdout).unwrap()
    }

    fn launched(&self) -> std::collections::BTreeMap<String, String> {
        run(&mut self.command(&["exec", "--", "env", "-0"])).environment()
    }

    fn rows(&self) -> Vec<Value> {
        let list: Value = serde_json::from_str(&self.ok(&["secrets", "list", "--json"], "")).unwrap();
        list["secrets"].as_array().unwrap().clone()
    }
}

/// Gives `command` the environment of `other`.
fn as_in(command: &mut Command, other: &Command) {
    command.env_clear().envs(other.get_envs().filter_map(|(name, value)| Some((name, value?))));
}

#[test]
fn a_version_that_will_expire_exists_until_then() {
    for (mount, form) in [("ending-keys", "kv"), ("ending-folder", "kv_folder")] {
        let source = format!("[[source]]\n{form} = \"{mount}/ada\"\noptional = true\n");
        let ending = Mounted::new(mount, &json!({"delete_version_after": "1h"}), &source);
        ending.ok(&["secrets", "set", "ONE"], "canary-1");
        ending.ok(&["secrets", "set", "ONE"], "canary-2");
        assert_eq!(ending.rows().len(), 1, "{form}");
        let versions = ending.ok(&["secrets", "versions", "ONE"], "");
        assert!(versions.matches("  set\n").count() == 2 && !versions.contains("deleted"), "{versions}");
        ending.ok(&["secrets", "restore", "ONE"], "");
        assert_eq!(ending.launched()["ONE"], "canary-1", "{form}");
    }
}

#[test]
fn a_removal_that_vault_cannot_undo_is_reported() {
    let source = "[[source]]\nkv = \"one-version/ada\"\noptional = true\n";
    let one = Mounted::new("one-version", &json!({"max_versions": 1, "cas_required": true}), source);
    one.ok(&["secrets", "set", "ONE"], "canary-1");
    one.ok(&["secrets", "set", "TWO"], "canary-2");
    let said = one.ok(&["secrets", "rm", "ONE"], "");
    assert!(said.contains("this can't be undone") && !said.contains("restore"), "{said}");
    one.ran(&["secrets", "restore", "ONE"], "").is_error(66, &["no secret ONE"]);
}

#[test]
fn when_a_secret_was_set_stays_known_when_vault_forgets_the_version() {
    let source = "[[source]]\nkv = \"few-versions/ada\"\noptional = true\n";
    let few = Mounted::new("few-versions", &json!({"max_versions": 2}), source);
    few.ok(&["secrets", "set", "FIRST"], "canary");
    let first = few.rows()[0]["time"].as_str().unwrap()[..19].to_owned();
    let file = few.scratch.file("two.env", "SECOND=canary\nTHIRD=canary\n");
    few.ok(&["secrets", "import", file.to_str().unwrap(), "--yes"], "");
    for value in ["canary-1", "canary-2", "canary-3"] {
        few.ok(&["secrets", "set", "LAST"], value);
    }
    let rows = few.rows();
    assert_eq!(rows.len(), 4);
    assert_eq!(rows[0]["time"], format!("{first}Z"));
    assert!(rows.iter().all(|row| row["time"].is_string()), "{rows:?}");
}

#[test]
fn a_policy_that_allows_only_patch_is_enough_for_a_change() {
    let server = Server::shared();
    for (form, path) in [("kv", "patched"), ("kv_folder", "patched-folder")] {
        let source = format!("[[source]]\n{form} = \"patching-{form}/{path}\"\n");
        let mut user = Mounted::new(&format!("patching-{form}"), &json!({}), &source);
        user.ok(&["secrets", "set", "OLD"], "canary-1");
        user.ok(&["secrets", "set", "OTHER"], "canary-2");
        let part = |part: &str| {
            format!("path \"patching-{form}/{part}/{path}*\" {{ capabilities = [\"read\", \"list\", \"patch\"] }}\n")
        };
        server.policy(&format!("patching-{form}"), &(part("data") + &part("metadata")));
        user.token = server.token(&[&format!("patching-{form}")], &json!({}));
        user.ok(&["secrets", "set", "OLD", "--description", "d"], "canary-3");
        let list: Value = serde_json::from_str(&user.ok(&["secrets", "list", "--json"], "")).unwrap();
        assert_eq!(list["places"][0]["writable"], true, "{list}");
        assert_eq!(user.launched()["OLD"], "canary-3");
        if form == "kv" {
            user.ok(&["secrets", "set", "NEW"], "canary-4");
            user.ok(&["secrets", "rename", "OTHER", "O2"], "");
            user.ok(&["secrets", "rm", "OLD"], "");
            let given = user.launched();
            assert_eq!((given["NEW"].as_str(), given["O2"].as_str()), ("canary-4", "canary-2"));
            assert!(!given.contains_key("OLD") && !given.contains_key("OTHER"));
        } else {
            // A new secret does not conflict.
            user.ran(&["secrets", "set", "NEW"], "canary").is_error(77, &["create"]);
        }
    }
}

#[test]
fn a_name_that_a_launch_converts_is_shown_with_its_key() {
    for form in ["kv", "kv_folder"] {
        let mount = format!("shell-{form}");
        let source = format!("[[source]]\n{form} = \"{mount}/ada\"\nnames = \"shell\"\noptional = true\n");
        let user = Mounted::new(&mount, &json!({}), &source);
        user.ok(&["secrets", "set", "api-key"], "canary-1");
        // As kernels see it, it is the same secret.
        assert!(user.ok(&["secrets", "set", "API_KEY"], "canary-2").starts_with("replaced"), "{form}");
        let row = &user.rows()[0];
        assert_eq!((&row["name"], &row["key"]), (&json!("API_KEY"), &json!("api-key")));
        let text = user.ok(&["secrets", "list"], "");
        assert!(text.contains("API_KEY") && text.contains("key api-key"), "{text}");
        assert_eq!(user.launched()["API_KEY"], "canary-2");
        user.ran(&["secrets", "set", "ld-preload"], "canary")
            .is_error(65, &["LD_PRELOAD", "can take over the process"]);
        let file = user.scratch.file("two.env", "a-b=canary\nA_B=canary\n");
        user.ran(&["secrets", "import", file.to_str().unwrap(), "--yes"], "").is_error(64, &["one variable"]);
        user.ok(&["secrets", "set", "OTHER"], "canary");
        user.ran(&["secrets", "rename", "OTHER", "API-KEY"], "").is_error(64, &["there is a secret"]);
        user.ok(&["secrets", "rm", "API_KEY"], "");
        user.ok(&["secrets", "restore", "api-key"], "");
        assert_eq!(user.launched()["API_KEY"], "canary-2");
    }
}

#[test]
fn a_source_with_decode_stores_values_encoded() {
    let source = "[[source]]\nkv_folder = \"decoded/ada\"\ndecode = \"base64\"\noptional = true\n";
    let user = Mounted::new("decoded", &json!({}), source);
    user.ok(&["secrets", "set", "ONE"], "canary ü");
    let file = user.scratch.file("one.env", "ONE=canary ü\nTWO=canary\n");
    let said = user.ok(&["secrets", "import", file.to_str().unwrap(), "--yes"], "");
    assert!(said.contains("same    ONE") && said.contains("add     TWO"), "{said}");
    let given = user.launched();
    assert_eq!((given["ONE"].as_str(), given["TWO"].as_str()), ("canary ü", "canary"));
    assert_eq!(user.rows()[0]["version"], 1, "what is the same is not written anew");
}

#[test]
fn process_substitution_works_in_place_of_a_file() {
    let source = "[[source]]\nkv = \"piped/ada\"\noptional = true\n";
    let user = Mounted::new("piped", &json!({}), source);
    let program = support::launcher::binary().to_str().unwrap();
    let script = format!(
        "set -e; {program} secrets import <(echo ONE=canary-1) --yes; {program} secrets set TWO --file <(echo canary-2); \
         echo canary-3 | {program} secrets set THREE --file /dev/stdin; echo FOUR= | {program} secrets import - --yes"
    );
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]);
    as_in(&mut bash, &user.command(&[]));
    let outcome = run(&mut bash);
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let said = String::from_utf8(outcome.stdout).unwrap();
    assert!(said.contains("empty   FOUR  (left out)"), "{said}");
    let given = user.launched();
    let all = ["ONE", "TWO", "THREE"].map(|name| given[name].as_str());
    assert_eq!(all, ["canary-1", "canary-2\n", "canary-3\n"]);
    assert!(!given.contains_key("FOUR"));
}

#[test]
fn the_end_of_a_sources_path_is_enough_if_it_is_unambiguous() {
    let source = |path: &str| format!("[[source]]\nkv = \"ends/{path}\"\noptional = true\n");
    let user = Mounted::new("ends", &json!({}), &["a/team", "b/team", "a/shared"].map(source).concat());
    let to = |to: &str| user.ran(&["secrets", "set", "ONE", "--to", to], "canary");
    to("team").is_error(64, &["several sources", "ends/a/team, ends/b/team"]);
    to("other").is_error(64, &["not a configured source", "ends/a/shared"]);
    to("").is_error(64, &["not a configured source"]);
    assert_eq!(to("shared").code(), Some(0));
    assert_eq!(to("b/team").code(), Some(0));
    let text = user.ok(&["secrets", "list", "--to", "shared"], "");
    assert!(text.contains("ends/a/shared") && text.contains("secrets: 1") && !text.contains("team"), "{text}");
    user.ran(&["secrets", "list", "--to", "other"], "").is_error(64, &["not a configured source"]);
}

#[test]
fn an_invalid_description_is_refused_before_the_value_is_stored() {
    let user = User::with_keys("said-first");
    let long = "x".repeat(600);
    user.ran_with(&["set", "ONE", "--description", &long], b"canary").is_error(64, &["too long for Vault"]);
    assert_eq!(user.listed()["secrets"], json!([]));
    let text = user.ok(&["list"]);
    assert!(text.contains("secrets set NAME"), "it says how to begin: {text}");
    user.set("ONE", "canary");
    user.ran_with(&["describe", "ONE"], b"").is_error(64, &["--description", "--kind"]);
    user.ran_with(&["versions", "NONE"], b"").is_error(66, &["no secret NONE"]);
    let user = User::with_folder("said-first-folder");
    user.ran_with(&["versions", "NONE"], b"").is_error(66, &["no secret NONE"]);
    user.ran_with(&["set", ".."], b"canary").is_error(64, &["can't be the name"]);
}

#[test]
fn no_core_file_is_left_while_a_value_is_typed_in() {
    let user = User::with_keys("typed-in");
    let mut sh = Command::new("sh");
    sh.args(["-c", "ulimit -S -c \"$(ulimit -H -c)\"; exec \"$@\"", "sh"]).arg(support::launcher::binary());
    as_in(sh.args(["secrets", "set", "ONE"]), &user.command(&[]));
    let mut child = sh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let limits = format!("/proc/{}/limits", child.id());
    let has_none = || {
        let text = std::fs::read_to_string(&limits).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("Max core file size")).unwrap_or_default().to_owned();
        line.split_whitespace().nth(4) == Some("0")
    };
    support::launcher::eventually("the process allows no core file", has_none);
    child.stdin.take().unwrap().write_all(b"canary").unwrap();
    assert_eq!(finish(child).code(), Some(0));
}

#[test]
fn a_value_that_is_set_while_its_secret_is_renamed_is_not_lost() {
    for (mount, may_delete_versions) in [("renaming", true), ("renaming-plain", false)] {
        let source = format!("[[source]]\nkv_folder = \"{mount}/ada\"\noptional = true\n");
        let mut user = Mounted::new(mount, &json!({}), &source);
        user.ok(&["secrets", "set", "OLD"], "canary-1");
        let rights = |part: &str| {
            format!(
                "path \"{mount}/{part}/*\" {{ capabilities = [\"create\", \"read\", \"update\", \"delete\", \"list\"] }}\n"
            )
        };
        let parts = if may_delete_versions { vec!["data", "metadata", "delete"] } else { vec!["data", "metadata"] };
        user.server.policy(mount, &parts.into_iter().map(rights).collect::<String>());
        user.token = user.server.token(&[mount], &json!({}));
        // Another client changes it just before the old name is removed.
        let (server, relay, path) = (user.server, relay_to(user.server.port()), format!("/v1/{mount}/delete/ada/OLD"));
        let faults = Faults::start(move |seen, number| {
            if seen.path == path {
                let api = format!("{mount}/data/ada/OLD");
                server.must("POST", &api, &json!({"data": {"value": "canary-newer"}}));
            }
            relay(seen, number)
        });
        let mut command = user.command(&["secrets", "rename", "OLD", "NEW"]);
        let outcome = run(command.env("VAULT_ADDR", faults.address()));
        if may_delete_versions {
            assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
        } else {
            assert_ne!(outcome.code(), Some(0));
            assert!(outcome.stderr.contains("NEW is stored, but OLD still exists"), "{}", outcome.stderr);
        }
        let given = user.launched();
        assert_eq!((given["OLD"].as_str(), given["NEW"].as_str()), ("canary-newer", "canary-1"));
    }
}

#[test]
fn the_time_of_an_import_into_a_folder_is_that_of_each_secret() {
    let source = "[[source]]\nkv_folder = \"far/ada\"\noptional = true\n";
    let user = Mounted::new("far", &json!({}), source);
    let relay = relay_to(user.server.port());
    let far = Faults::start(move |seen, number| {
        pause_ms(30, "a server far away");
        relay(seen, number)
    });
    let lines: Vec<_> = (0..24).map(|number| format!("N{number}=canary")).collect();
    let file = user.scratch.file("many.env", lines.join("\n"));
    let mut command = user.command(&["secrets", "import", file.to_str().unwrap(), "--yes", "--timeout", "2"]);
    let outcome = run(command.env("VAULT_ADDR", far.address()));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    assert_eq!(user.rows().len(), 24);
}
