//! A refused login is not repeated automatically by any process of its user.
//!
//! Vault locks a user out after five refusals. A company's directory often does so after three, and then the user also
//! loses access to mail and laptop. A restart, a `watch` or thirty cells in a loop would each send the wrong password
//! once more. So the outcome of a login is stored in the runtime folder, readable only by its user: which login, when,
//! how many refusals, and a keyed digest of the credential, never the credential. A changed credential is tried at
//! once. An attempt by the user (a cell, `doctor`, a command) is allowed once a minute, and twice in the window.
//!
//! Many launches may begin at once, before any refusal is known. So only one process at a time, which holds both locks
//! of the login, sends a login that was not accepted recently; the others then read the outcome. A login that was
//! accepted a moment ago is sent by two processes at a time, each with one of the locks: not by more, as the password
//! may have changed meanwhile.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::fcntl::{Flock, FlockArg};
use ring::hmac;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::config::login::Login;
use crate::config::origin::{ANSWER, PIPED};
use crate::config::plan::Plan;
use crate::error::{Error, Kind, Result};
use crate::sys::file::{self, AllowedWriters};
use crate::sys::folder::{private, write_private};
use crate::vault::auth::{self, Authenticated};
use crate::vault::client::Client;

/// The time after an accepted login during which the login needs only one of the locks.
const FRESH: Duration = Duration::from_secs(60);
/// The shortest time between two attempts by the user.
const APART: Duration = Duration::from_secs(60);
/// How many attempts by the user are allowed in the window.
const TRIES: usize = 2;
/// The pause between two attempts to take a lock.
const PAUSE: Duration = Duration::from_millis(5);
/// The extensions of the two locks of a login.
const LOCKS: [&str; 2] = ["0.lock", "1.lock"];
/// The end of the first line of an error that reports the outcome of an earlier login.
pub(crate) const NOT_SENT: &str = ": it is not sent again yet";
/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 * 1024;

/// The outcome of a login; times in seconds since 1970.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct LastLogin {
    /// The digest's key, in hexadecimal.
    key: String,
    /// The credential's digest.
    digest: String,
    /// Whether the last attempt was accepted.
    accepted: bool,
    /// When the login was last sent.
    last: u64,
    /// The time of the first refusal in the current series.
    since: u64,
    /// The number of refusals in the series.
    refusals: u32,
    /// The times of the user's attempts since then.
    tries: Vec<u64>,
    /// The times of all refusals of this user in the window, with any credential, which is how Vault counts them.
    #[serde(default)]
    recent: Vec<u64>,
}

/// Logs in as the plan says, unless this credential was refused and another attempt is not allowed yet.
pub(crate) async fn login(client: &mut Client, plan: &Plan) -> Result<Authenticated> {
    let Some(stored) = StoredOutcome::of(plan) else { return auth::login(client, &plan.login).await };
    login_once_at_a_time(client, plan, &stored).await.map_err(|error| {
        let is_new = error.kind() == Kind::LoginRefused && !error.what().contains(NOT_SENT);
        if is_new { stored.named(&error) } else { error }
    })
}

async fn login_once_at_a_time(client: &mut Client, plan: &Plan, stored: &StoredOutcome<'_>) -> Result<Authenticated> {
    loop {
        let is_fresh = stored.is_fresh(stored.read().as_ref());
        let _held = stored.hold(is_fresh, plan.budget).await?;
        // Another process may have stored a newer outcome meanwhile.
        let mut known = stored.read();
        if stored.is_fresh(known.as_ref()) != is_fresh {
            continue;
        }
        if let Some(outcome) = known.as_mut().filter(|outcome| !outcome.accepted && stored.is_same(outcome)) {
            stored.allow(outcome, plan)?;
        }
        let session = auth::login(client, &plan.login).await;
        match &session {
            Ok(_) if !is_fresh => stored.accepted(),
            Err(error) if error.kind() == Kind::LoginRefused => stored.refused(known),
            _ => {}
        }
        return session;
    }
}

/// The error for a known refusal of the plan's login with this credential; nothing is sent.
pub(crate) fn known_refusal(plan: &Plan) -> Option<Error> {
    let stored = StoredOutcome::of(plan)?;
    let known = stored.read().filter(|known| !known.accepted && stored.is_same(known))?;
    let now = seconds();
    (now < known.last + plan.refusal_window.as_secs()).then(|| stored.refusal_error(&known, plan))
}

