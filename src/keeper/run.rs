//! The keeper's side: sleeps until the kernel ends, the launcher gives up, or a lease is due.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};

use nix::unistd::{Pid, getppid, setsid};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use super::handover::HandOver;
use super::hold::Hold;
use super::running::{ALONE, SUBCOMMAND};
use crate::error::{Error, Kind, Result};
use crate::sys::hardening::Hardening;
use crate::sys::readable::readable;
use crate::sys::{pidfd, process};

/// What the hidden subcommand does; the first of its `words` tells the two processes apart. The second one shows the
/// kernel's pid in the command line of the process that stays, where `kernels` finds it.
pub(crate) fn run(words: &[String]) -> Result<()> {
    if words.first().is_none_or(|step| step != ALONE) {
        let mut command = Command::new("/proc/self/exe");
        let kernel = getppid().to_string();
        command.env_clear().args([SUBCOMMAND, ALONE, &kernel]).stdout(Stdio::null()).stderr(Stdio::null());
        return command.spawn().map(drop).map_err(|cause| unable(&crate::error::why(cause.kind())));
    }
    let _hardening = Hardening::apply()?;
    // What signals the kernel's group or its terminal is not for us.
    setsid().map_err(|cause| unable(cause.desc()))?;
    // Not the standard library's own reader, which would take what comes after the message too.
    let pipe =
        std::io::stdin().as_fd().try_clone_to_owned().map_err(|cause| unable(&crate::error::why(cause.kind())))?;
    let mut pipe = File::from(pipe);
    let told = HandOver::read(&mut pipe)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|cause| unable(&crate::error::why(cause.kind())))?.block_on(keep(&told, pipe.into()))
}

async fn keep(told: &HandOver, pipe: OwnedFd) -> Result<()> {
    let mut hold = Hold::new(told)?;
    let (pid, start_time) = told.owner();
    let owner = pidfd::open(Pid::from_raw(i32::try_from(pid).unwrap_or(i32::MAX))).ok();
    // A number that is another process's by now means that the kernel has ended.
    let owner = owner.filter(|_| process::start_time(pid) == Some(start_time));
    let Some(owner) = owner.and_then(|owner| readable(owner).ok()) else {
        hold.end().await;
        return Ok(());
    };
    let given_up = async {
        let Ok(mut pipe) = Receiver::from_owned_fd(pipe) else { return std::future::pending().await };
        // Its end means that the kernel was executed, or that the launcher is gone, which is seen otherwise.
        match pipe.read_u8().await {
            Ok(_) => {}
            Err(_) => std::future::pending().await,
        }
    };
    futures_util::pin_mut!(given_up);
    let ended = async { owner.readable().await.is_ok() };
    futures_util::pin_mut!(ended);
    loop {
        tokio::select! {
            biased;
            _ = &mut ended => break,
            () = &mut given_up => break,
            () = hold.due() => hold.renew().await,
        }
    }
    hold.end().await;
    Ok(())
}

fn unable(why: &str) -> Error {
    Error::new(Kind::Os, format!("the process that holds leases can't run: {why}"), "check the limits (ulimit -a)")
}
