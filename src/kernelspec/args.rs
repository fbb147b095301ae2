//! The command lines of `wrap` and `unwrap`.

use std::path::PathBuf;

use clap::Args;

/// `jupyter-vault wrap`.
#[derive(Debug, Args)]
#[command(after_help = "\
A kernelspec that this user may not write is copied to the user's folder, where Jupyter finds it first; the others
are changed in place. Beside each stands a vault.toml: a copy of --config FILE, or what the environment says and no
configuration file does. `jupyter-vault unwrap` brings back what was there, byte for byte.")]
pub struct Wrap {
    /// The kernels, by the names that `jupyter kernelspec list` shows
    #[arg(value_name = "KERNEL", required_unless_present = "all")]
    pub kernels: Vec<String>,
    /// Every kernel that Jupyter finds
    #[arg(long, conflicts_with = "kernels")]
    pub all: bool,
    /// Put a copy of this vault.toml beside each kernel.json
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where to write.
    #[command(flatten)]
    pub place: Place,
    /// Show what would change, as a unified diff, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// `jupyter-vault unwrap`.
#[derive(Debug, Args)]
pub struct Unwrap {
    /// The kernels, by name
    #[arg(value_name = "KERNEL", required_unless_present = "all")]
    pub kernels: Vec<String>,
    /// Every kernel that was wrapped
    #[arg(long, conflicts_with = "kernels")]
    pub all: bool,
    /// Where to look first.
    #[command(flatten)]
    pub place: Place,
    /// Show what would change, as a unified diff, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Where kernelspecs are written; without a word, where they are, or else in the user's folder.
#[derive(Debug, Default, Clone, Args)]
#[group(multiple = false)]
pub struct Place {
    /// Write to the user's folder
    #[arg(long)]
    pub user: bool,
    /// Write to the environment (venv, conda) that Jupyter runs in
    #[arg(long)]
    pub sys_prefix: bool,
    /// Write to the environment in this folder, and look there first
    #[arg(long, value_name = "DIR")]
    pub prefix: Option<PathBuf>,
}
