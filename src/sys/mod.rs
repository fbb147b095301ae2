//! The only raw calls to the operating system and the only `unsafe` of the crate.
//!
//! For example: state that a launch passes on unchanged ([`inherited`]), the environment that it reads and wipes
//! ([`environ`]), its protection while it holds secrets ([`hardening`]), and how it becomes the kernel ([`exec`]).
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
