//! Jupyter's kernel protocol, in pure Rust: connection files, signed messages, ZMTP.
//!
//! libzmq would be larger than the rest of the program, starts its own thread, and can't close its sockets at a chosen
//! moment. A kernel needs little of it: greet, agree on NULL or CURVE, exchange frames. The specifications are
//! <https://jupyter-client.readthedocs.io/en/stable/messaging.html> and <https://rfc.zeromq.org/spec/37/> (ZMTP 3.1),
//! 26 (CURVE).
//!
//! - [`connection`]: the file that says where a kernel listens and what signs its messages
//! - [`argument`]: finds that file in a kernel's command line
//! - [`endpoint`]: the channels of a kernel, and where they listen
//! - [`message`]: requests and replies, and their signature
//! - [`zmtp`]: what goes over a connection
//! - [`socket`]: a listening socket of a kernel, with its peers
//! - [`client`]: the connections to a kernel that runs

pub mod argument;
pub mod client;
pub mod connection;
pub mod endpoint;
mod listener;
pub mod message;
mod outbox;
mod peers;
pub mod signature;
pub mod socket;
mod trouble;
pub mod zmtp;
