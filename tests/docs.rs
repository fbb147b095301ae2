//! Checks the documents: each link has a target, each test that they name exists, each table that repeats a table of
//! the program matches it, and each console block prints what it shows, on a real server.
#![cfg(all(feature = "manage", feature = "inject", feature = "wrap"))]

mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use support::front_end::{FrontEnd, ipykernel};
use support::launcher::{Scratch, binary, run};
use support::openbao::Server;

/// The blocks of commands that are not run here, by the beginning of their first line, each with its reason.
const NOT_RUN: &[(&str, &str)] = &[
    ("cargo run --release --example quickstart", "tests/quickstart.rs runs it"),
    ("cargo run --release --example sql_notebook", "tests/quickstart.rs runs it"),
    (
        "jupyter-vault setup                      #",
        "needs answers; tests/setup.rs and tests/first_hour.rs run it on a terminal",
    ),
    ("command -v jupyter-vault >/dev/null && export", "tests/wheel.rs runs this line"),
    ("jupyter-vault sources add warehouse", "needs a database; tests/sources.rs runs it"),
    ("vault write database/roles/", "needs Vault's own client; tests/keeper.rs creates that role"),
    (
        "jupyter-vault inject reports/monthly.ipynb",
        "needs a hub; tests/jupyter/hub.rs and tests/inject/servers.rs run it",
    ),
];

/// Further blocks that are not run here, by the beginning of their first line, each with its reason.
const SHOWN: &[(&str, &str)] = &[
    ("cli         command lines", "tests/layers.rs reads it"),
    ("$ pip install jupyter-vault", "tests/first_hour.rs writes it"),
    ("%load_ext jupyter_vault", "tests/wheel.rs runs it"),
    ("name     from              version  since", "tests/wheel.rs checks such a table"),
    ("%load_ext sql", "examples/sql_notebook.rs runs such cells"),
    ("$ jupyter vault ui", "tests/section_page.rs runs it"),
    ("jupyter labextension disable jupyter-secrets-manager:connector", "tests/section_page.rs runs it"),
    ("repos:", "a configuration of pre-commit, whose command tests/scrub.rs runs"),
    ("#[global_allocator]", "src/main.rs has the same lines"),
    ("$ vault auth enable kubernetes", "needs Vault's own client; tests/manifests.rs configures the same"),
    (
        "$ cd ../../kernelspecs/enterprise-gateway/spark_python_yarn_cluster",
        "needs YARN; tests/wrap/kernelspecs.rs runs Spark locally",
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The documents, by path.
fn documents() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<_> = ["README.md", "SECURITY.md", "CONTRIBUTING.md"].map(|name| root().join(name)).into();
    let docs = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    paths.extend(docs.filter(|path| path.extension().is_some_and(|end| end == "md")));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// The documents beside examples and kernelspecs, and the changelog, by path.
fn further_documents() -> Vec<(PathBuf, String)> {
    let names = [
        "CHANGELOG.md",
        "examples/kubernetes/README.md",
        "examples/yarn/README.md",
        "kernelspecs/enterprise-gateway/README.md",
    ];
    names.map(|name| root().join(name)).map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).into()
}

/// The code blocks of a text, each with its language.
fn blocks(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap())
}

/// A text without its code blocks.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut links = 0;
    for (path, text) in documents().into_iter().chain(further_documents()) {
        for target in prose(&text).split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned()) {
            if target.starts_with("http") {
                continue;
            }
            links += 1;
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(file.exists(), "{}: {target}", path.display());
            if !heading.is_empty() {
                let there = std::fs::read_to_string(&file).unwrap();
                let mut headings = prose(&there)
                    .lines()
                    .filter(|line| line.starts_with('#'))
                    .map(anchor_of)
                    .collect::<Vec<_>>()
                    .into_iter();
                assert!(headings.any(|known| known == heading), "{}: {target}", path.display());
            }
        }
    }
    assert!(links > 30, "{links}");
}

fn anchor_of(line: &str) -> String {
    anchor(line.trim_start_matches('#'))
}

#[test]
fn every_test_that_a_document_names_exists() {
    let mut sources = String::new();
    let mut waiting = vec![root().join("tests"), root().join("src")];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                waiting.push(entry);
            } else if entry.extension().is_some_and(|end| end == "rs") {
                sources.push_str(&std::fs::read_to_string(entry).unwrap());
            }
        }
    }
    let mut named = 0;
    for (path, text) in documents() {
        for word in text.split('`').skip(1).step_by(2) {
            let is_test = word.matches('_').count() >= 4
                && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if is_test {
                named += 1;
                assert!(sources.contains(&format!("fn {word}(")), "{}: there is no test {word}", path.display());
            }
        }
    }
    assert!(named >= 15, "{named}");
}

