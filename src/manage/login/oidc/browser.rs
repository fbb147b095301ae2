//! Opens the user's browser: that of `BROWSER`, else the desktop's default.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use crate::config::env::Environment;

/// Opens `address`; `false` if there is no browser, as on a server.
pub(super) fn open(environment: &Environment, address: &str) -> bool {
    let named = environment.text("BROWSER").ok().flatten().unwrap_or_default();
    let mut candidates: Vec<Vec<String>> = named
        .split(':')
        .map(|command| command.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .filter(|words| !words.is_empty())
        .collect();
    let has_desktop = environment.has("DISPLAY") || environment.has("WAYLAND_DISPLAY");
    if cfg!(target_os = "macos") {
        candidates.push(vec!["open".to_owned()]);
    } else if has_desktop {
        candidates.push(vec!["xdg-open".to_owned()]);
    }
    candidates.iter().any(|words| starts(words, address))
}

/// Starts a browser without waiting for it. `%s` is replaced by the address, which is otherwise the last argument.
fn starts(words: &[String], address: &str) -> bool {
    let mut words = words.to_vec();
    match words.iter().position(|word| word.contains("%s")) {
        Some(at) if at > 0 => words[at] = words[at].replace("%s", address),
        _ => words.push(address.to_owned()),
    }
    let (program, arguments) = (&words[0], &words[1..]);
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // Ctrl-C on the terminal ends the wait, but not the browser.
    command.process_group(0).spawn().is_ok()
}
