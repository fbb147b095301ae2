//! Parses the command line, dispatches, prints one error, exits.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use jupyter_vault::cli::{Cli, Command, Exec, OnError};
use jupyter_vault::error::{Error, Kind};
#[cfg(feature = "inject")]
use jupyter_vault::inject::command::Voice;
use jupyter_vault::launch::{self, Ended, Request};
use jupyter_vault::sys::alloc::{WIPING, Wiping};
#[cfg(feature = "wrap")]
use jupyter_vault::{kernelspec, manual};

#[global_allocator]
static ALLOCATOR: Wiping = WIPING;

fn main() -> ExitCode {
    // A panic's own message may hold anything; where it happened holds nothing but our own source.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let advice = "report this as a defect, with that place";
        print(&Error::new(Kind::Internal, format!("an internal error{place}"), advice));
        std::process::exit(i32::from(Kind::Internal.exit_code()));
    }));
    let error = match Cli::try_parse() {
        Ok(Cli { command: Command::Exec(exec) }) => match launch::run(&request(exec), &mut print) {
            Ended::Failed(error) => error,
            Ended::Diagnosed(code) => return ExitCode::from(code),
        },
        #[cfg(feature = "inject")]
        Ok(Cli { command: Command::Inject(arguments) }) => {
            let mut say = |done: &str| {
                let _ = std::io::stdout().write_all(format!("{done}\n").as_bytes());
            };
            let mut voice = Voice { say: &mut say, report: &mut print, progress: &mut note };
            match jupyter_vault::inject::command::run(arguments, &mut voice) {
                Ok(()) => return ExitCode::SUCCESS,
                Err(error) => error,
            }
        }
        #[cfg(all(feature = "inject", target_os = "linux"))]
        Ok(Cli { command: Command::Watch(arguments) }) => {
            let mut line = |line: &str| {
                let _ = std::io::stderr().write_all(line.as_bytes());
            };
            match jupyter_vault::inject::watch::run(arguments, &mut line) {
                Ok(()) => return ExitCode::SUCCESS,
                Err(error) => error,
            }
        }
        #[cfg(feature = "wrap")]
        Ok(Cli { command: Command::Wrap(arguments) }) => {
            let wrapped = kernelspec::wrap::run(&arguments, &mut std::io::stdout(), &mut print);
            return ended(wrapped);
        }
        #[cfg(feature = "wrap")]
        Ok(Cli { command: Command::Unwrap(arguments) }) => {
            let unwrapped = kernelspec::unwrap::run(&arguments, &mut std::io::stdout(), &mut print);
            return ended(unwrapped);
        }
        #[cfg(feature = "wrap")]
        Ok(Cli { command: Command::Completions { shell } }) => {
            return ended(manual::completions(shell, &mut std::io::stdout()));
        }
        #[cfg(feature = "wrap")]
        Ok(Cli { command: Command::Man { folder } }) => {
            return ended(manual::man(folder.as_deref(), &mut std::io::stdout()));
        }
        #[cfg(feature = "manage")]
        Ok(Cli { command: Command::Manage(command) }) => match jupyter_vault::manage::run(&command) {
            Ok(outcome) => return answer(&outcome),
            Err(error) => error,
        },
        #[cfg(all(feature = "diagnose", target_os = "linux"))]
        Ok(Cli { command: Command::Hold { arguments } }) => {
            jupyter_vault::diagnose::hold::hold(&arguments);
            return ExitCode::SUCCESS;
        }
        Err(shown) if matches!(shown.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let _ = shown.print();
            return ExitCode::SUCCESS;
        }
        Err(wrong) => usage(&wrong),
    };
    print(&error);
    ExitCode::from(error.kind().exit_code())
}

/// The end of a subcommand that does not become another program.
#[cfg(feature = "wrap")]
fn ended(outcome: Result<(), Error>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    print(&error);
    ExitCode::from(error.kind().exit_code())
}

fn request(exec: Exec) -> Request {
    let on_error = exec.on_error.map(|what| match what {
        OnError::Diagnose => launch::OnError::Diagnose,
        OnError::Exit => launch::OnError::Exit,
        OnError::StartWithout => launch::OnError::StartWithout,
    });
    Request {
        config: exec.config,
        secrets: exec.secrets,
        on_error,
        timeout: exec.timeout,
        allow: exec.allow,
        command: exec.command,
    }
}

/// The first line of clap's text says what is wrong; the usage it adds is in `--help`.
fn usage(wrong: &clap::Error) -> Error {
    let text = wrong.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut first = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    if first.ends_with(':') {
        first = format!("{first} {}", lines.next().unwrap_or_default());
    }
    Error::new(Kind::Usage, first, "see jupyter-vault --help and jupyter-vault exec --help")
}

#[cfg(feature = "manage")]
fn answer(outcome: &jupyter_vault::manage::Outcome) -> ExitCode {
    let _ = std::io::stdout().write_all(outcome.text.as_bytes());
    ExitCode::from(outcome.code)
}

/// One write, so that the lines of fifty launches at once do not mix.
fn print(error: &Error) {
    let _ = std::io::stderr().write_all(format!("jupyter-vault: {error}\n").as_bytes());
}

/// Something on the way that is no error.
#[cfg(feature = "inject")]
fn note(text: &str) {
    let _ = std::io::stderr().write_all(format!("jupyter-vault: {text}\n").as_bytes());
}
