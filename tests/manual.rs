//! Completions in a real bash, and man pages as man renders them.

mod support;

use std::path::PathBuf;
use std::process::Command;

use serde_json::json;
use support::dialogue::Dialogue;
use support::kernelspecs::succeed;
use support::launcher::{Scratch, binary, run};
use support::python::python;

/// The completion script for `shell`, in a file.
fn script(scratch: &Scratch, shell: &str) -> PathBuf {
    scratch.file(&format!("completions.{shell}"), succeed(Command::new(binary()).args(["completions", shell])).stdout)
}

/// What bash offers to complete the last of `words`.
fn offered(scratch: &Scratch, words: &[&str]) -> Vec<String> {
    let script = script(scratch, "bash");
    // As bash's own completion does: it calls the function that is registered for the command.
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

/// An interactive shell that has read the script; sends the keys and returns what it then shows.
fn pressed(argv: &[&str], load: &str, keys: &[(&str, &str)]) {
    let scratch = Scratch::new();
    let mut command = Command::new(python());
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/terminal.py"));
    let mut terminal = Dialogue::with(&mut command);
    let path = format!("{}:/usr/bin:/bin", binary().parent().unwrap().display());
    let env =
        json!({"PATH": path, "HOME": scratch.path("home"), "TERM": "dumb", "PS1": "ready> ", "LC_ALL": "C.UTF-8"});
    terminal.ask("start", json!({"argv": argv, "env": env}));
    terminal.ask("expect", json!({"text": "ready> "}));
    let load = load.replace("SCRIPT", script(&scratch, argv[0]).to_str().unwrap());
    terminal.ask("send", json!({"text": format!("{load}; echo loa''ded >&2\n")}));
    terminal.ask("expect", json!({"text": "loaded"}));
    for (typed, shown) in keys {
        terminal.ask("send", json!({"text": format!("{typed}\t")}));
        terminal.ask("expect", json!({ "text": shown }));
        // Ctrl-U discards the line. Ctrl-C, if it arrives late, would also discard what is typed next.
        terminal.ask("send", json!({"text": "\u{15}"}));
    }
    terminal.ask("send", json!({"text": "exit\n"}));
    terminal.ask("end", json!({}));
}

const KEYS: &[(&str, &str)] = &[
    ("jupyter-vault wr", "jupyter-vault wrap "),
    ("jupyter-vault wrap --dr", "jupyter-vault wrap --dry-run"),
    ("jupyter-vault exec --on-error st", "jupyter-vault exec --on-error start-without"),
];

#[test]
fn the_tab_key_completes_in_bash() {
    pressed(&["bash", "--norc", "--noprofile", "-i"], ". SCRIPT", KEYS);
}

#[test]
#[ignore = "needs zsh"]
fn the_tab_key_completes_in_zsh() {
    pressed(&["zsh", "-f", "-i"], "autoload -U compinit; compinit -u -D; . SCRIPT", KEYS);
}

#[test]
#[ignore = "needs fish"]
fn fish_completes_subcommands_flags_and_values() {
    let scratch = Scratch::new();
    let script = script(&scratch, "fish");
    for (typed, offered) in [("wr", "wrap\t"), ("wrap --dr", "--dry-run\t"), ("exec --on-error st", "start-without\t")]
    {
        let mut fish = Command::new("fish");
        fish.args(["--no-config", "-c", "source $argv[1]; complete -C \"jupyter-vault $argv[2]\""])
            .arg(&script)
            .arg(typed);
        let outcome = succeed(fish.env("HOME", scratch.path("home")));
        assert!(String::from_utf8_lossy(&outcome.stdout).starts_with(offered), "{typed}: {outcome:?}");
    }
}

#[test]
fn every_subcommand_option_and_value_has_a_help_text() {
    let whole = jupyter_vault::internals::definition();
    let shown = whole.get_subcommands().filter(|command| !command.is_hide_set());
    let mut options = 0;
    for command in shown {
        assert!(command.get_about().is_some(), "{}", command.get_name());
        for argument in command.get_arguments() {
            options += 1;
            let name = format!("{} {}", command.get_name(), argument.get_id());
            let help = argument.get_help().unwrap_or_else(|| panic!("{name}")).to_string();
            assert!(help.trim().len() > 5 && !help.ends_with("  "), "{name}: {help:?}");
        }
    }
    assert!(options > 50, "{options}");
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
    assert!(page.contains(concat!(" 1 \"\" \"jupyter-vault ", env!("CARGO_PKG_VERSION"), "\"")), "{page}");
    // Examples keep their layout.
    let exec = std::fs::read_to_string(folder.join("jupyter-vault-exec.1")).unwrap();
    let (_, notes) = exec.split_once(".SH NOTES\n.nf\n").unwrap();
    assert!(notes.ends_with("\n.fi\n") && notes.contains("\n  export VAULT_ADDR="), "{exec}");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 18, "each subcommand's and the program's");
    let whole = succeed(Command::new(binary()).arg("man")).stdout;
    assert!(String::from_utf8(whole).unwrap().contains("jupyter\\-vault\\-wrap(1)"));
    let file = scratch.file("file", "");
    run(Command::new(binary()).arg("man").arg(file.join("below"))).is_error(71, &["can't be written"]);
}

#[test]
#[ignore = "needs mandoc"]
fn mandoc_finds_no_fault_in_the_pages() {
    let scratch = Scratch::new();
    let folder = scratch.path("home");
    succeed(Command::new(binary()).arg("man").arg(&folder));
    let pages = std::fs::read_dir(&folder).unwrap().map(|page| page.unwrap().path());
    let outcome = run(Command::new("mandoc").args(["-Tlint", "-Wwarning"]).args(pages));
    let said = String::from_utf8(outcome.stdout).unwrap();
    // A page of a build has no date.
    let said: Vec<_> = said.lines().filter(|line| !line.contains("missing date")).collect();
    assert_eq!(said, [""; 0]);
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
    assert!(shown.contains("SYNOPSIS") && shown.contains("Add the launcher to kernelspecs"), "{shown}");
}
