//! The command line of `ui`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::settings::duration;
use crate::error::Error;
use crate::manage::ui::{self, Flags, IDLE};

#[derive(Debug, Args)]
#[command(after_help = "\
For Notebook, an editor, or no front end at all: the page is JupyterLab's Secrets section. Its address works once, in one
browser. Only processes of this user can connect, to this machine's own address or to the socket.

  jupyter-vault ui                           opens the page in a browser
  jupyter-vault ui --no-browser --port 8900  for a port that is forwarded: ssh -L 8900:127.0.0.1:8900 THIS-MACHINE
  jupyter-vault ui --socket ~/secrets.sock   a socket (0600) in place of a port; it says how to reach it

It needs the wheel (pip install jupyter-vault) and tornado, which each Jupyter brings.")]
pub(super) struct Ui {
    /// Read this vault.toml first; it must exist
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The port of 127.0.0.1 to listen at [default: a free one]
    #[arg(long, value_name = "PORT", conflicts_with = "socket")]
    port: Option<u16>,
    /// Listen at this socket, which this user alone may use, in place of a port
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Open no browser: say the address
    #[arg(long)]
    no_browser: bool,
    /// End when nothing was asked for in this time, in seconds or as 1m30s [default: 30m]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    idle: Option<Duration>,
}

/// Becomes the page's server; comes back only with an error.
pub(super) fn run(ui: Ui) -> Error {
    let Ui { config, port, socket, no_browser, idle } = ui;
    ui::run(&Flags { config, port: port.unwrap_or(0), socket, no_browser, idle: idle.unwrap_or(IDLE) })
}
