//! Secrets for a kernel that runs already: set, changed and unset by the kernel's own code.
//!
//! Whatever a kernel executes may be seen by every client of it, so the code holds names alone. It asks,
//! and the values travel as the answer, which goes from us to the kernel and nobody else.
//!
//! A kernel does one thing at a time. What it has queued can't be taken back, and a kernel that asks a
//! client that has gone waits until somebody interrupts it. So:
//! 1. `kernel_info` is asked first, and answered when the kernel is free: only then is code sent;
//! 2. the code carries the moment after which it does nothing, should another client have been quicker;
//! 3. we stay as long as the code may still ask, and answer even when we are told to stop.
//!
//! - [`language`]: the table of kernels and their code
//! - [`choose`]: which kernel is meant
//! - [`command`]: the subcommand

pub mod choose;
pub mod command;
pub mod language;

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::language::{Change, Row};
use crate::error::{Error, Kind, Result};
use crate::kernel::connection::Channel;
use crate::kernel::link::{Arrived, Link};
use crate::secret::SecretSet;

/// How long a kernel that has got the values may take to say so.
const ANSWER: Duration = Duration::from_secs(30);
/// How long after the code's last moment its question may still arrive.
const GRACE: Duration = Duration::from_secs(2);
/// How often one is told that the kernel is waited for.
const PROGRESS: Duration = Duration::from_secs(5);

/// What a kernel says of itself.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct KernelInfo {
    /// Such as `ipython`.
    #[serde(default)]
    pub implementation: String,
    /// The language.
    #[serde(default)]
    pub language_info: LanguageInfo,
    /// What it can beyond the protocol's base, such as `kernel subshells`.
    #[serde(default)]
    pub supported_features: Vec<String>,
}

/// What a kernel says of its language.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct LanguageInfo {
    /// Such as `python`.
    #[serde(default)]
    pub name: String,
}

/// How an injection is done.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whether a secret wins over a variable that the kernel has already.
    pub override_existing: bool,
    /// How long the kernel may be busy.
    pub wait: Duration,
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
}

/// Waits until the kernel is free to say what it is.
///
/// # Errors
/// [`Kind::KernelBusy`] when it is not within `wait`; whatever the link says.
pub async fn kernel_info(link: &mut Link, wait: Duration, progress: &mut dyn FnMut(&str)) -> Result<KernelInfo> {
    let id = link.send(Channel::Shell, "kernel_info_request", None, &json!({})).await?;
    let end = Instant::now() + wait;
    let reply = next(link, end, progress, &mut |message| message.is("kernel_info_reply", &id)).await?;
    let reply = reply.ok_or_else(|| busy(wait))?;
    serde_json::from_value(reply.content).map_err(|_| {
        Error::new(Kind::NotAKernel, "the kernel says of itself what is no kernel_info", "restart it from Jupyter")
    })
}

/// Sets `wanted` in the kernel and removes `gone`, by the code of `row`. `ours` are the variables that we
/// have set there before, which are ours to change.
///
/// # Errors
/// [`Kind::KernelBusy`], [`Kind::KernelFailed`]; whatever the link says.
pub async fn inject(
    link: &mut Link,
    row: &Row,
    wanted: SecretSet,
    ours: &[String],
    options: &Options,
    progress: &mut dyn FnMut(&str),
) -> Result<Outcome> {
    let names: Vec<String> = wanted.names().map(|name| name.as_str().to_owned()).collect();
    let gone = ours.iter().filter(|name| !names.contains(name));
    let keeps = |name: &&str| !options.override_existing && !ours.iter().any(|ours| ours == name);
    let change = Change {
        set: names.iter().map(String::as_str).collect(),
        keep: names.iter().map(String::as_str).filter(keeps).collect(),
        unset: gone.map(String::as_str).collect(),
        until: SystemTime::now() + options.wait,
    };
    let request = json!({
        "code": (row.code)(&change), "silent": true, "store_history": false, "user_expressions": {},
        "allow_stdin": true, "stop_on_error": false,
    });
    let id = link.send(Channel::Shell, "execute_request", None, &request).await?;
    let end = Instant::now() + options.wait + GRACE;
    let mut begins = |message: &Arrived| message.is("input_request", &id) || message.is("execute_reply", &id);
    let asked = next(link, end, progress, &mut begins).await?.ok_or_else(|| busy(options.wait))?;
    if asked.header.msg_type == "execute_reply" {
        check(&asked)?;
        return Err(busy(options.wait));
    }
    let prompt = asked.content["prompt"].as_str().unwrap_or_default();
    let kept: Vec<String> = serde_json::from_str(prompt).unwrap_or_default();
    let answer = json!({"value": answer(wanted, &kept)});
    link.send(Channel::Stdin, "input_reply", Some(&asked), &answer).await?;
    drop(answer);
    let end = Instant::now() + ANSWER;
    let reply = next(link, end, progress, &mut |message| message.is("execute_reply", &id)).await?;
    check(&reply.ok_or_else(|| {
        Error::new(Kind::KernelSilent, "the kernel got the values and does not say what became of them", "restart it")
    })?)?;
    Ok(Outcome {
        unset: change.unset.iter().map(|name| (*name).to_owned()).collect(),
        set: names.into_iter().filter(|name| !kept.contains(name)).collect(),
        kept,
    })
}

/// The values that are not kept, as the text of a JSON object.
fn answer(wanted: SecretSet, kept: &[String]) -> String {
    let given = wanted.into_iter().filter(|(name, _)| !kept.iter().any(|kept| kept == name.as_str()));
    let given = given.map(|(name, value)| {
        let text = value.expose_text().unwrap_or_default().to_owned();
        (name.as_str().to_owned(), Value::String(text))
    });
    Value::Object(given.collect::<Map<_, _>>()).to_string()
}

fn check(reply: &Arrived) -> Result<()> {
    if reply.content["status"] == "ok" {
        return Ok(());
    }
    // An error's text may quote anything; its class is one of a language's words.
    let class = reply.content["ename"].as_str().unwrap_or("error");
    let class: String = class.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
    Err(Error::new(
        Kind::KernelFailed,
        format!("the kernel could not set the variables ({class})"),
        "restart the kernel: a launch through jupyter-vault sets them before it starts",
    ))
}

/// The next message that is `wanted`; `None` at `end`. Others are passed over.
async fn next(
    link: &mut Link,
    end: Instant,
    progress: &mut dyn FnMut(&str),
    wanted: &mut dyn FnMut(&Arrived) -> bool,
) -> Result<Option<Arrived>> {
    let mut tell = Instant::now() + PROGRESS;
    loop {
        let message = tokio::select! {
            biased;
            message = timeout_at(end, link.next()) => message,
            () = sleep_until(tell) => {
                let left = end.saturating_duration_since(Instant::now()).as_secs();
                progress(&format!("the kernel is busy; waiting up to {left} s more"));
                tell += PROGRESS;
                continue;
            }
        };
        match message {
            Err(_) => return Ok(None),
            Ok(message) => {
                let message = message?;
                if wanted(&message) {
                    return Ok(Some(message));
                }
            }
        }
    }
}

fn busy(wait: Duration) -> Error {
    Error::new(
        Kind::KernelBusy,
        format!("the kernel was busy for {} s, nothing was set", wait.as_secs()),
        "try again when its cell has ended, or wait longer with --wait SECONDS",
    )
}
