//! The keeper's process: the launcher starts it and sends it everything through a pipe, and it ends with the kernels.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use futures_util::future::join_all;
use nix::unistd::{Pid, setsid};
use tokio::io::unix::AsyncFd;

use super::keeping::Keeping;
use crate::error::{Error, Kind, Result};
use crate::launch::files;
use crate::lease::{ALONE, AbandonedLeases, HandOver, Owner, SUBCOMMAND};
use crate::sys::hardening::Hardening;
use crate::sys::readable::readable;
use crate::sys::{pidfd, process};

/// The hidden subcommand. The first of its `words` distinguishes its two processes; the second shows the kernels'
/// pids in the command line of the process that stays, where `kernels` finds them.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let (Some(step), kernels) = (words.first(), words.get(1).map(String::as_str).unwrap_or_default()) else {
        return Err(unable("only a launch can start it"));
    };
    if step != ALONE {
        let mut command = Command::new("/proc/self/exe");
        command.env_clear().args([SUBCOMMAND, ALONE, kernels]).stdout(Stdio::null()).stderr(Stdio::null());
        return command.spawn().map(drop).map_err(|cause| unable(&crate::error::why(cause.kind())));
    }
    let _hardening = Hardening::apply()?;
    // Signals to the kernel's group or its terminal must not reach the keeper.
    setsid().map_err(|cause| unable(cause.desc()))?;
    // A buffered reader would also read the bytes after the message.
    let pipe =
        std::io::stdin().as_fd().try_clone_to_owned().map_err(|cause| unable(&crate::error::why(cause.kind())))?;
    let mut pipe = File::from(pipe);
    let hand_over = HandOver::read(&mut pipe)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|cause| unable(&crate::error::why(cause.kind())))?.block_on(keep(&hand_over, pipe.into()))
}

async fn keep(hand_over: &HandOver, pipe: OwnedFd) -> Result<()> {
    let state = Keeping::new(hand_over)?;
    let owners: Vec<_> = hand_over.owners().iter().filter_map(watched).collect();
    let ending = state.hold_until_end(&owners, pipe).await;
    // No kernel was started, so its files are removed. A kernel that already ran keeps its earlier files.
    for owner in hand_over.owners().iter().filter(|owner| !process::runs(owner.pid, owner.start_time)) {
        files::remove(hand_over.runtime_dir(), (owner.pid, owner.start_time));
    }
    join_all(ending).await;
    if let Some(left) = AbandonedLeases::new(&hand_over.server()?, hand_over.owners(), hand_over.window(), Vec::new()) {
        left.remove(hand_over.runtime_dir());
    }
    Ok(())
}

/// A descriptor of a running process; `None` if its pid belongs to another process by now.
fn watched(owner: &Owner) -> Option<AsyncFd<OwnedFd>> {
    let descriptor = pidfd::open(Pid::from_raw(i32::try_from(owner.pid).ok()?)).ok()?;
    readable(descriptor).ok().filter(|_| process::start_time(owner.pid) == Some(owner.start_time))
}

fn unable(why: &str) -> Error {
    Error::new(Kind::Os, format!("the keeper of leases can't run: {why}"), "check the limits (ulimit -a)")
}
