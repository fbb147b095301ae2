//! Shell completions and the man pages, made from the command line's own definitions.

use std::io;
use std::path::Path;

use clap::Command;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::error::{Error, Kind, Result};

const NAME: &str = "jupyter-vault";

/// The completion script for `shell`.
pub(super) fn completions(whole: &Command, shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut visible(whole), NAME, &mut script);
    // For bash, clap_complete 4.6 writes the name's hyphen in two ways, so that no subcommand is found.
    String::from_utf8_lossy(&script).replace("jupyter__subcmd__vault", "jupyter__vault")
}

/// The program's man page.
pub(super) fn man(whole: &Command) -> Result<String> {
    let mut whole = visible(whole);
    whole.build();
    page(whole).map(|(_, text)| text).map_err(|cause| refused(&cause))
}

/// Writes the program's man page, and each subcommand's, to files in `folder`.
pub(super) fn man_pages(whole: &Command, folder: &Path) -> Result<()> {
    let mut whole = visible(whole);
    whole.build();
    std::fs::create_dir_all(folder).map_err(|cause| refused(&cause))?;
    let each = whole.get_subcommands().cloned().chain([whole.clone()]);
    let mut each = each.map(|command| page(command).and_then(|(name, text)| std::fs::write(folder.join(name), text)));
    each.try_for_each(|written| written).map_err(|cause| refused(&cause))
}

/// A command's man page, and its file name.
fn page(command: Command) -> io::Result<(String, String)> {
    let man = Man::new(command).source(concat!("jupyter-vault ", env!("CARGO_PKG_VERSION")));
    let mut text = Vec::new();
    man.render(&mut text)?;
    Ok((man.get_filename(), set(&String::from_utf8_lossy(&text))))
}

/// Corrects clap_mangen 0.3's output: an absent date must be an empty argument, the text after the options must keep
/// its line breaks, and a break beside an empty line would be a second one.
fn set(page: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut laid_out = false;
    for line in page.lines() {
        let beside_space = lines.last() == Some(&"") && line == ".br";
        if line.is_empty() && lines.last() == Some(&".br") {
            lines.pop();
        }
        if laid_out && line.starts_with(".SH") {
            lines.push(".fi");
            laid_out = false;
        }
        if line == ".SH EXTRA" {
            lines.extend([".SH NOTES", ".nf"]);
            laid_out = true;
        } else if !beside_space {
            lines.push(line);
        }
    }
    if laid_out {
        lines.push(".fi");
    }
    lines.join("\n").replacen(" 1  \"", " 1 \"\" \"", 1) + "\n"
}

/// The command line without hidden subcommands, which bash would otherwise complete.
fn visible(whole: &Command) -> Command {
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
    Error::new(
        Kind::Os,
        format!("the output can't be written: {}", crate::error::why(cause.kind())),
        "name a folder that you can write to or create",
    )
}
