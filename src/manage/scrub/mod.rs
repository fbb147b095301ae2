//! `scrub`: finds a user's own secrets in saved notebooks by their values, and removes them.
//!
//! It reads the values from Vault like a launch, and searches every string of a notebook: sources, outputs, metadata. A
//! match is replaced by `[secret NAME]`; everything else stays unchanged, byte for byte. The report names cell and
//! output, and never shows their content.
//!
//! [`json`] finds the strings in a file; [`text`] decodes them and keeps each byte's position; [`finder`] finds values
//! in them, with the words of [`encoded`] and the decoded texts of [`view`]; [`notebook`] combines these. [`wanted`]
//! gets the values, [`files`] reads and writes.

mod encoded;
mod files;
mod finder;
mod json;
mod notebook;
mod reader;
mod report;
mod scrubbed;
mod text;
mod view;
mod wanted;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

pub use self::finder::Finder;
pub use self::notebook::scrub;
use self::report::{One, Report};
use self::wanted::Wanted;
use super::Outcome;
use super::secrets::Common;
use crate::error::{Error, Kind, Result};

/// The argument that means standard input.
const STANDARD: &str = "-";

/// The options.
#[derive(Debug, Default)]
pub(crate) struct Flags {
    /// Notebooks, and folders of them.
    pub(crate) files: Vec<PathBuf>,
    /// Whether to write nothing.
    pub(crate) check: bool,
    /// Names that are not searched for.
    pub(crate) except: Vec<String>,
    /// How many earlier values of each secret are searched for.
    pub(crate) versions: u32,
    /// The vault.toml to read first.
    pub(crate) config: Option<PathBuf>,
    /// The time limit for all requests to Vault.
    pub(crate) timeout: Option<Duration>,
    /// Whether to print JSON.
    pub(crate) json: bool,
}

/// Searches for the user's secrets, and removes them.
pub(crate) fn run(flags: &Flags) -> Result<Outcome> {
    let is_standard = flags.files.iter().any(|file| file.as_os_str() == STANDARD);
    if is_standard && flags.files.len() > 1 {
        let what = "standard input can't be combined with files";
        return Err(Error::new(Kind::Usage, what, "pass either `-` or files"));
    }
    // Wrong arguments are reported before Vault is contacted.
    let (files, troubles) = if is_standard { (Vec::new(), Vec::new()) } else { files::list(&flags.files) };
    let common = Common { config: flags.config.clone(), timeout: flags.timeout, ..Common::default() };
    let wanted = wanted::read(&common, &flags.except, flags.versions, files.len())?;
    if is_standard {
        return standard(flags, &wanted);
    }
    let mut report = Report::new(&wanted, flags.check);
    for (file, error) in troubles {
        report.add(One::failed(file, error));
    }
    for one in in_threads(&files, &wanted.finder, flags.check) {
        report.add(one);
    }
    Ok(Outcome { text: if flags.json { report.json() } else { report.text() }, code: report.code() })
}

/// Processes all files, on as many threads as the machine has CPUs; returns the outcomes in the files' order.
fn in_threads(files: &[PathBuf], finder: &Finder, check: bool) -> Vec<One> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(files.len()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(files.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(file) = files.get(at) else { return };
                    let one = one(file, finder, check);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, one));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, one)| one).collect()
}

/// Processes one file: reads and searches it, and writes it if something was found.
fn one(file: &std::path::Path, finder: &Finder, check: bool) -> One {
    let outcome = files::read(file).and_then(|read| {
        let scrubbed = scrub(&read.content, finder).map_err(|wrong| wrong.of(&file.display().to_string()))?;
        if let (Some(content), false) = (&scrubbed.content, check) {
            files::write(file, &read, content)?;
        }
        Ok(scrubbed)
    });
    match outcome {
        Ok(scrubbed) => One::done(file.to_owned(), scrubbed),
        Err(error) => One::failed(file.to_owned(), error),
    }
}

/// Processes a notebook from standard input to standard output; the report is then on stderr.
fn standard(flags: &Flags, wanted: &Wanted) -> Result<Outcome> {
    let content = files::standard_input()?;
    let mut scrubbed = scrub(&content, &wanted.finder).map_err(|wrong| wrong.of("standard input"))?;
    let new = scrubbed.content.take();
    let mut report = Report::new(wanted, flags.check);
    report.add(One::done(PathBuf::from(STANDARD), scrubbed));
    let text = if flags.json { report.json() } else { report.text() };
    if flags.check {
        return Ok(Outcome { text, code: report.code() });
    }
    files::standard_output(new.as_deref().unwrap_or(&content), &text)?;
    Ok(Outcome { text: String::new(), code: report.code() })
}
