//! `inject` and `watch`: secrets for kernels that run.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
#[cfg(target_os = "linux")]
use clap::{ValueEnum, builder::PossibleValue};

use super::secrets::Secrets;
use super::{console, duration};
use crate::error::Result;
use crate::inject::choose::Selection;
use crate::inject::command::{self, Order, Voice};
#[cfg(target_os = "linux")]
use crate::inject::watch::{self, log::Format};

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

/// `jupyter-vault inject`.
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
pub struct Inject {
    #[command(flatten)]
    kernels: Kernels,
    #[command(flatten)]
    secrets: Secrets,
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

/// Sets the secrets in the kernels that are meant, or lists what there is.
pub fn inject(Inject { kernels, secrets, wait, now, list, list_languages }: Inject) -> Result<u8> {
    let mut say = |done: &str| console::to_stdout(&format!("{done}\n"));
    let mut voice = Voice { say: &mut say, report: &mut console::error, progress: &mut console::note };
    let selection = kernels.into();
    if list_languages {
        command::list_languages(&mut voice);
    } else if list {
        command::list(&selection, &mut voice)?;
    } else {
        command::run(&Order { selection, request: secrets.request(), wait, now }, &mut voice)?;
    }
    Ok(0)
}

/// `jupyter-vault watch`.
#[cfg(target_os = "linux")]
#[derive(Debug, Args)]
#[command(after_help = "\
Runs until SIGTERM, SIGINT or SIGHUP, and then exits with 0. Without --url it watches the kernels whose
connection files are in the runtime folder. What is wrong from the beginning (configuration, a refused
login, a missing path) ends it with the codes of exec; what goes wrong later is logged, and tried again.")]
pub struct Watch {
    #[command(flatten)]
    kernels: Kernels,
    /// How often Vault is asked for new versions, and a server for its kernels, give or take a tenth
    #[arg(long, value_name = "SECONDS", value_parser = duration, default_value = "60")]
    interval: Duration,
    /// A file that exists once the first round went well, and that each later round touches, also when
    /// Vault or the server is unavailable
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// What lines on stderr look like
    #[arg(long, value_name = "FORMAT", value_enum, default_value = "text")]
    log: Format,
    #[command(flatten)]
    secrets: Secrets,
}

#[cfg(target_os = "linux")]
impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Text, Self::Json]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Text => PossibleValue::new("text").help("For people"),
            Self::Json => PossibleValue::new("json").help("One JSON object a line"),
        })
    }
}

/// Watches until a signal comes.
#[cfg(target_os = "linux")]
pub fn watch(Watch { kernels, interval, ready_file, log, secrets }: Watch) -> Result<u8> {
    let order = watch::Order { selection: kernels.into(), request: secrets.request(), interval, ready_file, log };
    watch::run(order, &mut console::to_stderr)?;
    Ok(0)
}
