//! Options that several commands share: the configuration and what overrides it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::value::parse_duration;
use crate::launch::Request;
#[cfg(feature = "manage")]
use crate::manage::secrets::Common;

/// The flags that override settings of vault.toml.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// Read this vault.toml before all others; it must exist
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Use these secrets instead of the configured sources: MOUNT/PATH, MOUNT/PATH#FIELD or
    /// MOUNT/PATH#FIELD=NAME (may be given more than once; a later one wins)
    #[arg(long, value_name = "SPEC")]
    secrets: Vec<String>,
    /// Time limit for all requests to Vault, in seconds or as 1m30s [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    timeout: Option<Duration>,
    /// Accept a secret with this protected name, such as PYTHONPATH (may be given more than once)
    #[arg(long, value_name = "NAME")]
    allow: Vec<String>,
}

impl From<Settings> for Request {
    fn from(settings: Settings) -> Self {
        let Settings { config, secrets, timeout, allow } = settings;
        Self { config, secrets, timeout, allow, ..Self::default() }
    }
}

/// The options of the commands that manage secrets and data sources.
#[cfg(feature = "manage")]
#[derive(Debug, Args)]
pub(super) struct ManageOptions {
    /// Read this vault.toml before all others; it must exist
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The source to work on: its path, or the end of its path
    #[arg(long, value_name = "SOURCE")]
    to: Option<String>,
    /// Time limit for all requests to Vault, in seconds or as 1m30s [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    timeout: Option<Duration>,
    /// Print one JSON object instead of text
    #[arg(long)]
    json: bool,
    /// Ask nothing
    #[arg(long, short)]
    yes: bool,
}

#[cfg(feature = "manage")]
impl From<ManageOptions> for Common {
    fn from(managing: ManageOptions) -> Self {
        let ManageOptions { config, to, timeout, json, yes } = managing;
        Self { config, timeout, to, json, yes, ..Self::default() }
    }
}

/// Parses a duration on the command line.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "not a duration like 10, 500ms or 1m30s, of at most a day".to_owned())
}
