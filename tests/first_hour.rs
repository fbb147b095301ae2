//! A newcomer's first hour: the commands before anything is configured, and their answers.
#![cfg(all(feature = "manage", feature = "wrap", target_os = "linux"))]

mod support;

use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::json;
use support::dialogue::Dialogue;
use support::faults::{Faults, relay_to};
use support::front_end::environment;
use support::kernelspecs::{IPYKERNEL, bare_venv, jupyter, spec, succeed, user, vault};
use support::launcher::{Scratch, binary, run};
use support::openbao::Server;
use support::server::{JupyterServer, Kind, TOKEN};
use support::terminal::Terminal;
use support::{python, wheel};

/// Whether the kernelspec with that name has the launcher.
fn is_wrapped(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("kernel.json")).unwrap().contains("{resource_dir}/vault.toml")
}

/// The kernel names that Jupyter lists, so that the machine's own kernels are ignored.
fn only(scratch: &Scratch, names: &[&str]) {
    let allowed = json!({"KernelSpecManager": {"allowed_kernelspecs": names}});
    scratch.file("config/jupyter_config.json", allowed.to_string());
}

/// Three kernels of the user, and a vault.toml.
fn three(scratch: &Scratch) -> [std::path::PathBuf; 3] {
    only(scratch, &["alpha", "beta", "gamma"]);
    scratch.file("config/vault.toml", "[vault]\naddress = \"http://127.0.0.1:9\"\n");
    ["alpha", "beta", "gamma"].map(|name| spec(&user(scratch), name, IPYKERNEL))
}

#[test]
fn wrap_and_unwrap_without_a_name_list_the_kernels_and_take_all_unless_told_otherwise() {
    let scratch = Scratch::new();
    let folders = three(&scratch);
    let wrapped = || folders.each_ref().map(|folder| is_wrapped(folder));
    let typed = |command: &str, answers: &[&str]| {
        let mut terminal = Terminal::start(&vault(&scratch, &[command]));
        terminal.expect(&format!("kernels to {command}:"));
        for answer in answers {
            terminal.answer("Which ones, by number or name (empty: all): ", answer);
        }
        let (code, stdout, shown) = terminal.end();
        assert_eq!(code, 0, "{stdout}{shown}");
        shown
    };
    let shown = typed("wrap", &["99", "delta, alpha", "2 gamma"]);
    assert!(shown.contains("1  alpha  (Python 3 (ipykernel))"), "{shown}");
    assert!(shown.contains("no kernel in the list is called 99") && shown.contains("a number from 1 to 3"), "{shown}");
    assert_eq!(wrapped(), [false, true, true]);
    typed("wrap", &[""]);
    assert_eq!(wrapped(), [true; 3]);
    typed("unwrap", &["alpha"]);
    let shown = typed("unwrap", &[""]);
    assert!(!shown.contains("alpha"), "{shown}");
    assert_eq!(wrapped(), [false; 3]);
}

#[test]
fn without_a_terminal_a_command_that_names_no_kernel_says_what_to_add() {
    let scratch = Scratch::new();
    three(&scratch);
    run(&mut vault(&scratch, &["wrap"]))
        .is_error(64, &["no kernel to wrap is named", "use --all", "alpha, beta, gamma"]);
    run(&mut vault(&scratch, &["unwrap"]))
        .is_error(64, &["no kernel to unwrap is named", "there is no kernel to unwrap"]);
    succeed(&mut vault(&scratch, &["wrap", "beta"]));
    run(&mut vault(&scratch, &["unwrap"])).is_error(64, &["use --all, or choose from: beta"]);
}

#[test]
fn without_a_configuration_all_kernels_are_wrapped_only_with_yes() {
    let scratch = Scratch::new();
    only(&scratch, &["alpha"]);
    let folder = spec(&user(&scratch), "alpha", IPYKERNEL);
    for words in [&["wrap", "--all"][..], &["wrap"]] {
        run(&mut vault(&scratch, words))
            .is_error(78, &["Vault's address is not configured", "run jupyter-vault setup"]);
        assert!(!is_wrapped(&folder));
    }
    succeed(&mut vault(&scratch, &["wrap", "--all", "--yes"]));
    assert!(is_wrapped(&folder));
    succeed(&mut vault(&scratch, &["unwrap", "--all"]));
    // These name the kernels or Vault's address, so no command asks a question.
    succeed(vault(&scratch, &["wrap", "--all"]).env("VAULT_ADDR", "http://127.0.0.1:9"));
    succeed(&mut vault(&scratch, &["unwrap", "--all"]));
    scratch.file("config/vault.toml", "[vault]\naddress = \"http://127.0.0.1:9\"\n");
    succeed(&mut vault(&scratch, &["wrap", "--all"]));
    assert!(is_wrapped(&folder));
}