/// The error for a user whose credentials were refused as often as is safe.
#[cfg(feature = "manage")]
pub(crate) fn too_many_refusals(plan: &Plan) -> Option<Error> {
    let stored = StoredOutcome::of(plan)?;
    let (now, window) = (seconds(), plan.refusal_window.as_secs());
    let known = stored.read().filter(|known| !known.accepted)?;
    let recent: Vec<_> = known.recent.iter().copied().filter(|refused| refused + window > now).collect();
    let (first, last) = (recent.first()?, recent.last()?);
    if recent.len() < TRIES {
        return None;
    }
    let (who, times) = (&stored.who, recent.len());
    let what = format!("Vault has refused the login of {who} {times} times since {}{NOT_SENT}", clock(*first));
    let advice = format!(
        "one more refusal may lock the user out: check the password and repeat with --try-again, or wait until {}",
        clock(last + window)
    );
    Some(Error::new(Kind::LoginRefused, what, advice))
}

/// The stored outcome of one login.
struct StoredOutcome<'a> {
    folder: PathBuf,
    file: PathBuf,
    who: String,
    /// The kind of credential and its origin, for messages.
    what: String,
    credential: Vec<&'a [u8]>,
    /// How long a refusal counts, in seconds (`refusal_window`).
    window: u64,
}

impl<'a> StoredOutcome<'a> {
    /// The stored outcome of the plan's login; `None` for a login that Vault never locks: a token, an agent, a
    /// certificate, a cloud identity, a wrapped token.
    fn of(plan: &'a Plan) -> Option<Self> {
        let (mount, user, who, what, credential) = match &plan.login {
            Login::Password { mount, username, password, .. } => (
                mount,
                username.as_str(),
                format!("{username} at auth/{mount}"),
                format!("password in {}", password.origin),
                vec![password.value.expose()],
            ),
            Login::AppRole { mount, role_id, secret_id, .. } => {
                let secret = secret_id.as_ref().map_or(&b""[..], |secret| secret.value.expose());
                let who = format!("an AppRole at auth/{mount}");
                let origin = &secret_id.as_ref().unwrap_or(role_id).origin;
                let what = format!("secret id in {origin}");
                (
                    mount,
                    role_id.value.expose_text().unwrap_or_default(),
                    who,
                    what,
                    vec![role_id.value.expose(), secret],
                )
            }
            Login::Jwt { mount, role, jwt, .. } => {
                let role = role.as_deref().unwrap_or("the default role");
                (
                    mount,
                    role,
                    format!("{role} at auth/{mount}"),
                    format!("JWT in {}", jwt.origin),
                    vec![jwt.value.expose()],
                )
            }
            #[cfg(feature = "cloud")]
            Login::Cloud { .. } => return None,
            Login::Token(_) | Login::Agent | Login::Cert { .. } | Login::Wrapped(_) => {
                return None;
            }
        };
        let mut name = DefaultHasher::new();
        (plan.server.address.to_string(), &plan.server.namespace, mount, user).hash(&mut name);
        let folder = plan.runtime_dir.join("logins");
        let file = folder.join(format!("{:016x}.json", name.finish()));
        Some(Self { folder, file, who, what, credential, window: plan.refusal_window.as_secs() })
    }

    fn read(&self) -> Option<LastLogin> {
        serde_json::from_slice(&file::read(&self.file, LARGEST, AllowedWriters::UsOrRoot).ok()?).ok()
    }

    /// Whether this credential was accepted a moment ago.
    fn is_fresh(&self, known: Option<&LastLogin>) -> bool {
        known.is_some_and(|known| {
            known.accepted && seconds().saturating_sub(known.last) < FRESH.as_secs() && self.is_same(known)
        })
    }

