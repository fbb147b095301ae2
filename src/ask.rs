//! Questions to a user on a terminal. Without a terminal, a missing flag is an error.

use std::io::Write;
use std::sync::atomic::AtomicBool;

use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;
#[cfg(target_os = "linux")]
use crate::sys::terminal;

/// The user at the terminal, if there is one.
#[derive(Debug, Clone, Copy)]
pub struct Prompter {
    there: bool,
}

impl Prompter {
    /// On a terminal, unless `yes` says not to ask.
    pub fn new(yes: bool) -> Self {
        #[cfg(target_os = "linux")]
        let there = !yes && terminal::is_there();
        #[cfg(not(target_os = "linux"))]
        let there = false & yes;
        Self { there }
    }

    /// Whether there is a terminal.
    pub const fn is_there(self) -> bool {
        self.there
    }

    /// Prints something on the terminal, if there is one.
    pub fn say(self, text: &str) {
        if self.there {
            let _ = std::io::stderr().write_all(text.as_bytes());
        }
    }

    /// Asks for text; an empty answer means the default. Without a terminal the default is the answer; if there is
    /// none, the error says that `flag` is missing.
    pub fn text(self, question: &str, usual: Option<&str>, flag: &str) -> Result<String> {
        if !self.there {
            let missing = || {
                let what = format!("there is no terminal to ask on, and {flag} is missing");
                Error::new(Kind::Usage, what, "pass it, or run this on a terminal")
            };
            return usual.map(str::to_owned).ok_or_else(missing);
        }
        let shown = usual.filter(|usual| !usual.is_empty()).map_or_else(String::new, |usual| format!(" [{usual}]"));
        loop {
            let answer = line(&format!("{question}{shown}: "))?;
            match (answer.is_empty(), usual) {
                (false, _) => return Ok(answer),
                (true, Some(usual)) => return Ok(usual.to_owned()),
                (true, None) => self.say("  an answer is required\n"),
            }
        }
    }

    /// Asks for text until `stop` says that no answer is needed any more; `None` then, or without a terminal.
    pub fn text_unless(self, question: &str, stop: &AtomicBool) -> Result<Option<String>> {
        if self.there { line_unless(&format!("{question}: "), stop) } else { Ok(None) }
    }

    /// Asks yes or no.
    pub fn agrees(self, question: &str, usual: bool) -> Result<bool> {
        if !self.there {
            return Ok(usual);
        }
        loop {
            let answer = line(&format!("{question} [{}]: ", if usual { "Y/n" } else { "y/N" }))?;
            match answer.to_ascii_lowercase().as_str() {
                "" => return Ok(usual),
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => self.say("  y or n\n"),
            }
        }
    }

    /// Asks for a credential, without showing it.
    pub fn unseen(self, question: &str) -> Result<SecretValue> {
        loop {
            if let Some(typed) = self.unseen_if_any(question)? {
                return Ok(typed);
            }
            if !self.there {
                return Err(ended());
            }
            self.say("  an answer is required\n");
        }
    }

    /// As [`Prompter::unseen`]; `None` for an empty answer, and without a terminal.
    pub fn unseen_if_any(self, question: &str) -> Result<Option<SecretValue>> {
        if !self.there {
            return Ok(None);
        }
        let typed = SecretValue::new(unseen_line(&format!("{question}: "))?).trimmed();
        Ok(Some(typed).filter(|typed| !typed.expose().is_empty()))
    }
}

#[cfg(target_os = "linux")]
fn line(question: &str) -> Result<String> {
    terminal::ask(question).map_err(|cause| broken(&cause))?.ok_or_else(ended)
}

#[cfg(target_os = "linux")]
fn line_unless(question: &str, stop: &AtomicBool) -> Result<Option<String>> {
    terminal::ask_unless(question, stop).map_err(|cause| broken(&cause))
}

#[cfg(not(target_os = "linux"))]
fn line_unless(_: &str, _: &AtomicBool) -> Result<Option<String>> {
    Ok(None)
}

#[cfg(target_os = "linux")]
fn unseen_line(question: &str) -> Result<Vec<u8>> {
    let mut line = terminal::ask_unseen(question).map_err(|cause| broken(&cause))?.ok_or_else(ended)?;
    Ok(std::mem::take(&mut *line))
}

#[cfg(not(target_os = "linux"))]
fn line(_: &str) -> Result<String> {
    Err(ended())
}

#[cfg(not(target_os = "linux"))]
fn unseen_line(_: &str) -> Result<Vec<u8>> {
    Err(ended())
}

#[cfg(target_os = "linux")]
fn broken(cause: &std::io::Error) -> Error {
    Error::new(
        Kind::Os,
        format!("the terminal can't be used: {}", crate::error::why(cause.kind())),
        "pass the answers as flags",
    )
}

fn ended() -> Error {
    Error::new(
        Kind::Usage,
        "the input ended before the last question; nothing was written",
        "start again, or use flags",
    )
}