#[test]
fn the_command_that_setup_names_next_wraps_the_kernels() {
    let server = Server::shared();
    server.put("hour/ada", &json!({"API_KEY": "canary"}));
    let scratch = Scratch::new();
    only(&scratch, &["alpha"]);
    let folder = spec(&user(&scratch), "alpha", IPYKERNEL);
    let token = scratch.file("token", "root");
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    let output = scratch.path("own settings.toml");
    let mut setup = vault(&scratch, &["setup", "--yes", "--auth-method", "token", "--secrets", "secret/hour/ada"]);
    setup.args(["--address", &server.address()]).arg("--token-file").arg(&token).arg("--output").arg(&output);
    let said = String::from_utf8(succeed(&mut setup).stdout).unwrap();
    let next = said.lines().find_map(|line| line.strip_prefix("next: ")).expect("a next step");
    // As a shell finds the program, and in the other environment.
    let program = binary().display().to_string();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &next.replacen("jupyter-vault", &program, 1)]);
    succeed(jupyter(&mut shell, &scratch));
    assert!(is_wrapped(&folder));
    let settings = std::fs::read_to_string(folder.join("vault.toml")).unwrap();
    assert!(settings.contains("kv = \"secret/hour/ada\""), "{settings}");
}

/// A user `ada` of a userpass mount with that name, whose own path holds two secrets.
fn ada(mount: &str) -> &'static Server {
    let server = Server::shared();
    server.enable_auth("userpass", mount);
    server.policy(mount, &format!("path \"secret/data/{mount}/ada\" {{ capabilities = [\"read\"] }}"));
    server.must("POST", &format!("auth/{mount}/users/ada"), &json!({"password": "pw-canary", "policies": mount}));
    server.put(&format!("{mount}/ada"), &json!({"API_KEY": "canary-of-21-letters!", "DB_URL": "canary"}));
    server
}

#[test]
fn setup_asks_for_no_more_than_is_needed_says_each_thing_once_and_wraps_the_kernels() {
    let server = ada("hour-whole");
    let scratch = Scratch::new();
    only(&scratch, &["vaulted"]);
    let folder = spec(&user(&scratch), "vaulted", IPYKERNEL);
    let mut terminal = Terminal::start(&vault(&scratch, &["setup"]));
    terminal.answer("Vault's address: ", &server.address());
    terminal.answer("The namespace", "");
    terminal.answer("How to log in", "userpass");
    terminal.answer("Where it is mounted", "hour-whole");
    terminal.answer("Your user name", "ada");
    terminal.answer_unseen("The password (not shown; empty: it is in a file): ", "wrong-canary");
    terminal.expect("of ada with the password in your answer");
    terminal.expect("type it again;");
    terminal.answer("Your user name in Vault [ada]", "");
    terminal.answer_unseen("The password (not shown; empty: it is in a file): ", "pw-canary");
    terminal.expect("policies: default, hour-whole");
    terminal.answer("Keep it in ", "");
    // It recognises a path of the API, and does not offer to keep it.
    terminal.answer("Where the secrets are", "secret/data/hour-whole/ada");
    terminal.expect("leave out data/");
    terminal.answer("Where the secrets are", "secret/hour-whole/{metadata.username}");
    terminal.answer("More secrets", "");
    terminal.answer("Put the launcher into your kernels now? [Y/n]: ", "");
    terminal.expect("1  vaulted  (Python 3 (ipykernel))");
    terminal.answer("Which ones, by number or name (empty: all): ", "");
    let (code, stdout, shown) = terminal.end();
    assert_eq!(code, 0, "{stdout}{shown}");
    assert!(stdout.contains("a new kernel gets 2 variables: API_KEY, DB_URL"), "{stdout}");
    let end = "vaulted, launched once as a test, has: API_KEY, DB_URL\nnext: jupyter lab, and a new notebook\n";
    assert!(stdout.ends_with(end), "{stdout}");
    for once in ["unsealed", "policies: ", "accepted ("] {
        assert_eq!(shown.matches(once).count(), 1, "{once:?} in {shown}");
    }
    for never in ["canary", "JUPYTER_VAULT_", "vault.toml:"] {
        assert!(!shown.contains(never) && !stdout.contains(never), "{never:?} in {shown}{stdout}");
    }
    assert!(is_wrapped(&folder));
    let mut launch = Command::new(binary());
    launch.args(["exec", "--config"]).arg(folder.join("vault.toml")).args(["--", "/usr/bin/env", "-0"]);
    let environment = run(jupyter(&mut launch, &scratch)).environment();
    assert_eq!(environment["API_KEY"].len(), 21);
}

