//! What this package's own fuzz targets, benches and tests use beyond the public API.

pub use crate::config::env::Environment;
pub use crate::config::file::{parse as parse_config, read as read_config};
pub use crate::config::locations::Locations;
pub use crate::config::lock::merge as merge_layers;
pub use crate::config::login::Login;
pub use crate::config::method::METHODS;
pub use crate::config::origin::Origin;
pub use crate::config::plan::Plan;
pub use crate::config::source::SourceSpec;
pub use crate::config::stored_token::token_helper as parse_token_helper;
pub use crate::config::template::Template;
pub use crate::config::value::parse_duration;
pub use crate::datasource::{DataSource, kinds::KINDS, template::ValueTemplate as DataTemplate};
#[cfg(all(feature = "diagnose", target_os = "linux"))]
pub use crate::diagnose::answer::{Answer, answer};
#[cfg(feature = "inject")]
pub use crate::inject::{Options, target::Target, update::KernelUpdate};
#[cfg(feature = "kernel-protocol")]
pub use crate::kernel::{
    client::Sockets,
    connection::ConnectionFile,
    endpoint::{Channel, Endpoint},
    message::{KernelMessage, KernelRequest},
    signature::{Scheme, Signer},
};
#[cfg(feature = "wrap")]
pub use crate::kernelspec::edit::Spec;
pub use crate::launch::given::{Fetched, Form, Given};
#[cfg(feature = "manage")]
pub use crate::manage::scrub::{Finder, scrub};
#[cfg(feature = "manage")]
pub use crate::manage::secrets::parse::{Format, parse as parse_secrets};
pub use crate::net::address::Address;
pub use crate::net::deadline::Deadline;
#[cfg(feature = "inject")]
pub use crate::server::{
    discover::parse_server_file,
    frames::{Parts, compose_json, compose_v1, parse_json, parse_json_with_buffers, parse_v1},
};
pub use crate::vault::body::Fields;
pub use crate::vault::client::Client;
pub use crate::vault::error::{Operation, Sender, refusal};
pub use crate::vault::reply::Reply;
pub use crate::vault::transport::{Call, Transport};

/// The plan of a launch.
pub fn plan(request: &crate::launch::Request, parent: &Environment) -> crate::error::Result<Plan> {
    crate::launch::plan(request, parent)
}

/// The frames of ZMTP.
#[cfg(feature = "kernel-protocol")]
pub mod zmtp {
    pub use crate::kernel::zmtp::command::{Properties, compose, split};
    pub use crate::kernel::zmtp::curve_client::Pair;
    pub use crate::kernel::zmtp::frame::{Decoded, decode, encode};
    pub use crate::kernel::zmtp::greeting::{LENGTH as GREETING, Mechanism, check as check_greeting, compose as greet};
    pub use crate::kernel::zmtp::peer::{ClientSecurity, Security, accept, connect};
}

/// The whole command line.
pub fn definition() -> clap::Command {
    crate::cli::definition()
}

/// Whether these bytes are a client's request to a keeper, and whether they are its refusal.
#[cfg(target_os = "linux")]
pub fn is_credential_message(message: &[u8]) -> (bool, bool) {
    crate::lease::is_protocol(message)
}

/// Whether these bytes are a launch's message to a keeper.
pub fn is_hand_over(message: &[u8]) -> bool {
    crate::lease::is_message(message)
}
