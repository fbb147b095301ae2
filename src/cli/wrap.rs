//! `wrap` and `unwrap`.

use std::path::PathBuf;

use clap::Args;

use super::report;
use crate::error::Result;
use crate::kernelspec::{self, Which};

#[derive(Debug, Args)]
#[command(after_help = "\
A kernelspec that this user may not write is copied to the user's folder, where Jupyter finds it first; the others
are changed in place. Beside each stands a vault.toml: a copy of --config FILE, or what the environment says and no
configuration file does. `jupyter-vault unwrap` brings back what was there, byte for byte.")]
pub(super) struct Wrap {
    /// The kernels, by the names that `jupyter kernelspec list` shows; asked on a terminal if none is named
    #[arg(value_name = "KERNEL")]
    kernels: Vec<String>,
    /// Every kernel that Jupyter finds
    #[arg(long, conflicts_with = "kernels")]
    all: bool,
    /// Put a copy of this vault.toml beside each kernel.json
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Put TEXT behind the name that a launcher's list shows; `--suffix=` takes it away again
    #[arg(long, value_name = "TEXT", num_args = 0..=1, require_equals = true, default_missing_value = " (secrets)")]
    suffix: Option<String>,
    /// Ask nothing, and wrap though nothing says yet where Vault is
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    place: Place,
    /// Show what would change, as a unified diff, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct Unwrap {
    /// The kernels, by name; asked on a terminal if none is named
    #[arg(value_name = "KERNEL")]
    kernels: Vec<String>,
    /// Every kernel that was wrapped
    #[arg(long, conflicts_with = "kernels")]
    all: bool,
    #[command(flatten)]
    place: Place,
    /// Show what would change, as a unified diff, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Where kernelspecs are written.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Place {
    /// Write to the user's folder
    #[arg(long)]
    user: bool,
    /// Write to the environment (venv, conda) that Jupyter runs in
    #[arg(long)]
    sys_prefix: bool,
    /// Write to the environment in this folder, and look there first
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

impl From<Place> for kernelspec::Place {
    fn from(Place { user, sys_prefix, prefix }: Place) -> Self {
        match prefix {
            Some(folder) => Self::Prefix(folder),
            None if user => Self::User,
            None if sys_prefix => Self::SysPrefix,
            None => Self::AsFound,
        }
    }
}

pub(super) fn wrap(Wrap { kernels, all, config, suffix, yes, place, dry_run }: Wrap) -> Result<u8> {
    let which = Which { kernels, all, yes, suffix, place: place.into(), dry_run };
    kernelspec::wrap::run(&which, config.as_deref(), &mut std::io::stdout(), &mut report).map(|()| 0)
}

pub(super) fn unwrap(Unwrap { kernels, all, place, dry_run }: Unwrap) -> Result<u8> {
    let which = Which { kernels, all, place: place.into(), dry_run, ..Which::default() };
    kernelspec::unwrap::run(&which, &mut std::io::stdout(), &mut report).map(|()| 0)
}
