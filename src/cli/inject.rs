//! `inject` and `watch`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::report;
use super::settings::{Settings, duration};
use crate::error::Result;
use crate::inject::choose::Selection;
use crate::inject::command::{self, Job, Voice};
use crate::inject::watch::{self, log};

#[derive(Debug, Args)]
#[command(after_help = "\
The kernel's code asks for the values; they are in no code, file or output. A kernel that is busy is
waited for, never interrupted.

Exit codes, beside those of exec: 67 no such kernel, or several, 68 the kernel has ended, 72 malformed
connection file, or not this user's, 74 the kernel or its server ended meanwhile, 76 another key than the
connection file's, 79 not a kernel, 80 the kernel was busy, 81 the kernel lives and does not answer,
82 the kernel failed, 83 the kernel's environment can't be set: restart it, 84 the Jupyter server wants a
token, or another one, 85 the Jupyter server can't be reached, is not started, or failed, 86 what answers
there is no Jupyter server.")]
pub(super) struct Inject {
    #[command(flatten)]
    kernels: Kernels,
    #[command(flatten)]
    settings: Settings,
    /// How long the kernel may be busy
    #[arg(long, value_name = "SECONDS", value_parser = duration, default_value = "60")]
    wait: Duration,
    /// Do not wait for a kernel that is busy, where it has subshells (ipykernel 7)
    #[arg(long)]
    now: bool,
    /// Say which kernels there are, with their notebooks, and do nothing; Vault is not asked
    #[arg(long)]
    list: bool,
    /// Say which kernels can be reached while they run, and how
    #[arg(long)]
    list_languages: bool,
}

/// Which kernels.
#[derive(Debug, Args)]
struct Kernels {
    /// A kernel's id or its beginning, a notebook's path or name, or a connection file [default: the
    /// only kernel that runs]
    #[arg(value_name = "KERNEL")]
    kernel: Option<String>,
    /// Every kernel: those of the runtime folder, or of the server at --url
    #[arg(long, conflicts_with = "kernel")]
    all: bool,
    /// Look for kernels at this Jupyter server or gateway alone, and reach them through it; behind a
    /// hub with its /user/NAME/
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A file with the server's token [default: what the server's own file in the runtime folder says,
    /// else JUPYTER_TOKEN or JUPYTERHUB_API_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The CA of the server's certificate, in place of the system's
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
}

impl From<Kernels> for Selection {
    fn from(Kernels { kernel, all, url, token_file, ca_cert }: Kernels) -> Self {
        Self { kernel, all, url, token_file, ca_cert }
    }
}

/// Gives the kernels what they lack.
pub(super) fn inject(arguments: Inject) -> Result<u8> {
    let Inject { kernels, settings, wait, now, list, list_languages } = arguments;
    let mut say = |done: &str| {
        let _ = std::io::stdout().write_all(format!("{done}\n").as_bytes());
    };
    let mut progress = |text: &str| {
        let _ = std::io::stderr().write_all(format!("jupyter-vault: {text}\n").as_bytes());
    };
    let job = Job { selection: kernels.into(), request: settings.into(), wait, now, list, list_languages };
    let mut voice = Voice { say: &mut say, report: &mut report, progress: &mut progress };
    command::run(&job, &mut voice).map(|()| 0)
}

#[derive(Debug, Args)]
#[command(after_help = "\
Runs until SIGTERM, SIGINT or SIGHUP, and then exits with 0. Without --url it watches the kernels whose
connection files are in the runtime folder. What is wrong from the beginning (configuration, a refused
login, a missing path) ends it with the codes of exec; what goes wrong later is logged, and tried again.")]
pub(super) struct Watch {
    #[command(flatten)]
    kernels: Kernels,
    /// How often Vault is asked for new versions, and a server for its kernels, give or take a tenth
    #[arg(long, value_name = "SECONDS", value_parser = duration, default_value = "60")]
    interval: Duration,
    /// A file that is there once the first round went well; each later round touches it, also when Vault or
    /// the server is unavailable
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// What lines on stderr look like
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    log: Format,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Watches until a signal comes.
#[cfg(target_os = "linux")]
pub(super) fn watch(arguments: Watch) -> Result<u8> {
    let Watch { kernels, interval, ready_file, log, settings } = arguments;
    let format = match log {
        Format::Text => log::Format::Text,
        Format::Json => log::Format::Json,
    };
    let mut line = |line: &str| {
        let _ = std::io::stderr().write_all(line.as_bytes());
    };
    let job = watch::Job { selection: kernels.into(), request: settings.into(), interval, ready_file, format };
    watch::run(job, &mut line).map(|()| 0)
}
