//! After a failed launch: a kernel that reports the error, and becomes the real kernel as soon as it can.
//!
//! A kernel that exits at its start shows a user no cause: the front end says "Kernel died", and Jupyter starts it
//! four more times. So if the command names a connection file, the process of a failed launch keeps running and
//! answers as a kernel, on the same ports. Each cell shows the error and tries the launch again; so does a timer.
//! When the launch succeeds, all sockets are closed and the real kernel is executed, with the same pid and ports, and
//! the front end reconnects without help.
//!
//! It must not become a problem itself. It ends with its parent, with its connection file, on SIGTERM, on a shutdown
//! request, and if no client connects ([`guards`]). One attempt at Vault runs at a time, at growing intervals
//! ([`pace`]). A refused login is only repeated when the user asks, since Vault locks users out.
//!
//! - [`answer`]: the answer to each request, without I/O
//! - [`attempt`]: one more attempt at the launch, which can be stopped
//! - [`cell`]: the output of a cell
//! - [`hold`]: keeps a cell's output from being lost between the two kernels
//! - [`kernel`]: the sockets, the attempts and their order
//! - [`language`]: the language to report to the front end

pub mod answer;
pub mod attempt;
pub mod cell;
pub mod guards;
pub mod hold;
pub mod kernel;
pub mod language;
pub mod pace;

use tokio::task::LocalSet;

use self::guards::{EndCause, Guards};
use self::kernel::{Ending, StandIn};
use crate::error::{Error, Kind, Result};
use crate::kernel::argument;
use crate::kernel::connection::ConnectionFile;
use crate::launch::Launch;
use crate::sys::signals::end_by;

/// Stands in for the kernel after `failed`; returns the exit code if it ends without becoming the kernel.
pub fn stand_in(mut launch: Launch<'_>, failed: Error, report: &mut dyn FnMut(&Error)) -> Result<u8> {
    let file = match argument::connection_file(&launch.request().command) {
        Ok(None) => return Err(failed),
        Ok(Some(file)) => file,
        Err(error) => {
            report(&failed);
            return Err(error);
        }
    };
    let code = failed.kind().exit_code();
    match serve(&mut launch, &file, failed, report) {
        Ok(Ending::Healed(ready, _until_then)) => {
            // Their secrets are wiped: the credentials of the environment, the connection file's keys.
            drop((launch, file));
            Err(ready.execute())
        }
        Ok(Ending::ShutDown) => Ok(0),
        Ok(Ending::Over(EndCause::Signal(signal))) => end_by(signal),
        Ok(Ending::Over(_)) => Ok(code),
        Err(error) => Err(error),
    }
}

fn serve(
    launch: &mut Launch<'_>,
    file: &ConnectionFile,
    failed: Error,
    report: &mut dyn FnMut(&Error),
) -> Result<Ending> {
    let no_means = |cause: &str| {
        let what = format!("a diagnostic kernel can't be set up: {cause}");
        Error::new(Kind::Os, what, "check the limits on descriptors and processes (ulimit -a)")
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|cause| no_means(&crate::error::why(cause.kind())))?;
    let watched = launch.watched();
    let tasks = LocalSet::new();
    let outcome = runtime.block_on(tasks.run_until(async {
        let guards = Guards::new(watched, file.path()).map_err(|cause| no_means(cause.desc()))?;
        let mut kernel = match StandIn::bind(launch, file, failed.clone()).await {
            Ok(kernel) => kernel,
            Err(error) => {
                report(&failed);
                return Err(error);
            }
        };
        report(&failed.remark("a diagnostic kernel shows this in the notebook, and retries"));
        kernel.run(guards).await
    }));
    // Every socket is closed here, and a name server's thread holds no secret.
    drop(tasks);
    runtime.shutdown_background();
    outcome
}
