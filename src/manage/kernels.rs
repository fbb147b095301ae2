//! `kernels`: lists the running kernels, and which of them have their secrets.
//!
//! A connection file says that a kernel was started. Its process shows that it is running, or its heartbeat, which even
//! a busy kernel answers. Its variables are in the record that a launch or an inject stored for that process.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::Outcome;
use super::abandoned::{self, Ended};
use super::login::status::expiry_warning;
use super::report::SCHEMA;
use crate::config::auth::login;
use crate::config::env::Environment;
use crate::config::folders::{jupyter_runtime_dir, runtime_dir};
use crate::config::plan::Plan;
use crate::config::server::Server;
use crate::error::{Result, one_line};
use crate::kernel::client::Sockets;
use crate::kernel::connection::ConnectionFile;
use crate::kernel::endpoint::Channel;
use crate::launch::fetch::runtime;
use crate::launch::{self, Request};
use crate::lease::AbandonedLeases;
use crate::record::{How, Record, files_in, stem};
use crate::sys::process::with_argument;

/// The time limit for looking up the login's token.
const WORD: Duration = Duration::from_secs(2);
/// The time limit for a heartbeat, on a busy machine.
const BEAT: Duration = Duration::from_secs(5);

/// A running kernel.
#[derive(Debug)]
pub struct Running {
    /// Its connection file.
    pub file: PathBuf,
    /// Its kernelspec, if the file names one.
    pub kernelspec: Option<String>,
    /// Its process, if this user may see it.
    pub pid: Option<u32>,
    /// Whether it answered a heartbeat.
    pub answers: bool,
    /// The variables that it was given.
    pub record: Option<Record>,
    /// The process that holds its leases.
    pub keeper: Option<u32>,
    /// The server of this user that lists it, and its state there.
    pub server: Option<(String, String)>,
}

/// A kernel that runs on another machine.
#[derive(Debug)]
pub struct Remote {
    /// Its id at the server.
    pub id: String,
    /// Its kernelspec.
    pub kernelspec: String,
    /// The server that lists it, and its state there.
    pub server: Option<(String, String)>,
}

/// All kernels of this user's runtime folder.
#[derive(Debug, Default)]
pub struct Kernels {
    /// Those that run here, in the order of their files.
    pub running: Vec<Running>,
    /// Those that a server of this user has started on other machines.
    pub remote: Vec<Remote>,
    /// The files of kernels that have exited.
    pub gone: Vec<PathBuf>,
    /// The leases of keepers that were killed.
    left: Vec<AbandonedLeases>,
    /// The outcome for leases whose kernels have exited.
    ended: Ended,
}

/// Lists the kernels.
pub fn run(json: bool) -> Result<Outcome> {
    let environment = Environment::take();
    let plan = plan(&environment);
    let runtime = runtime()?;
    let (mut kernels, warning) =
        runtime.block_on(futures_util::future::join(search(&environment), login_warning(plan.as_ref())));
    kernels.ended = runtime.block_on(ended(&kernels, plan));
    runtime.shutdown_background();
    let text = if json { json_text(&kernels, warning) } else { text(&kernels, warning) };
    Ok(Outcome { text, code: 0 })
}

/// The plan of the next launch, if enough is configured for one.
fn plan(environment: &Environment) -> Option<Plan> {
    let layer = launch::settings(&Request::default(), environment).ok()?;
    let server = Server::new(&layer, environment).ok()?;
    let login = login(&layer, environment, &server.address).ok()?;
    Some(Plan::with(&layer, environment, server, login))
}

/// Ends the leases of killed keepers whose kernels have exited.
async fn ended(kernels: &Kernels, plan: Option<Plan>) -> Ended {
    let plan = plan.map(|plan| Plan { by_user: true, ..plan });
    abandoned::end(&kernels.left, plan.as_ref()).await
}

/// A warning if the next launch's token expires soon, or has expired.
async fn login_warning(plan: Option<&Plan>) -> Option<String> {
    expiry_warning(plan?, WORD).await
}

/// Finds the kernels of the connection files in Jupyter's runtime folder, and of those named by records.
pub fn find(environment: &Environment) -> Result<Kernels> {
    let runtime = runtime()?;
    let kernels = runtime.block_on(search(environment));
    runtime.shutdown_background();
    Ok(kernels)
}

