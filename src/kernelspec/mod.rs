//! Kernelspecs: found where Jupyter finds them, changed so that the launcher stands first, and changed back.
//!
//! A kernelspec has other owners: a package that upgrades it, an administrator, a user who edits it, programs
//! that read it. So only the words of its `argv` change, the earlier text is kept beside it for `unwrap`, and each
//! change is one rename: a program that reads the folder at any moment, or after a crash, finds the old kernelspec
//! or the new one.
//!
//! - [`python`]: which Python runs Jupyter, and what it says of itself
//! - [`find`]: the folders in Jupyter's order, and the kernelspecs in them
//! - `choose`: which of them a command means
//! - [`edit`]: kernel.json, its text changed in one place
//! - `words`: where a launcher stands in an argv
//! - `label`: the name that a list shows
//! - `origin`: kernel.json as it would be without us
//! - `starter`: whether the kernel's command runs on this machine
//! - [`standby`]: what starts a wrapped kernel once the program is uninstalled
//! - [`settings`]: the vault.toml beside it
//! - [`journal`]: what was there before, and writing that survives a crash
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

pub use self::which::{Place, Which};

/// The file that says what a kernel is.
pub const KERNEL_JSON: &str = "kernel.json";
/// The file beside it that stands by for a program of pip's.
pub const STAND_BY: &str = "jupyter-vault-launcher";
/// The script that becomes it.
pub const STAND_BY_SCRIPT: &str = "jupyter-vault-launcher.py";
