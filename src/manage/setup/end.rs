//! The end of setup: writes the files, checks everything like `doctor`, and wraps kernels if wanted.

#[cfg(feature = "wrap")]
use std::collections::BTreeSet;
#[cfg(feature = "wrap")]
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
#[cfg(feature = "wrap")]
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
#[cfg(feature = "wrap")]
use std::process::Stdio;

use super::{Setup, write};
use crate::config::locations::Locations;
use crate::error::Result;
#[cfg(feature = "wrap")]
use crate::error::one_line;
use crate::launch::Request;
use crate::manage::Outcome;
use crate::manage::doctor::examine;
use crate::shell::shell_word;
#[cfg(feature = "wrap")]
use crate::sys::environ::name_and_value;

impl Setup<'_> {
    /// Writes the files, checks them, and continues with the kernels.
    pub(super) fn end(self) -> Result<Outcome> {
        let mut text = String::new();
        for note in &self.notes {
            let _ = writeln!(text, "{note}");
        }
        for typed in &self.answers.typed {
            let path = self.output.with_file_name(typed.file);
            write::write(&path, typed.value.expose(), 0o600, self.force)?;
            let _ = writeln!(text, "wrote {} (0600)", path.display());
        }
        write::write(&self.output, self.answers.text(true).as_bytes(), 0o644, self.force)?;
        let _ = writeln!(text, "wrote {}", self.output.display());
        let request = Request { config: Some(self.output.clone()), ..Request::default() };
        let checked = examine(&request, false, self.parent)?;
        if checked.code != 0 {
            text.push_str(&checked.text);
            return Ok(Outcome { text, code: checked.code });
        }
        let _ = writeln!(text, "{}", checked.text.lines().last().unwrap_or_default());
        // A file in one of the usual places need not be named.
        let is_usual = Locations::new(None, self.parent).usual.contains(&self.output);
        let config = Some(self.output.as_path()).filter(|_| !is_usual);
        let mut by_hand = "jupyter-vault wrap --all".to_owned();
        if let Some(config) = config {
            let _ = write!(by_hand, " --config {}", shell_word(&config.to_string_lossy()));
        }
        if !self.prompter.is_there() {
            let _ = writeln!(text, "next: {by_hand}");
            return Ok(Outcome { text, code: 0 });
        }
        // Print what was done before the next question.
        let _ = std::io::stdout().write_all(text.as_bytes());
        self.wrap(config, &by_hand)
    }

    #[cfg(feature = "wrap")]
    fn wrap(&self, config: Option<&Path>, by_hand: &str) -> Result<Outcome> {
        use crate::kernelspec::{WrapChoices, wrap::wrap_in};

        if !self.prompter.agrees("Put the launcher into your kernels now?", true)? {
            return Ok(Outcome { text: format!("next: {by_hand}\n"), code: 0 });
        }
        let mut done = Vec::new();
        let mut report = |error: &crate::error::Error| self.prompter.say(&format!("  {error}\n"));
        let outcome = wrap_in(&WrapChoices::default(), config, self.parent, &mut done, &mut report);
        let text = String::from_utf8_lossy(&done).into_owned();
        // The vault.toml exists and works, even if wrapping fails.
        if let Err(error) = outcome {
            report(&error);
            return Ok(Outcome { text: format!("{text}next: {by_hand}\n"), code: 0 });
        }
        let tried = self.try_out().unwrap_or_default();
        let is_empty = self.answers.sources.iter().all(|chosen| chosen.source.optional);
        let next = if is_empty { "next: jupyter-vault secrets set NAME\nthen: " } else { "next: " };
        Ok(Outcome { text: format!("{text}{tried}{next}jupyter lab, and a new notebook\n"), code: 0 })
    }

    /// Launches a wrapped kernelspec's command once, with a command in the kernel's place that prints names. `None` if
    /// no kernel is wrapped, or if a launch would use up the credential.
    #[cfg(feature = "wrap")]
    fn try_out(&self) -> Option<String> {
        use crate::kernelspec::starter::launcher;

        if self.answers.auth.iter().any(|(key, value)| *key == "method" && value.contains("wrapped")) {
            return None;
        }
        let (kernel, words) = launcher(self.parent)?;
        let (program, words) = words.split_first()?;
        let mut launch = std::process::Command::new(program);
        launch.args(words).arg(std::env::current_exe().ok()?).arg("names").env_clear().stdin(Stdio::null());
        let entries = self.parent.entries().iter().filter_map(|entry| name_and_value(entry.as_bytes()));
        launch.envs(entries.map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value))));
        let output = launch.output().ok()?;
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            self.prompter.say(&format!("  {kernel}, launched once as a test, gets no secrets:\n{why}"));
            return None;
        }
        let before: BTreeSet<&[u8]> =
            self.parent.entries().iter().filter_map(|entry| Some(name_and_value(entry.as_bytes())?.0)).collect();
        let names = output.stdout.split(|byte| *byte == b'\n').filter(|name| !name.is_empty());
        let names: Vec<_> = names.filter(|name| !before.contains(name)).map(String::from_utf8_lossy).collect();
        let names = if names.is_empty() { "no secret yet".to_owned() } else { names.join(", ") };
        Some(format!("{kernel}, launched once as a test, has: {}\n", one_line(&names)))
    }

    #[cfg(not(feature = "wrap"))]
    #[allow(clippy::unnecessary_wraps, clippy::unused_self, reason = "the same with each feature")]
    fn wrap(&self, _: Option<&Path>, by_hand: &str) -> Result<Outcome> {
        Ok(Outcome { text: format!("next: {by_hand}\n"), code: 0 })
    }
}
