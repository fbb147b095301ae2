//! Values as the answer to an input request, which the kernel's code sends on stdin; no other client receives them.
//!
//! The code is a cell, or an expression that is evaluated with an empty cell (`user_expressions`), if the kernel is
//! known to do that. A cell asks by its language's own function: once, without a time limit; a second request reports
//! the class of an error. An expression sends the messages itself: it asks until it gets an answer, so it may be sent
//! before stdin is connected, and gives up after ten seconds, so that no kernel waits for a killed client. Then it
//! reports its outcome, so there is no need to wait for its reply.

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::attempt::{ANSWER, CodeOutcome, failed, not_begun, request};
use super::code::CodeChange;
use super::wait::Wait;
use crate::error::{Error, Kind, Result};
use crate::inject::link::Link;
use crate::kernel::endpoint::Channel;
use crate::kernel::message::KernelMessage;
use crate::secret::SecretSet;

/// The time after sending within which an expression's input request is answered: some seconds less than it waits.
const ANSWERED: Duration = Duration::from_secs(7);
/// The output of an expression when everything is set.
const DONE: &str = "done";
/// The class of the error of an expression whose input request got no answer.
const UNANSWERED: &str = "TimeoutError";
/// The longest class of an error, in bytes.
const LONGEST_CLASS: usize = 200;

/// The form in which the code is sent.
pub(super) enum Code {
    /// The code of a cell.
    Cell(String),
    /// An expression with an empty cell.
    Expression(String),
}

impl Code {
    fn request(&self) -> Value {
        match self {
            Self::Cell(code) => request(code, &json!({})),
            Self::Expression(code) => request("", &json!({ "set": code })),
        }
    }

    /// The class of its error, if it failed.
    fn error<'a>(&self, reply: &'a KernelMessage) -> Option<&'a str> {
        let content = match self {
            Self::Cell(_) => &reply.content,
            Self::Expression(_) => &reply.content["user_expressions"]["set"],
        };
        (content["status"] != "ok").then(|| content["ename"].as_str().unwrap_or("error"))
    }
}

/// The meaning of an input request of the code.
enum Prompt {
    /// It asks for the values, except for the names that it keeps: a JSON list.
    Names(Vec<String>),
    /// All is set.
    Done,
    /// Its requests got no answer until it gave up.
    ProgramError,
    /// It failed: the class of the error.
    Failed(String),
    /// A request that the code does not make. It gets no value, even if it is signed.
    Strange,
}

impl Prompt {
    fn of(message: &KernelMessage) -> Self {
        let is_class = |text: &str| {
            !text.is_empty()
                && text.len() <= LONGEST_CLASS
                && text.chars().all(|c| c.is_alphanumeric() || "_.:".contains(c))
        };
        match message.content["prompt"].as_str() {
            Some(DONE) => Self::Done,
            Some(UNANSWERED) => Self::ProgramError,
            Some(class) if is_class(class) => Self::Failed(class.to_owned()),
            Some(list) => serde_json::from_str(list).map_or(Self::Strange, Self::Names),
            None => Self::Strange,
        }
    }

    fn into_error(self) -> Error {
        match self {
            Self::Failed(class) => failed(&class),
            Self::ProgramError => failed(UNANSWERED),
            Self::Names(_) | Self::Done | Self::Strange => Error::new(
                Kind::KernelFailed,
                "the kernel's input request is not the one that the code makes, so no value was sent",
                "restart the kernel; if it persists, report the kernel's name and version",
            ),
        }
    }
}

/// Sends the code once, and answers its input requests.
pub(super) async fn attempt(
    link: &mut Link,
    code: &Code,
    change: &CodeChange<'_>,
    wanted: &SecretSet,
    patience: &mut Wait<'_>,
) -> Result<CodeOutcome> {
    // A cell requests input only once, so stdin must be connected before.
    let asks_once = matches!(code, Code::Cell(_));
    if asks_once {
        link.open(Channel::Stdin).await?;
    }
    let sent = Instant::now();
    let id = patience.execute(link, &code.request()).await?;
    link.open(Channel::Stdin).await?;
    let mut concerns = |message: &KernelMessage| message.is("input_request", &id) || message.is("execute_reply", &id);
    let mut kept = None;
    loop {
        let Some(message) = patience.next(link, &mut concerns).await? else { return Err(patience.verdict(link).await) };
        if message.header.msg_type == "execute_reply" {
            match (code.error(&message), kept) {
                (_, None) => return without_question(code, &message, change),
                (Some(class), _) => return Err(failed(class)),
                (None, Some(kept)) if asks_once => return Ok(CodeOutcome::All { kept }),
                // The reply may overtake an input request of the code, which comes over another connection.
                (None, still) => kept = still,
            }
            continue;
        }
        match (Prompt::of(&message), kept.take()) {
            (Prompt::Done, Some(kept)) => return Ok(CodeOutcome::All { kept }),
            (Prompt::ProgramError, None) => return Ok(CodeOutcome::Late),
            (Prompt::Names(names), None) => {
                // If this process was suspended it may be too late: the next request may be meant for another client.
                if asks_once || sent.elapsed() < ANSWERED {
                    let answer = json!({"value": answer(wanted, &names)});
                    link.send(Channel::Stdin, "input_reply", Some(&message), &answer).await?;
                    patience.extend(Instant::now() + ANSWER);
                    kept = Some(names);
                }
            }
            (Prompt::Names(_), answered) => kept = answered,
            (prompt, _) => {
                if asks_once {
                    link.send(Channel::Stdin, "input_reply", Some(&message), &json!({"value": ""})).await?;
                    patience.next(link, &mut |message| message.is("execute_reply", &id)).await?;
                }
                return Err(prompt.into_error());
            }
        }
    }
}

/// The meaning of the reply to code that has not requested input.
fn without_question(code: &Code, reply: &KernelMessage, change: &CodeChange<'_>) -> Result<CodeOutcome> {
    if not_begun(reply) {
        return Ok(CodeOutcome::Late);
    }
    match (code, code.error(reply)) {
        (Code::Expression(_), Some(_)) => Ok(CodeOutcome::Unread),
        (Code::Cell(_), Some(class)) => Err(failed(class)),
        (_, None) if SystemTime::now() < change.until => {
            let what = "the kernel found the request too old: its machine's clock is ahead of this one's";
            Err(Error::new(Kind::KernelFailed, what, "set the clocks of both machines"))
        }
        (_, None) => Ok(CodeOutcome::Late),
    }
}

/// The values, without those that the kernel keeps, as the text of a JSON object.
fn answer(wanted: &SecretSet, kept: &[String]) -> String {
    let given = wanted.iter().filter(|(name, _)| !kept.iter().any(|kept| kept == name.as_str()));
    let given = given.map(|(name, value)| {
        let text = value.expose_text().unwrap_or_default().to_owned();
        (name.as_str().to_owned(), Value::String(text))
    });
    Value::Object(given.collect::<Map<_, _>>()).to_string()
}
