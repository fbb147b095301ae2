//! Secrets for a running kernel: the real program, a real ipykernel, a real OpenBao.
#![cfg(feature = "inject")]

mod crowds;
mod languages;
mod question;
mod servers;
mod strange_servers;
#[path = "../support/mod.rs"]
mod support;
mod traces;
mod trouble;

use serde_json::{Value, json};
use support::kernels;
use support::launcher::run;
use support::openbao::Server;
use support::running::{Running, said};

const LOOK: &str = "import os, json; print(json.dumps({n: os.environ.get(n) for n in ['ONE', 'TWO', 'THREE']}))";

#[test]
fn a_running_kernel_and_its_children_get_the_secrets_over_tcp_ipc_and_curve() {
    let server = Server::shared();
    let odd = "canary \"quoted\"\n'twice' \\ ünïcödé 🗝 {}";
    server.put("inject", &json!({"ONE": odd, "TWO": {"canary": 2}, "THREE": "canary".repeat(9000)}));
    for (transport, curve) in [("tcp", false), ("ipc", false), ("tcp", true)] {
        let mut kernel = Running::start(&json!({"transport": transport, "curve": curve}));
        let before = kernel.front_end.cell("x = 1; print(sorted(globals()))").printed();
        let done = said(&run(&mut kernel.inject(&["--secrets", "secret/inject"])));
        assert_eq!(done, "set ONE, THREE, TWO", "{transport} {curve}");
        let seen: Value = serde_json::from_str(&kernel.front_end.cell(LOOK).printed()).unwrap();
        assert_eq!(seen, json!({"ONE": odd, "TWO": "{\"canary\":2}", "THREE": "canary".repeat(9000)}));
        let child = kernel.front_end.cell("print(len(os.popen('printf %s \"$THREE\"').read()))").printed();
        assert_eq!(child, "54000", "its children inherit");
        let after = kernel.front_end.cell("del os, json; print(sorted(globals()))").printed();
        let names = |text: &str| {
            text.split("', '")
                .map(str::to_owned)
                .filter(|name| !name.trim_matches('_').starts_with('i'))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&after), names(&before), "no name is left behind");
    }
}

#[test]
fn an_unchanged_version_is_not_set_again_and_a_removed_secret_is_unset() {
    let server = Server::shared();
    server.put("inject-again", &json!({"ONE": "canary-1", "TWO": "canary-2"}));
    let mut kernel = Running::start(&json!({}));
    let options = ["--secrets", "secret/inject-again"];
    assert_eq!(said(&run(&mut kernel.inject(&options))), "set ONE, TWO");
    kernel.front_end.cell("import os; os.environ['ONE'] = 'changed by the user'");
    assert_eq!(said(&run(&mut kernel.inject(&options))), "nothing to do, it already has the same versions");
    assert!(kernel.front_end.cell(LOOK).printed().contains("changed by the user"));
    server.put("inject-again", &json!({"TWO": "canary-2", "THREE": "canary-3"}));
    assert_eq!(said(&run(&mut kernel.inject(&options))), "set THREE, TWO; unset ONE");
    let seen: Value = serde_json::from_str(&kernel.front_end.cell(LOOK).printed()).unwrap();
    assert_eq!(seen, json!({"ONE": null, "TWO": "canary-2", "THREE": "canary-3"}));
    let pid = kernel.front_end.ask("restart", json!({}))["pid"].as_u64().unwrap();
    kernel.front_end.ask("ready", json!({}));
    assert_eq!(said(&run(&mut kernel.inject(&options))), "set THREE, TWO", "a restarted kernel has nothing of it");
    let records = kernel.scratch.path("runtime/jupyter-vault/kernels");
    let record = std::fs::read_dir(records).unwrap().next().unwrap().unwrap().path();
    let record = std::fs::read_to_string(record).unwrap();
    assert!(!record.contains("canary"), "{record}");
    let record: Value = serde_json::from_str(&record).unwrap();
    assert_eq!((&record["pid"], &record["how"]), (&json!(pid), &json!("inject")));
    assert_eq!(record["variables"]["TWO"], json!({"path": "secret/inject-again", "version": 2}));
}

