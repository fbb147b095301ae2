//! The table of languages: how each kernel is recognized, and how values get into it.
//!
//! Every client of a kernel can read the code, so it contains names and never a value. If the code can request input,
//! the values are the reply, on a channel that no other client receives. If it can't, they are in a file that only
//! this user may read, and the code removes the file as soon as it has opened it.

use std::fmt::Write;

use super::code::{CodeChange, bash, deno, octave, python, python_expression, python_file, r, tslab};
use super::info::KernelInfo;

/// How a kernel gets the values.
#[derive(Clone, Copy)]
pub enum Delivery {
    /// The code asks once; the prompt is a JSON list of the names that it keeps. The answer is a JSON object of
    /// names and values.
    Stdin(fn(&CodeChange<'_>) -> String),
    /// The code reads a file and removes it, then writes the names that it keeps to `FILE.done`. Both files are
    /// sequences of texts, each ended by a NUL. The first has three texts for each variable: `=` (set), `?` (set
    /// unless it exists) or `-` (remove), the name, the value. The function takes the file's path.
    File(fn(&str, &CodeChange<'_>) -> String),
    /// It is not possible, for this reason.
    Cannot(&'static str),
}

/// One kernel's row.
pub struct KernelRow {
    /// The kernel's name in messages.
    pub name: &'static str,
    /// The values of `implementation` in its `kernel_info_reply`.
    implementations: &'static [&'static str],
    /// Or the names of its language, in lower case, for rows that cover several kernels.
    languages: &'static [&'static str],
    /// Or the Python modules in its process's command line.
    modules: &'static [&'static str],
    /// How the kernel gets the values.
    pub delivery: Delivery,
    /// The code of [`Delivery::Stdin`] as an expression with an empty cell, if the kernel evaluates expressions. No
    /// cell runs, so the user's hooks for cells are not called, and it costs less.
    pub expression: Option<fn(&CodeChange<'_>) -> String>,
    /// Code as for [`Delivery::File`], for a subshell while a cell is running.
    pub beside: Option<fn(&str, &CodeChange<'_>) -> String>,
    /// Whether the language can set a variable of this name.
    pub takes: fn(&str) -> bool,
    /// A note for users.
    note: &'static str,
}

impl std::fmt::Debug for KernelRow {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Row({})", self.name)
    }
}

const ANY: fn(&str) -> bool = |_| true;

/// All rows; the first match counts.
pub const ROWS: &[KernelRow] = &[
    KernelRow {
        name: "jupyter-vault",
        implementations: &["jupyter-vault"],
        languages: &[],
        modules: &[],
        delivery: Delivery::Cannot("its launch has failed, and no kernel runs yet; running a cell tries again"),
        expression: None,
        beside: None,
        takes: ANY,
        note: "",
    },
    KernelRow {
        name: "ipykernel",
        implementations: &["ipython"],
        languages: &[],
        modules: &["ipykernel_launcher", "ipykernel"],
        delivery: Delivery::Stdin(python),
        expression: Some(python_expression),
        beside: Some(python_file),
        takes: ANY,
        note: "versions 6 and 7",
    },
    KernelRow {
        name: "xeus-python",
        implementations: &["xeus-python"],
        languages: &[],
        modules: &[],
        delivery: Delivery::Stdin(python),
        expression: None,
        beside: None,
        takes: ANY,
        note: "also in raw mode",
    },
    KernelRow {
        name: "IRkernel",
        implementations: &["IRkernel"],
        languages: &[],
        modules: &[],
        delivery: Delivery::Stdin(r),
        expression: None,
        beside: None,
        takes: ANY,
        note: "other clients see the code",
    },
    KernelRow {
        name: "Deno",
        implementations: &["Deno kernel"],
        languages: &[],
        modules: &[],
        delivery: Delivery::Stdin(deno),
        expression: None,
        beside: None,
        takes: ANY,
        note: "other clients see the code",
    },
    KernelRow {
        name: "tslab",
        implementations: &["tslab", "jslab"],
        languages: &[],
        modules: &[],
        delivery: Delivery::File(tslab),
        expression: None,
        beside: None,
        takes: ANY,
        note: "",
    },
    KernelRow {
        name: "bash_kernel",
        implementations: &["bash_kernel"],
        languages: &[],
        modules: &[],
        delivery: Delivery::File(bash),
        expression: None,
        beside: None,
        takes: is_identifier,
        note: "names of letters, digits and _",
    },
    KernelRow {
        name: "octave_kernel",
        implementations: &["Octave Kernel"],
        languages: &[],
        modules: &[],
        delivery: Delivery::File(octave),
        expression: None,
        beside: None,
        takes: ANY,
        note: "an empty variable counts as none",
    },
    KernelRow {
        name: "ILua",
        implementations: &["ILua"],
        languages: &["lua"],
        modules: &[],
        delivery: Delivery::Cannot("Lua has no function that sets environment variables"),
        expression: None,
        beside: None,
        takes: ANY,
        note: "",
    },
    KernelRow {
        name: "evcxr",
        implementations: &["evcxr_jupyter"],
        languages: &["rust"],
        modules: &[],
        delivery: Delivery::Cannot("there is no known code that asks for input without leaving a trace"),
        expression: None,
        beside: None,
        takes: ANY,
        note: "",
    },
    KernelRow {
        name: "JVM kernels",
        implementations: &[],
        languages: &["java", "scala", "kotlin", "groovy", "clojure"],
        modules: &[],
        delivery: Delivery::Cannot("the JVM's environment can't change after its start"),
        expression: None,
        beside: None,
        takes: ANY,
        note: "",
    },
];

/// The row of a kernel.
pub fn of(info: &KernelInfo) -> Option<&'static KernelRow> {
    let language = info.language_info.name.to_ascii_lowercase();
    ROWS.iter().find(|row| {
        row.implementations.contains(&info.implementation.as_str()) || row.languages.contains(&language.as_str())
    })
}

/// The row of a kernel whose process was started by `command`, if the command identifies one kind of kernel.
pub fn by_command(command: &[Vec<u8>]) -> Option<&'static KernelRow> {
    let [program, arguments @ ..] = command else { return None };
    let name = program.rsplit(|byte| *byte == b'/').next()?;
    let module = arguments.iter().skip_while(|argument| *argument != b"-m").nth(1)?;
    // A custom kernel class may speak another language.
    let own_class = |argument: &Vec<u8>| argument.windows(12).any(|part| part == b"kernel_class");
    if !name.starts_with(b"python") || arguments.iter().any(own_class) {
        return None;
    }
    ROWS.iter().find(|row| row.modules.iter().any(|known| known.as_bytes() == module))
}

/// The table as text, one line for each kernel.
pub fn list() -> String {
    let mut text = String::new();
    for row in ROWS {
        let (way, note) = match row.delivery {
            Delivery::Stdin(_) => ("asked for on stdin", row.note),
            Delivery::File(_) => ("one-shot file", row.note),
            Delivery::Cannot(why) => ("restart it", why),
        };
        text.push_str(format!("{:<14} {way:<19} {note}", row.name).trim_end());
        text.push('\n');
    }
    let _ = writeln!(text, "{:<14} {:<19} a launch sets the variables", "any other", "restart it");
    text
}

fn is_identifier(name: &str) -> bool {
    let letter = |byte: u8| byte == b'_' || byte.is_ascii_alphabetic();
    name.bytes().next().is_some_and(letter) && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inject::info::LanguageInfo;

    fn row(implementation: &str, language: &str) -> Option<&'static str> {
        let language_info = LanguageInfo { name: language.to_owned() };
        let info = KernelInfo { implementation: implementation.to_owned(), language_info, ..KernelInfo::default() };
        of(&info).map(|row| row.name)
    }

