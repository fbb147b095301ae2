//! Completions in a real bash, and man pages as man renders them.
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

mod support;

use std::process::Command;

use support::kernelspecs::succeed;
use support::launcher::{Scratch, binary, run};

/// What bash offers for the last of `words`.
fn offered(scratch: &Scratch, words: &[&str]) -> Vec<String> {
    let script = succeed(Command::new(binary()).args(["completions", "bash"])).stdout;
    let script = scratch.file("completions", script);
    // As bash's own completion does: the function that is registered for the command, with the words.
    let ask = r#"
        . "$1"; shift
        function=$(complete -p jupyter-vault | sed 's/.*-F \([^ ]*\).*/\1/')
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
        "$function" jupyter-vault "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", ask, "bash"]).arg(&script).args(words).env("PATH", "/usr/bin:/bin");
    let outcome = succeed(&mut bash);
    String::from_utf8(outcome.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_subcommands_flags_and_values() {
    let scratch = Scratch::new();
    assert_eq!(offered(&scratch, &["jupyter-vault", "wr"]), ["wrap"]);
    assert_eq!(offered(&scratch, &["jupyter-vault", "wrap", "--dr"]), ["--dry-run"]);
    assert_eq!(offered(&scratch, &["jupyter-vault", "exec", "--on-error", "start"]), ["start-without"]);
    assert!(!offered(&scratch, &["jupyter-vault", ""]).contains(&"hold".to_owned()), "what is hidden is not offered");
}

#[test]
fn every_shell_gets_a_script() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let outcome = succeed(Command::new(binary()).args(["completions", shell]));
        assert!(String::from_utf8(outcome.stdout).unwrap().contains("dry-run"), "{shell}");
    }
    run(Command::new(binary()).args(["completions", "tcsh"])).is_error(64, &["tcsh"]);
}

#[test]
fn each_subcommand_has_a_man_page() {
    let scratch = Scratch::new();
    let folder = scratch.path("home");
    succeed(Command::new(binary()).arg("man").arg(&folder));
    let page = std::fs::read_to_string(folder.join("jupyter-vault-wrap.1")).unwrap();
    assert!(page.contains(".SH SYNOPSIS") && page.contains("\\-\\-dry\\-run"), "{page}");
    assert!(folder.join("jupyter-vault-exec.1").exists());
    let whole = succeed(Command::new(binary()).arg("man")).stdout;
    assert!(String::from_utf8(whole).unwrap().contains("jupyter\\-vault\\-wrap(1)"));
    run(Command::new(binary()).arg("man").arg(scratch.path("nowhere"))).is_error(71, &["can't be written"]);
}

#[test]
#[ignore = "needs man-db (man) and groff"]
fn man_renders_the_page_without_a_complaint() {
    let scratch = Scratch::new();
    let page = scratch.file("jupyter-vault.1", succeed(Command::new(binary()).arg("man")).stdout);
    let mut man = Command::new("man");
    man.args(["--warnings", "--local-file"]).arg(&page).env("MANWIDTH", "100").env("LC_ALL", "C.UTF-8");
    let outcome = succeed(&mut man);
    assert_eq!(outcome.stderr, "");
    let shown = String::from_utf8(outcome.stdout).unwrap();
    assert!(shown.contains("SYNOPSIS") && shown.contains("Put the launcher into kernelspecs"), "{shown}");
}
