//! Finds the Python that runs Jupyter, and asks it where Jupyter looks for kernelspecs.
//!
//! Where Jupyter looks for kernelspecs depends on its Python: on `sys.prefix`, on whether that is a virtual
//! environment and of which Python, on the user's site folder, and on jupyter_core's version. So that Python is
//! asked. It is the first of these that exists: the Python of `--prefix`; that of the environment in which this
//! program is installed, if Jupyter is installed there too (so `jupyter vault` means the `jupyter` that was called);
//! that of the `jupyter` on PATH, according to its first lines; that of the active environment; any Python on PATH.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::env::Environment;
use crate::sys::environ::name_and_value;
use crate::sys::exec::find_program;
use crate::sys::file;

const QUESTION: &str = include_str!("question.py");
const NATIVE: &str = include_str!("native.py");
const STARTER: &str = include_str!("starter.py");
/// How much of a script is read to find its interpreter.
const HEAD: u64 = 4096;
/// How many times an answer is checked for, and the pause between two checks: half a minute in all.
const ATTEMPTS: u32 = 3000;
const PAUSE: Duration = Duration::from_millis(10);

/// The answers of Jupyter's Python.
#[derive(Debug, Deserialize)]
pub struct Facts {
    /// `sys.prefix`.
    pub prefix: PathBuf,
    /// `sys.executable`.
    pub executable: PathBuf,
    /// The words in a kernelspec for which Jupyter starts this Python: its name with more or less of its version.
    pub names: Vec<String>,
    /// Jupyter's folders of kernelspecs in order, if jupyter_core is installed.
    pub folders: Option<Vec<PathBuf>>,
    /// Jupyter's data folder of the user, if jupyter_core is installed.
    pub data: Option<PathBuf>,
    /// Whether IPython is installed.
    pub ipython: bool,
    /// Whether ipykernel is installed.
    pub ipykernel: bool,
    /// The only names that are allowed, if `KernelSpecManager.allowed_kernelspecs` lists some.
    #[serde(default)]
    pub allowed: Vec<String>,
    /// `KernelSpecManager.ensure_native_kernel`, if a configuration file was read.
    pub native: Option<bool>,
}

/// The kernelspec that Jupyter generates if there is no `python3`.
#[derive(Debug, Deserialize)]
pub struct Native {
    /// The folder of its logos.
    pub folder: PathBuf,
    /// The text of its kernel.json.
    pub kernel_json: String,
}

/// Jupyter's Python.
#[derive(Debug)]
pub struct Python {
    program: PathBuf,
    /// Its answers.
    pub facts: Facts,
}

impl Python {
    /// Finds Jupyter's Python; `None` if none answers.
    pub fn find(prefix: Option<&Path>, environment: &Environment) -> Option<Self> {
        let candidates: Vec<PathBuf> = match prefix {
            Some(prefix) => in_environment(prefix).into_iter().collect(),
            None => candidates(environment),
        };
        candidates.into_iter().find_map(|program| {
            let facts = ask(&program, QUESTION, environment)?;
            Some(Self { program, facts })
        })
    }

    /// The kind of a kernel provisioner: `local` if it starts a local process, `other`, `missing`.
    pub fn starter(&self, name: &str, environment: &Environment) -> Option<String> {
        let quoted = serde_json::Value::from(serde_json::Value::from(name).to_string()).to_string();
        ask(&self.program, &STARTER.replacen("%s", &quoted, 1), environment)
    }

    /// Asks for the kernelspec that Jupyter generates; `None` if ipykernel can't be imported.
    pub fn native(&self, environment: &Environment) -> Option<Native> {
        ask(&self.program, NATIVE, environment)
    }
}

fn candidates(environment: &Environment) -> Vec<PathBuf> {
    let path = environment.bytes("PATH");
    let own = std::env::current_exe().ok();
    let beside = own.as_deref().and_then(Path::parent).map(|folder| folder.join("jupyter"));
    let on_path = find_program(OsStr::new("jupyter"), path).ok();
    let of_jupyter = beside.into_iter().chain(on_path).filter_map(|jupyter| interpreter(&jupyter, path));
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].iter().filter_map(|name| in_environment(&environment.path(name)?));
    let any = ["python3", "python"].iter().filter_map(|name| find_program(OsStr::new(name), path).ok());
    of_jupyter.chain(active).chain(any).collect()
}

fn in_environment(prefix: &Path) -> Option<PathBuf> {
    ["python3", "python"].iter().map(|name| prefix.join("bin").join(name)).find(|program| program.is_file())
}

/// The Python in a script's first line, or, if that line would be too long for the system, in the shell's line that
/// installers write instead: `'''exec' "/long/python" "$0" "$@"`.
fn interpreter(script: &Path, path: Option<&OsStr>) -> Option<PathBuf> {
    let head = String::from_utf8(file::beginning(script, HEAD)?).ok()?;
    let mut lines = head.lines();
    let first = lines.next()?.strip_prefix("#!")?.trim();
    let is_python = |program: &Path| program.file_name().is_some_and(|name| name.as_bytes().starts_with(b"py"));
    let mut words = first.split_whitespace();
    let program = Path::new(words.next()?);
    if program.ends_with("env") {
        let name = Path::new(words.next()?);
        return find_program(name.as_os_str(), path).ok().filter(|_| is_python(name));
    }
    if program.ends_with("sh") {
        let call = lines.next()?.strip_prefix("'''exec' ")?.trim_start();
        let named = match call.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next()?,
            None => call.split_whitespace().next()?,
        };
        return Some(PathBuf::from(named)).filter(|named| is_python(named));
    }
    // The text after a space may be options, or a part of the path.
    [first, program.to_str()?].iter().map(PathBuf::from).find(|named| named.is_file() && is_python(named))
}

fn ask<T: DeserializeOwned>(program: &Path, question: &str, environment: &Environment) -> Option<T> {
    let variables = environment.entries().iter().filter_map(|entry| name_and_value(entry.as_bytes()));
    let variables = variables.map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value)));
    // Python imports modules from its working folder, so it is started in one that other users can't write.
    let mut command = Command::new(program);
    command.args(["-c", question]).env_clear().envs(variables).current_dir("/");
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    // The answer is far smaller than a pipe's buffer, so Python does not wait for a reader.
    for _ in 0..ATTEMPTS {
        if let Some(status) = child.try_wait().ok()? {
            let mut answer = Vec::new();
            child.stdout.take()?.read_to_end(&mut answer).ok()?;
            return serde_json::from_slice(&answer).ok().filter(|_| status.success());
        }
        std::thread::sleep(PAUSE);
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}
