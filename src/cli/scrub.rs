//! The command line of `scrub`.

use std::path::PathBuf;

use clap::Args;

use super::settings::{Config, Json, Timeout};
use crate::error::Result;
use crate::manage::Outcome;
use crate::manage::scrub;

#[derive(Debug, Args)]
#[command(after_help = "\
scrub reads the values from Vault, as a launch does, and searches cell sources, outputs and metadata for them: plain,
base64, percent-encoded, escaped, and split over lines or chunks of a stream. A folder means all notebooks below it.
Each match is replaced by [secret NAME]; a notebook without a match is not written. scrub does not search for values
shorter than 8 characters, nor in images, and says so.

  jupyter-vault scrub Report.ipynb          replaces the secrets
  jupyter-vault scrub --check notebooks     reports them, for pre-commit and CI

Exit code of --check: 88 if a notebook contains a secret. Otherwise 0, or that of the first notebook that can't be
searched (the others still are); see docs/failures.md.")]
pub(super) struct Scrub {
    /// Notebooks, or folders of them; - reads one from standard input and writes it to standard output
    #[arg(required = true, value_name = "NOTEBOOK")]
    files: Vec<PathBuf>,
    /// Change nothing: report where secrets are, and exit with 88 if there are any
    #[arg(long)]
    check: bool,
    /// Do not search for this secret (may be given more than once)
    #[arg(long, value_name = "NAME")]
    except: Vec<String>,
    /// Also search for the values of each secret's last NUMBER earlier versions, which old notebooks may contain
    #[arg(long, value_name = "NUMBER", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=100))]
    versions: u32,
    #[command(flatten)]
    config: Config,
    #[command(flatten)]
    timeout: Timeout,
    #[command(flatten)]
    json: Json,
}

/// Searches notebooks.
pub(super) fn run(scrub: Scrub) -> Result<Outcome> {
    let Scrub { files, check, except, versions, config, timeout, json } = scrub;
    let (Config { config }, Timeout { timeout }, Json { json }) = (config, timeout, json);
    scrub::run(&scrub::Flags { files, check, except, versions, config, timeout, json })
}
