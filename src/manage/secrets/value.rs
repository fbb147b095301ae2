//! Reads a value from a hidden prompt, standard input or a file.
//!
//! A typed or piped value loses one final line end, because `echo` adds it. A file is read unchanged, because the final
//! line end of a key belongs to it.

use std::io::{IsTerminal, Read};
use std::path::Path;

use zeroize::Zeroizing;

use super::common::Input;
use crate::ask::Prompter;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;
use crate::sys::file;
use crate::sys::hardening::Hardening;

/// The largest value, in bytes: the limit for one variable with its name, `=` and NUL.
pub(super) const LARGEST: usize = 131_071;
/// The longest line that a terminal passes on, in bytes.
const TERMINAL_LINE: usize = 4095;

/// Prompts for the value of `name`, or reads it.
///
/// The process is hardened first, so that neither a core file nor a debugger of the same user can show the value.
pub(in crate::manage) fn read(input: &Input, name: &str, yes: bool) -> Result<SecretValue> {
    if let Input::File(path) = input {
        return from_file(path);
    }
    let _ = Hardening::apply()?;
    if !yes && std::io::stdin().is_terminal() {
        let typed = Prompter::new(false).unseen(&format!("value of {name} (not shown)"))?;
        if typed.expose().len() >= TERMINAL_LINE {
            let what =
                format!("a terminal passes on at most {TERMINAL_LINE} bytes of a line: the value may be truncated");
            return Err(Error::new(Kind::Usage, what, "pass it with --file FILE, or on standard input"));
        }
        return Ok(typed);
    }
    let bytes = bounded(std::io::stdin(), "standard input")?;
    let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    Ok(SecretValue::new(text.strip_suffix(b"\r").filter(|_| text.len() < bytes.len()).unwrap_or(text).to_vec()))
}

fn from_file(path: &Path) -> Result<SecretValue> {
    if path == Path::new("-") {
        let _ = Hardening::apply()?;
        return bounded(std::io::stdin(), "standard input")
            .map(|mut bytes| SecretValue::new(std::mem::take(&mut bytes)));
    }
    named(path, LARGEST as u64 + 2, "check the path and its permissions").map(SecretValue::new)
}

/// Reads the file or pipe that a user names. It is opened before the process is hardened: a hardened process of an
/// ordinary user can't open its own `/dev/fd`.
pub(super) fn named(path: &Path, largest: u64, advice: &str) -> Result<Vec<u8>> {
    let failed = |why: file::ReadError| Error::new(Kind::Usage, format!("the file {} {why}", path.display()), advice);
    let opened = file::open_named(path, largest).map_err(failed)?;
    let _ = Hardening::apply()?;
    file::read_opened(opened, largest).map_err(failed)
}

/// Reads `input` to its end, up to the largest value.
pub(in crate::manage) fn bounded(input: impl Read, what: &str) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(8 * 1024));
    input.take(LARGEST as u64 + 3).read_to_end(&mut bytes).map_err(|cause| {
        Error::new(
            Kind::Usage,
            format!("{what} can't be read: {}", crate::error::why(cause.kind())),
            "pass the value in another way",
        )
    })?;
    Ok(bytes)
}

/// Checks that a variable `name` can hold `value`.
pub(super) fn check(name: &str, value: &SecretValue) -> Result<()> {
    let refuse = |why: &str, advice: &str| {
        Err(Error::new(Kind::BadValue, format!("the value for {name} {why}; nothing was written"), advice))
    };
    let Some(text) = value.expose_text() else {
        return refuse("is not UTF-8", "store it encoded: `base64 FILE | jupyter vault secrets set NAME`");
    };
    if text.contains('\0') {
        return refuse("contains a NUL byte, which a variable can't hold", "store it encoded, such as in base64");
    }
    if text.is_empty() {
        return refuse("is empty", "give a value, or remove the secret with `secrets rm`");
    }
    if name.len() + text.len() + 2 > LARGEST + 1 {
        return refuse(
            "is too long for a variable (131,071 bytes with its name)",
            "keep the data in a file, and store only its key here",
        );
    }
    Ok(())
}
