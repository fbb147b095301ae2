//! What several commands take: the configuration and what overrides it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::config::value::parse_duration;
use crate::launch::Request;
#[cfg(feature = "manage")]
use crate::manage::secrets::Common;

/// The flags that stand for settings of vault.toml.
#[derive(Debug, Args)]
pub(super) struct Settings {
    /// Read this vault.toml first; it must exist
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Take these secrets in place of the configured sources: MOUNT/PATH, MOUNT/PATH#FIELD or
    /// MOUNT/PATH#FIELD=NAME (may be given more than once; a later one wins)
    #[arg(long, value_name = "SPEC")]
    secrets: Vec<String>,
    /// Time for everything that concerns Vault, in seconds or as 1m30s [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    timeout: Option<Duration>,
    /// Accept a secret of this protected name, such as PYTHONPATH (may be given more than once)
    #[arg(long, value_name = "NAME")]
    allow: Vec<String>,
}

impl From<Settings> for Request {
    fn from(settings: Settings) -> Self {
        let Settings { config, secrets, timeout, allow } = settings;
        Self { config, secrets, timeout, allow, ..Self::default() }
    }
}

/// What the commands take that manage secrets and data sources.
#[cfg(feature = "manage")]
#[derive(Debug, Args)]
pub(super) struct Managing {
    /// Read this vault.toml first; it must exist
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Work on this source, by its path or the end of it
    #[arg(long, value_name = "SOURCE")]
    to: Option<String>,
    /// Time for everything that concerns Vault, in seconds or as 1m30s [default: 10]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    timeout: Option<Duration>,
    /// One JSON object in place of the text
    #[arg(long)]
    json: bool,
    /// Ask nothing
    #[arg(long, short)]
    yes: bool,
}

#[cfg(feature = "manage")]
impl From<Managing> for Common {
    fn from(managing: Managing) -> Self {
        let Managing { config, to, timeout, json, yes } = managing;
        Self { config, timeout, to, json, yes, ..Self::default() }
    }
}

/// Reads a time on the command line.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).ok_or_else(|| "not a time like 10, 500ms or 1m30s, at most a day".to_owned())
}
