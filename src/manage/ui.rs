//! `ui`: the Secrets section as a separate page, for users without JupyterLab.
//!
//! The page is part of the wheel: npm builds its files, and its server is Python code that also serves the section in
//! JupyterLab. So `ui` finds a Python that has the package, and becomes that Python, which runs this program for each
//! request. Modules in the working folder are ignored, as others may have put them there.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Kind, Result, why};
use crate::sys::exec::find_program;
use crate::sys::program::answer;

/// How long the server runs without a request.
pub(crate) const IDLE: Duration = Duration::from_secs(30 * 60);

/// Starts the page's module, with the working folder removed from the module search path.
const START: &str = "import runpy, sys; sys.path[:] = [place for place in sys.path if place]; \
runpy.run_module('jupyter_vault.ui', run_name='__main__', alter_sys=True)";
const QUESTION: &str = "import sys; sys.path[:] = [place for place in sys.path if place]; import jupyter_vault.ui";
/// The time limit for a Python to say whether it has the page.
const PATIENCE: Duration = Duration::from_secs(30);

/// The options.
#[derive(Debug)]
pub(crate) struct Flags {
    pub(crate) config: Option<PathBuf>,
    pub(crate) port: u16,
    pub(crate) socket: Option<PathBuf>,
    pub(crate) no_browser: bool,
    pub(crate) idle: Duration,
}

/// Becomes the page's server; returns only with an error.
pub(crate) fn run(flags: &Flags) -> Error {
    match start(flags) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn start(flags: &Flags) -> Result<std::convert::Infallible> {
    if let Some(config) = flags.config.as_deref().filter(|config| !config.is_file()) {
        let what = format!("there is no file {}", config.display());
        return Err(Error::new(Kind::ConfigFile, what, "pass an existing vault.toml with --config, or leave it out"));
    }
    let program = std::env::current_exe().map_err(|cause| {
        Error::new(Kind::Os, format!("this program's own path can't be found: {}", why(cause.kind())), "start it again")
    })?;
    let python = python(&program)?;
    let mut page = Command::new(&python);
    page.args(["-c", START]).arg("--program").arg(&program);
    page.arg(format!("--port={}", flags.port)).arg(format!("--idle={}", flags.idle.as_secs_f64()));
    if let Some(config) = &flags.config {
        page.arg("--config").arg(config);
    }
    if let Some(socket) = &flags.socket {
        page.arg("--socket").arg(socket);
    }
    if flags.no_browser {
        page.arg("--no-browser");
    }
    let cause = page.exec();
    let what = format!("{} can't be executed: {}", python.display(), why(cause.kind()));
    Err(Error::new(Kind::Os, what, "install the wheel into another Python: pip install jupyter-vault"))
}

/// The first Python that has the page.
fn python(program: &Path) -> Result<PathBuf> {
    let candidates = candidates(program);
    let has_page =
        |python: &&PathBuf| answer(Command::new(python.as_path()).args(["-c", QUESTION]), PATIENCE, 1 << 10).is_ok();
    candidates.iter().find(has_page).cloned().ok_or_else(|| {
        let seen: Vec<_> = candidates.iter().map(|python| python.display().to_string()).collect();
        let seen = if seen.is_empty() { "there is none".to_owned() } else { format!("not {}", seen.join(", ")) };
        Error::new(
            Kind::Config,
            format!("no Python with the Secrets page was found ({seen})"),
            "the page is part of the wheel: pip install jupyter-vault tornado, then run `jupyter vault ui`",
        )
    })
}

/// The Python beside this program, that of the active environment, and that on `PATH`.
fn candidates(program: &Path) -> Vec<PathBuf> {
    const NAMES: [&str; 2] = ["python3", "python"];
    let active = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(std::env::var_os);
    let folders = program.parent().map(Path::to_owned).into_iter().chain(active.map(|at| Path::new(&at).join("bin")));
    let beside =
        folders.filter_map(|folder| NAMES.map(|name| folder.join(name)).into_iter().find(|file| file.is_file()));
    let path = std::env::var_os("PATH");
    let on_path = NAMES.into_iter().filter_map(|name| find_program(OsStr::new(name), path.as_deref()).ok());
    let mut found: Vec<_> = beside.chain(on_path).collect();
    found.dedup();
    found
}
