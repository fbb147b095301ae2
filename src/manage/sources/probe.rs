//! Tests a data source: a client library of the kernel's Python connects with the variables that a launch would set.
//!
//! A client's error message may quote a password, so the values of secret fields are removed from it.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::json;

use super::folder::{absent, choose, folders};
use super::python::Which;
use crate::datasource::DataSource;
use crate::error::{Error, Kind, Result, one_line, why};
use crate::launch::data_source::{Gathering, complete};
use crate::launch::given::{Fetched, Given};
use crate::launch::naming::Taker;
use crate::launch::{environment, files};
use crate::manage::Outcome;
use crate::manage::secrets::Common;
use crate::manage::secrets::common::outcome;
use crate::manage::secrets::session::{LoggedIn, with};
use crate::secret::{SecretName, SecretValue};
use crate::sys::environ::name_and_value;
use crate::sys::exec::Space;
use crate::vault::generic;

const PROBE: &str = include_str!("probe.py");
/// The time limits: for a client to connect, in seconds, and for the whole Python process.
const CONNECT: u64 = 10;
const LONGEST: Duration = Duration::from_secs(40);
const PAUSE: Duration = Duration::from_millis(10);

/// The Python process's answer.
#[derive(Debug, Deserialize)]
struct Answer {
    client: Option<String>,
    #[serde(default)]
    version: String,
    failed: Option<String>,
    #[serde(default)]
    text: String,
}

pub(super) fn run(common: &Common, name: &str, which: &Which) -> Result<Outcome> {
    with(common, async |session| {
        let python = which.find(session.environment)?;
        let folder = choose(folders(session).await?, common)?;
        let (mut source, _) = folder.read(session, name).await?.ok_or_else(|| absent(&folder, name))?;
        let mut lease = None;
        if let Some(path) = source.credentials.clone() {
            let made = generic::read(session.client, &path).await?;
            lease = made.lease("")?.filter(|lease| !lease.id.is_empty());
            complete(&mut source, &made.fields()?, &path)?;
            // Without a keeper to ask for AWS keys, they are written to the file that the client reads.
            source.is_made = false;
        }
        session.extend();
        let answer = ask(session, source, &python);
        if let Some(lease) = lease {
            // Revoking the token of a login ends the lease. With a given token, the lease is revoked, or shortened to a
            // second if the policies do not allow that.
            session.extend();
            let _ = crate::vault::lease::end(session.client, &lease.id).await;
        }
        let (answer, source) = answer?;
        report(common, &source, &python, &answer)
    })
}

fn report(common: &Common, source: &DataSource, python: &Path, answer: &Answer) -> Result<Outcome> {
    let (name, at) = (&source.name, source.reach().unwrap_or_default());
    let Some(client) = &answer.client else {
        let what = format!("no client for {} is installed in {}", source.kind.name, python.display());
        let pip = |package: &str| format!("`{} -m pip install {package}`", python.display());
        let ways: Vec<_> = source.kind.clients.iter().map(|client| pip(client.package)).collect();
        return Err(Error::new(Kind::Config, what, format!("install one: {}", ways.join(", or "))));
    };
    if let Some(failed) = &answer.failed {
        let text = without_secrets(source, &answer.text);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let what = format!(
            "{client} can't connect to the data source {name} at {at}: {}: {}",
            one_line(failed),
            one_line(&text)
        );
        return Err(Error::new(
            Kind::Unreachable,
            what,
            format!("correct it with `jupyter-vault sources add {name} {} … --replace`", source.kind.name),
        ));
    }
    let shown = format!("{client} {}", answer.version);
    let sentence = format!("{name} ({}) at {at} accepted a connection by {}", source.kind.name, one_line(shown.trim()));
    let object = json!({
        "name": name, "kind": source.kind.name, "at": at, "client": client, "version": answer.version,
        "python": python.display().to_string(), "done": "connected",
    });
    Ok(outcome(common, &sentence, &object))
}

