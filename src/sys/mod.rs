//! The only raw system calls and the only `unsafe` code of the crate.
//!
//! For example: [`inherited`] keeps the state that a kernel must inherit, [`environ`] reads and wipes the environment,
//! [`hardening`] protects the process while it holds secrets, and [`exec`] becomes the kernel.
#![allow(unsafe_code, reason = "the fenced-off part: each block says in a SAFETY note why it is sound")]

pub mod alloc;
#[cfg(target_os = "linux")]
pub mod code;
#[doc(hidden)]
pub mod entry;
pub mod environ;
#[cfg(all(feature = "wrap", target_os = "linux"))]
pub mod exchange;
pub mod exec;
pub mod file;
pub mod folder;
pub mod hardening;
pub mod inherited;
#[cfg(feature = "inject")]
pub mod limits;
#[cfg(all(feature = "diagnose", target_os = "linux"))]
pub mod parent;
#[cfg(target_os = "linux")]
pub mod pidfd;
pub mod process;
pub mod program;
#[cfg(target_os = "linux")]
pub mod readable;
pub mod signals;
#[cfg(target_os = "linux")]
pub mod stack;
#[cfg(all(any(feature = "manage", feature = "wrap"), target_os = "linux"))]
pub mod terminal;
#[cfg(all(any(feature = "diagnose", feature = "inject"), target_os = "linux"))]
pub mod watches;
