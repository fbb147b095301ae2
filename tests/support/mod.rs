//! What the tests share: a real OpenBao, the real binary, and stand-ins for faults.
#![allow(dead_code, reason = "each test binary uses its own part of this")]

pub mod agent;
pub mod certificates;
pub mod containers;
pub mod crowd;
pub mod dialogue;
pub mod faults;
pub mod front_end;
pub mod inner_cargo;
pub mod jwt;
pub mod kernels;
pub mod kernelspecs;
pub mod launcher;
#[cfg(target_os = "linux")]
pub mod leases;
pub mod mariadb;
pub mod openbao;
pub mod policies;
pub mod postgres;
pub mod python;
pub mod ready;
pub mod remote;
pub mod running;
pub mod server;
pub mod terminal;
pub mod valkey;
pub mod waiting;
pub mod wheel;
pub mod wire;