#[test]
fn without_override_the_kernels_variables_stay_and_injected_ones_are_updated() {
    let server = Server::shared();
    server.put("inject-keep", &json!({"ONE": "canary-1", "TWO": "canary-2"}));
    let mut kernel = Running::start(&json!({"extra_env": {"ONE": "the kernel's own"}}));
    let config = kernel.scratch.file("keep.toml", "[environment]\noverride = false\n");
    let options = ["--secrets", "secret/inject-keep", "--config", config.to_str().unwrap()];
    assert_eq!(said(&run(&mut kernel.inject(&options))), "set TWO; unchanged ONE");
    server.put("inject-keep", &json!({"ONE": "canary-1", "TWO": "canary-3"}));
    assert_eq!(said(&run(&mut kernel.inject(&options))), "set TWO; unchanged ONE");
    let seen: Value = serde_json::from_str(&kernel.front_end.cell(LOOK).printed()).unwrap();
    assert_eq!(seen, json!({"ONE": "the kernel's own", "TWO": "canary-3", "THREE": null}));
    server.put("inject-keep", &json!({"TWO": "canary-3"}));
    assert_eq!(said(&run(&mut kernel.inject(&options))), "set TWO");
    assert!(kernel.front_end.cell(LOOK).printed().contains("the kernel's own"), "what is not ours is not unset");
}

#[test]
fn protected_names_are_refused_as_for_a_launch_and_a_source_may_be_a_file() {
    let server = Server::shared();
    server.put("inject-names", &json!({"PYTHONSTARTUP": "canary"}));
    let mut kernel = Running::start(&json!({}));
    let options = ["--secrets", "secret/inject-names"];
    run(&mut kernel.inject(&options)).is_error(65, &["PYTHONSTARTUP", "--allow PYTHONSTARTUP"]);
    let allowed = [&options[..], &["--allow", "PYTHONSTARTUP"]].concat();
    assert_eq!(said(&run(&mut kernel.inject(&allowed))), "set PYTHONSTARTUP");
    let config = "[[source]]\nkv = \"secret/inject-names\"\nfield = \"PYTHONSTARTUP\"\nfile = \"KEY_FILE\"\n";
    let config = kernel.scratch.file("file.toml", config);
    let done = said(&run(&mut kernel.inject(&["--config", config.to_str().unwrap()])));
    assert_eq!(done, "set KEY_FILE");
    let look = "import os; print(open(os.environ['KEY_FILE']).read(), oct(os.stat(os.environ['KEY_FILE']).st_mode))";
    assert_eq!(kernel.front_end.cell(look).printed(), "canary 0o100600");
}

#[test]
fn other_python_kernels_get_them_too() {
    let server = Server::shared();
    server.put("inject-makes", &json!({"ONE": "canary-1", "TWO": "canary-2"}));
    for (make, transport) in [("ipykernel6", "tcp"), ("ipykernel6", "ipc"), ("xpython", "tcp"), ("xpython", "ipc")] {
        let mut kernel = Running::of(&kernels::command(make), &json!({ "transport": transport }));
        let done = said(&run(&mut kernel.inject(&["--secrets", "secret/inject-makes"])));
        assert_eq!(done, "set ONE, TWO", "{make} {transport}");
        let seen: Value = serde_json::from_str(&kernel.front_end.cell(LOOK).printed()).unwrap();
        assert_eq!(seen, json!({"ONE": "canary-1", "TWO": "canary-2", "THREE": null}), "{make} {transport}");
    }
}

#[test]
fn a_kernel_without_a_key_takes_them_unsigned() {
    Server::shared().put("inject-unsigned", &json!({"ONE": "canary-1"}));
    let mut kernel = Running::start(&json!({"unsigned": true}));
    let file: Value = serde_json::from_slice(&std::fs::read(&kernel.file).unwrap()).unwrap();
    assert_eq!(file["key"], "");
    assert_eq!(said(&run(&mut kernel.inject(&["--secrets", "secret/inject-unsigned"]))), "set ONE");
    assert!(kernel.front_end.cell(LOOK).printed().contains("canary-1"));
}