/// As [`find`], on a given runtime.
pub(super) async fn search(environment: &Environment) -> Kernels {
    let ours = runtime_dir(environment);
    let jupyter = &jupyter_runtime_dir(environment);
    let mut files: BTreeSet<PathBuf> = files_in(jupyter).filter(|path| stem(path).starts_with("kernel-")).collect();
    files.extend(Record::all(&ours).map(|record| record.connection_file).filter(|file| {
        // A record may name the same file by another path to the runtime folder.
        file.is_file() && !file.file_name().is_some_and(|name| jupyter.join(name).is_file())
    }));
    let inspected = join_all(files.into_iter().map(|file| inspect(file, &ours))).await;
    let served = served(jupyter).await;
    let mut kernels = Kernels { left: crate::lease::abandoned(&ours), ..Kernels::default() };
    let keepers = crate::lease::running();
    for outcome in inspected {
        match outcome {
            Ok(mut running) => {
                running.keeper = running.pid.and_then(|pid| keepers.get(&pid).copied());
                kernels.running.push(running);
            }
            Err(gone) => kernels.gone.push(gone),
        }
    }
    for (address, id, name, state) in served {
        let server = Some((address, state));
        match kernels.running.iter_mut().find(|kernel| stem(&kernel.file) == format!("kernel-{id}")) {
            Some(local) => local.server = server,
            // Behind a gateway, the connection file and the record are on another machine.
            None => kernels.remote.push(Remote { id, kernelspec: name, server }),
        }
    }
    kernels
}

/// The running kernel of a connection file; the file as the error if it is not running.
async fn inspect(path: PathBuf, ours: &Path) -> Result<Running, PathBuf> {
    let Ok(file) = ConnectionFile::read(&path) else { return Err(path) };
    let record = Record::read(ours, &stem(&path));
    let port = file.endpoint(Channel::Shell).port();
    let pid = record.as_ref().map(|record| record.pid).or_else(|| with_argument(&path, port));
    let kernelspec = file.kernel_name().filter(|name| !name.is_empty()).map(str::to_owned);
    let answers = match tokio::time::timeout(BEAT, Sockets::connect(file, &[])).await {
        Ok(Ok(mut sockets)) => sockets.beats(BEAT).await,
        _ => false,
    };
    let lives = record.is_some() || pid.is_some_and(|pid| is_named_by(&path, pid));
    if !answers && !lives {
        return Err(path);
    }
    Ok(Running { file: path, kernelspec, pid, answers, record, keeper: None, server: None })
}

/// Whether the process's command line contains the whole path: another folder may have a file of the same name.
fn is_named_by(path: &Path, pid: u32) -> bool {
    let path = path.as_os_str().as_encoded_bytes();
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).any(|argument| argument.ends_with(path))
}

/// The kernels in the lists of this user's servers: address, id, kernelspec, state. A server that does not answer
/// is skipped: its local kernels have files here.
#[cfg(feature = "inject")]
async fn served(jupyter: &Path) -> Vec<(String, String, String, String)> {
    use crate::net::deadline::Deadline;
    use crate::net::options::{Proxy, Tls};
    use crate::server::discover::servers;
    use crate::server::rest::JupyterServer;

    let asking = servers(jupyter).into_iter().map(|found| async move {
        let address = found.base.to_string();
        let server = JupyterServer::new(found.base, found.token.as_ref(), &Tls::default(), &Proxy::default()).ok()?;
        let listed = server.kernels(Deadline::after(BEAT)).await.ok()?;
        let names = listed
            .into_iter()
            .map(move |kernel| (address.clone(), kernel.id, kernel.name, kernel.execution_state.unwrap_or_default()));
        Some(names.collect::<Vec<_>>())
    });
    join_all(asking).await.into_iter().flatten().flatten().collect()
}

#[cfg(not(feature = "inject"))]
fn served(_: &Path) -> std::future::Ready<Vec<(String, String, String, String)>> {
    std::future::ready(Vec::new())
}

fn at(server: Option<&(String, String)>) -> String {
    server.map_or_else(String::new, |(address, state)| format!(", {} at {}", one_line(state), one_line(address)))
}