#[test]
fn every_fact_that_doctor_reports_is_documented() {
    let text = std::fs::read_to_string(root().join("docs/doctor.md")).unwrap();
    let mut facts = std::collections::BTreeSet::new();
    for file in std::fs::read_dir(root().join("src/manage/doctor")).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let names = source.split(".fact(\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned());
        facts.extend(names);
    }
    assert!(facts.len() > 30, "{facts:?}");
    let missing: Vec<_> = facts.iter().filter(|fact| !text.contains(&format!("`{fact}`"))).collect();
    assert!(missing.is_empty(), "docs/doctor.md lacks {missing:?}");
}

/// The text of `docs/names.md`. To write it: `JUPYTER_VAULT_WRITE_NAMES=1 cargo test --test docs`.
fn names() -> String {
    let mut text = String::from(
        "# Names\n\nA secret may have any name that a variable can have: it must not be empty or contain `=` or control characters. `doctor`\n\
         warns of names that a shell can't use.\n\n## Refused\n\nA variable with one of these names can take over a process. So they are refused, unless `--allow NAME` or `allow` under\n\
         `[environment]` accepts them. `*` stands for any characters.\n\n| name | reason |\n|---|---|\n",
    );
    for (name, why) in jupyter_vault::secret::PROTECTED {
        let _ = writeln!(text, "| `{name}` | {why} |");
    }
    text.push_str("\n## Accepted with a warning\n\nThese may contain a password, so they are accepted, but `doctor` warns of them.\n\n| name | reason |\n|---|---|\n");
    for (name, why) in jupyter_vault::secret::DOUBTFUL {
        let _ = writeln!(text, "| `{name}` | {why} |");
    }
    text
}

#[test]
fn the_table_of_names_is_the_programs_own() {
    let path = root().join("docs/names.md");
    if std::env::var_os("JUPYTER_VAULT_WRITE_NAMES").is_some() {
        std::fs::write(&path, names()).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), names());
}

#[test]
fn the_table_of_login_methods_is_the_programs_own() {
    let text = std::fs::read_to_string(root().join("docs/configuration.md")).unwrap();
    let rows = jupyter_vault::internals::METHODS.iter().map(|method| {
        format!("| `{}` | {} | {} |\n", method.name, method.settings, method.credential).replace("|  |", "| |")
    });
    let table: String = rows.collect();
    assert!(text.contains(&table), "docs/configuration.md should have\n{table}");
}

/// The table of kinds in `docs/data-sources.md`.
fn kinds() -> String {
    use jupyter_vault::internals::KINDS;
    let mut text = String::from("| kind | fields | secret | a kernel gets |\n|---|---|---|---|\n");
    for kind in KINDS {
        let of = |secret: bool| {
            let own = kind.fields.iter().filter(|field| field.is_secret == secret);
            let names: Vec<_> = own.map(|field| format!("`{}`{}", field.name, field.suffix())).collect();
            names.join(", ")
        };
        let variables: Vec<_> = kind
            .gives
            .iter()
            .map(|given| {
                format!(
                    "`{}`",
                    if given.variable.starts_with('_') {
                        format!("NAME{}", given.variable)
                    } else {
                        given.variable.to_owned()
                    }
                )
            })
            .collect();
        let _ = writeln!(text, "| `{}` | {} | {} | {} |", kind.name, of(false), of(true), variables.join(", "));
    }
    text
}

#[test]
fn the_table_of_data_sources_is_the_programs_own() {
    let path = root().join("docs/data-sources.md");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(&kinds()), "docs/data-sources.md should have\n{}", kinds());
}

#[test]
fn every_subcommand_is_in_the_readme() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    for command in jupyter_vault::internals::definition().get_subcommands().filter(|command| !command.is_hide_set()) {
        assert!(readme.contains(&format!("`{}", command.get_name())), "{}", command.get_name());
    }
}

