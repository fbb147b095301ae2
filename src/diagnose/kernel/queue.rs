//! The requests that wait in the diagnostic kernel, and how long they wait.

use std::time::Duration;

use tokio::time::Instant;

use crate::kernel::endpoint::Channel;
use crate::kernel::message::KernelRequest;
use crate::kernel::socket::MessageOrigin;

/// How much later than its shell connection a client's iopub connection may come (libzmq retries every 100 to 200 ms,
/// separately for each connection).
pub(super) const LATE: Duration = Duration::from_secs(2);
/// That time for clients whose messages no longer matter.
pub(super) const ENDING: Duration = Duration::from_millis(500);

/// The largest size of waiting requests: those behind a cell, and those that arrive while connections close.
pub(super) const LARGEST_WAITING: usize = 16 * 1024 * 1024;

/// A request, and who sent it.
pub(super) struct ReceivedRequest {
    pub(super) channel: Channel,
    pub(super) from: MessageOrigin,
    pub(super) request: KernelRequest,
}

/// A cell that waits for an attempt. Its code is not kept.
pub(super) struct Running {
    pub(super) received: ReceivedRequest,
    pub(super) stop_on_error: bool,
    pub(super) since: Instant,
}
