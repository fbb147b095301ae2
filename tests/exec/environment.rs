//! The environment of the command: what it contains, what it must not contain, byte for byte.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use crate::support::launcher::{Outcome, Scratch, binary, run};
use crate::support::openbao::Server;
use serde_json::json;

const ENV: &[&str] = &["/usr/bin/env", "-0"];

fn launch(path: &str, options: &[&str], prepare: impl FnOnce(&mut Command)) -> Outcome {
    let scratch = Scratch::new();
    let mut options = options.to_vec();
    let spec = format!("secret/{path}");
    options.extend(["--secrets", &spec]);
    let mut command = scratch.exec(&Server::shared().address(), "root", &options, ENV);
    prepare(&mut command);
    run(&mut command)
}

#[test]
fn a_secret_replaces_an_inherited_variable_unless_configured_otherwise() {
    Server::shared().put("wins", &json!({"SAME": "secret"}));
    let winning = launch("wins", &[], |command| _ = command.env("SAME", "inherited"));
    assert_eq!(winning.environment()["SAME"], "secret");
    let entries = winning.stdout.split(|byte| *byte == 0).filter(|entry| entry.starts_with(b"SAME=")).count();
    assert_eq!(entries, 1, "one entry a name");
    let losing =
        launch("wins", &[], |command| _ = command.env("SAME", "inherited").env("JUPYTER_VAULT_OVERRIDE", "false"));
    assert_eq!(losing.environment()["SAME"], "inherited");
}

#[test]
fn a_secret_with_an_inherited_variables_name_can_be_an_error() {
    Server::shared().put("double", &json!({"SAME": "canary", "OTHER": "canary"}));
    for how in [("JUPYTER_VAULT_OVERRIDE", "error"), ("JUPYTER_VAULT_OVERRIDE", "Error")] {
        let double = launch("double", &[], |command| _ = command.env("SAME", "inherited").env(how.0, how.1));
        if how.1 == "error" {
            double.is_error(78, &["the secret SAME and an inherited variable have the same name", "`override`"]);
        } else {
            double.is_error(78, &["JUPYTER_VAULT_OVERRIDE", "true, false or error"]);
        }
    }
    let single = launch("double", &[], |command| _ = command.env("JUPYTER_VAULT_OVERRIDE", "error"));
    assert_eq!(single.environment()["SAME"], "canary");
    // A secret that is not set conflicts with nothing.
    let dropped = launch("double", &[], |command| {
        command.env("JUPYTER_VAULT_OVERRIDE", "error").env("JUPYTER_VAULT_DROP", "SAME").env("SAME", "inherited");
    });
    assert_eq!(dropped.environment()["SAME"], "canary");
}

