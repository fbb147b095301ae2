//! Runs the command line, prints one error, exits.

#![cfg_attr(all(target_os = "linux", target_env = "gnu", not(test)), no_main)]

use jupyter_vault::alloc::{WIPING, Wiping};
use jupyter_vault::cli;
use jupyter_vault::error::{Error, Kind};

#[global_allocator]
static ALLOCATOR: Wiping = WIPING;

jupyter_vault::begin_with!(jupyter_vault::entry::prepare, run);

fn run() -> u8 {
    // A panic's message may hold anything; its location holds only our own source.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let advice = "report this as a bug, with that location";
        cli::report(&Error::new(Kind::Internal, format!("an internal error{place}"), advice));
        std::process::exit(i32::from(Kind::Internal.exit_code()));
    }));
    cli::run().unwrap_or_else(|error| {
        cli::report(&error);
        error.kind().exit_code()
    })
}
