//! The examples: the README's first command, run to its end and interrupted half-way, and SQL cells.

mod support;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use support::inner_cargo::inner_cargo;
use support::launcher::{binary, eventually, run, wait};

/// The current examples: `cargo test --test quickstart` does not build them.
fn example(name: &str) -> Command {
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let profile = binary().parent().unwrap();
        // The launcher too, as the examples themselves would build it.
        for what in [["--example", "quickstart"], ["--example", "sql_notebook"], ["--bin", "jupyter-vault"]] {
            let mut cargo = inner_cargo(env!("CARGO"));
            cargo.args(["build", "--quiet", "--locked"]).args(what).stdin(Stdio::null());
            cargo.current_dir(env!("CARGO_MANIFEST_DIR")).arg("--target-dir").arg(profile.parent().unwrap());
            if profile.ends_with("release") {
                cargo.arg("--release");
            }
            assert!(cargo.status().unwrap().success(), "{what:?} builds");
        }
        profile.join("examples")
    });
    let mut command = Command::new(BUILT.join(name));
    command.env("TMPDIR", std::env::temp_dir());
    command
}

#[test]
fn the_quickstart_shows_names_lengths_pid_and_time_but_no_value() {
    let outcome = run(&mut example("quickstart"));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let shown = String::from_utf8(outcome.stdout).unwrap();
    assert!(shown.contains("{'API_KEY': 32, 'DB_PASSWORD': 20} False"), "{shown}");
    assert!(shown.contains("os.environ[\"API_KEY\"]") && shown.contains("→ sunny, 21 degrees"), "{shown}");
    assert!(shown.contains("what next") && shown.contains("jupyter-vault setup"), "{shown}");
    assert!(outcome.stderr.lines().count() < 20, "{}", outcome.stderr);
    assert!(shown.contains(": the same") && shown.contains("ms (median of 21 launches"), "{shown}");
}

#[test]
fn sql_cells_keep_working_while_their_user_is_replaced_and_no_role_remains() {
    let _ = (support::python::environment(), support::python::postgres(), support::python::sql());
    let outcome = run(&mut example("sql_notebook"));
    assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
    let shown = String::from_utf8(outcome.stdout).unwrap();
    assert!(shown.contains("| harbour |   240    | 13.7 |") && shown.contains("a picture of "), "{shown}");
    assert!(shown.contains("no cell failed, and the kernel was never restarted"), "{shown}");
    assert!(shown.contains("pg_roles is as before, "), "{shown}");
}

#[test]
fn a_second_run_builds_nothing_and_is_fast() {
    let ran = |variables: &[(&str, &str)]| {
        let start = Instant::now();
        let outcome = run(example("quickstart").envs(variables.iter().copied()));
        assert_eq!(outcome.code(), Some(0), "{}", outcome.stderr);
        start.elapsed()
    };
    // Started by cargo, from one folder and then from another.
    let built = || std::fs::metadata(binary()).unwrap().modified().unwrap();
    ran(&[]);
    let before = built();
    let here = env!("CARGO_MANIFEST_DIR");
    let own = format!("{here}/Cargo.toml");
    let took = ran(&[("CARGO_MANIFEST_DIR", "/elsewhere"), ("CARGO_MANIFEST_PATH", &own), ("CARGO_PKG_NAME", "x")]);
    assert_eq!(built(), before, "the launcher was built anew");
    // The time itself is required: a newcomer does not wait twice.
    assert!(took < Duration::from_secs(15), "{took:?}");
}

#[test]
fn a_step_that_takes_long_gives_a_sign_of_life() {
    let folder = tempfile::tempdir().unwrap();
    let (slow, go_on) = (folder.path().join("cargo"), folder.path().join("go-on"));
    let script = "#!/bin/sh\nread -r _ <\"$GO_ON\"\nexec \"$REAL_CARGO\" \"$@\"\n";
    std::fs::write(&slow, script).unwrap();
    std::fs::set_permissions(&slow, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    nix::unistd::mkfifo(&go_on, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut command = example("quickstart");
    command.env("CARGO", &slow).env("REAL_CARGO", env!("CARGO")).env("GO_ON", &go_on);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let (mut signs, mut last) = (0, Instant::now());
    for line in lines.by_ref() {
        // The time itself is required: a newcomer takes a longer silence for a fault.
        assert!(last.elapsed() < Duration::from_secs(5), "silent before {line:?}");
        last = Instant::now();
        signs += usize::from(line.starts_with("  … "));
        if signs == 2 {
            std::fs::write(&go_on, "\n").unwrap();
            break;
        }
    }
    assert_eq!(signs, 2);
    for _ in lines {
        assert!(last.elapsed() < Duration::from_secs(5));
        last = Instant::now();
    }
    assert!(wait(&mut child).success());
}

#[test]
fn a_signal_half_way_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut child = example("quickstart")
            .env("TMPDIR", temporary.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let started = lines.by_ref().map_while(Result::ok).any(|line| line.contains("a notebook"));
        assert!(started);
        let server =
            eventually_some("a process of its own in that folder", || processes_in(temporary.path()).first().copied());
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        assert!(!wait(&mut child).success());
        eventually("every process is gone", || processes_in(temporary.path()).is_empty());
        assert!(std::fs::read_dir(temporary.path()).unwrap().next().is_none(), "the folder is empty ({server})");
    }
}

/// Processes whose command line or environment contains the folder.
fn processes_in(folder: &std::path::Path) -> Vec<u32> {
    let needle = folder.to_str().unwrap();
    let names = |pid: u32, file: &str| {
        let content = std::fs::read(PathBuf::from(format!("/proc/{pid}/{file}"))).unwrap_or_default();
        String::from_utf8_lossy(&content).contains(needle)
    };
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let own = std::process::id();
    pids.filter(|pid| *pid != own && names(*pid, "cmdline")).collect()
}

fn eventually_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let mut found = None;
    eventually(what, || {
        found = look();
        found.is_some()
    });
    found.unwrap()
}