#[test]
fn hooks_on_cells_do_not_see_the_injection() {
    const HANG: &str = r"
seen = []
ip = get_ipython()
ip.input_transformers_cleanup.append(lambda lines: (seen.extend(lines), lines)[1])
class Visitor(__import__('ast').NodeTransformer):
    def visit(self, node): seen.append(__import__('ast').dump(node)); return node
ip.ast_transformers.append(Visitor())
for event in ['pre_run_cell', 'post_run_cell']:
    ip.events.register(event, lambda information: seen.append(repr(information)))
";
    Server::shared().put("inject-hooks", &json!({"ONE": "canary-1"}));
    let mut kernel = Running::start(&json!({}));
    kernel.front_end.cell(HANG);
    kernel.front_end.cell("1 + 1");
    assert_eq!(kernel.front_end.cell("print('BinOp' in str(seen)); seen.clear()").printed(), "True", "they work");
    assert_eq!(said(&run(&mut kernel.inject(&["--secrets", "secret/inject-hooks"]))), "set ONE");
    let seen = kernel.front_end.cell("print(seen)").printed();
    assert!(seen.contains("print(seen)") && !seen.contains("ONE") && !seen.contains("fsdecode"), "{seen}");
    assert!(kernel.front_end.cell(LOOK).printed().contains("canary-1"));
}

#[test]
fn redefined_python_builtins_neither_break_nor_see_the_injection() {
    const TAKE: &str = r"
import os
seen = []
def __import__(*given, **more): seen.append(given); raise ValueError
exec = getpass = json = get_ipython = __import__
environ, os.environ = os.environ, dict(os.environ)
";
    let server = Server::shared();
    server.put("inject-taken", &json!({"ONE": "canary-1", "TWO": "canary-2"}));
    let mut kernel = Running::start(&json!({}));
    assert_eq!(kernel.front_end.cell(TAKE).status(), "ok");
    let inject = || said(&run(&mut kernel.inject(&["--secrets", "secret/inject-taken"])));
    assert_eq!(inject(), "set ONE, TWO");
    server.put("inject-taken", &json!({"ONE": "canary-3"}));
    assert_eq!(inject(), "set ONE; unset TWO");
    let look = "print(*[(of.get('ONE'), 'TWO' in of) for of in [environ, os.environ]], seen)";
    assert_eq!(kernel.front_end.cell(look).printed(), "('canary-3', False) ('canary-3', False) []");
}

#[test]
fn a_kernel_without_user_expressions_gets_a_cell() {
    Server::shared().put("inject-cell", &json!({"ONE": "canary-1"}));
    let mut kernel = Running::start(&json!({}));
    kernel.front_end.cell("get_ipython().user_expressions = lambda expressions: {}");
    assert_eq!(said(&run(&mut kernel.inject(&["--secrets", "secret/inject-cell"]))), "set ONE");
    assert!(kernel.front_end.cell(LOOK).printed().contains("canary-1"));
}

#[test]
fn a_custom_kernel_class_with_ipykernels_command_is_asked_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("profile_default");
    std::fs::create_dir(&profile).unwrap();
    let config = "c.IPKernelApp.kernel_class = 'bash_kernel.kernel.BashKernel'\n";
    std::fs::write(profile.join("ipython_kernel_config.py"), config).unwrap();
    Server::shared().put("inject-class", &json!({"ONE": "canary-1"}));
    let python = kernels::command("bash_kernel")[0].clone();
    let words = [&python, "-m", "ipykernel_launcher", "-f", "{connection_file}"].map(str::to_owned);
    let mut kernel = Running::of(&words, &json!({"extra_env": {"IPYTHONDIR": folder.path()}}));
    assert_eq!(said(&run(&mut kernel.inject(&["--secrets", "secret/inject-class"]))), "set ONE");
    assert_eq!(kernel.front_end.cell("echo ${#ONE}").printed(), "8");
}

