//! No test depends on how fast the machine is: it waits for a condition, in `tests/support/waiting.rs` alone. This test
//! reads the sources of all tests, and fails on a fixed sleep, or a measured time, elsewhere.

use std::path::{Path, PathBuf};

/// Files in which the time itself is what is required or shown, and how often they read it.
const EXCEPTIONS: [(&str, usize); 2] = [
    // A second run of the quickstart is fast, and no step of it is silent for long.
    ("quickstart.rs", 3),
    // Shows how long the first hour takes.
    ("first_hour.rs", 1),
];

/// The sources below `folder` with one of these extensions.
fn sources(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path, extension));
        } else if path.extension().is_some_and(|is| is == extension) {
            found.push(path);
        }
    }
    found
}

/// The lines of the tests for which `is_wait` holds, as `FILE:NUMBER: LINE`; the module of the waits is left out.
fn waits(extension: &str, is_wait: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for path in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"), extension) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if ["waiting.rs", "waiting.py", "waits.rs"].contains(&name.as_str()) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let of_file: Vec<_> = text.lines().enumerate().filter(|(_, line)| is_wait(line)).collect();
        let expected = EXCEPTIONS.iter().find(|(file, _)| *file == name).map_or(0, |(_, count)| *count);
        if of_file.len() != expected {
            found.extend(of_file.iter().map(|(number, line)| format!("{name}:{}: {}", number + 1, line.trim())));
        }
    }
    found
}

#[test]
fn tests_sleep_and_measure_times_only_in_the_module_of_the_waits() {
    // In a string, `time.sleep` is code that runs in a kernel.
    let sleeps = ["thread::sleep(", " sleep(Duration", "park_timeout(", ".elapsed()"];
    let found = waits("rs", |line| sleeps.iter().any(|sleep| line.contains(sleep)));
    assert!(found.is_empty(), "use tests/support/waiting.rs:\n{}", found.join("\n"));
}

#[test]
fn the_tests_python_sleeps_only_in_its_module_of_the_waits() {
    let found = waits("py", |line| line.trim_start().starts_with("time.sleep("));
    assert!(found.is_empty(), "use tests/support/waiting.py:\n{}", found.join("\n"));
}
