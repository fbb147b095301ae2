//! Where the program begins.
//!
//! Before `main` the standard library finds out where the main thread's stack ends, for a message when it overflows.
//! With the GNU C library that means to parse `/proc/self/maps`: a tenth of a launch's own instructions. So the program
//! brings its own C `main` there, and does the rest of what the standard library does: a standard descriptor that came
//! closed leads to `/dev/null`, and a write to a closed pipe is an error and no signal. A stack that overflows ends the
//! process by SIGSEGV, as it does a C program.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use nix::{fcntl, sys::signal, sys::stat};

/// Defines the program's beginning: `$run` gives the code to exit with.
#[doc(hidden)]
#[macro_export]
macro_rules! begin_with {
    ($run:path) => {
        #[cfg(all(target_os = "linux", target_env = "gnu", not(test)))]
        #[unsafe(no_mangle)]
        extern "C" fn main() -> i32 {
            $crate::entry::prepare();
            // Flushes what the standard library buffers.
            std::process::exit(i32::from($run()))
        }

        #[cfg(not(all(target_os = "linux", target_env = "gnu", not(test))))]
        fn main() -> std::process::ExitCode {
            std::process::ExitCode::from($run())
        }
    };
}

/// Does what the standard library does before `main`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn prepare() {
    for _ in 0..super::inherited::closed() {
        // The lowest number that is free: one of 0 to 2. It stays open for the process's life.
        let null = fcntl::open("/dev/null", fcntl::OFlag::O_RDWR, stat::Mode::empty());
        match null {
            Ok(null) => drop(std::os::fd::IntoRawFd::into_raw_fd(null)),
            Err(_) => std::process::abort(),
        }
    }
    // SAFETY: the disposition becomes "ignore"; no handler function is installed.
    let _ = unsafe { signal::signal(signal::Signal::SIGPIPE, signal::SigHandler::SigIgn) };
}
