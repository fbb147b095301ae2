//! Finds the connection file in a kernel's command line.
//!
//! Kernels have different options for it (`-f FILE`, `--connection-file=FILE`, `--conn FILE`, only `FILE`). So a file
//! is recognised by its content or, if it can't be parsed, by the way it is passed.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Deserialize;

use super::connection::{ConnectionFile, content, malformed};
use super::endpoint::Channel;
use crate::error::Result;

/// The connection file that a kernel's command line names, if it names one that exists.
pub fn connection_file(command: &[OsString]) -> Result<Option<ConnectionFile>> {
    let mut passed = None;
    let mut option: &OsStr = OsStr::new("");
    for argument in command.iter().skip(1) {
        let (name, value) = split(argument).unwrap_or((option, argument));
        option = argument;
        let path = Path::new(value);
        if !path.is_file() {
            // With a shell (`sh -c`), the kernel's whole command is one argument.
            if let Some(path) = words(argument).find(|path| path.is_file() && holds_one(path)) {
                return read_to_listen(path).map(Some);
            }
            continue;
        }
        if holds_one(path) {
            return read_to_listen(path).map(Some);
        }
        if value.as_bytes().ends_with(b".json") && passed_as_one(name, path) {
            passed = Some(path);
        }
    }
    passed.map(read_to_listen).transpose()
}

/// The path of the connection file in a kernel's command line. A file is not read if the option before it, or its name,
/// already shows what it is.
pub fn path(command: &[OsString]) -> Option<&Path> {
    let mut option: &OsStr = OsStr::new("");
    command.iter().skip(1).find_map(|argument| {
        let (name, value) = split(argument).unwrap_or((option, argument));
        option = argument;
        let path = Path::new(value);
        let is_one = || passed_as_one(name, path) || holds_one(path);
        (value.as_bytes().ends_with(b".json") && is_one()).then_some(path)
    })
}

/// Reads the file at `path` for a kernel that will listen on its five ports.
fn read_to_listen(path: &Path) -> Result<ConnectionFile> {
    let file = ConnectionFile::read(path)?;
    for (at, channel) in Channel::ALL.into_iter().enumerate() {
        let endpoint = file.endpoint(channel);
        if let Some(before) = Channel::ALL[..at].iter().find(|before| file.endpoint(**before) == endpoint) {
            let why = format!("its {} and {} are the same", before.key(), channel.key());
            return Err(malformed(path, &why));
        }
    }
    Ok(file)
}

/// The options with which kernels take a connection file.
const OPTIONS: &[&str] = &[
    "-f",
    "--f",
    "--connection-file",
    "--connection_file",
    "--conn",
    "--control_file",
    "--config-path",
    "--IPKernelApp.connection_file",
];

/// Whether the option or the file's name shows that `path` is a connection file.
fn passed_as_one(option: &OsStr, path: &Path) -> bool {
    let file = path.file_name().unwrap_or_default().as_bytes();
    OPTIONS.iter().any(|known| option == *known) || file.starts_with(b"kernel-")
}

/// Splits `--option=value`.
fn split(argument: &OsStr) -> Option<(&OsStr, &OsStr)> {
    let bytes = argument.as_bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=').filter(|_| bytes.starts_with(b"-"))?;
    Some((OsStr::from_bytes(&bytes[..equals]), OsStr::from_bytes(&bytes[equals + 1..])))
}

/// The words of a shell command, and its quoted texts.
fn words(argument: &OsStr) -> impl Iterator<Item = &Path> {
    let has_words = argument.as_bytes().contains(&b' ');
    let quoted = argument.as_bytes().split(|byte| matches!(byte, b'\'' | b'"')).filter(move |_| has_words);
    let pieces = quoted.flat_map(|text| [text].into_iter().chain(text.split(u8::is_ascii_whitespace)));
    pieces
        .filter(|word| !word.is_empty())
        .map(|word| Path::new(split(OsStr::from_bytes(word)).map_or(OsStr::from_bytes(word), |(_, value)| value)))
}

fn holds_one(path: &Path) -> bool {
    content(path, |_| Ok(())).is_ok_and(|text| is_one(&text))
}

/// Whether a JSON object has a kernel's ports, even if the rest of it is wrong.
fn is_one(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Ports {
        #[serde(default)]
        shell_port: Option<serde::de::IgnoredAny>,
        #[serde(default)]
        iopub_port: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Ports>(text).is_ok_and(|file| file.shell_port.is_some() || file.iopub_port.is_some())
}

#[cfg(test)]
mod tests {
    use super::super::connection::tests::GOOD;
    use super::*;

    #[test]
    fn it_is_found_in_a_command_however_it_is_passed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let good = write("it's a kernel.json", GOOD);
        let (plain, other) = (write("connection", GOOD), write("settings.json", "{}"));
        let (malformed, same) = (write("kernel-1.json", "{"), write("same", &GOOD.replace("65535", "1")));
        let find = |words: &[&str]| {
            let command: Vec<OsString> = ["k"].iter().chain(words).map(Into::into).collect();
            connection_file(&command).map(|found| found.map(|file| file.path().display().to_string()))
        };
        let line = |option: &str, path: &str| format!("{option}{path}");
        assert_eq!(find(&["-m", "x", "-f", &good]).unwrap().as_ref(), Some(&good));
        assert_eq!(find(&[&other, &line("--conn=", &good)]).unwrap().as_ref(), Some(&good));
        for shell in [
            format!("source activate && exec python -m x -f {plain}"),
            format!("exec x --conn={plain} >/dev/null"),
            format!("exec x -f '{plain}'"),
        ] {
            assert_eq!(find(&["-c", &shell]).unwrap().as_ref(), Some(&plain), "{shell}");
        }
        for none in [&["-f", other.trim_end_matches("json")], &[other.as_str(), "x"], &["-c", "exec x -f nowhere.json"]]
        {
            assert_eq!(find(none).unwrap(), None, "{none:?}");
        }
        let wrong = |words: &[&str]| find(words).unwrap_err().to_string();
        assert!(wrong(&["-f", &malformed]).contains("not valid JSON"));
        assert!(wrong(&["-f", &same]).contains("its shell_port and hb_port are the same"), "{}", wrong(&["-f", &same]));
    }
}