fn text(kernels: &Kernels, warning: Option<String>) -> String {
    let mut text = String::new();
    for kernel in &kernels.running {
        let name = one_line(&stem(&kernel.file));
        let kernelspec = one_line(kernel.kernelspec.as_deref().unwrap_or("-"));
        let pid = kernel.pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
        let silent = if kernel.answers { "" } else { ", does not answer" };
        let at = at(kernel.server.as_ref());
        let _ = writeln!(text, "{name} ({kernelspec}{pid}{silent}{at}): {}", summary(kernel.record.as_ref()));
        for (name, variable) in kernel.record.iter().flat_map(|record| &record.variables) {
            let version = variable.version.map_or_else(String::new, |version| format!(", version {version}"));
            let _ = writeln!(text, "  {}  from {}{version}", one_line(name), one_line(&variable.path));
        }
        if let Some(leases) = leases(kernel, &kernels.left) {
            let _ = writeln!(text, "  {leases}");
        }
        if let Some(expiring) = kernel.record.as_ref().and_then(|record| record.expiring.as_ref()) {
            let names = if expiring.names.is_empty() { "a credential".to_owned() } else { expiring.names.join(", ") };
            let (names, at, why) = (one_line(&names), one_line(&expiring.at), one_line(&expiring.why));
            let _ = writeln!(text, "  {names}: expires at {at} and is NOT replaced yet: {why}");
        }
    }
    for kernel in &kernels.remote {
        let (id, name, at) = (one_line(&kernel.id), one_line(&kernel.kernelspec), at(kernel.server.as_ref()));
        let _ = writeln!(text, "{id} ({name}{at}): runs on another machine; its secrets are not known here");
    }
    let with = kernels.running.iter().filter(|kernel| kernel.record.is_some()).count();
    let _ = writeln!(text, "running kernels: {}, with secrets from jupyter-vault: {with}", kernels.running.len());
    if !kernels.gone.is_empty() {
        let _ = writeln!(text, "connection files without a running kernel: {}", kernels.gone.len());
    }
    for line in kernels.ended.lines() {
        let _ = writeln!(text, "{}", one_line(&line));
    }
    if let Some(warning) = warning {
        let _ = writeln!(text, "login: {}", one_line(&warning));
    }
    text
}

/// The state of the leases, if there are any.
fn leases(kernel: &Running, left: &[AbandonedLeases]) -> Option<String> {
    let number = kernel.record.as_ref().map_or(0, |record| record.leases);
    let leases = format!("{number} lease{}", if number == 1 { "" } else { "s" });
    match kernel.keeper {
        _ if number == 0 => None,
        Some(keeper) => Some(format!("{leases}, renewed by process {keeper} until the kernel exits")),
        None => {
            let of = |left: &&AbandonedLeases| kernel.pid.is_some_and(|pid| left.is_of(pid));
            let most = left.iter().find(of).map(|left| humantime::format_duration(left.window()).to_string());
            let most = most.map_or_else(String::new, |most| format!(", expiring within {most}"));
            Some(format!("{leases}, NOT renewed{most}: the keeper was killed; restart the kernel for new ones"))
        }
    }
}

fn summary(record: Option<&Record>) -> String {
    record.map_or_else(
        || "no secrets from jupyter-vault".to_owned(),
        |record| format!("{} by {} since {}", counted(record.variables.len()), how(record.how), one_line(&record.at)),
    )
}

fn counted(number: usize) -> String {
    format!("{number} variable{}", if number == 1 { "" } else { "s" })
}

const fn how(how: How) -> &'static str {
    match how {
        How::Launch => "launch",
        How::Inject => "inject",
    }
}

fn json_text(kernels: &Kernels, warning: Option<String>) -> String {
    let running: Vec<_> = kernels.running.iter().map(object).collect();
    let remote: Vec<_> = kernels.remote.iter().map(|kernel| {
        json!({ "id": kernel.id, "kernelspec": kernel.kernelspec, "server": place(kernel.server.as_ref()) })
    }).collect();
    let login = warning.map(|message| json!({ "message": message }));
    let mut object =
        json!({ "schema": SCHEMA, "kernels": running, "elsewhere": remote, "gone": kernels.gone, "login": login });
    // Rare, so the key is there only if there are any.
    if let Some(killed) = kernels.ended.object() {
        object["killed"] = killed;
    }
    format!("{object:#}\n")
}

fn place(server: Option<&(String, String)>) -> Value {
    server.map_or(Value::Null, |(address, state)| json!({ "address": address, "state": state }))
}

fn object(kernel: &Running) -> Value {
    let secrets = kernel.record.as_ref().map(|record| {
        json!({ "how": how(record.how), "at": record.at, "variables": record.variables, "leases": record.leases,
            "changes": record.changes, "expiring": record.expiring })
    });
    json!({
        "connection_file": kernel.file,
        "kernelspec": kernel.kernelspec,
        "pid": kernel.pid,
        "answers": kernel.answers,
        "keeper": kernel.keeper,
        "server": place(kernel.server.as_ref()),
        "secrets": secrets,
    })
}
