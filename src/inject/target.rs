//! A selected kernel, and how to reach it.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::error::Result;
use crate::inject::link::Link;
use crate::kernel::client::Sockets;
use crate::kernel::connection::ConnectionFile;
use crate::kernel::endpoint::Channel;
use crate::net::deadline::Deadline;
use crate::record::stem;
use crate::server::discover;
use crate::server::rest::JupyterServer;
use crate::server::websocket::Websocket;

/// How a kernel is reached.
#[derive(Debug, Clone)]
pub enum Route {
    /// By the sockets that a connection file names.
    File(PathBuf),
    /// Through its server.
    Server(Rc<JupyterServer>),
}

impl std::fmt::Display for Route {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(out, "{}", path.display()),
            Self::Server(server) => write!(out, "{}", server.address()),
        }
    }
}

/// A selected kernel.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its id, or its connection file's stem.
    pub id: String,
    /// The notebook that it belongs to, if a server lists it.
    pub notebook: Option<String>,
    /// How it is reached.
    pub route: Route,
    /// Its connection file, if it is on this machine; also if it is reached through its server.
    pub file: Option<PathBuf>,
}

impl Target {
    /// The kernel of a connection file.
    pub fn of_file(path: &Path) -> Self {
        let id = discover::id_of(path).unwrap_or("kernel").to_owned();
        Self { id, notebook: None, route: Route::File(path.to_owned()), file: Some(path.to_owned()) }
    }

    /// Its name in its record and in messages: its connection file's stem, or its id on the server.
    pub fn name(&self) -> String {
        match &self.route {
            Route::File(path) => stem(path),
            Route::Server(_) => self.id.clone(),
        }
    }

    /// Connects to it.
    pub async fn link(&self, deadline: Deadline) -> Result<Link> {
        match &self.route {
            Route::File(path) => {
                let file = ConnectionFile::read_ours(path)?;
                Sockets::connect(file, &[Channel::Shell]).await.map(|sockets| Link::Sockets(Box::new(sockets)))
            }
            Route::Server(server) => {
                Websocket::connect(server, &self.id, deadline).await.map(|socket| Link::Server(Box::new(socket)))
            }
        }
    }

    /// Its id, and its notebook.
    pub fn shown(&self) -> String {
        self.notebook.as_ref().map_or_else(|| self.id.clone(), |notebook| format!("{} ({notebook})", self.id))
    }
}

/// Adds a kernel from a server's list. Another server may list it as well, without its notebook.
pub(super) fn add(targets: &mut Vec<Target>, kernel: Target) {
    match targets.iter_mut().find(|target| target.id == kernel.id) {
        Some(target) => target.notebook = target.notebook.take().or(kernel.notebook),
        None => targets.push(kernel),
    }
}

/// The targets that `wanted` names: by id, else by the notebook's path, else by its name, else by the beginning of an
/// id.
pub(super) fn matching(wanted: &str, targets: &[Target]) -> Vec<Target> {
    let is_notebook = |target: &Target, name: fn(&str) -> &str| target.notebook.as_deref().map(name) == Some(wanted);
    let rules: [&dyn Fn(&Target) -> bool; 5] = [
        &|target| target.id == wanted,
        &|target| target.notebook.as_deref() == Some(wanted.trim_start_matches('/')),
        &|target| is_notebook(target, file_name),
        &|target| is_notebook(target, without_ending),
        &|target| target.id.starts_with(wanted),
    ];
    let found = rules.iter().map(|rule| targets.iter().filter(|target| rule(target)).cloned().collect::<Vec<_>>());
    found.into_iter().find(|found| !found.is_empty()).unwrap_or_default()
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn without_ending(path: &str) -> &str {
    let name = file_name(path);
    name.strip_suffix(".ipynb").unwrap_or(name)
}

/// Whether a text is a UUID, as servers create them.
pub(super) fn is_whole_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(id: &str, notebook: Option<&str>) -> Target {
        Target { notebook: notebook.map(str::to_owned), ..Target::of_file(Path::new(&format!("kernel-{id}.json"))) }
    }

    #[test]
    fn a_server_that_knows_no_notebook_takes_away_no_name() {
        let mut targets = vec![target("1", None)];
        for (id, notebook) in [("1", None), ("1", Some("one.ipynb")), ("1", None), ("2", None)] {
            add(&mut targets, target(id, notebook));
        }
        let shown: Vec<_> = targets.iter().map(Target::shown).collect();
        assert_eq!(shown, ["1 (one.ipynb)", "2"]);
    }

    #[test]
    fn an_id_goes_before_a_notebook_and_a_notebook_before_the_beginning_of_an_id() {
        let targets = [target("12ab", Some("a/one.ipynb")), target("12cd", Some("b/one.ipynb")), target("12", None)];
        let ids = |wanted: &str| matching(wanted, &targets).into_iter().map(|target| target.id).collect::<Vec<_>>();
        assert_eq!(ids("12a"), ["12ab"]);
        assert_eq!(ids("12"), ["12"], "the whole of an id is no beginning");
        assert_eq!(ids("1"), ["12ab", "12cd", "12"]);
        assert_eq!(ids("b/one.ipynb"), ["12cd"]);
        assert_eq!(ids("/a/one.ipynb"), ["12ab"]);
        assert_eq!(ids("one.ipynb"), ["12ab", "12cd"]);
        assert_eq!(ids("one"), ["12ab", "12cd"]);
        assert_eq!(ids("two"), [""; 0]);
    }
}