#[test]
fn a_kernel_inherits_everything_or_a_short_list_without_dropped_variables() {
    let server = Server::shared();
    server.put("inherits", &json!({"OWN": "canary"}));
    let scratch = Scratch::new();
    let start = |table: &str| {
        let text = format!(
            "[vault]\naddress = \"{}\"\n[[source]]\nkv = \"secret/inherits\"\nversion = 2\n[environment]\n{table}",
            server.address()
        );
        let config = scratch.file("inherits.toml", text);
        let mut command = scratch.launcher();
        for name in ["SERVICE_KEY", "SERVICE_URL", "OTHER", "LC_TIME", "JPY_PARENT_PID", "LD_X", "TERM", "KERNEL_ID"] {
            command.env(name, "x");
        }
        command.env("VAULT_TOKEN", "root").arg("exec").arg("--config").arg(config).arg("--").args(ENV);
        run(&mut command).environment().into_keys().collect::<std::collections::BTreeSet<_>>()
    };
    let all = start("");
    let names =
        |wanted: &[&str]| wanted.iter().map(|name| (*name).to_owned()).collect::<std::collections::BTreeSet<_>>();
    assert!(all.is_superset(&names(&["SERVICE_KEY", "SERVICE_URL", "OTHER", "LD_X", "OWN", "PATH"])), "{all:?}");
    let least = names(&[
        "PATH",
        "HOME",
        "JUPYTER_CONFIG_DIR",
        "JUPYTER_RUNTIME_DIR",
        "LC_TIME",
        "JPY_PARENT_PID",
        "TERM",
        "KERNEL_ID",
        "OWN",
    ]);
    assert_eq!(start("inherit = false\n"), least);
    let dropped = start("drop = [\"SERVICE_*\", \"OTHER\"]\n");
    assert_eq!(dropped, all.difference(&names(&["SERVICE_KEY", "SERVICE_URL", "OTHER"])).cloned().collect());
    let both = start("inherit = false\ndrop = [\"JPY_*\", \"OWN\"]\n");
    assert_eq!(both, least.difference(&names(&["JPY_PARENT_PID"])).cloned().collect(), "a secret is not inherited");
    // Without secrets, variables that are not inherited are left out too.
    let text = "[vault]\naddress = \"http://127.0.0.1:1\"\ntimeout = 1\n[[source]]\nkv = \"secret/x\"\n[environment]\ninherit = false\n";
    let config = scratch.file("inherits.toml", text);
    let mut command = scratch.launcher();
    command.env("SERVICE_KEY", "x").env("VAULT_TOKEN", "root").args([
        "exec",
        "--on-error",
        "start-without",
        "--config",
    ]);
    let started = run(command.arg(config).arg("--").args(ENV)).environment();
    assert!(started.contains_key("HOME") && !started.contains_key("SERVICE_KEY"), "{started:?}");
}

#[test]
fn vault_settings_are_passed_on_and_credentials_are_not() {
    Server::shared().put("passed", &json!({"A": "1"}));
    let credentials = [
        "VAULT_TOKEN",
        "BAO_TOKEN",
        "JUPYTER_VAULT_TOKEN",
        "VAULT_ROLE_ID",
        "VAULT_SECRET_ID",
        "BAO_SECRET_ID",
        "JUPYTER_VAULT_PASSWORD",
        "JUPYTER_VAULT_WRAPPED_TOKEN",
        "KERNEL_VAULT_TOKEN",
        "KERNEL_VAULT_JWT",
        "KERNEL_VAULT_X",
    ];
    let outcome = launch("passed", &[], |command| {
        for name in credentials {
            command.env(name, "root");
        }
        command.env("VAULT_NAMESPACE", "").env("KERNEL_USERNAME", "ada").env("GITHUB_TOKEN", "theirs");
    });
    let environment = outcome.environment();
    for name in credentials {
        assert!(!environment.contains_key(name), "{name}");
    }
    assert!(!environment.values().any(|value| value == "root"));
    for name in ["VAULT_ADDR", "VAULT_NAMESPACE", "KERNEL_USERNAME", "GITHUB_TOKEN", "A"] {
        assert!(environment.contains_key(name), "{name}");
    }
}

#[test]
fn non_utf8_bytes_and_line_breaks_are_preserved() {
    Server::shared().put("bytes", &json!({"A": "1"}));
    let outcome = launch("bytes", &[], |command| {
        command.env(OsStr::from_bytes(b"N\xff"), OsStr::from_bytes(b"\xfe\xff")).env("LINES", "a\nb\n");
    });
    let entries: Vec<_> = outcome.stdout.split(|byte| *byte == 0).collect();
    assert!(entries.contains(&&b"N\xff=\xfe\xff"[..]) && entries.contains(&&b"LINES=a\nb\n"[..]));
}

#[test]
fn entries_without_an_equals_sign_and_duplicates_are_kept_as_execve_keeps_them() {
    // Only execve itself can create such an environment, so Python's ctypes calls it.
    Server::shared().put("odd", &json!({"A": "1"}));
    let call = "import ctypes,sys; c=ctypes.CDLL(None); enc=lambda l:(ctypes.c_char_p*(len(l)+1))(*l,None); \
                argv=[a.encode() for a in sys.argv[2:]]; \
                c.execve(argv[0], enc(argv), enc([b'odd',b'=x=y',b'TWICE=1',b'TWICE=2',*sys.argv[1].encode().split(b'|')]))";
    let vault = format!("VAULT_ADDR={}|VAULT_TOKEN=root|HOME=/nonexistent", Server::shared().address());
    let mut command = Command::new(crate::support::python::python());
    command.args(["-c", call, &vault]).arg(binary());
    command.args(["exec", "--secrets", "secret/odd", "--", "/bin/cat", "/proc/self/environ"]);
    let outcome = run(&mut command);
    let entries: Vec<_> = outcome.stdout.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    assert_eq!(entries[..3], ["odd", "=x=y", "TWICE=1"], "{}", outcome.stderr);
    assert!(!entries.contains(&"TWICE=2".into()) && entries.contains(&"A=1".into()));
}

