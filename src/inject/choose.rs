//! Chooses kernels: by a connection file, an id or its beginning, a notebook, all of them, or the only one.
//!
//! A kernel may be known by its connection file in the runtime folder and by a server's list. Its own sockets
//! are preferred: a server drops the output that it keeps for an absent front end when another client connects.
//! Only a server knows the notebook of a kernel, so this user's servers are asked where the files do not
//! decide.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use futures_util::StreamExt;

use super::target::{Route, Target, add, is_whole_id, matching};
use crate::config::credential::Credential;
use crate::config::env::Environment;
use crate::config::folders::jupyter_runtime_dir;
use crate::config::server::proxies;
use crate::error::{Error, Kind, Result};
use crate::net::deadline::Deadline;
use crate::net::options::Tls;
use crate::secret::SecretValue;
use crate::server::address::Base;
use crate::server::discover::RunningServer;
use crate::server::rest::{JupyterServer, ListedKernel, NotebookSession};
use crate::server::{address, discover};

/// Variables that may hold a server's token; --token-file and the server's own file come first.
const TOKENS: &[&str] = &["JUPYTER_TOKEN", "JUPYTERHUB_API_TOKEN", "EG_AUTH_TOKEN", "KG_AUTH_TOKEN"];
/// How many kernels an error lists.
const SHOWN: usize = 12;
/// How many ports are tried at once.
const AT_ONCE: usize = 64;

/// The command line's selection of kernels.
#[derive(Debug, Default, Clone)]
pub struct Selection {
    /// A kernel's id or its beginning, a notebook's path or name, or a connection file.
    pub kernel: Option<String>,
    /// Every kernel of the runtime folder, or of the server at `url`.
    pub all: bool,
    /// The only Jupyter server or gateway to ask.
    pub url: Option<String>,
    /// The file with that server's token.
    pub token_file: Option<PathBuf>,
    /// The CA of its certificate, in place of the system's.
    pub ca_cert: Option<PathBuf>,
}

/// Where kernels are searched for.
#[derive(Debug)]
pub struct Places<'a> {
    selection: &'a Selection,
    environment: &'a Environment,
    runtime: PathBuf,
    /// The server of `--url`.
    server: Option<Rc<JupyterServer>>,
}

impl<'a> Places<'a> {
    /// Reads the token and the CA for the server of `--url`, if one is named.
    pub fn new(selection: &'a Selection, environment: &'a Environment) -> Result<Self> {
        let runtime = jupyter_runtime_dir(environment);
        let mut places = Self { selection, environment, runtime, server: None };
        if let Some(url) = &selection.url {
            let named = address::parse(url)?;
            let found = places.found(&named);
            let (base, token) = found.map_or((named, None), |found| (found.base, found.token));
            places.server = Some(Rc::new(places.server(base, token)?));
        } else if let Some(file) = &selection.token_file {
            // An unreadable file is an error, even if no server needs the token in the end.
            Credential::read(file)?;
        }
        Ok(places)
    }

    /// Reads the token of the server of `--url` again: after a restart it may have another one, or the file may
    /// have a new one. Returns whether the token has changed.
    pub fn renew_token(&self) -> Result<bool> {
        let Some(server) = &self.server else { return Ok(false) };
        let own = self.found(server.address()).and_then(|found| found.token);
        server.set_token(self.token(own)?.as_ref())
    }

    /// This user's server with that address.
    fn found(&self, base: &Base) -> Option<RunningServer> {
        discover::servers(&self.runtime).into_iter().find(|found| base.names(&found.base))
    }

    /// The server of `--url`, if one is named.
    pub const fn named_server(&self) -> Option<&Rc<JupyterServer>> {
        self.server.as_ref()
    }

