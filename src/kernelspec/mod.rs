//! Kernelspecs: finds them where Jupyter does, puts the launcher first, and restores them.
//!
//! A kernelspec has other owners: a package that upgrades it, an administrator, a user who edits it, programs that
//! read it. So only the words of its `argv` change, the earlier text is kept beside it for `unwrap`, and each change
//! is one rename: a program that reads the folder at any moment, or after a crash, finds the old kernelspec or the
//! new one.
//!
//! - [`python`]: the Python that runs Jupyter, and its answers
//! - [`find`]: the kernelspecs in Jupyter's folders, in Jupyter's order
//! - `choose`: which of them a command means
//! - [`edit`]: kernel.json, with its text changed in one place
//! - `words`: finds a launcher in an argv
//! - `label`: the display name and its suffix
//! - `origin`: kernel.json without wrap's change
//! - `starter`: whether the kernel's command runs on this machine
//! - [`standby`]: starts a wrapped kernel after the program was uninstalled
//! - [`settings`]: the vault.toml beside it
//! - [`journal`]: keeps the earlier files, and writes so that a crash does no harm
//! - [`place`]: in place, or a copy that Jupyter finds first
//! - [`wrap`] and [`unwrap`]: the two subcommands

mod choose;
mod copy;
mod diff;
pub mod edit;
pub mod find;
pub mod journal;
mod label;
mod origin;
pub mod place;
pub mod python;
pub mod settings;
pub mod standby;
pub mod starter;
pub mod unwrap;
mod which;
mod words;
pub mod wrap;
mod wrapped;

pub use self::which::{Scope, WrapChoices};

/// The file that describes a kernel.
pub const KERNEL_JSON: &str = "kernel.json";
/// The stand-in beside it for a program installed by pip.
pub const STAND_BY: &str = "jupyter-vault-launcher";
/// The script that becomes it.
pub const STAND_BY_SCRIPT: &str = "jupyter-vault-launcher.py";
