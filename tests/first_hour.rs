//! A newcomer's first hour: what is typed before anything is configured, and what is said then.
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
#![cfg(all(feature = "manage", feature = "wrap", target_os = "linux"))]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::json;
use support::kernelspecs::{IPYKERNEL, jupyter, spec, succeed, user, vault};
use support::launcher::{Scratch, binary, run};
use support::openbao::Server;
use support::terminal::Terminal;

/// Whether the kernelspec of that name has the launcher.
fn is_wrapped(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("kernel.json")).unwrap().contains("{resource_dir}/vault.toml")
}

/// The names that count for Jupyter: the machine's own kernels are left alone.
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
            terminal.answer("Which, by number or name (empty: all of them): ", answer);
        }
        let (code, stdout, shown) = terminal.end();
        assert_eq!(code, 0, "{stdout}{shown}");
        shown
    };
    let shown = typed("wrap", &["99", "delta, alpha", "2 gamma"]);
    assert!(shown.contains("1  alpha  (Python 3 (ipykernel))"), "{shown}");
    assert!(shown.contains("no kernel of the list is called 99") && shown.contains("a number from 1 to 3"), "{shown}");
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
    run(&mut vault(&scratch, &["wrap"])).is_error(64, &["no kernel is named", "say --all", "alpha, beta, gamma"]);
    run(&mut vault(&scratch, &["unwrap"])).is_error(64, &["no kernel is named", "there is no kernel to unwrap"]);
    succeed(&mut vault(&scratch, &["wrap", "beta"]));
    run(&mut vault(&scratch, &["unwrap"])).is_error(64, &["say --all, or name some of: beta"]);
}

#[test]
fn where_nothing_is_configured_all_kernels_are_wrapped_by_yes_alone() {
    let scratch = Scratch::new();
    only(&scratch, &["alpha"]);
    let folder = spec(&user(&scratch), "alpha", IPYKERNEL);
    for words in [&["wrap", "--all"][..], &["wrap"]] {
        run(&mut vault(&scratch, words)).is_error(78, &["nothing says yet where Vault is", "run jupyter-vault setup"]);
        assert!(!is_wrapped(&folder));
    }
    succeed(&mut vault(&scratch, &["wrap", "--all", "--yes"]));
    assert!(is_wrapped(&folder));
    succeed(&mut vault(&scratch, &["unwrap", "--all"]));
    // Each of these says enough.
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
    // As a shell finds the program, and in the environment of the others.
    let program = binary().display().to_string();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &next.replacen("jupyter-vault", &program, 1)]);
    succeed(jupyter(&mut shell, &scratch));
    assert!(is_wrapped(&folder));
    let settings = std::fs::read_to_string(folder.join("vault.toml")).unwrap();
    assert!(settings.contains("kv = \"secret/hour/ada\""), "{settings}");
}
