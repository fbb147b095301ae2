//! Secrets for a kernel that runs already: set, changed and unset by the kernel's own code.
//!
//! Whatever a kernel executes may be seen by every client of it, so the code holds names alone. It asks,
//! and the values travel as the answer, which goes from us to the kernel and nobody else.
//!
//! A kernel does one thing at a time. What it has queued can't be taken back, and a kernel that asks a
//! client that has gone waits until somebody interrupts it, or, where the code can see to that, ten seconds. So:
//! 1. `kernel_info` is asked first, and answered when the kernel is free: only then is code sent. Where the
//!    kernel's process shows both, the code is sent at once, and has a second to begin;
//! 2. the code does nothing when it begins later, because another client was quicker; its reply then says
//!    that the kernel is free again, and it is sent again, as long as there is time;
//! 3. we stay as long as the code may still ask, even when we are told to stop.
//!
//! - [`language`]: the table of kernels and their code
//! - [`choose`]: which kernel is meant
//! - [`target`]: one that is, and the way to it
//! - [`turn`]: one kernel, from a link to its record
//! - [`command`]: the subcommand
//! - `one_shot`: values by a file
//! - `question`: values as the answer to what the code asks
//! - `remembered`: what a kernel has whose process can't be seen
//! - `subshell`: beside what the kernel does
//! - `watch`: the same for every kernel that appears, as long as it runs
//! - `wait`: what is done while a kernel does not answer

mod attempt;
pub mod choose;
pub mod code;
pub mod command;
mod info;
pub mod language;
pub mod link;
mod one_shot;
mod question;
mod remembered;
mod signal;
mod subshell;
pub mod target;
pub mod turn;
mod wait;
#[cfg(target_os = "linux")]
pub mod watch;

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use self::attempt::Taken;
use self::code::Change;
use self::info::KernelInfo;
use self::language::{Row, Way};
use self::question::Code;
use self::wait::Wait;
use crate::error::{Error, Kind, Result};
use crate::inject::link::Link;
use crate::kernel::endpoint::Channel;
use crate::kernel::message::Arrived;
use crate::record::Record;
use crate::secret::SecretSet;

/// How long after it was sent the code may begin.
const BEGIN: Duration = Duration::from_secs(5);
/// The same in a kernel that was not asked whether it is free: a process of this machine, of one clock.
const BEGIN_UNASKED: Duration = Duration::from_secs(1);
/// How long after that its question may still be on its way: ipykernel flushes its output first, and
/// gives up after ten seconds.
const GRACE: Duration = Duration::from_secs(15);
/// The same in a kernel that was not asked: when it did not begin, that must not outlast a short `wait` by much.
const GRACE_UNASKED: Duration = Duration::from_secs(5);
/// The same for whoever is told to stop.
const GRACE_WHEN_STOPPED: Duration = Duration::from_secs(2);
/// The least time that an idle kernel has to answer.
const LEAST: Duration = Duration::from_secs(1);

/// How an injection is done.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Whether a secret wins over a variable that the kernel has already.
    pub override_existing: bool,
    /// How long the kernel may be busy.
    pub wait: Duration,
    /// Whether it is not waited for, where it has subshells.
    pub now: bool,
    /// Whether what the kernel is, and that it is free, was taken from the look of its process.
    pub unasked: bool,
    /// Our own folder in Jupyter's runtime folder.
    pub folder: &'a Path,
    /// Until when the kernel may ask: whoever drops the injection before leaves a kernel that waits.
    pub holding: &'a Cell<Option<Instant>>,
}

/// What was done: names, never values.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Set.
    pub set: Vec<String>,
    /// Left as the kernel had them.
    pub kept: Vec<String>,
    /// Removed.
    pub unset: Vec<String>,
    /// Not possible: the kernel's language has no variable of such a name.
    pub impossible: Vec<String>,
}

/// Waits until the kernel is free to say what it is, for `wait` at most.
pub async fn kernel_info(link: &mut Link, wait: Duration, progress: &mut dyn FnMut(&str)) -> Result<KernelInfo> {
    kernel_info_on(link, Channel::Shell, wait, progress).await
}

