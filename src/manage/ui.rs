//! `ui`: the Secrets section as a page of its own, for those without JupyterLab.
//!
//! The page is the wheel's: its files are built by npm, and its server is the Python that also serves the section in
//! JupyterLab. So this looks for a Python that has it, and becomes that Python, which runs this very program for each
//! request. It is started in the folder of its user, where others may have put modules: none is taken from there.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Kind, Result, why};
use crate::sys::exec::find_program;
use crate::sys::program::answer;

/// How long the page stays without a request.
pub(crate) const IDLE: Duration = Duration::from_secs(30 * 60);

/// Starts the page's module, without the folder that it is started in among the places of modules.
const START: &str = "import runpy, sys; sys.path[:] = [place for place in sys.path if place]; \
runpy.run_module('jupyter_vault.ui', run_name='__main__', alter_sys=True)";
const QUESTION: &str = "import sys; sys.path[:] = [place for place in sys.path if place]; import jupyter_vault.ui";
/// How long a Python may take to say whether it has the page.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Flags {
    pub(crate) config: Option<PathBuf>,
    pub(crate) port: u16,
    pub(crate) socket: Option<PathBuf>,
    pub(crate) no_browser: bool,
    pub(crate) idle: Duration,
}

/// Becomes the page's server; comes back only with what keeps it from that.
pub(crate) fn run(flags: &Flags) -> Error {
    match start(flags) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn start(flags: &Flags) -> Result<std::convert::Infallible> {
    if let Some(config) = flags.config.as_deref().filter(|config| !config.is_file()) {
        let what = format!("there is no file {}", config.display());
        return Err(Error::new(Kind::ConfigFile, what, "name a vault.toml with --config, or leave it out"));
    }
    let program = std::env::current_exe().map_err(|cause| {
        Error::new(Kind::Os, format!("this program's own file is not known: {}", why(cause.kind())), "start it again")
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
            format!("no Python was found that has the Secrets page ({seen})"),
            "the page comes with the wheel: pip install jupyter-vault tornado, then `jupyter vault ui`",
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
