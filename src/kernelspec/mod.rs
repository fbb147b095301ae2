//! Kernelspecs: found where Jupyter finds them, changed so that the launcher stands first, and changed back.
//!
//! A kernelspec belongs to somebody: a package that upgrades it, an administrator, a user who edits it,
//! other programs that read it. So no more of it is changed than the words of its `argv`, what was there
//! before is kept beside it until it is wanted back, and each change is one rename: a program that reads
//! the folder at any moment, or after a crash at any moment, finds the old kernelspec or the new one.
//!
//! - [`python`]: which Python runs Jupyter, and what it says of itself
//! - [`find`]: the folders in Jupyter's order, and the kernelspecs in them
//! - [`edit`]: kernel.json, its text changed in one place
//! - [`settings`]: the vault.toml beside it
//! - [`journal`]: what was there before, and writing that survives a crash
//! - [`place`]: in place, or a copy that Jupyter finds first
//! - [`wrap`] and [`unwrap`]: what the two commands do

mod copy;
pub mod edit;
pub mod find;
pub mod journal;
pub mod place;
pub mod python;
pub mod settings;
pub mod unwrap;
pub mod wrap;

/// The file that says what a kernel is.
pub const KERNEL_JSON: &str = "kernel.json";
