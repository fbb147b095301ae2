//! The code that changes a kernel's environment, for each language.
//!
//! In each language, the code
//! - does nothing after [`CodeChange::until`]: code that a busy kernel has queued can't be withdrawn;
//! - leaves no name behind, prints nothing, and does not count as a cell if the kernel allows that;
//! - catches every error itself, because a traceback is visible to every client and may show a value. Code that reads
//!   the values from stdin reports an error with another input request; code that reads a file, by not writing
//!   `FILE.done`.
//!
//! The code is in `code/`, one file per language, with words in capitals in place of each request's data.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use crate::json::ascii_json;

/// The changes that the code makes.
#[derive(Debug, Clone)]
pub struct CodeChange<'a> {
    /// The names whose values will be sent.
    pub set: Vec<&'a str>,
    /// Those of them that are not changed if the kernel already has them.
    pub keep: Vec<&'a str>,
    /// The names to remove.
    pub unset: Vec<&'a str>,
    /// The code may begin until then: a whole second.
    pub until: SystemTime,
}

impl CodeChange<'_> {
    /// [`CodeChange::until`] as Unix time in seconds.
    pub fn until_unix(&self) -> u64 {
        self.until.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }
}

/// In a cell, `getpass` requests input from the client.
pub(super) fn python(change: &CodeChange<'_>) -> String {
    format!("__import__{}", python_in_namespace(include_str!("code/python_getpass.py"), change))
}

/// Outside a cell, `getpass` reads from the terminal, so the code sends the messages itself. IPython evaluates it in
/// a namespace where the user's names do not shadow Python's.
pub(super) fn python_expression(change: &CodeChange<'_>) -> String {
    format!("__builtins__.__import__{}", python_in_namespace(include_str!("code/python_stdin.py"), change))
}

/// Runs in a separate namespace, so that it sees none of the user's names and leaves none behind. `asks` is the code
/// that requests the values and reports an error.
fn python_in_namespace(asks: &str, change: &CodeChange<'_>) -> String {
    let code = json!(format!("{asks}{}", include_str!("code/python.py")));
    let names = json!({"KEEP": change.keep, "UNSET": change.unset, "UNTIL": change.until_unix()});
    // A JSON text of ASCII letters is a Python literal too.
    format!("('builtins').exec({code}, {})", ascii_json(&names.to_string()))
}

pub(super) fn python_file(file: &str, change: &CodeChange<'_>) -> String {
    let names = json!({"FILE": file, "UNTIL": change.until_unix()});
    let code = json!(include_str!("code/python_file.py"));
    format!("__import__('builtins').exec({code}, {})", ascii_json(&names.to_string()))
}

/// The function sees R's own names, even if the user has redefined `c`.
pub(super) fn r(change: &CodeChange<'_>) -> String {
    let names = |of: &[&str]| {
        let literals: Vec<_> = of.iter().map(|name| r_text(name)).collect();
        if of.is_empty() { "character()".to_owned() } else { format!("c({})", literals.join(", ")) }
    };
    format!(
        "base::invisible(base::eval(base::quote(({})({}, {}, {}, {})), base::baseenv()))",
        include_str!("code/r.R").trim_end(),
        names(&change.set),
        names(&change.keep),
        names(&change.unset),
        change.until_unix(),
    )
}

fn r_text(text: &str) -> String {
    let mut literal = String::from("\"");
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || character == '_' {
            literal.push(character);
        } else {
            let _ = write!(literal, "\\U{{{:x}}}", u32::from(character));
        }
    }
    literal + "\""
}

pub(super) fn deno(change: &CodeChange<'_>) -> String {
    let lists = [&change.set, &change.keep, &change.unset].map(|names| ascii_json(&json!(names).to_string()));
    format!("{}({}, {});", include_str!("code/deno.js").trim_end(), lists.join(", "), change.until_unix())
}

pub(super) fn tslab(file: &str, change: &CodeChange<'_>) -> String {
    fill(include_str!("code/tslab.js"), &ascii_json(&json!(file).to_string()), change)
}

/// One line, because a shell keeps a history of lines; the code removes its own.
pub(super) fn bash(file: &str, change: &CodeChange<'_>) -> String {
    let lines = include_str!("code/bash.sh").trim_end().replace('\n', " ");
    fill(&lines, &format!("'{}'", file.replace('\'', r"'\''")), change)
}

pub(super) fn octave(file: &str, change: &CodeChange<'_>) -> String {
    let mut literal = String::from("\"");
    for byte in file.bytes() {
        if byte.is_ascii_alphanumeric() {
            literal.push(char::from(byte));
        } else {
            let _ = write!(literal, "\\{byte:03o}");
        }
    }
    fill(include_str!("code/octave.m").trim_end(), &(literal + "\""), change)
}

/// Fills in the file's path, as a literal of the language, and the time limit. The path may hold any word, so it
/// is filled in last.
fn fill(code: &str, file: &str, change: &CodeChange<'_>) -> String {
    code.replace("UNTIL", &change.until_unix().to_string()).replace("FILE", file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_or_path_ends_the_literal_that_it_stands_in() {
        let odd = "a'b\"c\\d\ne\u{2028}{}$(FILE)UNTIL";
        let change = CodeChange { set: vec![odd], keep: vec![odd], unset: vec![odd], until: UNIX_EPOCH };
        // Python's code need not contain every name; R's code has no such letters outside of escapes.
        for (code, times) in
            [(python(&change), 2), (python_expression(&change), 2), (r(&change), 0), (deno(&change), 3)]
        {
            assert!(!code.contains(odd) && !code.contains("c\\d") && !code.contains('\u{2028}'), "{code}");
            assert_eq!(code.matches("$(FILE)UNTIL").count(), times, "{code}");
        }
        assert!(bash(odd, &change).contains(r"'a'\''b"), "{}", bash(odd, &change));
        for code in [tslab(odd, &change), octave(odd, &change)] {
            assert!(!code.contains("a'b\"c"), "{code}");
        }
    }

    #[test]
    fn a_shells_code_is_one_line() {
        let change = CodeChange { set: vec![], keep: vec![], unset: vec![], until: UNIX_EPOCH };
        assert_eq!(bash("/run/x", &change).lines().count(), 1);
    }
}
