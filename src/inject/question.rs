//! Values as the answer to a question: the kernel's code asks on stdin, which nobody else hears.
//!
//! The code is a cell's, or an expression that is evaluated beside an empty cell (`user_expressions`), where
//! the kernel is known to do that.

use std::time::SystemTime;

use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::code::Change;
use super::wait::Wait;
use super::{ANSWER, Taken, failed, not_begun, request};
use crate::error::{Error, Kind, Result};
use crate::kernel::connection::Channel;
use crate::kernel::link::{Arrived, Link};
use crate::secret::SecretSet;

/// What is sent.
pub(super) enum Code {
    /// The code of a cell.
    Cell(String),
    /// An expression beside an empty cell.
    Expression(String),
}

impl Code {
    fn request(&self) -> Value {
        match self {
            Self::Cell(code) => request(code, &json!({})),
            Self::Expression(code) => request("", &json!({ "set": code })),
        }
    }

    /// The class of the error that it ended with, if it did.
    fn error<'a>(&self, reply: &'a Arrived) -> Option<&'a str> {
        let content = match self {
            Self::Cell(_) => &reply.content,
            Self::Expression(_) => &reply.content["user_expressions"]["set"],
        };
        (content["status"] != "ok").then(|| content["ename"].as_str().unwrap_or("error"))
    }
}

/// Sends the code once, and answers what it asks.
pub(super) async fn attempt(
    link: &mut Link,
    code: &Code,
    change: &Change<'_>,
    wanted: &SecretSet,
    patience: &mut Wait<'_>,
) -> Result<Taken> {
    let id = link.send(Channel::Shell, "execute_request", None, &code.request()).await?;
    let mut begins = |message: &Arrived| message.is("input_request", &id) || message.is("execute_reply", &id);
    let Some(asked) = patience.next(link, &mut begins).await? else { return Err(patience.verdict(link).await) };
    if asked.header.msg_type == "execute_reply" {
        return unasked(code, &asked, change);
    }
    let prompt = asked.content["prompt"].as_str().unwrap_or_default();
    let kept: Vec<String> = serde_json::from_str(prompt).unwrap_or_default();
    let answer = json!({"value": answer(wanted, &kept)});
    link.send(Channel::Stdin, "input_reply", Some(&asked), &answer).await?;
    drop(answer);
    let mut ends = begins;
    patience.extend(Instant::now() + ANSWER);
    match patience.next(link, &mut ends).await? {
        Some(reply) if reply.header.msg_type == "execute_reply" => match code.error(&reply) {
            None => Ok(Taken::All { kept }),
            Some(class) => Err(failed(class)),
        },
        // It asks again: that is how the code tells of an error, which is nobody else's business.
        Some(again) => {
            link.send(Channel::Stdin, "input_reply", Some(&again), &json!({"value": ""})).await?;
            patience.next(link, &mut |message| message.is("execute_reply", &id)).await?;
            Err(failed(again.content["prompt"].as_str().unwrap_or_default()))
        }
        None => Err(patience.verdict(link).await),
    }
}

/// What a reply to code means that did not ask.
fn unasked(code: &Code, reply: &Arrived, change: &Change<'_>) -> Result<Taken> {
    if not_begun(reply) {
        return Ok(Taken::Late);
    }
    match (code, code.error(reply)) {
        (Code::Expression(_), Some(_)) => Ok(Taken::Unread),
        (Code::Cell(_), Some(class)) => Err(failed(class)),
        (_, None) if SystemTime::now() < change.until => {
            let what = "the kernel found the request too old: its machine's clock is ahead of ours";
            Err(Error::new(Kind::KernelFailed, what, "set the clocks of both machines"))
        }
        (_, None) => Ok(Taken::Late),
    }
}

/// The values that are not kept, as the text of a JSON object.
fn answer(wanted: &SecretSet, kept: &[String]) -> String {
    let given = wanted.iter().filter(|(name, _)| !kept.iter().any(|kept| kept == name.as_str()));
    let given = given.map(|(name, value)| {
        let text = value.expose_text().unwrap_or_default().to_owned();
        (name.as_str().to_owned(), Value::String(text))
    });
    Value::Object(given.collect::<Map<_, _>>()).to_string()
}
