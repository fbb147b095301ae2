//! Parses the command line, does what it says, prints one error, exits.

use std::process::ExitCode;

use jupyter_vault::cli::{self, console};
use jupyter_vault::error::{Error, Kind};
use jupyter_vault::sys::alloc::{WIPING, Wiping};

#[global_allocator]
static ALLOCATOR: Wiping = WIPING;

fn main() -> ExitCode {
    // A panic's own message may hold anything; where it happened holds nothing but our own source.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let advice = "report this as a defect, with that place";
        console::error(&Error::new(Kind::Internal, format!("an internal error{place}"), advice));
        std::process::exit(i32::from(Kind::Internal.exit_code()));
    }));
    ExitCode::from(cli::main().unwrap_or_else(|error| {
        console::error(&error);
        error.kind().exit_code()
    }))
}
