//! Jupyter's servers, hubs, front ends and kernels, started with secrets.

mod browser;
mod hub;
mod kernel;
mod kernels;
mod matrix;
mod servers;
mod suites;
#[path = "../support/mod.rs"]
mod support;
