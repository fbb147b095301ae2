//! The table of languages: how each kernel is known, and the code that changes its environment.
//!
//! Code can be read by every client of a kernel, so it holds names and never a value: it asks for the
//! values, or reads them from a file. It runs at most once per request, leaves no name behind, and does
//! nothing after [`Change::until`], because a request that a busy kernel has queued can't be taken back,
//! and a kernel that asks a client that is gone waits for ever.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::KernelInfo;

/// How values get into a kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// The code asks; the answer is a JSON object of names and values on the stdin channel.
    Stdin,
}

/// What the code is to do.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// The names whose values will be given.
    pub set: Vec<&'a str>,
    /// Those of them that stay as they are where the kernel has them already.
    pub keep: Vec<&'a str>,
    /// The names to remove.
    pub unset: Vec<&'a str>,
    /// Until when it may begin.
    pub until: SystemTime,
}

impl Change<'_> {
    /// [`Change::until`] as Unix time in whole seconds.
    #[must_use]
    pub fn until_unix(&self) -> u64 {
        self.until.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// One kernel's row.
pub struct Row {
    /// What it is called in messages.
    pub name: &'static str,
    /// Whether a kernel that says this of itself is one.
    pub fits: fn(&KernelInfo) -> bool,
    /// How values get in.
    pub way: Way,
    /// The code. By [`Way::Stdin`] it asks once, with the names that it keeps as the prompt, a JSON list.
    pub code: fn(&Change<'_>) -> String,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Row({})", self.name)
    }
}

/// All rows; the first that fits counts.
pub const ROWS: &[Row] =
    &[Row { name: "ipykernel", fits: |info| info.implementation == "ipython", way: Way::Stdin, code: python }];

/// The row of a kernel.
#[must_use]
pub fn of(info: &KernelInfo) -> Option<&'static Row> {
    ROWS.iter().find(|row| (row.fits)(info))
}

/// Runs in a dictionary of its own, so that no name of the user's is read or left behind.
const PYTHON: &str = "\
import getpass, json, os, time
failed = None
if time.time() < UNTIL:
    try:
        kept = [name for name in KEEP if name in os.environ]
        given = json.loads(getpass.getpass(json.dumps(kept)))
        for name in UNSET:
            os.environ.pop(name, None)
        for name in SET:
            if name not in kept:
                os.environ[name] = given.pop(name)
    except Exception as cause:
        failed = type(cause).__name__
    given = None
    if failed:
        raise RuntimeError('jupyter-vault: ' + failed) from None
";

fn python(change: &Change<'_>) -> String {
    let names = json!({
        "SET": change.set, "KEEP": change.keep, "UNSET": change.unset, "UNTIL": change.until_unix(),
    });
    // A JSON text of ASCII letters is a Python literal too.
    format!("__import__('builtins').exec({}, {})", json!(PYTHON), ascii(&names.to_string()))
}

/// JSON with everything outside ASCII escaped.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            text.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}