#[test]
fn variables_of_other_sources_stay_and_removed_ones_of_an_optional_source_are_unset() {
    let server = Server::shared();
    server.put("inject-first", &json!({"ONE": "canary-1"}));
    server.put("inject-second", &json!({"TWO": "canary-2"}));
    let mut kernel = Running::start(&json!({}));
    assert_eq!(said(&run(&mut kernel.inject(&["--secrets", "secret/inject-first"]))), "set ONE");
    assert_eq!(said(&run(&mut kernel.inject(&["--secrets", "secret/inject-second"]))), "set TWO");
    assert!(said(&run(&mut kernel.inject(&["--secrets", "secret/inject-first"]))).starts_with("nothing to do"));
    let sources =
        "[[source]]\nkv = \"secret/inject-first\"\noptional = true\n[[source]]\nkv = \"secret/inject-second\"\n";
    let config = kernel.scratch.file("both.toml", sources).display().to_string();
    assert!(said(&run(&mut kernel.inject(&["--config", &config]))).starts_with("nothing to do"));
    server.must("DELETE", "secret/data/inject-first", &json!({}));
    // As in a launch, a missing required secret is an error, and nothing changes.
    run(&mut kernel.inject(&["--secrets", "secret/inject-first"])).is_error(66, &["deleted"]);
    let seen: Value = serde_json::from_str(&kernel.front_end.cell(LOOK).printed()).unwrap();
    assert_eq!(seen["ONE"], "canary-1");
    assert_eq!(said(&run(&mut kernel.inject(&["--config", &config]))), "set TWO; unset ONE");
    let seen: Value = serde_json::from_str(&kernel.front_end.cell(LOOK).printed()).unwrap();
    assert_eq!(seen, json!({"ONE": null, "TWO": "canary-2", "THREE": null}));
}

#[test]
fn a_value_too_large_for_child_processes_is_refused_as_in_a_launch() {
    let server = Server::shared();
    server.put("inject-large", &json!({"ONE": "canary".repeat(30_000), "TWO": "canary-2"}));
    let mut kernel = Running::start(&json!({}));
    run(&mut kernel.inject(&["--secrets", "secret/inject-large"]))
        .is_error(65, &["the secret ONE (180004 bytes) is too large", "deliver it as a file"]);
    let seen: Value = serde_json::from_str(&kernel.front_end.cell(LOOK).printed()).unwrap();
    assert_eq!(seen, json!({"ONE": null, "TWO": null, "THREE": null}));
}

#[test]
fn secrets_withheld_from_a_notebook_are_not_given_and_are_unset() {
    let server = Server::shared();
    server.put("inject-off", &json!({"ONE": "canary-1", "TWO": "canary-2"}));
    let mut kernel = Running::start(&json!({}));
    // As a server starts its kernels.
    let mut file: Value = serde_json::from_slice(&std::fs::read(&kernel.file).unwrap()).unwrap();
    file["jupyter_session"] = json!("/home/ada/work/a.ipynb");
    std::fs::write(&kernel.file, file.to_string()).unwrap();
    let options = ["--secrets", "secret/inject-off"];
    let rule =
        |path: &str| kernel.scratch.file("config/vault.toml", format!("[notebook.{path:?}]\nwithout = [\"TWO\"]\n"));
    rule("work/b.ipynb");
    assert_eq!(said(&run(&mut kernel.inject(&options))), "set ONE, TWO");
    rule("work/a.ipynb");
    assert_eq!(said(&run(&mut kernel.inject(&options))), "set ONE; unset TWO");
    assert_eq!(said(&run(&mut kernel.inject(&options))), "nothing to do, it already has the same versions");
    assert_eq!(kernel.front_end.cell("import os; print(os.environ.get('TWO'))").printed(), "None");
}
