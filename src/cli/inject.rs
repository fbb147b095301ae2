//! `inject` and `watch`.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::output::Output;
use super::report::report;
use super::settings::{Settings, duration};
use crate::error::Result;
use crate::inject::choose::Selection;
use crate::inject::command::{self, InjectJob, Reporter};
use crate::inject::watch::{self, log};

#[derive(Debug, Args)]
#[command(after_help = "\
Code in the kernel asks for the values, so that no code, file or output contains them. inject waits for a
busy kernel and never interrupts it.

Exit codes, in addition to those of exec: 67 no such kernel, or several match, 68 the kernel has exited,
72 the connection file is malformed or another user's, 74 the kernel or its server exited meanwhile,
76 the kernel signs with a different key, 79 not a kernel, 80 the kernel stayed busy, 81 the kernel is
alive but does not answer, 82 the kernel reported an error, 83 variables can't be set in this kernel:
restart it, 84 the Jupyter server requires a token, or a different one, 85 the Jupyter server is
unreachable, stopped or failing, 86 the address is not a Jupyter server's.")]
pub(super) struct Inject {
    #[command(flatten)]
    kernels: Kernels,
    #[command(flatten)]
    settings: Settings,
    /// How long to wait for a busy kernel
    #[arg(long, value_name = "SECONDS", value_parser = duration, default_value = "60")]
    wait: Duration,
    /// Do not wait for a busy kernel if it has subshells (ipykernel 7)
    #[arg(long)]
    now: bool,
    /// List the running kernels with their notebooks and exit, without contacting Vault
    #[arg(long)]
    list: bool,
    /// List the languages whose running kernels can get secrets, and how, and exit
    #[arg(long)]
    list_languages: bool,
}

/// Selects kernels.
#[derive(Debug, Args)]
struct Kernels {
    /// A kernel's id or the beginning of one, a notebook's path or name, or a connection file [default: the
    /// only running kernel]
    #[arg(value_name = "KERNEL")]
    kernel: Option<String>,
    /// Every kernel of the runtime folder, or of the server at --url
    #[arg(long, conflicts_with = "kernel")]
    all: bool,
    /// Use only the kernels of this Jupyter server or gateway, and connect through it; behind a hub, include
    /// /user/NAME/
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// A file with the server's token [default: the token in the server's file in the runtime folder, else
    /// JUPYTER_TOKEN or JUPYTERHUB_API_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The CA of the server's certificate, instead of the system's CAs
    #[arg(long, value_name = "FILE")]
    ca_cert: Option<PathBuf>,
}

impl From<Kernels> for Selection {
    fn from(Kernels { kernel, all, url, token_file, ca_cert }: Kernels) -> Self {
        Self { kernel, all, url, token_file, ca_cert }
    }
}

/// Gives the kernels the secrets that they lack.
pub(super) fn inject(arguments: Inject) -> Result<u8> {
    let Inject { kernels, settings, wait, now, list, list_languages } = arguments;
    let mut output = Output::default();
    let mut say = |done: &str| {
        let _ = output.write_all(format!("{done}\n").as_bytes());
    };
    let mut progress = |text: &str| {
        let _ = std::io::stderr().write_all(format!("jupyter-vault: {text}\n").as_bytes());
    };
    let job = InjectJob { selection: kernels.into(), request: settings.into(), wait, now, list, list_languages };
    let mut reporter = Reporter { say: &mut say, report: &mut report, progress: &mut progress };
    command::run(&job, &mut reporter)?;
    output.end().map(|()| 0)
}

#[derive(Debug, Args)]
#[command(after_help = "\
Runs until SIGTERM, SIGINT or SIGHUP, then exits with 0. Without --url it watches the kernels whose
connection files are in the runtime folder. An error in the first round (configuration, a refused login,
a missing path) ends it with the exit code of exec; later errors are logged and retried.")]
pub(super) struct Watch {
    #[command(flatten)]
    kernels: Kernels,
    /// How often to check Vault for new versions and the server for new kernels, give or take a tenth
    #[arg(long, value_name = "SECONDS", value_parser = duration, default_value = "60")]
    interval: Duration,
    /// A file to create after the first successful round and to touch in every later round, even if Vault or
    /// the server is unreachable
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// The format of the lines on stderr
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    log: Format,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// Text.
    Text,
    /// One JSON object per line.
    Json,
}

/// Watches until a signal arrives.
#[cfg(target_os = "linux")]
pub(super) fn watch(arguments: Watch) -> Result<u8> {
    let Watch { kernels, interval, ready_file, log, settings } = arguments;
    let format = match log {
        Format::Text => log::LogFormat::Text,
        Format::Json => log::LogFormat::Json,
    };
    let mut line = |line: &str| {
        let _ = std::io::stderr().write_all(line.as_bytes());
    };
    let job = watch::WatchJob { selection: kernels.into(), request: settings.into(), interval, ready_file, format };
    watch::run(job, &mut line).map(|()| 0)
}
