//! The words of an argv: where a launcher is, and which program runs the kernel on another host.
//!
//! A program's name proves nothing: package managers run programs under other names, and a kernel's own command may
//! have an `exec` and a `--` too. So the record of `wrap` decides, and names count only without a record.

use std::ffi::OsStr;
use std::path::Path;

/// Programs that run their arguments on another host, in a container or under a scheduler.
const CARRIERS: [&str; 13] = [
    "ssh", "sshpass", "mosh", "docker", "podman", "nerdctl", "kubectl", "oc", "srun", "salloc", "qrsh", "qlogin", "wsl",
];
/// Programs that run their arguments here, after options and settings of their own.
const PREFIXES: [&str; 10] = ["env", "nice", "ionice", "nohup", "setsid", "sudo", "stdbuf", "time", "timeout", "exec"];
const SHELLS: [&str; 5] = ["sh", "bash", "dash", "zsh", "ksh"];

/// The position of the first word of the kernel's own command, after the launcher that `wrap` recorded as `written`.
/// Without a record `written` is empty, and a launcher is known by its name.
pub(super) fn own_command(words: &[&str], written: &[String]) -> Option<usize> {
    let position = |part: &[String]| words.windows(part.len()).position(|window| window == part);
    let whole = (!written.is_empty()).then(|| position(written)).flatten().map(|at| at + written.len());
    // The launcher's options may have been edited since, so only the words up to `exec` are compared.
    let call = written.iter().position(|word| word == "exec").map(|exec| &written[..=exec]);
    let called = call.and_then(|call| Some(position(call)? + call.len()));
    let end = |from: usize| Some(from + words[from..].iter().position(|word| *word == "--")? + 1);
    let own = whole.or_else(|| end(called.or_else(|| launcher_in(words).map(|exec| exec + 1))?));
    own.filter(|own| *own < words.len())
}

/// The position of a launcher's `exec` among `words`.
pub(super) fn launcher_in(words: &[&str]) -> Option<usize> {
    let own = std::env::current_exe().ok().and_then(|own| own.canonicalize().ok());
    let is_own =
        |word: &str| word.contains('/') && own.is_some() && Path::new(unquoted(word)).canonicalize().ok() == own;
    (1..words.len()).find(|at| {
        words[*at] == "exec"
            && (name_of(words[at - 1]).starts_with("jupyter-vault")
                || is_own(words[at - 1])
                || (*at >= 2 && words[at - 1] == "vault" && name_of(words[at - 2]) == "jupyter")
                || (*at >= 2 && words[at - 1] == "jupyter_vault" && words[at - 2] == "-m"))
    })
}

/// The program that runs the kernel elsewhere: the command itself (after `env` and similar programs), a command in a
/// shell's line, or a Python module.
pub(super) fn carrier(words: &[String]) -> Option<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let command = command_of(&words);
    let first = *command.first()?;
    if SHELLS.contains(&name_of(first)) {
        let line = command.iter().skip_while(|word| !is_command_option(word)).nth(1)?;
        let mut commands = line.split([';', '|', '&', '\n', '(', '{']);
        return commands.find_map(|command| {
            let words: Vec<_> = command.split_whitespace().collect();
            command_of(&words).first().filter(|word| is_carrier(word)).map(|word| unquoted(word).to_owned())
        });
    }
    let module = |word: &&&str| word.split('.').next() == Some("remote_ikernel");
    Some(first).filter(|word| is_carrier(word)).or_else(|| command.iter().find(module).copied()).map(str::to_owned)
}

/// The command in `words`, without `env`, `nice` and the like and their options and settings.
fn command_of<'w>(mut words: &'w [&'w str]) -> &'w [&'w str] {
    while let Some((first, rest)) = words.split_first() {
        if PREFIXES.contains(&name_of(first)) {
            let is_its = |word: &&&str| word.starts_with('-') || word.contains('=') || is_number(word);
            words = &rest[rest.iter().take_while(is_its).count()..];
        } else if first.contains('=') && !first.contains('/') {
            words = rest;
        } else {
            break;
        }
    }
    words
}

/// Whether a shell takes the next word as its commands.
fn is_command_option(word: &str) -> bool {
    word.starts_with('-') && !word.starts_with("--") && word.contains('c')
}

/// A number or a duration, as `nice` and `timeout` take them.
fn is_number(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_digit())
}

