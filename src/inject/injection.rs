//! One injection: sends the code, again if necessary, until the kernel has the values.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::attempt::CodeOutcome;
use super::code::CodeChange;
use super::info::{LEAST, cannot, kernel_info, unknown};
use super::language::{Delivery, KernelRow};
use super::link::Link;
use super::question::Code;
use super::wait::Wait;
use super::{language, one_shot, question};
use crate::error::{Result, one_line};
use crate::kernel::endpoint::Channel;
use crate::record::Record;
use crate::secret::{SecretName, SecretSet};

/// The time after sending within which the code may begin.
const BEGIN: Duration = Duration::from_secs(5);
/// [`BEGIN`] if kernel_info was not requested first: the kernel is a process of this machine, with the same clock.
const BEGIN_AT_ONCE: Duration = Duration::from_secs(1);
/// The time after that in which the code's input request may still arrive: ipykernel flushes its output first, and
/// gives up after ten seconds.
const GRACE: Duration = Duration::from_secs(15);
/// [`GRACE`] if kernel_info was not requested first.
const GRACE_AT_ONCE: Duration = Duration::from_secs(5);
/// [`GRACE`] after a signal to stop.
const GRACE_WHEN_STOPPED: Duration = Duration::from_secs(2);

/// The options of an injection.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// Whether a secret replaces a variable that the kernel already has.
    pub override_existing: bool,
    /// How long to wait for a busy kernel.
    pub wait: Duration,
    /// Whether to use a subshell of a busy kernel instead of waiting for it.
    pub now: bool,
    /// Our own folder in Jupyter's runtime folder.
    pub folder: &'a Path,
    /// Until when the kernel may request input: if the injection is dropped before, the kernel waits for an answer.
    pub holding: &'a Cell<Option<Instant>>,
}

/// The variables to set in a kernel.
#[derive(Debug, Clone, Copy)]
pub struct Injection<'a> {
    /// The kernel's row of the table of languages.
    pub row: &'a KernelRow,
    /// The variables.
    pub wanted: &'a SecretSet,
    /// The variables that it was given before.
    pub before: Option<&'a Record>,
    /// Variables to remove because a client would prefer them to the wanted ones; only if secrets replace variables.
    pub away: &'a [&'static str],
    /// Whether the kernel has just answered kernel_info; otherwise its process has shown its kind, and that it is idle.
    pub was_asked: bool,
    /// The options.
    pub options: Options<'a>,
}

/// The changes: names, never values.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Set.
    pub set: Vec<String>,
    /// Left as the kernel had them.
    pub kept: Vec<String>,
    /// Removed.
    pub unset: Vec<String>,
    /// Not possible, because the kernel's language can't have a variable with this name.
    pub impossible: Vec<String>,
}

impl Changes {
    /// The changes in one line, for people.
    pub fn line(&self, kernel: &str) -> String {
        let listed = |names: &[String]| names.iter().map(|name| one_line(name)).collect::<Vec<_>>().join(", ");
        let part = |what: &str, names: &[String]| (!names.is_empty()).then(|| format!("{what} {}", listed(names)));
        let parts = [
            part("set", &self.set),
            part("unchanged", &self.kept),
            part("unset", &self.unset),
            part("not possible in its language:", &self.impossible),
        ];
        let done: Vec<_> = parts.into_iter().flatten().collect();
        let done = if done.is_empty() { "nothing to set".to_owned() } else { done.join("; ") };
        format!("{}: {done}", one_line(kernel))
    }
}

/// Sets the wanted variables, and removes those that were set before and are no longer wanted.
pub async fn inject(link: &mut Link, injection: Injection<'_>, progress: &mut dyn FnMut(&str)) -> Result<Changes> {
    let Injection { row, wanted, before, away, was_asked, options } = injection;
    let end = Instant::now() + options.wait.max(LEAST);
    let ours = |name: &str| before.is_some_and(|record| record.variables.contains_key(name));
    let (names, impossible): (Vec<&str>, Vec<&str>) =
        wanted.names().map(SecretName::as_str).partition(|name| (row.takes)(name));
    let known = before.into_iter().flat_map(|record| record.variables.keys());
    let gone: Vec<&str> = known.map(String::as_str).filter(|name| !names.contains(name)).collect();
    let keep = names.iter().copied().filter(|name| !options.override_existing && !ours(name)).collect();
    let away = away.iter().copied().filter(|_| options.override_existing);
    let unset = gone.iter().copied().chain(away).collect();
    let mut change = CodeChange { set: names.clone(), keep, unset, until: SystemTime::now() };
    let mut expression = row.expression.filter(|_| !options.now);
    let delivery = row.beside.filter(|_| options.now).map_or(row.delivery, Delivery::File);
    let (mut begin, mut grace) = if was_asked { (BEGIN, GRACE) } else { (BEGIN_AT_ONCE, GRACE_AT_ONCE) };
    let mut patience = Wait::until(end, progress);
    loop {
        let (now, left) = (SystemTime::now(), end.saturating_duration_since(Instant::now()));
        change.until = whole_second(now + begin.min(left));
        let begin_until = Instant::now() + change.until.duration_since(now).unwrap_or(begin);
        options.holding.set(Some(begin_until + GRACE_WHEN_STOPPED));
        patience.extend_for_question(begin_until + grace);
        let taken = match (expression, delivery) {
            (Some(code), _) => {
                let code = Code::Expression(code(&change));
                question::attempt(link, &code, &change, wanted, &mut patience).await
            }
            (None, Delivery::Stdin(code)) => {
                let code = Code::Cell(code(&change));
                question::attempt(link, &code, &change, wanted, &mut patience).await
            }
            (None, Delivery::File(code)) => {
                let file = one_shot::Values { code, wanted, folder: options.folder };
                one_shot::attempt(link, &file, &change, &mut patience).await
            }
            (None, Delivery::Cannot(why)) => Err(cannot(row.name, why)),
        };
        options.holding.set(None);
        match taken? {
            CodeOutcome::All { kept } => {
                let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
                let set = names.into_iter().filter(|name| !kept.iter().any(|kept| kept == name)).collect();
                return Ok(Changes { set: owned(set), unset: owned(gone), kept, impossible: owned(impossible) });
            }
            CodeOutcome::Unread if !was_asked => {
                let left = end.saturating_duration_since(Instant::now());
                let info = kernel_info(link, Channel::Shell, left, progress).await?;
                let row = language::of(&info).ok_or_else(|| unknown(&info))?;
                let injection = Injection { row, was_asked: true, ..injection };
                return Box::pin(inject(link, injection, progress)).await;
            }
            CodeOutcome::Unread => expression = None,
            CodeOutcome::Late if Instant::now() >= end => return Err(patience.verdict(link).await),
            CodeOutcome::Late => {}
        }
        (begin, grace) = (BEGIN, GRACE);
    }
}

/// The next whole second, as some languages have no finer clock.
fn whole_second(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs() + u64::from(since.subsec_nanos() > 0))
}
