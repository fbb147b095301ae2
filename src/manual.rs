//! Shell completions and the man pages, made from the command line's own definitions.

use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::error::{Error, Kind, Result};

const NAME: &str = "jupyter-vault";

/// Writes the completion script for `shell`.
///
/// # Errors
/// [`Kind::Os`] when it can't be written.
pub fn completions(shell: Shell, out: &mut dyn Write) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(), NAME, &mut script);
    // For bash, clap_complete 4.6 writes the name's hyphen in two ways, so that no subcommand is found.
    let script = String::from_utf8_lossy(&script).replace("jupyter__subcmd__vault", "jupyter__vault");
    out.write_all(script.as_bytes()).map_err(|cause| refused(&cause))
}

/// Writes the page of the program, or with a folder that of each subcommand too, into files there.
///
/// # Errors
/// [`Kind::Os`] when it can't be written.
pub fn man(folder: Option<&Path>, out: &mut dyn Write) -> Result<()> {
    match folder {
        Some(folder) => clap_mangen::generate_to(visible(), folder),
        None => clap_mangen::Man::new(visible()).render(out),
    }
    .map_err(|cause| refused(&cause))
}

/// The command line without what is not for people; bash would offer that too.
fn visible() -> Command {
    let whole = Cli::command();
    let shown: Vec<_> = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned().collect();
    let mut visible = Command::new(NAME).version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true);
    if let Some(about) = whole.get_about() {
        visible = visible.about(about.clone());
    }
    if let Some(after) = whole.get_after_help() {
        visible = visible.after_help(after.clone());
    }
    visible.subcommands(shown)
}

fn refused(cause: &io::Error) -> Error {
    Error::new(Kind::Os, format!("the text can't be written: {}", cause.kind()), "name a folder that is there")
}