    fn digest(&self, key: &str) -> String {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()));
        for part in &self.credential {
            context.update(&part.len().to_le_bytes());
            context.update(part);
        }
        let mut digest = String::new();
        for byte in context.sign().as_ref() {
            let _ = write!(digest, "{byte:02x}");
        }
        digest
    }

    fn is_same(&self, known: &LastLogin) -> bool {
        self.digest(&known.key) == known.digest
    }

    /// Allows an attempt that is due; otherwise the error says when it will be.
    fn allow(&self, known: &mut LastLogin, plan: &Plan) -> Result<()> {
        let (now, window) = (seconds(), plan.refusal_window.as_secs());
        if now >= known.last + window {
            known.since = now;
            known.tries.clear();
            return Ok(());
        }
        known.tries.retain(|tried| tried + window > now);
        let is_due = known.tries.last().is_none_or(|last| last + APART.as_secs() <= now) && known.tries.len() < TRIES;
        if plan.by_user && is_due {
            known.tries.push(now);
            return Ok(());
        }
        Err(self.refusal_error(known, plan))
    }

    /// Adds to a new refusal's error which login it was and what to correct.
    fn named(&self, error: &Error) -> Error {
        let whose = self.who.split(" at auth/").next().unwrap_or_default();
        let what = format!("{}, of {whose} with the {}", error.what(), self.what);
        let how = if self.what.ends_with(ANSWER) {
            "type it again".to_owned()
        } else if self.what.ends_with(PIPED) {
            "correct the piped input".to_owned()
        } else {
            format!("correct the {}, or have `jupyter-vault setup --force` ask for it", self.what)
        };
        let advice = format!("{how}; {}", error.advice());
        Error::new(error.kind(), what, advice)
    }

    /// The error for a refusal that still counts: since when, until when, and how to end it.
    fn refusal_error(&self, known: &LastLogin, plan: &Plan) -> Error {
        let times = if known.refusals == 1 { "once".to_owned() } else { format!("{} times", known.refusals) };
        let what =
            format!("Vault has refused the login of {} {times} since {}{NOT_SENT}", self.who, clock(known.since));
        let advice = format!(
            "correct the credential ({}), which is then tried at once, or wait until {}. Vault may have locked the user (by \
             default for 15 minutes after 5 refusals): sys/locked-users shows that to an operator, who can unlock the user",
            self.what,
            clock(known.last + plan.refusal_window.as_secs())
        );
        Error::new(Kind::LoginRefused, what, advice)
    }

    fn accepted(&self) {
        let key = new_key();
        let outcome =
            LastLogin { digest: self.digest(&key), key, accepted: true, last: seconds(), ..LastLogin::default() };
        self.write(&outcome);
    }

    fn refused(&self, known: Option<LastLogin>) {
        let now = seconds();
        let mut recent =
            known.as_ref().filter(|known| !known.accepted).map_or_else(Vec::new, |known| known.recent.clone());
        recent.retain(|refused| refused + self.window > now);
        recent.push(now);
        let mut outcome = known.filter(|known| !known.accepted && self.is_same(known)).unwrap_or_else(|| {
            let key = new_key();
            LastLogin { digest: self.digest(&key), key, since: now, ..LastLogin::default() }
        });
        outcome.accepted = false;
        outcome.refusals += 1;
        outcome.last = now;
        outcome.recent = recent;
        self.write(&outcome);
    }

    /// Stores the outcome. A login does not fail because that fails.
    fn write(&self, outcome: &LastLogin) {
        let runtime = self.folder.parent().unwrap_or(&self.folder);
        let _ = write_private(runtime, &self.file, &serde_json::to_vec(outcome).unwrap_or_default());
    }

    /// Waits up to `limit` for one of the locks, or for both. There are no locks without a private folder of this user.
    /// Both are taken in a fixed order, so that no two processes wait for each other.
    async fn hold(&self, one: bool, limit: Duration) -> Result<Vec<Flock<File>>> {
        let runtime = self.folder.parent().unwrap_or(&self.folder);
        if private(runtime).is_err() || private(&self.folder).is_err() {
            return Ok(Vec::new());
        }
        let end = Instant::now() + limit;
        let mut held = Vec::new();
        while held.len() < if one { 1 } else { LOCKS.len() } {
            let wanted = if one { &LOCKS[..] } else { &LOCKS[held.len()..=held.len()] };
            let Some(mut files) = wanted.iter().map(|lock| open(&self.file.with_extension(lock))).collect() else {
                return Ok(Vec::new());
            };
            held.push(self.any(&mut files, end).await?);
        }
        Ok(held)
    }

    /// Waits until one of `files` can be locked.
    async fn any(&self, files: &mut Vec<File>, end: Instant) -> Result<Flock<File>> {
        loop {
            for file in std::mem::take(files) {
                match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                    Ok(locked) => return Ok(locked),
                    Err((back, _)) => files.push(back),
                }
            }
            if Instant::now() > end {
                let what = format!("other launches were logging in as {} until this one ran out of time", self.who);
                let advice = "nothing was sent: try again, or set a longer `timeout` under [vault]";
                return Err(Error::new(Kind::TimedOut, what, advice));
            }
            sleep(PAUSE).await;
        }
    }
}

fn open(path: &Path) -> Option<File> {
    OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(path).ok()
}

/// A new key for digests.
fn new_key() -> String {
    format!("{:032x}{:032x}", fastrand::u128(..), fastrand::u128(..))
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The time of day in UTC, such as 14:05.
fn clock(seconds: u64) -> String {
    let whole = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string();
    whole.get(11..16).map_or(whole.clone(), |time| format!("{time} UTC"))
}
