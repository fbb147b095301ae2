//! `wrap` and `unwrap`.

use std::path::PathBuf;

use clap::Args;

use super::output::Output;
use super::report::report;
use crate::error::Result;
use crate::kernelspec::{self, WrapChoices};

#[derive(Debug, Args)]
#[command(after_help = "\
wrap changes a kernelspec in place, or, if this user can't write to it, copies it to the user's folder, where Jupyter
finds the copy first. Each gets a vault.toml: a copy of --config FILE, or the settings that are in the environment but
in no configuration file. `jupyter-vault unwrap` restores every file, byte for byte.")]
pub(super) struct Wrap {
    /// The kernels, by the names that `jupyter kernelspec list` shows; a terminal is asked if none is named
    #[arg(value_name = "KERNEL")]
    kernels: Vec<String>,
    /// Every kernel that Jupyter finds
    #[arg(long, conflicts_with = "kernels")]
    all: bool,
    /// Copy this vault.toml beside each kernel.json
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Append TEXT to the kernel's display name; `--suffix=` removes it again
    #[arg(long, value_name = "TEXT", num_args = 0..=1, require_equals = true, default_missing_value = " (secrets)")]
    suffix: Option<String>,
    /// Ask nothing, and wrap even if Vault's address is not configured yet
    #[arg(long, short)]
    yes: bool,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Show what would change, as a unified diff, and change nothing
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
pub(super) struct Unwrap {
    /// The kernels, by name; a terminal is asked if none is named
    #[arg(value_name = "KERNEL")]
    kernels: Vec<String>,
    /// Every wrapped kernel
    #[arg(long, conflicts_with = "kernels")]
    all: bool,
    #[command(flatten)]
    scope: ScopeArgs,
    /// Show what would change, as a unified diff, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Where kernelspecs are written.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct ScopeArgs {
    /// Write to the user's folder
    #[arg(long)]
    user: bool,
    /// Write to the environment (venv, conda) of Jupyter
    #[arg(long)]
    sys_prefix: bool,
    /// Write to the environment in this folder, and search it first
    #[arg(long, value_name = "DIR")]
    prefix: Option<PathBuf>,
}

impl From<ScopeArgs> for kernelspec::Scope {
    fn from(ScopeArgs { user, sys_prefix, prefix }: ScopeArgs) -> Self {
        match prefix {
            Some(folder) => Self::Prefix(folder),
            None if user => Self::User,
            None if sys_prefix => Self::SysPrefix,
            None => Self::AsFound,
        }
    }
}

pub(super) fn wrap(Wrap { kernels, all, config, suffix, yes, scope, dry_run }: Wrap) -> Result<u8> {
    let which = WrapChoices { kernels, all, yes, suffix, scope: scope.into(), dry_run };
    let mut output = Output::default();
    kernelspec::wrap::run(&which, config.as_deref(), &mut output, &mut report)?;
    output.end().map(|()| 0)
}

pub(super) fn unwrap(Unwrap { kernels, all, scope, dry_run }: Unwrap) -> Result<u8> {
    let which = WrapChoices { kernels, all, scope: scope.into(), dry_run, ..WrapChoices::default() };
    let mut output = Output::default();
    kernelspec::unwrap::run(&which, &mut output, &mut report)?;
    output.end().map(|()| 0)
}
