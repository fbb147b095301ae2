//! The folders of data sources, and the choice of one for a command.

use crate::config::source::{SourceKind, SourceSpec};
use crate::config::template::Placeholder;
use crate::datasource::DataSource;
use crate::error::{Error, Kind, Result};
use crate::launch::data_source;
use crate::manage::secrets::Common;
use crate::manage::secrets::session::LoggedIn;
use crate::vault::kv;
use crate::vault::kv_store::Stored;
use crate::vault::mount::Mount;

/// A folder of data sources.
#[derive(Debug)]
pub(super) struct Folder {
    /// Its path, filled in.
    pub(super) path: String,
    /// Its path as the configuration has it.
    written: String,
    mount: Mount,
    is_own: bool,
}

impl Folder {
    /// Where the data source `name` is stored.
    pub(super) fn path_of(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }

    /// The secret at `path` in it.
    pub(super) fn stored<'a>(&'a self, session: &'a LoggedIn<'_>, path: &'a str) -> Stored<'a> {
        Stored::new(session.client, &self.mount, path)
    }

    /// The names in it, in order.
    pub(super) async fn names(&self, session: &LoggedIn<'_>) -> Result<Vec<String>> {
        match kv::list(session.client, &self.mount, &self.path, false).await {
            Err(none) if none.kind() == Kind::PathMissing => Ok(Vec::new()),
            listed => listed,
        }
    }

    /// One data source, with its version; `None` if there is none with that name, or it is deleted.
    pub(super) async fn read(&self, session: &LoggedIn<'_>, name: &str) -> Result<Option<(DataSource, Option<u64>)>> {
        let path = self.path_of(name);
        match kv::read(session.client, &self.mount, &path, false).await {
            Ok(secret) => data_source::parse(&secret, &path).map(Some),
            Err(none) if matches!(none.kind(), Kind::PathMissing | Kind::VersionDeleted | Kind::VersionDestroyed) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// The folders of the configuration, in its order.
pub(super) async fn folders(session: &LoggedIn<'_>) -> Result<Vec<Folder>> {
    let mut reader = session.reader();
    let mut folders = Vec::new();
    let is_folder = |source: &&SourceSpec| source.kind == SourceKind::DataSources;
    for source in session.plan.sources.iter().filter(is_folder) {
        let path = reader.path(source)?;
        let mount = reader.mount(source, &path).await?;
        let is_own =
            source.path.placeholders().any(|part| matches!(part, Placeholder::EntityId | Placeholder::Metadata(_)));
        folders.push(Folder { path, written: source.path.as_written().to_owned(), mount, is_own });
    }
    if folders.is_empty() {
        let advice =
            "add a [[source]] with data_sources = \"secret/users/{metadata.username}/data-sources\" to vault.toml";
        return Err(Error::new(Kind::Config, "no folder of data sources is configured", advice));
    }
    Ok(folders)
}

/// The folder that a command works on: the folder in `--to`, or else the user's own, or else the only one.
pub(super) fn choose(folders: Vec<Folder>, common: &Common) -> Result<Folder> {
    let listed = folders.iter().map(|folder| folder.path.clone()).collect::<Vec<_>>().join(", ");
    let wanted = |folder: &Folder| match &common.to {
        Some(text) => [&folder.path, &folder.written].iter().any(|path| path.as_str() == text.trim_matches('/')),
        None => folder.is_own,
    };
    let (alone, at) = (folders.len() == 1, folders.iter().position(wanted));
    let at = at.or((alone && common.to.is_none()).then_some(0));
    at.and_then(|at| folders.into_iter().nth(at)).ok_or_else(|| {
        let what = match &common.to {
            Some(text) => format!("{text} is not a configured folder of data sources"),
            None => "several folders of data sources are configured, and none is the user's own".to_owned(),
        };
        Error::new(Kind::Usage, what, format!("choose one with --to: {listed}"))
    })
}

/// The error for a name that is not in `place`.
pub(super) fn absent(folder: &Folder, name: &str) -> Error {
    let what = format!("there is no data source {name} in {}", folder.path);
    Error::new(Kind::PathMissing, what, "`jupyter-vault sources list` shows the names")
}