/// The command lines of `jupyter-vault` in `text`, between backticks or in an example of a help text.
fn printed(text: &str) -> Vec<Vec<String>> {
    let ticked = text.split('`').skip(1).step_by(2).filter(|part| part.starts_with("jupyter-vault "));
    let shown = text.lines().filter_map(|line| line.trim().strip_prefix("next: ").or_else(|| line.strip_prefix("  ")));
    let shown = shown.filter(|line| line.starts_with("jupyter-vault ") || line.contains(" | jupyter-vault "));
    let commands = ticked.chain(shown).map(|line| &line[line.find("jupyter-vault").unwrap()..]);
    let ends = |word: &&str| !word.starts_with(['#', '>', '|']) && *word != "…";
    let words = |line: &str| {
        let line = line.split("  ").next().unwrap();
        let words = line
            .split_whitespace()
            .take_while(ends)
            .map(|word| word.trim_end_matches(['"', ',', ';', ')']))
            .map(|word| word.strip_suffix("{config}").unwrap_or(word));
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    commands.map(words).filter(|words| words.len() > 1).collect()
}

#[test]
fn every_command_in_documents_and_messages_can_be_parsed() {
    let mut texts = documents();
    let mut waiting = vec![root().join("src")];
    while let Some(folder) = waiting.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).unwrap().replace("\\\\\n", " ").replace("\\n", "\n");
                texts.push((path, text));
            }
        }
    }
    let mut typed = 0;
    for (path, text) in texts {
        for words in printed(&text).into_iter().filter(|words| !words[1].starts_with(['-', '{'])) {
            typed += 1;
            let mut known = jupyter_vault::internals::definition();
            let mut names =
                words[1..].iter().take_while(|word| word.chars().all(|c| c.is_ascii_lowercase())).peekable();
            assert!(names.peek().is_some(), "{}: {words:?}", path.display());
            let mut depth = 1;
            for name in names {
                let Some(below) = known.find_subcommand(name) else { break };
                known = below.clone();
                depth += 1;
            }
            assert!(depth > 1, "{}: there is no such command: {words:?}", path.display());
            // A command without its arguments is only a name, so it is not parsed.
            if words.len() > depth {
                let outcome = jupyter_vault::internals::definition().try_get_matches_from(&words);
                let help = |error: &clap::Error| error.kind() == clap::error::ErrorKind::DisplayHelp;
                assert!(outcome.as_ref().map_or_else(help, |_| true), "{}: {words:?} {outcome:?}", path.display());
            }
        }
    }
    assert!(typed > 30, "{typed}");
}

/// Ada's home folder, on a machine with the Vault of the documents.
struct Home {
    scratch: Scratch,
    kernel: FrontEnd,
}

impl Home {
    fn new() -> Self {
        let server = Server::start();
        server.enable_auth("userpass", "userpass");
        let own = ["data", "metadata", "undelete"].map(|part| {
            format!("path \"secret/{part}/users/ada\" {{ capabilities = [\"create\", \"read\", \"update\", \"patch\", \"list\"] }}")
        });
        server.policy("ada", &own.join("\n"));
        server.must("POST", "auth/userpass/users/ada", &json!({"password": "pw", "policies": "ada"}));
        server.put("users/ada", &json!({"API_KEY": "canary", "DATABASE_URL": "canary-of-a-database"}));
        server.put("users/bert", &json!({"OTHER": "canary"}));
        let scratch = Scratch::new();
        std::fs::create_dir_all(scratch.path("home/.jupyter")).unwrap();
        let output = json!({"output_type": "stream", "name": "stdout", "text": "canary-of-a-database"});
        let notebook = json!({"cells": [{"source": "print(url)", "outputs": [output]}], "nbformat": 4});
        scratch.file("home/Report.ipynb", notebook.to_string());
        let password = scratch.file("home/password", "pw");
        std::fs::set_permissions(password, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let text = format!(
            "[vault]\naddress = \"{}\"\n[auth]\nmethod = \"userpass\"\nusername = \"ada\"\npassword_file = \"../password\"\n\
             [[source]]\nkv = \"secret/users/{{metadata.username}}\"\n",
            server.address()
        );
        scratch.file("home/.jupyter/vault.toml", text);
        let spec = scratch.path("home/.local/share/jupyter/kernels/python3");
        std::fs::create_dir_all(&spec).unwrap();
        let argv = json!({"argv": ["/bin/cat"], "display_name": "Python 3", "language": "python"});
        std::fs::write(spec.join("kernel.json"), argv.to_string()).unwrap();
        support::front_end::plain_kernelspec(&scratch, &ipykernel());
        let mut kernel = FrontEnd::new(&scratch);
        kernel.ask("start", json!({"kernel": "plain", "name": "kernel-6a1f0c52-8c1a-4c0e-9d2f-000000000000.json"}));
        kernel.ask("ready", json!({}));
        scratch.file("address", server.address());
        // The server runs as long as the home folder exists.
        std::mem::forget(server);
        Self { scratch, kernel }
    }

    /// Runs one command of a console block in a shell; returns its output.
    fn runs(&self, command: &str) -> String {
        let address = std::fs::read_to_string(self.scratch.path("address")).unwrap();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &command.replace("https://vault.example.org:8200", &address)]);
        let program = binary().parent().unwrap().display();
        shell.env_clear().env("HOME", self.scratch.path("home")).env("PATH", format!("{program}:/usr/bin:/bin"));
        shell.env("JUPYTER_RUNTIME_DIR", self.scratch.path("runtime")).current_dir(self.scratch.path("home"));
        let outcome = run(&mut shell);
        let text = String::from_utf8(outcome.stdout).unwrap() + &outcome.stderr;
        text.replace(self.scratch.path("home").to_str().unwrap(), "/home/ada")
            .replace(&address, "https://vault.example.org:8200")
    }
}

