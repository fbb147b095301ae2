//! The repository's kernelspecs, installed for a test: copied, with their names replaced by this machine's.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::launcher::{Scratch, binary};

/// The replacement for something that a kernelspec names.
#[derive(Debug, Clone)]
pub enum Place {
    /// The kernel's own program, the first word after the launcher's `--`.
    Program(PathBuf),
    /// This text in its files.
    Text(&'static str, String),
    /// This folder, which is where the kernelspec itself would be.
    Folder(&'static str),
    /// The folder `scripts` beside it, which is part of the gateway.
    Scripts(PathBuf),
}

/// Copies `kernelspecs/NAME` to where Jupyter finds it as `vaulted`; returns the folder.
pub fn install(scratch: &Scratch, name: &str, places: &[Place]) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("kernelspecs").join(name);
    let to = scratch.path("home/kernels/vaulted");
    for file in files_below(&from) {
        let copy = to.join(file.strip_prefix(&from).expect("it is below"));
        std::fs::create_dir_all(copy.parent().expect("a folder")).expect("a folder");
        std::fs::copy(&file, &copy).expect("a copy");
        let text = std::fs::read_to_string(&copy).expect("text");
        let mut text = text.replace("/usr/local/bin/jupyter-vault", binary().to_str().expect("a path"));
        for place in places {
            match place {
                Place::Text(what, with) => text = text.replace(what, with),
                Place::Folder(folder) => text = text.replace(folder, to.to_str().expect("a path")),
                Place::Program(_) | Place::Scripts(_) => {}
            }
        }
        std::fs::write(&copy, text).expect("a file");
    }
    let file = to.join("kernel.json");
    let mut spec: Value = serde_json::from_slice(&std::fs::read(&file).expect("a file")).expect("JSON");
    let argv = spec["argv"].as_array_mut().expect("argv");
    if argv[0] == "jupyter-vault" {
        argv[0] = json!(binary());
    }
    for place in places {
        match place {
            Place::Program(program) => {
                let end = argv.iter().position(|word| word == "--").expect("the launcher's --");
                argv[end + 1] = json!(program);
            }
            Place::Scripts(scripts) => {
                std::os::unix::fs::symlink(scripts, to.join("scripts")).expect("a link");
            }
            Place::Text(..) | Place::Folder(_) => {}
        }
    }
    std::fs::write(file, spec.to_string()).expect("a file");
    to
}

/// All files below a folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}