fn is_carrier(word: &str) -> bool {
    let name = name_of(word);
    CARRIERS.contains(&name) || name.starts_with("remote_ikernel")
}

/// A word without a shell's quotes.
fn unquoted(word: &str) -> &str {
    word.trim_matches(['"', '\''])
}

/// The last part of a word without a shell's quotes.
fn name_of(word: &str) -> &str {
    Path::new(unquoted(word)).file_name().and_then(OsStr::to_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launches(argv: &[&str]) -> bool {
        let words: Vec<_> = argv.iter().flat_map(|word| word.split_whitespace()).collect();
        launcher_in(&words).is_some()
    }

    #[test]
    fn a_launcher_is_seen_in_each_form_that_a_user_writes() {
        assert!(launches(&["env", "A=1", "jupyter-vault", "exec", "--", "k"]));
        assert!(launches(&["/opt/bin/jupyter", "vault", "exec", "--", "k"]));
        assert!(launches(&["sh", "-c", "cd /srv; exec '/opt/bin/jupyter-vault' exec -- k -f {connection_file}"]));
        assert!(launches(&["/opt/bin/python", "-m", "jupyter_vault", "exec", "--", "k"]));
        assert!(!launches(&["k"]));
        assert!(!launches(&["k", "PROJECT=/srv/jupyter-vault", "exe"]));
        assert!(!launches(&["jupyter", "console"]));
    }

    #[test]
    fn the_launcher_that_wrap_wrote_is_known_by_its_words_whatever_it_is_called() {
        let written: Vec<_> = ["/opt/jv", "exec", "--config", "x", "--"].map(str::to_owned).into();
        let own = |argv: &[&str]| own_command(argv, &written);
        assert_eq!(own(&["/opt/jv", "exec", "--config", "x", "--", "k"]), Some(5));
        let edited = ["env", "/opt/jv", "exec", "--timeout", "5", "--", "k", "--", "x"];
        assert_eq!(own(&edited), Some(6), "edited since");
        assert_eq!(own(&["/opt/jupyter-vault", "exec", "--", "k"]), Some(3), "moved since");
        assert_eq!(own(&["/opt/other", "exec", "--", "k"]), None);
        assert_eq!(own(&["k", "exec", "--"]), None);
        assert_eq!(own(&["/opt/jv", "run", "exec", "--", "k"]), None, "its program with another subcommand");
    }

    #[test]
    fn a_kernel_whose_own_command_has_an_exec_is_not_taken_for_the_launcher() {
        let written: Vec<_> =
            ["python3", "-m", "jupyter_vault", "exec", "--config", "x", "--"].map(str::to_owned).into();
        let own = |argv: &[&str]| own_command(argv, &written);
        assert_eq!(own(&["python3", "-m", "tool", "exec", "--", "kern"]), None);
        assert_eq!(
            own(&["python3", "-m", "jupyter_vault", "exec", "--", "python3", "-m", "tool", "exec", "--", "k"]),
            Some(5)
        );
    }

    #[test]
    fn a_kernel_that_runs_elsewhere_is_known_by_what_carries_it() {
        let carrier = |argv: &[&str]| carrier(&argv.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        for (argv, word) in [
            (&["ssh", "host", "python"][..], "ssh"),
            (&["/usr/bin/docker", "run", "image"], "/usr/bin/docker"),
            (&["python", "-m", "remote_ikernel", "--interface", "ssh"], "remote_ikernel"),
            (&["env", "-i", "A=1", "ssh", "host"], "ssh"),
            (&["nice", "-n", "5", "/usr/bin/srun", "python"], "/usr/bin/srun"),
            (&["sh", "-c", "ssh host python -f {connection_file}"], "ssh"),
            (&["/bin/bash", "-lc", "module load x && exec env A=1 'ssh' host"], "ssh"),
        ] {
            assert_eq!(carrier(argv).as_deref(), Some(word), "{argv:?}");
        }
        for here in [
            &["python", "-m", "ipykernel_launcher", "ssh"][..],
            &["sh", "-c", "echo ssh; python -m ipykernel_launcher"],
            &["env", "A=ssh", "python"],
            &["bash"],
        ] {
            assert_eq!(carrier(here), None, "{here:?}");
        }
    }
}
