//! AWS profiles: a client asks for a credential over a socket, and gets what is held, with the time when it ends.
//!
//! Each kernel of the keeper has a socket in its user's runtime folder. What was asked is answered by the loop that holds
//! the leases; a client that asks nothing for a while is hung up on, and keeps no other one waiting.

use std::future::pending;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use futures_util::future::select_all;
use humantime::format_rfc3339_seconds;
use serde_json::{Map, Value};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::hold::{Hold, Told};
use crate::error::Error;
use crate::launch::files;
use crate::lease::{Answer, HandOver, Refusal, is_ours, listen, read};
use crate::sys::folder::private;

/// The most clients that are listened to at once; the others wait.
const MOST: usize = 16;
/// The pause after a connection that could not be taken.
const PAUSE: Duration = Duration::from_secs(1);

/// A client, and what it has asked for.
pub(super) struct Asked {
    pub(super) stream: UnixStream,
    pub(super) profile: String,
}

/// A client that has connected, until it has asked.
type Asking = Pin<Box<dyn Future<Output = Option<Asked>>>>;

/// The sockets of the kernels.
pub(super) struct Service {
    listeners: Vec<UnixListener>,
    asking: Vec<Asking>,
}

impl Service {
    /// Listens for each kernel, where there is something to ask for. Where that can't be, clients say so.
    pub(super) fn new(told: &HandOver) -> Self {
        let folder = told.runtime_dir();
        let is_usable = !told.answers().is_empty() && private(folder).is_ok();
        let owners = told.owners().iter().filter(|_| is_usable);
        let paths = owners.filter_map(|owner| files::socket(folder, (owner.pid, owner.start_time)));
        Self { listeners: paths.filter_map(|path| listen(&path).ok()).collect(), asking: Vec::new() }
    }

    /// What is asked next. Nothing is lost when this is dropped before its end.
    pub(super) async fn next(&mut self) -> Asked {
        loop {
            let is_open = self.asking.len() < MOST;
            tokio::select! {
                stream = accepted(&self.listeners), if is_open => {
                    if is_ours(&stream) {
                        self.asking.push(Box::pin(asked(stream)));
                    }
                }
                (asked, number) = first(&mut self.asking) => {
                    drop(self.asking.swap_remove(number));
                    if let Some(asked) = asked {
                        return asked;
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
            // There may be no descriptor left for a moment.
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn asked(mut stream: UnixStream) -> Option<Asked> {
    let profile = read(&mut stream).await?;
    Some(Asked { stream, profile })
}

/// Until the first of them is over: its outcome, and which it is. Of none it waits for ever.
pub(super) async fn first<F: Future + Unpin>(of: &mut [F]) -> (F::Output, usize) {
    if of.is_empty() {
        return pending().await;
    }
    let (outcome, number, _) = select_all(of.iter_mut()).await;
    (outcome, number)
}

/// What clients may ask for.
pub(super) struct Answers {
    known: Vec<Answer>,
    /// Why the sources could not be read again, the last time.
    failed: Option<String>,
}

impl Answers {
    pub(super) const fn new(known: Vec<Answer>) -> Self {
        Self { known, failed: None }
    }

    /// Notes that the sources could not be read again.
    pub(super) fn failed(&mut self, error: &Error) {
        self.failed = Some(error.what().to_owned());
    }

    /// The source that gave that profile.
    pub(super) fn source(&self, profile: &str) -> Option<&str> {
        self.known.iter().find(|answer| answer.profile == profile).map(|answer| answer.source.as_str())
    }

    /// What a client gets that asks for `profile`: what AWS calls the output of a `credential_process`.
    pub(super) fn text(&self, hold: &mut Hold, profile: &str) -> Zeroizing<Vec<u8>> {
        let Some(answer) = self.known.iter().find(|answer| answer.profile == profile) else {
            let advice = "name the profile of a source (`aws_profile`), or restart the kernel after a change";
            return refusal(format!("there is no AWS profile {profile} for this kernel"), advice);
        };
        let until = match hold.tell(&answer.source) {
            Told::Endless => None,
            Told::Until(until) => Some(at(until)),
            Told::Ended(end) => {
                let why = self.failed.as_deref().unwrap_or("it is read again");
                let what = format!("the credential of the AWS profile {profile} ended at {}: {why}", at(end));
                return refusal(what, "it is tried again; `jupyter-vault doctor` looks at the configuration");
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

/// The time of day then.
fn at(instant: Instant) -> String {
    let now = Instant::now();
    let (left, gone) = (instant.saturating_duration_since(now), now.saturating_duration_since(instant));
    format_rfc3339_seconds(SystemTime::now() + left - gone).to_string()
}
