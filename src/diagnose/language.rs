//! Finds the language to report to the front end: that of the kernel that was requested.
//!
//! A front end writes `language_info` into the notebook that it saves, and chooses colours and file names by it, so
//! the diagnostic kernel must give what the real one would. The language's name comes from the kernel.json beside the
//! configuration file, or from the kernelspec that the connection file names, or is guessed from the command.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::config::env::Environment;
use crate::config::folders::{data_dir, kernelspec_folders};
use crate::kernel::connection::ConnectionFile;
use crate::launch::Request;
use crate::sys::file::{self, AllowedWriters};

/// The largest kernel.json that is read, in bytes.
const LARGEST: u64 = 4 << 20;

/// A language: its name, other names, MIME type, file extension, Pygments lexer and CodeMirror mode, as the
/// language's own kernel gives them.
type Row = (&'static str, &'static [&'static str], &'static str, &'static str, &'static str, &'static str);

const TABLE: &[Row] = &[
    ("python", &["ipython", "ipython3", "python3"], "text/x-python", ".py", "ipython3", "ipython"),
    ("R", &["ir", "rscript", "ark"], "text/x-r-source", ".r", "r", "r"),
    ("bash", &["sh", "shell", "zsh"], "text/x-sh", ".sh", "bash", "shell"),
    ("typescript", &["deno", "tslab", "ts"], "text/x.typescript", ".ts", "typescript", "typescript"),
    ("javascript", &["node", "jslab", "js"], "application/javascript", ".js", "javascript", "javascript"),
    ("julia", &[], "application/julia", ".jl", "julia", "julia"),
    ("octave", &["matlab"], "text/x-octave", ".m", "octave", "octave"),
    ("lua", &["ilua"], "text/x-lua", ".lua", "lua", "lua"),
    ("rust", &["evcxr", "evcxr_jupyter"], "text/rust", ".rs", "rust", "rust"),
    ("scala", &["almond"], "text/x-scala", ".sc", "scala", "text/x-scala"),
    ("java", &["ijava", "rapaio"], "text/x-java-source", ".jshell", "java", "text/x-java"),
    ("kotlin", &[], "text/x-kotlin", ".kt", "kotlin", "text/x-kotlin"),
    ("c++", &["c++11", "c++14", "c++17", "c++20", "c++23", "xcpp"], "text/x-c++src", ".cpp", "c++", "text/x-c++src"),
    ("ruby", &["iruby"], "application/x-ruby", ".rb", "ruby", "ruby"),
    ("go", &["gonb", "gophernotes"], "text/x-go", ".go", "go", "go"),
    ("sql", &["xsql", "xsqlite", "sqlite3"], "text/x-sql", ".sql", "sql", "sql"),
];

/// The name of the requested kernel's language.
pub fn of(request: &Request, file: &ConnectionFile, environment: &Environment) -> String {
    let beside = request.config.as_deref().and_then(Path::parent).and_then(declared);
    let named = || {
        file.kernel_name().and_then(|name| folders(name, request, environment).into_iter().find_map(|at| declared(&at)))
    };
    beside.or_else(named).or_else(|| guessed(request)).unwrap_or_else(|| "python".to_owned())
}

/// The content of `language_info`, with every key that the protocol requires.
pub fn info(language: &str) -> Value {
    let wanted = language.to_ascii_lowercase();
    let row = TABLE
        .iter()
        .find(|(name, others, ..)| name.to_ascii_lowercase() == wanted || others.iter().any(|other| *other == wanted));
    let Some((_, _, mime, extension, lexer, mode)) = row else {
        return json!({"name": language, "version": "", "mimetype": "text/plain", "file_extension": ".txt"});
    };
    let mode = if wanted == "python" { json!({"name": mode, "version": 3}) } else { json!(mode) };
    json!({
        "name": language,
        "version": "",
        "mimetype": mime,
        "file_extension": extension,
        "pygments_lexer": lexer,
        "codemirror_mode": mode,
        "nbconvert_exporter": if wanted == "python" { "python" } else { "script" },
    })
}

#[derive(Deserialize)]
struct KernelJson {
    language: String,
}

fn declared(folder: &Path) -> Option<String> {
    let text = file::read(&folder.join("kernel.json"), LARGEST, AllowedWriters::Anyone).ok()?;
    serde_json::from_slice::<KernelJson>(&text).ok().map(|spec| spec.language).filter(|name| !name.is_empty())
}

/// Where a kernelspec of that name may be; the environment is that of the command's program.
fn folders(name: &str, request: &Request, environment: &Environment) -> Vec<PathBuf> {
    if name.is_empty() || name.contains('/') || name == ".." {
        return Vec::new();
    }
    let prefix = request.command.first().map(Path::new).and_then(|program| program.parent()?.parent());
    let roots = kernelspec_folders(environment, data_dir(environment), prefix);
    roots.into_iter().map(|root| root.join(name)).collect()
}

/// The language that the words of a command imply: `ipykernel_launcher`, `IRkernel::main()`, `xpython`.
fn guessed(request: &Request) -> Option<String> {
    let words = request.command.iter().map(|word| word.to_string_lossy());
    for word in words {
        let file = word.rsplit('/').next().unwrap_or(&word).to_ascii_lowercase();
        let found = match file.as_str() {
            _ if file.starts_with("ipykernel") || file.starts_with("xpython") || file.starts_with("xeus_python") => {
                "python"
            }
            _ if file.starts_with("irkernel") => "R",
            _ if file.starts_with("bash_kernel") => "bash",
            _ if file.starts_with("octave_kernel") => "octave",
            "deno" | "tslab" => "typescript",
            "julia" => "julia",
            "ilua" => "lua",
            "evcxr_jupyter" => "rust",
            _ => continue,
        };
        return Some(found.to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn language(words: &[&str]) -> Option<String> {
        guessed(&Request { command: words.iter().map(Into::into).collect(), ..Request::default() })
    }

    #[test]
    fn a_command_tells_its_language() {
        assert_eq!(language(&["/v/bin/python3", "-m", "ipykernel_launcher", "-f", "x"]).as_deref(), Some("python"));
        assert_eq!(language(&["/usr/bin/R", "--slave", "-e", "IRkernel::main()"]).as_deref(), Some("R"));
        assert_eq!(language(&["python", "-m", "bash_kernel", "-f", "x"]).as_deref(), Some("bash"));
        assert_eq!(language(&["/opt/strange", "x"]), None);
    }

    #[test]
    fn every_language_has_what_the_protocol_demands() {
        for (name, ..) in TABLE {
            assert_eq!(info(name)["name"], *name);
        }
        for name in ["python", "R", "strange"] {
            for key in ["name", "version", "mimetype", "file_extension"] {
                assert!(info(name)[key].is_string(), "{name}: {key}");
            }
        }
        assert_eq!(info("python")["codemirror_mode"]["version"], 3);
    }
}