/// Whether `line` matches `pattern`, in which `…` matches anything.
fn is_like(line: &str, pattern: &str) -> bool {
    let mut rest = line;
    let parts: Vec<_> = pattern.split('…').collect();
    for (place, part) in parts.iter().enumerate() {
        let part = part.trim();
        let Some(at) = rest.find(part) else { return false };
        if place == 0 && at > rest.len() - rest.trim_start().len() {
            return false;
        }
        rest = &rest[at + part.len()..];
    }
    parts.last().is_some_and(|last| last.trim().is_empty() && parts.len() > 1) || rest.trim().is_empty()
}

#[test]
fn every_console_block_prints_what_it_shows() {
    let mut ran = 0;
    let mut home = Home::new();
    for (path, text) in documents() {
        for block in text.split("```console\n").skip(1).map(|rest| rest.split("```").next().unwrap()) {
            let block = block.replace("\\\n    ", " ");
            let mut shown = Vec::new();
            for line in block.lines() {
                match line.strip_prefix("$ ") {
                    Some(command) => shown.push((command.to_owned(), Vec::new())),
                    None => shown.last_mut().expect("a command first").1.push(line.to_owned()),
                }
            }
            for (command, lines) in shown {
                ran += 1;
                let said = home.runs(&command);
                assert!(!said.contains("canary") && !said.contains("sk-123"), "{said}");
                let mut left = said.lines().filter(|line| !line.trim().is_empty());
                for pattern in lines.iter().filter(|pattern| pattern.trim() != "…") {
                    let found = left.any(|line| is_like(line, pattern));
                    assert!(found, "{}: $ {command}\nno line like {pattern:?} in\n{said}", path.display());
                }
            }
        }
    }
    assert!(ran >= 8, "{ran}");
    assert_eq!(home.kernel.cell("import os; print(len(os.environ['API_KEY']))").printed(), "6");
}

#[test]
fn every_block_of_commands_or_output_that_is_not_run_has_a_reason() {
    let mut found = BTreeSet::new();
    let mut check = |path: &Path, block: &str, reasons: &[(&'static str, &str)]| {
        let first = block.lines().next().unwrap();
        let known = reasons.iter().find(|(begin, _)| first.starts_with(begin));
        let (begin, _) =
            known.unwrap_or_else(|| panic!("{}: {first:?} is neither run nor listed with a reason", path.display()));
        found.insert(*begin);
    };
    for (path, text) in documents() {
        for (language, block) in blocks(&text) {
            match language {
                // Run, or checked, by other tests here.
                "console" | "toml" | "json" | "hcl" | "python" => {}
                "sh" => check(&path, block, NOT_RUN),
                _ => check(&path, block, SHOWN),
            }
        }
    }
    for (path, text) in further_documents() {
        for (_, block) in blocks(&text) {
            check(&path, block, SHOWN);
        }
    }
    assert_eq!(found.len(), NOT_RUN.len() + SHOWN.len(), "a reason without a block");
}

#[test]
fn every_configuration_policy_and_program_in_a_block_is_valid() {
    let server = Server::shared();
    server.enable_auth("userpass", "docs-blocks");
    let accessor = support::policies::accessor(server, "docs-blocks/");
    let mut checked = 0;
    for (path, text) in documents() {
        for (language, block) in blocks(&text) {
            let shown = format!("{}:\n{block}", path.display());
            match language {
                "toml" => assert!(jupyter_vault::internals::parse_config(block, &path).is_ok(), "{shown}"),
                "json" => {
                    let whole = if block.starts_with('{') { block.to_owned() } else { format!("{{{block}}}") };
                    assert!(serde_json::from_str::<serde_json::Value>(&whole).is_ok(), "{shown}");
                }
                // The server refuses a policy that it can't parse.
                "hcl" => server.policy("docs-block", &block.replace("ACCESSOR", &accessor)),
                "python" => {
                    let mut python = Command::new(support::python::python());
                    let outcome = run(python.args(["-c", "import sys; compile(sys.argv[1], 'block', 'exec')", block]));
                    assert_eq!(outcome.code(), Some(0), "{shown}\n{}", outcome.stderr);
                }
                _ => continue,
            }
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked}");
}
