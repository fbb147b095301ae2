//! Each row of the table of languages, with the real kernel and the real program.
//!
//! Kernels from pip always run. `.ci/setup` installs R, Octave, Lua and tslab, and `cargo test -- --ignored` runs
//! their tests.
#![cfg(all(feature = "inject", target_os = "linux"))]

use std::collections::BTreeMap;

use crate::support::kernels::Kernel;
use crate::support::launcher::{Outcome, run};
use crate::support::openbao::Server;
use serde_json::{Value, json};

/// A language's code for the tests.
struct Words {
    /// A cell with a result.
    first: &'static str,
    /// Shows the last result, if the language keeps it.
    last: Option<&'static str>,
    /// Shows the user's names.
    names: &'static str,
    /// Runs `sh SCRIPT`.
    child: &'static str,
    /// Shows the length of the variable ONE in bytes, read in the language's own way.
    one: &'static str,
    /// The code that other clients may see.
    heard: &'static [&'static str],
    /// Shows the variable [`ODD`], if the language can have it.
    odd: Option<&'static str>,
}

/// A name that would be code in most languages.
const ODD: &str = "T_odd '\"\\ $(id) é";

const PYTHON: Words = Words {
    first: "41 + 1",
    last: Some("print(_)"),
    names: "print(sorted(n for n in globals() if not n.lstrip('_i').isdigit()))",
    child: "assert __import__('os').system('sh SCRIPT') == 0",
    one: "print(len(__import__('os').environb[b'ONE']))",
    heard: &[],
    odd: Some(r#"print(__import__('os').environ['T_odd \'"\\ $(id) é'])"#),
};

/// The phrases of a kernel.
fn words(kernel: &str) -> Words {
    match kernel {
        "xpython-raw" => Words { last: None, ..PYTHON },
        "ir" => Words {
            first: "41 + 1",
            last: Some("cat(.Last.value)"),
            names: "cat(sort(ls(all.names = TRUE)))",
            child: "stopifnot(system('sh SCRIPT') == 0)",
            one: "cat(nchar(Sys.getenv('ONE'), 'bytes'))",
            heard: &["execute_input"],
            odd: Some(r#"cat(Sys.getenv('T_odd \'"\\ $(id) é'))"#),
        },
        "deno" => Words {
            first: "41 + 1",
            last: None,
            names: "console.log(Object.keys(globalThis).sort().join())",
            child: "if (!new Deno.Command('sh', { args: ['SCRIPT'] }).outputSync().success) throw 1;",
            one: "console.log(new TextEncoder().encode(Deno.env.get('ONE')).length)",
            heard: &["execute_input"],
            odd: Some(r#"console.log(Deno.env.get('T_odd \'"\\ $(id) é'))"#),
        },
        "tslab" => Words {
            first: "41 + 1",
            last: None,
            names: "Object.keys(globalThis).sort().join()",
            child: "{ Reflect.get(globalThis, 'process').getBuiltinModule('child_process').execFileSync('sh', ['SCRIPT']); }",
            one: "Reflect.get(globalThis, 'Buffer').byteLength(Reflect.get(globalThis, 'process').env.ONE)",
            heard: &[],
            odd: Some(r#"Reflect.get(globalThis, 'process').env['T_odd \'"\\ $(id) é']"#),
        },
        "bash_kernel" => Words {
            first: "echo 42",
            last: None,
            names: "compgen -A function | sort; compgen -v | grep -v -e BASH -e RANDOM -e SECONDS -e LINENO -e '^_$' -e ^HIST -e ^T_ -e ONE -e '^name$' -e '^value$' | sort",
            child: "sh SCRIPT",
            one: "printf %s \"$ONE\" | wc -c",
            heard: &[],
            odd: None,
        },
        "octave_kernel" => Words {
            first: "41 + 1",
            last: Some("disp(ans)"),
            names: "disp(strjoin(who'))",
            child: "if system('sh SCRIPT') != 0, error('child'), end",
            one: "printf('%d', numel(getenv('ONE')))",
            heard: &[],
            odd: Some(r#"disp(getenv('T_odd ''"\ $(id) é'))"#),
        },
        _ => PYTHON,
    }
}

/// Checks that it succeeded; returns its output.
#[track_caller]
fn said(outcome: &Outcome) -> String {
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let line = String::from_utf8(outcome.stdout.clone()).unwrap();
    assert!(!line.contains("canary") && !outcome.stderr.contains("canary"), "{line}{}", outcome.stderr);
    line.trim_end().split_once(": ").expect("a kernel's name").1.to_owned()
}

/// The variables of a child process of the kernel that begin with `T_`.
#[track_caller]
fn inherited(kernel: &mut Kernel, words: &Words) -> BTreeMap<String, String> {
    let seen = kernel.scratch.path("seen");
    let python = crate::support::python::python();
    let print = "import json, os, sys; json.dump({n: v for n, v in os.environ.items() if n.startswith('T_') and ' ' not in n}, sys.stdout)";
    let text = format!("exec '{}' -c \"{print}\" > '{}'\n", python.display(), seen.display());
    let script = kernel.scratch.file("look.sh", text);
    let shown = kernel.cell(&words.child.replace("SCRIPT", script.to_str().unwrap()));
    let text = std::fs::read_to_string(&seen).unwrap_or_else(|_| panic!("{}: {shown}", kernel.name));
    let _ = std::fs::remove_file(seen);
    serde_json::from_str(&text).unwrap()
}

#[track_caller]
fn has(kernel: &mut Kernel, words: &Words, expected: &BTreeMap<String, String>) {
    let seen = inherited(kernel, words);
    let different = |name: &&String| seen.get(*name) != expected.get(*name);
    let different: Vec<_> = seen.keys().chain(expected.keys()).filter(different).collect();
    assert!(different.is_empty(), "{}: {different:?}", kernel.name);
}

fn texts(pairs: &Value) -> BTreeMap<String, String> {
    let object = pairs.as_object().unwrap();
    object.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
}

/// Set, override, unset and repeat, with nothing left to see.
fn secrets_come_and_go(name: &'static str) {
    let server = Server::shared();
    let words = words(name);
    let path = format!("languages-{name}");
    let spec = format!("secret/{path}");
    let odd = "canary \"quoted\" 'twice' \\n \\ $HOME `id` ${x} %s {} é\u{2028}🗝\n\tend ";
    let mut first = json!({
        "ONE": odd, "T_ONE": odd, "T_EMPTY": "", "T_LINES": "\ncanary\n\n", "T_KEEP": "canary-new", "T_LONG": "canary".repeat(17_000),
        "T_CONTROL": (1..32).chain([127, 128, 159]).filter_map(char::from_u32).collect::<String>(),
        "value": "canary", "name": "canary",
    });
    if words.odd.is_some() {
        first[ODD] = json!("canary-odd");
    }
    server.put(&path, &first);
    let mut kernel = Kernel::start(name, &[("T_KEEP", "old"), ("T_THEIRS", "theirs")]);
    kernel.cell(words.first);
    let names = kernel.shown(words.names);
    let number = kernel.number(words.first);
    kernel.heard();

    let mut command = kernel.inject(&["--secrets", &spec]);
    let done = said(&run(command.env("JUPYTER_VAULT_OVERRIDE", "false")));
    assert!(done.contains("unchanged T_KEEP") && done.contains("T_LONG"), "{name}: {done}");
    let heard = kernel.heard();
    for one in &heard {
        assert!(words.heard.contains(&one["kind"].as_str().unwrap()), "{name}: {one}");
        assert!(!one.to_string().contains("canary"), "{name}: {one}");
    }
    if let Some(last) = words.last {
        assert_eq!(kernel.shown(last), "42", "{name}: the last result stays");
        kernel.cell(words.first);
    }
    let mut cells = 1 + 2 * i64::from(words.last.is_some());
    assert_eq!(kernel.number(words.first), number + cells, "{name}: cells are counted on");
    assert_eq!(kernel.shown(words.names), names, "{name}: no name is added");

    let mut expected = texts(&first);
    // Some kernels start children through a shell, which drops such names.
    expected.retain(|name, _| name.starts_with("T_") && name != ODD);
    expected.insert("T_KEEP".to_owned(), "old".to_owned());
    expected.insert("T_THEIRS".to_owned(), "theirs".to_owned());
    has(&mut kernel, &words, &expected);
    assert_eq!(kernel.shown(words.one), odd.len().to_string(), "{name}: the language itself sees it");
    if let Some(odd) = words.odd {
        assert_eq!(kernel.shown(odd), "canary-odd", "{name}");
    }

    first.as_object_mut().unwrap().remove("T_LINES");
    first["T_ONE"] = json!("canary of version 2");
    server.put(&path, &first);
    let done = said(&run(kernel.inject(&["--secrets", &spec]).env("JUPYTER_VAULT_OVERRIDE", "true")));
    assert!(done.contains("T_KEEP") && done.ends_with("unset T_LINES"), "{name}: {done}");
    expected.remove("T_LINES");
    expected.insert("T_ONE".to_owned(), "canary of version 2".to_owned());
    expected.insert("T_KEEP".to_owned(), "canary-new".to_owned());
    has(&mut kernel, &words, &expected);

    cells = kernel.number(words.first);
    let done = said(&run(&mut kernel.inject(&["--secrets", &spec])));
    assert!(done.starts_with("nothing to do"), "{name}: {done}");
    assert_eq!(kernel.number(words.first), cells + 1, "{name}: nothing was executed");

    // tslab does not answer history requests.
    let history = if name == "tslab" { String::new() } else { kernel.history() };
    assert!(
        !history.contains("canary") && !history.contains("fsdecode") && !history.contains("__jupyter_vault"),
        "{history}"
    );
    let own = match name {
        "bash_kernel" => kernel.cell("history"),
        "octave_kernel" => {
            let file = kernel.scratch.path("history");
            kernel.cell(&format!("history -w {}", file.display()));
            std::fs::read_to_string(file).unwrap()
        }
        _ => String::new(),
    };
    assert!(!own.contains("canary"), "{name}: {own}");
    assert!(!own.contains("__jupyter_vault") && (own.is_empty() || own.contains(words.first)), "{name}: {own}");
    let left: Vec<_> = std::fs::read_dir(kernel.scratch.path("runtime/jupyter-vault")).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{name}: the folder of records, and no file with values: {left:?}");
    assert!(!kernel.log().contains("canary"), "{name}: {}", kernel.log());
}

#[test]
fn ipykernel_7() {
    secrets_come_and_go("ipykernel");
}

#[test]
fn ipykernel_6() {
    secrets_come_and_go("ipykernel6");
}

#[test]
fn xeus_python() {
    secrets_come_and_go("xpython");
}

#[test]
fn xeus_python_in_raw_mode() {
    secrets_come_and_go("xpython-raw");
}

#[test]
fn deno() {
    secrets_come_and_go("deno");
}

#[test]
fn bash_kernel() {
    secrets_come_and_go("bash_kernel");
}

#[test]
#[ignore = "needs R with IRkernel"]
fn irkernel() {
    secrets_come_and_go("ir");
}

#[test]
#[ignore = "needs Octave"]
fn octave_kernel() {
    secrets_come_and_go("octave_kernel");
}

#[test]
#[ignore = "needs npm"]
fn tslab() {
    secrets_come_and_go("tslab");
}

#[test]
#[ignore = "needs Lua"]
fn ilua_is_not_supported() {
    let server = Server::shared();
    server.put("languages-ilua", &json!({"ONE": "canary"}));
    let kernel = Kernel::deaf("ilua");
    let refused = run(&mut kernel.inject(&["--secrets", "secret/languages-ilua"]));
    refused.is_error(83, &["running ILua kernel", "Lua has no function", "restart the kernel"]);
}

#[test]
fn an_error_in_the_kernel_is_shown_only_to_inject() {
    let server = Server::shared();
    server.put("languages-errors", &json!({"T_ONE": "canary", "not a name": "canary"}));
    for (name, spoil, mend, class) in [
        (
            "ipykernel",
            "import os; kept, os.environb.encodevalue = os.environb.encodevalue, None",
            "os.environb.encodevalue = kept",
            "(TypeError)",
        ),
        (
            "deno",
            "const kept = Deno.env.set; Deno.env.set = () => { throw new RangeError() };",
            "Deno.env.set = kept",
            "(RangeError)",
        ),
        ("bash_kernel", "T_ONE=theirs; readonly T_ONE", "", "could not set the variables"),
    ] {
        let mut kernel = Kernel::start(name, &[]);
        kernel.cell(spoil);
        kernel.heard();
        run(&mut kernel.inject(&["--secrets", "secret/languages-errors"])).is_error(82, &[class, "restart the kernel"]);
        let words = words(name);
        for one in kernel.heard() {
            assert!(words.heard.contains(&one["kind"].as_str().unwrap()), "{name}: {one}");
        }
        kernel.cell(mend);
        if name == "bash_kernel" {
            let done = said(&run(&mut kernel.inject(&["--secrets", "secret/languages-errors#not a name"])));
            assert_eq!(done, "not possible in its language: not a name");
        } else {
            said(&run(&mut kernel.inject(&["--secrets", "secret/languages-errors"])));
        }
    }
}

#[test]
fn the_table_is_printed() {
    let scratch = crate::support::launcher::Scratch::new();
    let outcome = run(scratch.launcher().args(["inject", "--list-languages"]));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let table = String::from_utf8(outcome.stdout).unwrap();
    for part in [
        "ipykernel      asked for on stdin",
        "bash_kernel    one-shot file",
        "ILua           restart it",
        "any other      restart it",
    ] {
        assert!(table.contains(part), "{part}: {table}");
    }
}
