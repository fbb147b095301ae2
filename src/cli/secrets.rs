//! What every command that reads secrets takes: where they are, and how long Vault may need.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::duration;
use crate::launch::Request;

/// The flags of exec, inject, watch and doctor.
#[derive(Debug, Default, Args)]
pub struct Secrets {
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

impl Secrets {
    /// The request that these flags make, without a command.
    pub fn request(self) -> Request {
        let Self { config, secrets, timeout, allow } = self;
        Request { config, secrets, timeout, allow, ..Request::default() }
    }
}
