//! Jupyter servers and gateways: their kernels, and messages to a kernel through its server.
//!
//! A kernel's own sockets are the direct way, but they may be on another machine (a gateway, a pod), or the connection
//! file may be unreadable. The server's token is then enough to talk to the kernel.
//!
//! - [`address`]: the URL of a server, as Jupyter prints it
//! - [`rest`]: a server's lists of kernels and sessions
//! - [`frames`]: kernel messages as a websocket carries them, in both protocols
//! - [`websocket`]: the connection to one kernel
//! - [`discover`]: servers and kernels of this user on this machine

pub mod address;
pub mod discover;
pub mod frames;
pub mod rest;
pub mod websocket;