#[test]
fn a_name_that_takes_over_a_process_is_refused_unless_it_is_allowed() {
    for name in [
        "LD_PRELOAD",
        "PATH",
        "PYTHONSTARTUP",
        "PYTHONPATH",
        "PYTHONHOME",
        "IPYTHONDIR",
        "JUPYTER_PATH",
        "JPY_PARENT_PID",
        "BASH_ENV",
        "VAULT_ADDR",
    ] {
        Server::shared().put("protected", &json!({ name: "canary" }));
        launch("protected", &[], |_| ()).is_error(65, &[name, "secret/protected", "--allow"]);
        launch("protected", &["--allow", "OTHER"], |_| ()).is_error(65, &[name]);
    }
    Server::shared().put("protected", &json!({"PYTHONPATH": "canary"}));
    assert_eq!(launch("protected", &["--allow", "PYTHONPATH"], |_| ()).environment()["PYTHONPATH"], "canary");
    let by_variable = launch("protected", &[], |command| _ = command.env("JUPYTER_VAULT_ALLOW", "X, PYTHONPATH"));
    assert_eq!(by_variable.environment()["PYTHONPATH"], "canary");
}

#[test]
fn a_value_that_a_variable_cannot_hold_is_refused_with_its_name() {
    let server = Server::shared();
    server.put("unfit-name", &json!({"A=B": "canary"}));
    launch("unfit-name", &[], |_| ()).is_error(65, &["A=B"]);
    server.put("unfit-empty", &json!({"": "canary"}));
    launch("unfit-empty", &[], |_| ()).is_error(65, &["secret/unfit-empty"]);
    server.put("unfit-null", &json!({"NOTHING": null}));
    launch("unfit-null", &[], |_| ()).is_error(65, &["NOTHING", "null"]);
    server.put("unfit-nul", &json!({"NUL": "canary\u{0}x"}));
    launch("unfit-nul", &[], |_| ()).is_error(65, &["NUL", "secret/unfit-nul"]);
    server.put("unfit-line", &json!({"A\nB\u{1b}[31m=": "canary"}));
    launch("unfit-line", &[], |_| ()).is_error(65, &["A\\nB"]);
}

#[test]
fn a_value_over_the_systems_size_limits_is_named_before_exec() {
    let server = Server::shared();
    let fits = "x".repeat(131_071 - "BIG=".len());
    server.put("size", &json!({"BIG": fits, "SMALL": "1"}));
    assert_eq!(launch("size", &[], |_| ()).environment()["BIG"].len(), fits.len());
    server.put("size", &json!({"BIG": format!("{fits}x"), "SMALL": "1"}));
    launch("size", &[], |_| ()).is_error(65, &["BIG", "131071", "file"]);
    let mut many = serde_json::Map::new();
    for number in 0..25 {
        many.insert(format!("N{number}"), json!("x".repeat(100_000)));
    }
    many.insert("LARGEST".to_owned(), json!("x".repeat(110_000)));
    for (name, part) in [("size-a", 0), ("size-b", 1)] {
        let half: serde_json::Map<_, _> = many
            .iter()
            .enumerate()
            .filter(|(place, _)| place % 2 == part)
            .map(|(_, (key, value))| (key.clone(), value.clone()))
            .collect();
        server.put(name, &half.into());
    }
    launch("size-a", &["--secrets", "secret/size-b"], |_| ()).is_error(65, &["LARGEST"]);
}