#[test]
fn a_token_pasted_at_a_wrong_prompt_is_never_repeated() {
    let server = ada("hour-pasted");
    let scratch = Scratch::new();
    let token = server.token(&["hour-pasted"], &json!({}));
    let flags = ["setup", "--address", &server.address(), "--namespace", "", "--auth-method", "token"];
    // The hidden question comes first, and the answer is never shown.
    let mut terminal = Terminal::start(scratch.launcher().args(flags));
    terminal.answer_unseen("The token (not shown; empty: it is in a file): ", "hvs.CAESIJx3rQnVbT0aM4zqUnknown");
    terminal.expect("rejected the token from your answer");
    terminal.answer_unseen("The token (not shown; empty: it is in a file): ", &token);
    terminal.answer("Keep it in ", "");
    terminal.answer("Where the secrets are", "secret/hour-pasted/ada");
    terminal.answer("More secrets", "");
    terminal.answer("Put the launcher into your kernels now?", "n");
    let (code, stdout, shown) = terminal.end();
    assert_eq!(code, 0, "{stdout}{shown}");
    assert!(!shown.contains(&token) && !stdout.contains(&token) && !shown.contains("hvs."), "{shown}{stdout}");
    // If a token is pasted as a path, name, address or word, the error does not contain it.
    for words in [
        &["exec", "--config", &token, "--", "/bin/true"][..],
        &["exec", "--secrets", &token, "--", "/bin/true"],
        &["exec", &format!("--{token}"), "--", "/bin/true"],
        &["exec", "--", &token],
        &[&token],
        &["wrap", &token],
        &["setup", "--yes", "--address", &token],
        &["setup", "--yes", "--address", &server.address(), "--auth-method", &token],
        &["secrets", "set", &token],
        &["inject", &token],
    ] {
        let outcome = run(vault(&scratch, words).env("VAULT_ADDR", server.address()));
        assert_ne!(outcome.code(), Some(0), "{words:?}");
        assert!(!outcome.stderr.contains(&token), "{words:?}: {}", outcome.stderr);
    }
    let mut exec = scratch.launcher();
    let outcome = run(exec.env("JUPYTER_VAULT_TOKEN_FILE", &token).args(["doctor", "--json"]));
    let said = String::from_utf8_lossy(&outcome.stdout);
    assert!(said.contains("(a credential, not shown)") && !said.contains(&token), "{said}");
}

#[test]
fn a_given_tokens_expiry_is_announced_in_time_and_costs_no_request() {
    let server = ada("hour-ends");
    let scratch = Scratch::new();
    let relay = Faults::start(relay_to(server.port()));
    let connection = scratch.path("runtime/kernel-ends.json");
    let token = scratch.path("token");
    let settings = "[auth]\ntoken_file = \"../token\"\n[[source]]\nkv = \"secret/hour-ends/ada\"\nversion = 2\n";
    scratch.file("config/vault.toml", format!("[vault]\naddress = \"{}\"\n{settings}", relay.address()));
    let given = |ttl: &str| {
        scratch.file("token", server.token(&["hour-ends"], &json!({ "ttl": ttl })));
        std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    };
    let launch = || {
        let before = relay.seen().len();
        let said = succeed(scratch.launcher().args(["exec", "--", "/bin/sh", "-c", ":", "-f"]).arg(&connection));
        assert_eq!(relay.seen().len() - before, 1);
        said.stderr
    };
    let look = || succeed(scratch.launcher().arg("doctor"));
    scratch.file("runtime/kernel-ends.json", "");
    given("5h");
    assert_eq!(launch(), "", "nothing is known of it yet");
    look();
    let said = launch();
    assert!(
        said.contains("token expires in 4 h, at ") && said.contains("kernels started after that get no secrets"),
        "{said}"
    );
    let record = std::fs::read_to_string(scratch.path("runtime/jupyter-vault/kernels/kernel-ends.json")).unwrap();
    assert!(record.contains("\"credential_ends\":\"20"), "{record}");
    given("72h");
    look();
    assert_eq!(launch(), "", "there is time");
    // A launch that looks up the user learns when the token expires.
    given("30m");
    let path = "kv = \"secret/hour-ends/{metadata.username}\"\noptional = true";
    let settings = settings.replace("kv = \"secret/hour-ends/ada\"", path);
    scratch.file("config/vault.toml", format!("[vault]\naddress = \"{}\"\n{settings}", relay.address()));
    let login = json!({"password": "pw-canary"});
    server.must("POST", "auth/hour-ends/users/ada", &json!({"token_ttl": "30m", "policies": "hour-ends"}));
    let answer = server.must("POST", "auth/hour-ends/login/ada", &login);
    scratch.file("token", answer["auth"]["client_token"].as_str().unwrap());
    let said = succeed(scratch.launcher().args(["exec", "--", "/bin/true"])).stderr;
    assert!(said.contains("expires in 29 min") || said.contains("expires in 30 min"), "{said}");
}

