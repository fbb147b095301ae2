//! The program's entry point.
//!
//! Before `main`, the standard library finds the end of the main thread's stack, for a message on overflow. With the
//! GNU C library it parses `/proc/self/maps` for that: a tenth of a launch's instructions. So on such systems the
//! program has its own C `main`, which does the rest of the standard library's start-up: it opens closed standard
//! descriptors on `/dev/null`, and makes a write to a closed pipe an error instead of a signal. A stack overflow ends
//! the process with SIGSEGV, as in a C program.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use nix::{fcntl, sys::signal, sys::stat};

/// Defines the program's `main`; `$prepare` is [`prepare`], and `$run` returns the exit code.
#[doc(hidden)]
#[macro_export]
macro_rules! begin_with {
    ($prepare:path, $run:path) => {
        #[cfg(all(target_os = "linux", target_env = "gnu", not(test)))]
        #[unsafe(no_mangle)]
        extern "C" fn main() -> i32 {
            $prepare();
            // Flushes the standard library's buffers.
            std::process::exit(i32::from($run()))
        }

        #[cfg(not(all(target_os = "linux", target_env = "gnu", not(test))))]
        fn main() -> std::process::ExitCode {
            std::process::ExitCode::from($run())
        }
    };
}

/// The standard library's work before `main`.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn prepare() {
    for _ in 0..super::inherited::closed() {
        // The new descriptor gets the lowest free number, which is one of 0 to 2, and stays open.
        let null = fcntl::open("/dev/null", fcntl::OFlag::O_RDWR, stat::Mode::empty());
        match null {
            Ok(null) => drop(std::os::fd::IntoRawFd::into_raw_fd(null)),
            Err(_) => std::process::abort(),
        }
    }
    // SAFETY: the disposition becomes "ignore"; no handler function is installed.
    let _ = unsafe { signal::signal(signal::Signal::SIGPIPE, signal::SigHandler::SigIgn) };
}
