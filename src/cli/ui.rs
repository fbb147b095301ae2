//! The command line of `ui`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::settings::{Config, duration};
use crate::error::Error;
use crate::manage::ui::{self, Flags, IDLE};

#[derive(Debug, Args)]
#[command(after_help = "\
For users of Notebook, an editor or no front end: the page is JupyterLab's Secrets section. Its address works once, in
one browser. Only this user's processes can connect, to the loopback address or to the socket.

  jupyter-vault ui                           opens the page in a browser
  jupyter-vault ui --no-browser --port 8900  for a forwarded port: ssh -L 8900:127.0.0.1:8900 THIS-MACHINE
  jupyter-vault ui --socket ~/secrets.sock  a socket (0600) instead of a port; prints how to reach it

It needs the wheel (pip install jupyter-vault) and tornado, which is part of every Jupyter installation.")]
pub(super) struct Ui {
    #[command(flatten)]
    config: Config,
    /// The port of 127.0.0.1 to listen on [default: a free one]
    #[arg(long, value_name = "PORT", conflicts_with = "socket")]
    port: Option<u16>,
    /// Listen on this socket instead of a port; only this user can connect to it
    #[arg(long, value_name = "PATH")]
    socket: Option<PathBuf>,
    /// Open no browser: print the address
    #[arg(long)]
    no_browser: bool,
    /// Exit after this time without a request, in seconds or as 1m30s [default: 30m]
    #[arg(long, value_name = "SECONDS", value_parser = duration)]
    idle: Option<Duration>,
}

/// Becomes the page's server; returns only with an error.
pub(super) fn run(ui: Ui) -> Error {
    let Ui { config: Config { config }, port, socket, no_browser, idle } = ui;
    ui::run(&Flags { config, port: port.unwrap_or(0), socket, no_browser, idle: idle.unwrap_or(IDLE) })
}