/// What was typed and shown on a terminal, as in docs/first-hour.md.
struct Transcript<'a> {
    scratch: &'a Scratch,
    venv: &'a Path,
    server: &'a Server,
    text: String,
}

impl Transcript<'_> {
    /// Types a command, which is `shown` as a newcomer would type it, and answers its questions.
    fn typed(&mut self, shown: &str, words: &[&str], answers: impl FnOnce(&mut Terminal)) -> String {
        let mut command = Command::new("/bin/sh");
        // Its output and its questions are on the same terminal.
        command.args(["-c", "exec \"$@\" >&2", "sh"]).args(words);
        let path = format!("{}:/usr/bin:/bin", self.venv.join("bin").display());
        environment(&mut command, self.scratch).env("PATH", path).current_dir(self.scratch.path("home"));
        let mut terminal = Terminal::start(&command);
        answers(&mut terminal);
        let (code, _, seen) = terminal.end();
        assert_eq!(code, 0, "{shown}: {seen}");
        let _ = writeln!(self.text, "$ {shown}");
        self.normal(&seen)
    }

    /// Replaces what differs between runs: paths, ports and times.
    fn normal(&self, seen: &str) -> String {
        let home = self.scratch.path("home").display().to_string();
        let config = self.scratch.path("config").display().to_string();
        let text = seen.replace('\r', "").replace(&self.server.address(), "http://127.0.0.1:8200");
        let text = text.replace(&config, "/home/ada/.jupyter").replace(&home, "/home/ada");
        let text = text.replace(python::environment().to_str().unwrap(), "/opt/jupyter");
        let text = match text.split_once("/lib/python3.") {
            Some((before, after)) => {
                format!(
                    "{before}/lib/python3{}",
                    after.trim_start_matches(|character: char| character.is_ascii_digit())
                )
            }
            None => text,
        };
        let mut lines = Vec::new();
        for line in text.lines() {
            let (mut said, mut rest) = (String::new(), line.trim_end());
            while let Some(at) = rest.find(|character: char| character.is_ascii_digit()) {
                let digits = rest[at..].bytes().take_while(u8::is_ascii_digit).count();
                let after = &rest[at + digits..];
                let is_time = [" ms", " µs", " s", " min", " h", " day"].iter().any(|unit| after.starts_with(unit));
                said.push_str(&rest[..at]);
                said.push_str(if is_time { "…" } else { &rest[at..at + digits] });
                rest = after;
            }
            lines.push(said + rest);
        }
        lines.join("\n") + "\n"
    }
}