/// Removes the value of every secret field from `text`, plain and percent-encoded.
fn without_secrets(source: &DataSource, text: &str) -> String {
    let secret = |name: &str| source.kind.fields.iter().any(|field| field.name == name && field.is_secret);
    let values = source.fields.iter().filter(|(name, _)| secret(name)).filter_map(|(_, value)| value.expose_text());
    let mut text = text.to_owned();
    for value in values.filter(|value| !value.is_empty()) {
        let encoded = percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string();
        text = text.replace(value, "…").replace(&encoded, "…");
    }
    text
}

/// What a launch gives for this data source.
#[derive(Default)]
struct Alone(Given);

impl Taker for Alone {
    fn take(&mut self, name: &str, path: &str, fetched: Result<Fetched>) -> Result<()> {
        self.0.insert(SecretName::new(name, &[], path)?, fetched?);
        Ok(())
    }
}

fn ask(session: &LoggedIn<'_>, mut source: DataSource, python: &Path) -> Result<(Answer, DataSource)> {
    // The clients read their usual variables.
    source.prefix.clear();
    let mut alone = Alone::default();
    let mut gathering = Gathering::new("test");
    gathering.add(&source, ("test", None), &mut alone)?;
    gathering.end(&mut alone)?;
    let plan = session.plan;
    let (secrets, files) = files::write(alone.0, &plan.runtime_dir, std::process::id())?;
    let inherited = session.environment.entries();
    let entries = environment::build(inherited, secrets, &plan.inheritance, Space::of_this_system(), 0)?;
    let variables = entries.iter().filter_map(|entry| name_and_value(entry.as_bytes()));
    let variables = variables.map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value)));
    let clients: Vec<_> = source.kind.clients.iter().map(|client| [client.module, client.hello]).collect();
    let question = json!({ "name": source.name, "stem": source.stem(), "seconds": CONNECT, "clients": clients });
    let mut command = Command::new(python);
    // Python imports modules from its working folder, so that must not be one which others may write.
    command.args(["-c", PROBE]).env_clear().envs(variables).current_dir("/");
    let text = output_of(command, question.to_string().as_bytes(), python)?;
    drop(files);
    let answer = serde_json::from_slice(text.expose())
        .map_err(|_| broken(python, "did not answer", "check that it is a working Python 3"))?;
    Ok((answer, source))
}

/// Runs the command with `question` on standard input; returns its output, within limits of time and size.
fn output_of(mut command: Command, question: &[u8], python: &Path) -> Result<SecretValue> {
    let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = started.map_err(|cause| broken(python, &why(cause.kind()), "choose another with --python"))?;
    if let Some(mut pipe) = child.stdin.take() {
        // If the program has exited already, its missing answer shows that.
        let _ = pipe.write_all(question);
    }
    let end = Instant::now() + LONGEST;
    while child.try_wait().ok().flatten().is_none() {
        if Instant::now() > end {
            let _ = child.kill();
            let _ = child.wait();
            return Err(broken(
                python,
                "did not answer in time",
                "the service may be slow, or a firewall may drop the connection",
            ));
        }
        std::thread::sleep(PAUSE);
    }
    let mut text = Vec::new();
    if let Some(pipe) = child.stdout.take() {
        let _ = pipe.take(60_000).read_to_end(&mut text);
    }
    Ok(SecretValue::new(text))
}

fn broken(python: &Path, what: &str, advice: &str) -> Error {
    Error::new(Kind::Os, format!("the Python {} {what}", python.display()), advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clients_error_message_shows_no_secret() {
        let mut source = DataSource::new("w", "postgres").unwrap();
        source.set("user", SecretValue::new(b"ada".to_vec())).unwrap();
        source.set("password", SecretValue::new(b"p@ss:w".to_vec())).unwrap();
        let text = "no login for ada with p@ss:w at postgresql://ada:p%40ss%3Aw@db";
        assert_eq!(without_secrets(&source, text), "no login for ada with … at postgresql://ada:…@db");
    }
}
