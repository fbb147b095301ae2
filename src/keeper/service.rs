//! AWS profiles: a client asks for a credential over a socket, and gets the held one with its expiry.
//!
//! Each kernel of the keeper has a socket in its user's runtime folder. The keeper's main loop answers. A client that
//! connects but sends no request is disconnected after a while, and delays no other client.

use std::future::pending;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use futures_util::future::select_all;
use humantime::format_rfc3339_seconds;
use serde_json::{Map, Value};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::hold::{Expiry, Hold};
use crate::error::Error;
use crate::launch::files;
use crate::lease::{HandOver, ProfileAnswer, Refusal, is_same_user, listen, read};
use crate::sys::folder::private;

/// The most clients that are served at once; the others wait.
const MOST: usize = 16;
/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_secs(1);

/// A client, and the profile that it asks for.
pub(super) struct ProfileRequest {
    pub(super) stream: UnixStream,
    pub(super) profile: String,
}

/// A client that has connected but not yet asked.
type PendingRequest = Pin<Box<dyn Future<Output = Option<ProfileRequest>>>>;

/// The kernels' sockets.
pub(super) struct Service {
    listeners: Vec<UnixListener>,
    asking: Vec<PendingRequest>,
}

impl Service {
    /// Listens for each kernel, if there is a profile. If that fails, the clients report it.
    pub(super) fn new(hand_over: &HandOver) -> Self {
        let folder = hand_over.runtime_dir();
        let is_usable = !hand_over.answers().is_empty() && private(folder).is_ok();
        let owners = hand_over.owners().iter().filter(|_| is_usable);
        let paths = owners.filter_map(|owner| files::socket(folder, (owner.pid, owner.start_time)));
        Self { listeners: paths.filter_map(|path| listen(&path).ok()).collect(), asking: Vec::new() }
    }

    /// Waits for the next request. Dropping this future loses no request.
    pub(super) async fn next(&mut self) -> ProfileRequest {
        loop {
            let is_open = self.asking.len() < MOST;
            tokio::select! {
                stream = accepted(&self.listeners), if is_open => {
                    if is_same_user(&stream) {
                        self.asking.push(Box::pin(read_request(stream)));
                    }
                }
                (request, number) = first(&mut self.asking) => {
                    drop(self.asking.swap_remove(number));
                    if let Some(request) = request {
                        return request;
                    }
                }
            }
        }
    }
}

async fn accepted(listeners: &[UnixListener]) -> UnixStream {
    loop {
        if listeners.is_empty() {
            return pending().await;
        }
        match select_all(listeners.iter().map(|listener| Box::pin(listener.accept()))).await.0 {
            Ok((stream, _)) => return stream,
            // The process may be short of descriptors for a moment.
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn read_request(mut stream: UnixStream) -> Option<ProfileRequest> {
    let profile = read(&mut stream).await?;
    Some(ProfileRequest { stream, profile })
}

/// Waits for the first future that is ready; returns its output and index. Without futures, waits forever.
pub(super) async fn first<F: Future + Unpin>(of: &mut [F]) -> (F::Output, usize) {
    if of.is_empty() {
        return pending().await;
    }
    let (outcome, number, _) = select_all(of.iter_mut()).await;
    (outcome, number)
}

/// The profiles that clients can ask for.
pub(super) struct ProfileAnswers {
    known: Vec<ProfileAnswer>,
    /// Why the last read failed, if it did.
    failed: Option<String>,
}

impl ProfileAnswers {
    pub(super) const fn new(known: Vec<ProfileAnswer>) -> Self {
        Self { known, failed: None }
    }

    /// Notes that the sources could not be read again.
    pub(super) fn failed(&mut self, error: &Error) {
        self.failed = Some(error.what().to_owned());
    }

    /// The source of a profile.
    pub(super) fn source(&self, profile: &str) -> Option<&str> {
        self.known.iter().find(|answer| answer.profile == profile).map(|answer| answer.source.as_str())
    }

    /// The answer to a client that asks for `profile`: the output of a `credential_process`, as AWS defines it.
    pub(super) fn text(&self, hold: &mut Hold, profile: &str) -> Zeroizing<Vec<u8>> {
        let Some(answer) = self.known.iter().find(|answer| answer.profile == profile) else {
            let advice = "use the profile of a source (`aws_profile`); after a change, restart the kernel";
            return refusal(format!("there is no AWS profile {profile} for this kernel"), advice);
        };
        let until = match hold.promise(&answer.source) {
            Expiry::Endless => None,
            Expiry::Until(until) => Some(at(until)),
            Expiry::Ended(end) => {
                let why = self.failed.as_deref().unwrap_or("it is being read again");
                let what = format!("the credential of the AWS profile {profile} expired at {}: {why}", at(end));
                return refusal(what, "it will be tried again; `jupyter-vault doctor` checks the configuration");
            }
        };
        let mut object: Map<String, Value> = Map::new();
        object.insert("Version".to_owned(), 1.into());
        object.extend(answer.keys.iter().map(|(name, value)| (name.clone(), value.clone().into())));
        object.extend(until.map(|until| ("Expiration".to_owned(), until.into())));
        let mut text = Zeroizing::new(Value::Object(object).to_string().into_bytes());
        text.push(b'\n');
        text
    }
}

fn refusal(error: String, advice: &str) -> Zeroizing<Vec<u8>> {
    let refusal = Refusal { error, advice: advice.to_owned() };
    Zeroizing::new(serde_json::to_vec(&refusal).unwrap_or_default())
}

/// The time at `instant`, as RFC 3339.
fn at(instant: Instant) -> String {
    let now = Instant::now();
    let (left, gone) = (instant.saturating_duration_since(now), now.saturating_duration_since(instant));
    format_rfc3339_seconds(SystemTime::now() + left - gone).to_string()
}