    /// The runtime folder.
    pub fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// The kernels that the command names, at least one.
    pub async fn choose(&self, deadline: Deadline) -> Result<Vec<Target>> {
        let wanted = self.selection.kernel.as_deref();
        if let Some(server) = &self.server {
            let targets = match wanted {
                // A gateway may answer this and refuse the list.
                Some(id) if is_whole_id(id) => {
                    let kernel = server.kernel(id, deadline).await?;
                    return Ok(vec![self.through(server, kernel.id, None)]);
                }
                _ => self.of_server(server, deadline).await?,
            };
            return self.selected(targets);
        }
        if let Some(path) = wanted.filter(|wanted| Path::new(wanted).extension().is_some_and(|kind| kind == "json")) {
            let path = [PathBuf::from(path), self.runtime.join(path)].into_iter().find(|path| path.is_file());
            let none = || self.none(&format!("there is no file {}", wanted.unwrap_or_default()));
            return path.map(|path| vec![Target::of_file(&path)]).ok_or_else(none);
        }
        let files: Vec<Target> =
            discover::connection_files(&self.runtime).iter().map(|(_, path)| Target::of_file(path)).collect();
        if let Some(wanted) = wanted {
            let mut found = matching(wanted, &files);
            if found.is_empty() {
                found = matching(wanted, &self.with_servers(files, deadline).await);
            }
            return self.selected(found);
        }
        self.selected(self.with_servers(alive(files).await, deadline).await)
    }

    /// Lists the kernels that the command may name; the list may be empty.
    pub async fn list(&self, deadline: Deadline) -> Result<Vec<Target>> {
        let found = if let Some(server) = &self.server {
            self.of_server(server, deadline).await?
        } else {
            let files = discover::connection_files(&self.runtime);
            let files = files.iter().map(|(_, path)| Target::of_file(path)).collect();
            self.with_servers(alive(files).await, deadline).await
        };
        Ok(match &self.selection.kernel {
            Some(wanted) => matching(wanted, &found),
            None => found,
        })
    }

    /// For `watch`: the connection files of the kernels that the command names, also of those that have ended.
    pub async fn files_that_fit(&self, deadline: Deadline) -> Vec<Target> {
        let all = || discover::connection_files(&self.runtime).iter().map(|(_, path)| Target::of_file(path)).collect();
        let Some(wanted) = &self.selection.kernel else { return all() };
        if Path::new(wanted).extension().is_some_and(|kind| kind == "json") {
            let path = [PathBuf::from(wanted), self.runtime.join(wanted)].into_iter().find(|path| path.is_file());
            return path.iter().map(|path| Target::of_file(path)).collect();
        }
        let found = matching(wanted, &all());
        if found.is_empty() { matching(wanted, &self.with_servers(all(), deadline).await) } else { found }
            .into_iter()
            .filter(|target| matches!(target.route, Route::File(_)))
            .collect()
    }

    /// For `watch`: the kernels of the server of `--url` that the command names, with their entries in its list.
    pub async fn of_named_server(&self, deadline: Deadline) -> Result<Vec<(Target, ListedKernel)>> {
        let Some(server) = &self.server else { return Ok(Vec::new()) };
        let target = |kernel: &ListedKernel, notebook| self.through(server, kernel.id.clone(), notebook);
        if let Some(id) = self.selection.kernel.as_deref().filter(|wanted| is_whole_id(wanted)) {
            return match server.kernel(id, deadline).await {
                Ok(kernel) => Ok(vec![(target(&kernel, None), kernel)]),
                Err(error) if error.kind() == Kind::NoSuchKernel => Ok(Vec::new()),
                Err(error) => Err(error),
            };
        }
        let (kernels, sessions) = tokio::join!(server.kernels(deadline), server.sessions(deadline));
        let (kernels, sessions) = (kernels?, sessions?);
        let targets: Vec<Target> =
            kernels.iter().map(|kernel| target(kernel, notebook_of(&sessions, &kernel.id))).collect();
        let meant = self.selection.kernel.as_ref().map(|wanted| matching(wanted, &targets));
        let is_meant = |id: &str| meant.as_ref().is_none_or(|meant| meant.iter().any(|target| target.id == id));
        Ok(targets.into_iter().zip(kernels).filter(|(target, _)| is_meant(&target.id)).collect())
    }