/// With `JUPYTER_VAULT_WRITE_FIRST_HOUR=1`, writes `docs/first-hour.md`.
#[test]
#[ignore = "needs Chromium"]
fn from_install_to_the_first_cell_with_a_secret_is_what_docs_first_hour_shows() {
    let server = Server::start();
    server.enable_auth("userpass", "userpass");
    let rights = "path \"secret/data/users/ada\" { capabilities = [\"create\", \"read\", \"update\", \"patch\"] }\n\
                  path \"secret/metadata/users/ada\" { capabilities = [\"read\", \"list\", \"update\", \"patch\"] }";
    server.policy("ada", rights);
    server.must("POST", "auth/userpass/users/ada", &json!({"password": "pw-canary", "token_policies": "ada"}));
    let scratch = Scratch::new();
    only(&scratch, &["python3"]);
    let venv = bare_venv(&scratch);
    let wheel = wheel::wheel().to_str().unwrap();
    let start = Instant::now();
    let mut page = Transcript { scratch: &scratch, venv: &venv, server: &server, text: String::new() };

    let (python, own) = (python::python(), venv.join("bin/python"));
    let pip = [python.to_str().unwrap(), "-m", "pip", "--disable-pip-version-check", "--python", own.to_str().unwrap()];
    let install = [&pip[..], &["install", "--no-deps", "--no-index", wheel]].concat();
    let said = page.typed("pip install jupyter-vault", &install, |_| {});
    let done = said.lines().find(|line| line.starts_with("Successfully installed")).expect("it is installed");
    let _ = writeln!(page.text, "…\n{done}\n");

    let said = page.typed("jupyter vault setup", &["jupyter", "vault", "setup"], |terminal| {
        terminal.answer("Vault's address: ", &server.address());
        terminal.answer("The namespace", "");
        terminal.answer("How to log in", "userpass");
        terminal.answer("Where it is mounted", "");
        terminal.answer("Your user name in Vault", "ada");
        terminal.answer_unseen("The password (not shown; empty: it is in a file): ", "pw-canary");
        terminal.answer("Keep it in ", "");
        terminal.answer("Where the secrets are", "secret/users/ada");
        terminal.answer("Keep it, for secrets to be stored there later?", "");
        terminal.answer("More secrets", "");
        terminal.answer("Put the launcher into your kernels now?", "");
        terminal.answer("Which ones, by number or name", "");
    });
    let _ = writeln!(page.text, "{said}");

    let said = page.typed(
        "jupyter vault secrets set API_KEY",
        &["jupyter", "vault", "secrets", "set", "API_KEY"],
        |terminal| {
            terminal.answer_unseen("not shown", "canary-of-21-letters!");
        },
    );
    let _ = writeln!(page.text, "{said}");

    let source = "import os\nprint(len(os.environ[\"API_KEY\"]), \"letters\")";
    let cell = json!({"cell_type": "code", "id": "a", "metadata": {}, "source": source, "outputs": [], "execution_count": null});
    let kernel = json!({"name": "python3", "display_name": "Python 3", "language": "python"});
    let notebook = json!({"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5});
    scratch.file("home/First.ipynb", notebook.to_string());
    let lab = JupyterServer::start(Kind::JupyterLab, &scratch, &[("VIRTUAL_ENV", venv.to_str().unwrap())]);
    let mut command = Command::new(python::browser());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/lab.py")).env("NO_PROXY", "*");
    let mut person = Dialogue::with(command.env("HOME", scratch.path("home")));
    let url = format!("{}/doc/tree/First.ipynb?token={TOKEN}", lab.address());
    person.ask("open_notebook", json!({"url": url, "chromium": chromium()}));
    let said = person.ask("run_cell", json!({"number": 0}))["text"].as_str().unwrap().trim().to_owned();
    let _ = writeln!(page.text, "$ jupyter lab\n\nIn a new notebook:\n{source}\n→ {said}");
    assert!(said.contains("21 letters"), "{said}");
    eprintln!("all of it: {} s", start.elapsed().as_secs());

    let text = page.text;
    assert!(!text.contains("canary") && !lab.log().contains("canary"), "{text}");
    let commands = text.lines().filter(|line| line.starts_with("$ ")).count();
    assert!(commands <= 5, "{commands}");
    let whole = format!(
        "# The first hour\n\nFrom an environment with JupyterLab to a notebook with a secret, in {commands} commands. Vault is running, and has a user `ada`\n\
         with a password, who may read and write `secret/users/ada`. All of it takes less than a minute, without the download.\n\
         Until the first release, `pip install .` in the source's folder takes the place of the first command.\n\n\
         A test (`from_install_to_the_first_cell_with_a_secret_is_what_docs_first_hour_shows`) writes this page. It types all of it\n\
         on a terminal and in a browser, and fails if the output differs.\n\n\
         ```text\n{}\n```\n\n\
         Next: [secrets](secrets.md), [running kernels](running-kernels.md), [recipes](recipes.md).\n",
        text.trim_end()
    );
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/first-hour.md");
    if std::env::var_os("JUPYTER_VAULT_WRITE_FIRST_HOUR").is_some() {
        std::fs::write(&place, &whole).unwrap();
    }
    assert_eq!(std::fs::read_to_string(place).unwrap_or_default(), whole);
}

fn chromium() -> &'static str {
    let places = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    places.into_iter().find(|place| Path::new(place).exists()).expect("Chromium is installed (Debian: chromium)")
}
