//! The command line of `scrub`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::settings::duration;
use crate::error::Result;
use crate::manage::Outcome;
use crate::manage::scrub;

#[derive(Debug, Args)]
#[command(after_help = "\
The values come from Vault, as a kernel gets them, and are looked for in sources, outputs and metadata: plain, in base64,
percent-encoded, escaped, and split over lines or chunks of a stream. A folder stands for all notebooks below it. What is
found is replaced by [secret NAME]; a notebook without a secret is not written. Values of fewer than 8 characters and
images are not looked into, and that is said.

  jupyter-vault scrub Report.ipynb          replaces
  jupyter-vault scrub --check notebooks     says where, for pre-commit and CI

Exit code of --check: 88 when a secret stands in a notebook. Otherwise 0, or that of the first notebook that can't be
looked through (the others are); see docs/failures.md.")]
pub(super) struct Scrub {
    /// Notebooks, or folders of them; - takes one from standard input and gives it on standard output
    #[arg(required = true, value_name = "NOTEBOOK")]
    files: Vec<PathBuf>,
    /// Change nothing: say where secrets stand, and exit with 88 if there are any
    #[arg(long)]
    check: bool,
    /// Do not look for the value of this name (may be given more than once)
    #[arg(long, value_name = "NAME")]
    except: Vec<String>,
    /// Look for the values of the last NUMBER earlier versions of each secret too: an old notebook may show them
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100))]
    versions: u32,
    /// Read this vault.toml first; it must exist
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Time for everything that concerns Vault, in seconds or as 1m30s [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    timeout: Option<Duration>,
    /// One JSON object in place of the text
    #[arg(long)]
    json: bool,
}

/// Looks through notebooks.
pub(super) fn run(scrub: Scrub) -> Result<Outcome> {
    let Scrub { files, check, except, versions, config, timeout, json } = scrub;
    scrub::run(&scrub::Flags { files, check, except, versions, config, timeout, json })
}
