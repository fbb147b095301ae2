//! The real kernels of many languages: how each is started, and what runs in each to look at a variable.
//!
//! What pip brings is in `target/python-kernels`; tslab comes with npm; R, Octave and Lua are Debian's, so
//! the tests of their kernels are ignored unless somebody says that they are there.

use std::fs::{File, create_dir_all, read_to_string, remove_dir_all, write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::python;

/// The command of the kernel of that name, as a kernelspec has it.
pub fn command(kernel: &str) -> Vec<String> {
    let python = |folder: &Path, module: &str| {
        vec![folder.join("bin/python").display().to_string(), "-m".to_owned(), module.to_owned()]
    };
    let (mut words, option) = match kernel {
        "ipykernel" => (python(python::environment(), "ipykernel_launcher"), Some("-f")),
        "ipykernel6" => (python(python::ipykernel6(), "ipykernel_launcher"), Some("-f")),
        "xpython" | "xpython-raw" => (python(python::kernels(), "xpython_launcher"), Some("-f")),
        "bash_kernel" => (python(python::kernels(), "bash_kernel"), Some("-f")),
        "octave_kernel" => (python(python::kernels(), "octave_kernel"), Some("-f")),
        "ilua" => (python(python::kernels(), "ilua.app"), Some("-c")),
        "deno" => {
            let deno = python::kernels().join("bin/deno").display().to_string();
            ([deno.as_str(), "jupyter", "--kernel"].map(str::to_owned).to_vec(), Some("--conn"))
        }
        "tslab" => (vec![npm("tslab").display().to_string(), "kernel".to_owned()], None),
        "ir" => (["R", "--slave", "-e", "IRkernel::main()", "--args"].map(str::to_owned).to_vec(), None),
        _ => panic!("no kernel is called {kernel}"),
    };
    match (kernel, option) {
        ("tslab", _) => words.push("--config-path={connection_file}".to_owned()),
        (_, Some(option)) => words.extend([option.to_owned(), "{connection_file}".to_owned()]),
        (_, None) => words.push("{connection_file}".to_owned()),
    }
    if kernel == "xpython-raw" {
        words.push("--raw".to_owned());
    }
    words
}

/// A program that npm brings, installed if need be: the versions in `tests/npm/package-lock.json`.
pub fn npm(program: &str) -> PathBuf {
    let folder = python::target().join("npm-kernels");
    create_dir_all(python::target()).expect("the target folder can be made");
    let lock = File::create(python::target().join("npm-kernels.lock")).expect("the lock can be made");
    lock.lock().expect("the lock can be taken");
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/npm");
    let wanted = read_to_string(lists.join("package-lock.json")).expect("the list can be read");
    let mark = folder.join("complete");
    if !read_to_string(&mark).is_ok_and(|built| built == wanted) {
        let _ = remove_dir_all(&folder);
        create_dir_all(&folder).expect("a folder");
        for name in ["package.json", "package-lock.json"] {
            std::fs::copy(lists.join(name), folder.join(name)).expect("a copy");
        }
        // zeromq's package brings its library built; its script would only fetch or compile another.
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
        let status = npm.stdin(Stdio::null()).stdout(std::io::stderr()).status().expect("npm starts");
        assert!(status.success(), "npm ci failed: {status}");
        write(&mark, wanted).expect("the mark can be written");
    }
    folder.join("node_modules/.bin").join(program)
}
