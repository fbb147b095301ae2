//! Chooses kernels when the command line names none: on a terminal it asks the user, with all kernels as the default.
//!
//! Without a terminal there is no default: a script must pass `--all`, since a command line without names may have
//! been cut short.

use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;

use super::{KERNEL_JSON, WrapChoices};
use crate::ask::Prompter;
use crate::config::keys::nearest;
use crate::error::{Error, Kind, Result, one_line};

/// The display name in a kernel.json, by which a user knows the kernel.
#[derive(Debug, Deserialize)]
struct Shown {
    display_name: String,
}

/// The names in `known` (kernels' names and folders) that `which` selects; `verb` is the action, for the question.
pub(super) fn names<'a>(
    which: &WrapChoices,
    known: impl Iterator<Item = (&'a str, &'a Path)>,
    verb: &str,
) -> Result<Vec<String>> {
    let known: Vec<_> = known.collect();
    let names = || known.iter().map(|(name, _)| (*name).to_owned()).collect::<Vec<_>>();
    if which.all || !which.kernels.is_empty() {
        return Ok(if which.all { names() } else { which.kernels.clone() });
    }
    let prompter = Prompter::new(which.yes);
    if known.is_empty() || !prompter.is_there() {
        let what = format!("no kernel to {verb} is named");
        let advice = match known.len() {
            0 if verb == "wrap" => "Jupyter finds no kernel at all: is the right environment active?".to_owned(),
            0 => format!("there is no kernel to {verb}"),
            _ => format!("use --all, or choose from: {}", names().join(", ")),
        };
        return Err(Error::new(Kind::Usage, what, advice));
    }
    let mut list = format!("kernels to {verb}:\n");
    for (place, (name, folder)) in known.iter().enumerate() {
        let _ = writeln!(list, "  {:>2}  {}", place + 1, one_line(&described(name, folder)));
    }
    prompter.say(&list);
    loop {
        let answer = prompter.text("Which ones, by number or name (empty: all)", Some(""), "")?;
        match chosen(&answer, &names()) {
            Ok(chosen) => return Ok(chosen),
            Err(error) => prompter.say(&format!("  {error}\n")),
        }
    }
}

fn described(name: &str, folder: &Path) -> String {
    let text = std::fs::read_to_string(folder.join(KERNEL_JSON)).unwrap_or_default();
    let shown = serde_json::from_str::<Shown>(&text).ok();
    shown.map_or_else(|| name.to_owned(), |shown| format!("{name}  ({})", shown.display_name))
}

/// The names that an answer selects.
fn chosen(answer: &str, names: &[String]) -> Result<Vec<String>> {
    let mut chosen = Vec::new();
    for word in answer.split([' ', ',']).filter(|word| !word.is_empty()) {
        let by_number = word.parse::<usize>().ok().and_then(|number| names.get(number.checked_sub(1)?));
        let by_name = || names.iter().find(|name| **name == word.to_lowercase());
        let name = by_name().or(by_number).ok_or_else(|| {
            let advice = nearest(word, names.iter().map(String::as_str)).map_or_else(
                || format!("enter a number from 1 to {}, or a name from the list", names.len()),
                |near| format!("did you mean {near}?"),
            );
            Error::new(Kind::Usage, format!("no kernel in the list is called {word}"), advice)
        })?;
        if !chosen.contains(name) {
            chosen.push(name.clone());
        }
    }
    Ok(if chosen.is_empty() { names.to_vec() } else { chosen })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_numbers_or_names_and_nothing_means_all() {
        let names = ["ir", "python3", "7"].map(str::to_owned);
        for (answer, expected) in [
            ("", &["ir", "python3", "7"][..]),
            (" , ", &["ir", "python3", "7"]),
            ("2", &["python3"]),
            ("1, 2,1", &["ir", "python3"]),
            ("Python3 ir", &["python3", "ir"]),
            ("7", &["7"]),
        ] {
            assert_eq!(chosen(answer, &names).unwrap(), expected, "{answer:?}");
        }
        for (answer, advice) in [("0", "from 1 to 3"), ("4", "from 1 to 3"), ("pyhton3", "did you mean python3?")] {
            assert!(chosen(answer, &names).unwrap_err().advice().contains(advice), "{answer:?}");
        }
    }
}
