//! `wrap` and `unwrap`: the launcher in kernelspecs, and out again.

use std::io::stdout;
use std::path::PathBuf;

use clap::Args;

use super::console;
use crate::error::Result;
use crate::kernelspec::find::Place;
use crate::kernelspec::{unwrap, wrap};

/// Where kernelspecs are written; without a flag, where they are, or else in the user's folder.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Where {
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

impl From<Where> for Place {
    fn from(Where { user, sys_prefix, prefix }: Where) -> Self {
        match prefix {
            Some(prefix) => Self::Prefix(prefix),
            None if user => Self::User,
            None if sys_prefix => Self::SysPrefix,
            None => Self::Usual,
        }
    }
}

/// `jupyter-vault wrap`.
#[derive(Debug, Args)]
#[command(after_help = "\
A kernelspec that this user may not write is copied to the user's folder, where Jupyter finds it first; the others
are changed in place. Beside each stands a vault.toml: a copy of --config FILE, or what the environment says and no
configuration file does. `jupyter-vault unwrap` brings back what was there, byte for byte.")]
pub struct Wrap {
    /// The kernels, by the names that `jupyter kernelspec list` shows
    #[arg(value_name = "KERNEL", required_unless_present = "all")]
    kernels: Vec<String>,
    /// Every kernel that Jupyter finds
    #[arg(long, conflicts_with = "kernels")]
    all: bool,
    /// Put a copy of this vault.toml beside each kernel.json
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
    /// Show what would change, as a unified diff, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Wraps.
pub fn wrap(Wrap { kernels, all, config, place, dry_run }: Wrap) -> Result<u8> {
    let order = wrap::Order { kernels, all, config, place: place.into(), dry_run };
    wrap::run(&order, &mut stdout(), &mut console::error)?;
    Ok(0)
}

/// `jupyter-vault unwrap`.
#[derive(Debug, Args)]
pub struct Unwrap {
    /// The kernels, by name
    #[arg(value_name = "KERNEL", required_unless_present = "all")]
    kernels: Vec<String>,
    /// Every kernel that was wrapped
    #[arg(long, conflicts_with = "kernels")]
    all: bool,
    #[command(flatten)]
    place: Where,
    /// Show what would change, as a unified diff, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Unwraps.
pub fn unwrap(Unwrap { kernels, all, place, dry_run }: Unwrap) -> Result<u8> {
    let order = unwrap::Order { kernels, all, place: place.into(), dry_run };
    unwrap::run(&order, &mut stdout(), &mut console::error)?;
    Ok(0)
}