    /// Those of `targets` that the command names.
    fn selected(&self, targets: Vec<Target>) -> Result<Vec<Target>> {
        let place = match &self.server {
            Some(server) => format!("at {}", server.address()),
            None => format!("in {}, nor at a server of this user", self.runtime.display()),
        };
        if self.selection.all {
            return if targets.is_empty() {
                Err(self.none(&format!("no kernel is running {place}")))
            } else {
                Ok(targets)
            };
        }
        let found = match &self.selection.kernel {
            Some(wanted) => matching(wanted, &targets),
            None => targets,
        };
        match (found.len(), &self.selection.kernel) {
            (1, _) => Ok(found),
            (0, Some(wanted)) => Err(self.none(&format!("there is no kernel or notebook called {wanted} {place}"))),
            (0, None) => Err(self.none(&format!("no kernel is running {place}"))),
            (count, wanted) => {
                let mut shown: Vec<_> = found.iter().take(SHOWN).map(Target::shown).collect();
                if count > SHOWN {
                    shown.push(format!("and {} more", count - SHOWN));
                }
                let meant =
                    wanted.as_ref().map_or_else(|| "are running".to_owned(), |wanted| format!("match {wanted}"));
                Err(Error::new(
                    Kind::NoSuchKernel,
                    format!("{count} kernels {meant}: {}", shown.join(", ")),
                    "name one by its id, the beginning of its id, or its notebook; or use --all",
                ))
            }
        }
    }

    fn none(&self, what: &str) -> Error {
        let advice = if self.server.is_some() {
            "check the server's list of kernels; a notebook's path is relative to the server's root folder"
        } else {
            "`jupyter --runtime-dir` shows the folder of connection files (kernel-ID.json); for another server, use --url URL"
        };
        Error::new(Kind::NoSuchKernel, what, advice)
    }

    /// Adds the notebooks' names to `files`, and kernels that only a server of this user lists.
    async fn with_servers(&self, files: Vec<Target>, deadline: Deadline) -> Vec<Target> {
        let mut targets = files;
        for found in discover::servers(&self.runtime) {
            let Ok(server) = self.server(found.base, found.token) else { continue };
            // A server that does not answer must not hide kernels whose files exist.
            let Ok(listed) = self.of_server(&Rc::new(server), deadline).await else { continue };
            for kernel in listed {
                add(&mut targets, kernel);
            }
        }
        targets
    }

    /// The kernels of a server, with their notebooks.
    async fn of_server(&self, server: &Rc<JupyterServer>, deadline: Deadline) -> Result<Vec<Target>> {
        let (kernels, sessions) = tokio::join!(server.kernels(deadline), server.sessions(deadline));
        let (kernels, sessions) = (kernels?, sessions?);
        let target = |kernel: ListedKernel| {
            let notebook = notebook_of(&sessions, &kernel.id);
            self.through(server, kernel.id, notebook)
        };
        Ok(kernels.into_iter().map(target).collect())
    }

    /// The kernel `id` of a server. A kernel of this machine has its connection file in the runtime folder.
    fn through(&self, server: &Rc<JupyterServer>, id: String, notebook: Option<String>) -> Target {
        let file = self.runtime.join(format!("kernel-{id}.json"));
        let file = Some(file).filter(|file| is_whole_id(&id) && file.is_file());
        Target { id, notebook, route: Route::Server(Rc::clone(server)), file }
    }

    fn server(&self, base: Base, own: Option<Credential>) -> Result<JupyterServer> {
        let token = self.token(own)?;
        let tls = Tls { ca_cert: self.selection.ca_cert.clone(), ..Tls::default() };
        JupyterServer::new(base, token.as_ref(), &tls, &proxies(self.environment)?)
    }

    /// The token for a server whose own file holds `own`.
    fn token(&self, own: Option<Credential>) -> Result<Option<Credential>> {
        if let Some(file) = &self.selection.token_file {
            return Credential::read(file).map(Some);
        }
        if own.is_some() {
            return Ok(own);
        }
        for name in TOKENS {
            if let Some(token) = self.environment.text(name)? {
                let value = SecretValue::new(token.as_bytes().to_vec()).trimmed();
                return Ok(Some(Credential { value, origin: (*name).to_owned() }));
            }
        }
        Ok(None)
    }
}

/// The kernels whose ports are open, in their order. A folder may contain thousands of files of ended kernels.
async fn alive(files: Vec<Target>) -> Vec<Target> {
    let checks = futures_util::stream::iter(files).map(|target| async {
        let lives = matches!(&target.route, Route::File(path) if discover::listens(path).await);
        lives.then_some(target)
    });
    checks.buffered(AT_ONCE).filter_map(std::future::ready).collect().await
}

fn notebook_of(sessions: &[NotebookSession], id: &str) -> Option<String> {
    let session = sessions.iter().find(|session| session.kernel.as_ref().is_some_and(|kernel| kernel.id == id))?;
    Some(session.path.clone()).filter(|path| !path.is_empty())
}
