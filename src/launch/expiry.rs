//! Warns of a given token's expiry while there is time to get another one.
//!
//! Only Vault knows when a token expires, and a launch should not need a request for that. So every command that looks
//! a token up anyway (`setup`, `doctor`, a path with `{metadata.…}`) writes the expiry to the runtime folder, under a
//! digest of the token, and a launch reads it there. A new token has no such file yet, so no launch uses the expiry of
//! an old one for it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ring::digest::{SHA256, digest};

use crate::config::credential::LOG_IN;
use crate::config::login::Login;
use crate::config::plan::Plan;
use crate::error::{Error, Kind};
use crate::secret::SecretValue;
use crate::sys::file::{self, AllowedWriters};
use crate::sys::folder::write_private;
use crate::vault::auth::About;

/// A launch warns if the token ends within this time.
pub(crate) const SOON: Duration = Duration::from_secs(24 * 3600);
/// The time of the end is recorded if it is nearer than this.
const FAR: Duration = Duration::from_secs(40 * 24 * 3600);
/// The recorded time is updated if it differs by more than this; Vault rounds times.
const SAME: u64 = 60;
/// The largest file that is read, in bytes.
const LARGEST: u64 = 64;

/// Records when the plan's token ends. A failure to write is ignored: no launch fails for it.
pub(crate) fn learn(plan: &Plan, about: &About) {
    if let Login::Token(token) = &plan.login {
        learn_of(&plan.runtime_dir, &token.value, about);
    }
}

/// Records when `token` ends.
pub(crate) fn learn_of(runtime: &Path, token: &SecretValue, about: &About) {
    let Some(ttl) = about.ttl.filter(|ttl| !about.periodic && *ttl < FAR) else { return };
    let (file, ends) = (file_of(runtime, token), SystemTime::now() + ttl);
    if read(&file).is_none_or(|known| seconds(known).abs_diff(seconds(ends)) > SAME) {
        let _ = write_private(runtime, &file, seconds(ends).to_string().as_bytes());
    }
}

/// When the plan's token ends, if that is known.
pub(super) fn known(plan: &Plan) -> Option<SystemTime> {
    let Login::Token(token) = &plan.login else { return None };
    read(&file_of(&plan.runtime_dir, &token.value))
}

fn read(file: &Path) -> Option<SystemTime> {
    let text = file::read(file, LARGEST, AllowedWriters::UsOrRoot).ok()?;
    let ends: u64 = std::str::from_utf8(&text).ok()?.parse().ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(ends))
}

/// The warning about a token that ends at `ends`.
pub(super) fn notice(plan: &Plan, ends: SystemTime) -> Option<Error> {
    let left = ends.duration_since(SystemTime::now()).ok().filter(|left| *left < SOON)?;
    let Login::Token(token) = &plan.login else { return None };
    let minutes = left.as_secs() / 60;
    let left = if minutes < 120 { format!("{minutes} min") } else { format!("{} h", minutes / 60) };
    let at = humantime::format_rfc3339_seconds(ends).to_string();
    let what =
        format!("the token from {} expires in {left}, at {} UTC", token.origin, at.get(11..16).unwrap_or_default());
    Some(Error::new(
        Kind::Config,
        what,
        format!("kernels started after that get no secrets: get a new token with {LOG_IN}"),
    ))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The file for a token.
fn file_of(runtime: &Path, token: &SecretValue) -> PathBuf {
    let mut name = String::new();
    for byte in digest(&SHA256, token.expose()).as_ref().iter().take(12) {
        let _ = write!(name, "{byte:02x}");
    }
    runtime.join("ends").join(name)
}