    #[test]
    fn a_kernel_is_known_by_what_it_says_of_itself() {
        assert_eq!(row("ipython", "python"), Some("ipykernel"));
        assert_eq!(row("almond", "Scala"), Some("JVM kernels"));
        assert_eq!(row("another", "python"), None, "another Python kernel may not ask as ipykernel does");
    }

    #[test]
    fn a_kernel_is_known_by_its_command_only_where_there_is_no_doubt() {
        let row = |line: &str| {
            let command: Vec<Vec<u8>> = line.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            by_command(&command).map(|row| row.name)
        };
        assert_eq!(row("/usr/bin/python3.11 -m ipykernel_launcher -f /run/kernel-1.json"), Some("ipykernel"));
        assert_eq!(row("python -Xfrozen_modules=off -m ipykernel -f kernel-1.json"), Some("ipykernel"));
        for other in [
            "",
            "python",
            "python -m",
            "python -m bash_kernel -f kernel-1.json",
            "python -m ipykernel_launcher -f kernel-1.json --IPKernelApp.kernel_class=my.Kernel",
            "jupyter-vault exec -- python -m ipykernel_launcher -f kernel-1.json",
            "xpython -f kernel-1.json",
        ] {
            assert_eq!(row(other), None, "{other}");
        }
    }
}
