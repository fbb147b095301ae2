//! Checks that something listens at a data source's address.

use std::time::Duration;

use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

use crate::error::{Error, Kind, Result, why};
use crate::launch::fetch::runtime;

/// The time limit for connecting.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connects to `place` (HOST:PORT) and closes the connection.
pub(super) fn check(name: &str, place: &str) -> Result<()> {
    // A cloud service may be reachable only through a proxy that its client is configured for.
    let proxies = ["HTTPS_PROXY", "https_proxy"];
    if place.ends_with(":443") && proxies.iter().any(|name| std::env::var_os(name).is_some_and(|set| !set.is_empty())) {
        return Ok(());
    }
    let runtime = runtime()?;
    let outcome = runtime.block_on(async {
        let connecting = async {
            // The folder of PostgreSQL's socket, whose file name contains the port.
            if let Some((folder, port)) = place.rsplit_once(':').filter(|_| place.starts_with('/')) {
                let connected = UnixStream::connect(format!("{folder}/.s.PGSQL.{port}")).await;
                return connected.map(drop).map_err(|cause| (Kind::Unreachable, why(cause.kind())));
            }
            let found = lookup_host(place).await.map_err(|_| (Kind::Dns, "its name does not resolve".to_owned()))?;
            let mut last = (Kind::Dns, "its name has no address".to_owned());
            for address in found {
                match TcpStream::connect(address).await {
                    Ok(_) => return Ok(()),
                    Err(cause) if cause.kind() == std::io::ErrorKind::ConnectionRefused => {
                        last = (Kind::Refused, "nothing listens there".to_owned());
                    }
                    Err(cause) => last = (Kind::Unreachable, why(cause.kind())),
                }
            }
            Err(last)
        };
        timeout(PATIENCE, connecting).await.unwrap_or_else(|_| Err((Kind::TimedOut, "it does not answer".to_owned())))
    });
    runtime.shutdown_background();
    outcome.map_err(|(kind, why)| {
        let what = format!("the data source {name} can't be reached at {place}: {why}; nothing was stored");
        Error::new(kind, what, "correct host and port, or pass --unchecked if only kernels can reach it")
    })
}