/// The same on a channel of choice: control does not wait for what shell does.
async fn kernel_info_on(
    link: &mut Link,
    channel: Channel,
    wait: Duration,
    progress: &mut dyn FnMut(&str),
) -> Result<KernelInfo> {
    link.send(channel, "kernel_info_request", None, &json!({})).await?;
    let session = link.session_id().to_owned();
    let mut wait = Wait::until(Instant::now() + wait.max(LEAST), progress);
    let mut answers = |message: &Arrived| {
        message.channel == channel
            && message.header.msg_type == "kernel_info_reply"
            && message.parent.as_ref().is_some_and(|parent| parent.session == session)
    };
    let Some(reply) = wait.next(link, &mut answers).await? else { return Err(wait.verdict(link).await) };
    let info = KernelInfo::deserialize(reply.content).map_err(|_| {
        Error::new(Kind::NotAKernel, "the kernel says of itself what is no kernel_info", "restart it from Jupyter")
    })?;
    Ok(KernelInfo { session: Some(reply.header.session).filter(|own| *own != session), ..info })
}

/// Sets `wanted` in the kernel by the code of `row`; removes what we have set `before` and is not wanted any
/// more. The kernel has just answered [`kernel_info`], or [`Options::unasked`] is set.
pub async fn inject(
    link: &mut Link,
    row: &Row,
    wanted: &SecretSet,
    before: Option<&Record>,
    options: Options<'_>,
    progress: &mut dyn FnMut(&str),
) -> Result<Outcome> {
    let end = Instant::now() + options.wait.max(LEAST);
    let ours = |name: &str| before.is_some_and(|record| record.variables.contains_key(name));
    let (names, impossible): (Vec<&str>, Vec<&str>) =
        wanted.names().map(crate::secret::SecretName::as_str).partition(|name| (row.takes)(name));
    let known = before.into_iter().flat_map(|record| record.variables.keys());
    let gone: Vec<&str> = known.map(String::as_str).filter(|name| !names.contains(name)).collect();
    let keep = names.iter().copied().filter(|name| !options.override_existing && !ours(name)).collect();
    let mut change = Change { set: names.clone(), keep, unset: gone.clone(), until: SystemTime::now() };
    let mut expression = row.expression.filter(|_| !options.now);
    let way = row.beside.filter(|_| options.now).map_or(row.way, Way::File);
    let (mut begin, mut grace) = if options.unasked { (BEGIN_UNASKED, GRACE_UNASKED) } else { (BEGIN, GRACE) };
    let mut patience = Wait::until(end, progress);
    loop {
        let (now, left) = (SystemTime::now(), end.saturating_duration_since(Instant::now()));
        change.until = whole_second(now + begin.min(left));
        let begin_until = Instant::now() + change.until.duration_since(now).unwrap_or(begin);
        options.holding.set(Some(begin_until + GRACE_WHEN_STOPPED));
        patience.let_ask_until(begin_until + grace);
        let taken = match (expression, way) {
            (Some(code), _) => {
                let code = Code::Expression(code(&change));
                question::attempt(link, &code, &change, wanted, &mut patience).await
            }
            (None, Way::Stdin(code)) => {
                let code = Code::Cell(code(&change));
                question::attempt(link, &code, &change, wanted, &mut patience).await
            }
            (None, Way::File(code)) => {
                one_shot::attempt(link, code, &change, wanted, options.folder, &mut patience).await
            }
            (None, Way::Cannot(why)) => Err(cannot(row.name, why)),
        };
        options.holding.set(None);
        match taken? {
            Taken::All { kept } => {
                let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
                let set = names.into_iter().filter(|name| !kept.iter().any(|kept| kept == name)).collect();
                return Ok(Outcome { set: owned(set), unset: owned(gone), kept, impossible: owned(impossible) });
            }
            Taken::Unread if options.unasked => {
                let info = kernel_info(link, end.saturating_duration_since(Instant::now()), progress).await?;
                let row = language::of(&info).ok_or_else(|| unknown(&info))?;
                let options = Options { unasked: false, ..options };
                return Box::pin(inject(link, row, wanted, before, options, progress)).await;
            }
            Taken::Unread => expression = None,
            Taken::Late if Instant::now() >= end => return Err(patience.verdict(link).await),
            Taken::Late => {}
        }
        (begin, grace) = (BEGIN, GRACE);
    }
}

/// The next whole second: some languages have no finer clock.
fn whole_second(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs() + u64::from(since.subsec_nanos() > 0))
}

fn cannot(kernel: &str, why: &str) -> Error {
    Error::new(
        Kind::KernelCannot,
        format!("there is no way to set the environment of a running {kernel} kernel: {why}"),
        "restart the kernel to apply: a launch through jupyter-vault sets it before it starts",
    )
}

fn unknown(info: &KernelInfo) -> Error {
    let (kernel, language) = (&info.implementation, &info.language_info.name);
    let kernel = if kernel.is_empty() { "nameless" } else { kernel };
    cannot(&format!("{kernel} ({language})"), "its kind is not known here (--list-languages shows which are)")
}
