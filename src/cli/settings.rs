//! Options that several commands share: the configuration and what overrides it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::value::parse_duration;
use crate::launch::Request;
#[cfg(feature = "manage")]
use crate::manage::secrets::Common;

/// `--config`.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Config {
    /// Read this vault.toml before all others; it must exist
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

/// `--timeout`.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Timeout {
    /// Time limit for all requests to Vault, in seconds or as 1m30s [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
}

/// `--allow`.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Allow {
    /// Accept a secret with this protected name, such as PYTHONPATH (may be given more than once)
    #[arg(long, value_name = "NAME")]
    pub(super) allow: Vec<String>,
}

/// `--json`.
#[cfg(feature = "manage")]
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Json {
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// The flags that override settings of vault.toml.
#[derive(Debug, Args)]
pub(super) struct Settings {
    #[command(flatten)]
    config: Config,
    /// Use these secrets instead of the configured sources: MOUNT/PATH, MOUNT/PATH#FIELD or
    /// MOUNT/PATH#FIELD=NAME (may be given more than once; a later one wins)
    #[arg(long, value_name = "SPEC")]
    secrets: Vec<String>,
    #[command(flatten)]
    timeout: Timeout,
    #[command(flatten)]
    allow: Allow,
}

impl From<Settings> for Request {
    fn from(settings: Settings) -> Self {
        let Settings { config: Config { config }, secrets, timeout: Timeout { timeout }, allow: Allow { allow } } =
            settings;
        Self { config, secrets, timeout, allow, ..Self::default() }
    }
}

/// The options of the commands that manage secrets and data sources.
#[cfg(feature = "manage")]
#[derive(Debug, Args)]
pub(super) struct ManageOptions {
    #[command(flatten)]
    config: Config,
    /// The source to work on: its path, or the end of its path
    #[arg(long, value_name = "SOURCE")]
    to: Option<String>,
    #[command(flatten)]
    timeout: Timeout,
    #[command(flatten)]
    json: Json,
    /// Ask nothing
    #[arg(long, short)]
    yes: bool,
}

#[cfg(feature = "manage")]
impl From<ManageOptions> for Common {
    fn from(managing: ManageOptions) -> Self {
        let ManageOptions { config: Config { config }, to, timeout: Timeout { timeout }, json: Json { json }, yes } =
            managing;
        Self { config, timeout, to, json, yes, ..Self::default() }
    }
}

/// Parses a duration on the command line.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "not a duration like 10, 500ms or 1m30s, of at most a day".to_owned())
}
