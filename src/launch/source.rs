//! Reads the sources: from paths in Vault to named values.

use std::rc::Rc;

use super::given::{Fetched, Form, Given, insert};
use super::naming::{Names, SecretContent, Taker, decoded, give, take_all, take_fields};
use super::{data_source, expiry, placeholders, profiles};
use crate::config::env::Environment;
use crate::config::plan::Plan;
use crate::config::source::{KnownMount, SourceKind, SourceSpec, With};
use crate::config::template::{Placeholder, name_of};
use crate::datasource::DataSource;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretName;
use crate::vault::auth::{self, Authenticated, Identity};
use crate::vault::client::Client;
use crate::vault::generic::{self, Generic, Lease};
use crate::vault::kv::{self, Secret};
use crate::vault::mount::{Mount, Mounts};

/// What the sources are read with.
#[derive(Clone, Copy)]
pub(super) struct Access<'a> {
    pub(super) plan: &'a Plan,
    pub(super) parent: &'a Environment,
    pub(super) client: &'a Client,
}

/// Reads every source of the plan in order; `leases` collects the leases that depend on the token.
pub(super) async fn read_all(
    access: Access<'_>,
    session: Option<&mut Authenticated>,
    leases: &mut Vec<Lease>,
    report: &mut dyn FnMut(&Error),
) -> Result<Given> {
    let Access { plan, parent, client } = access;
    let known = session.and_then(|session| session.identity.take());
    let needs_identity = plan.sources.iter().any(SourceSpec::needs_identity);
    let identity = match known {
        Some(identity) => identity,
        None if needs_identity => {
            let (identity, about) = auth::look_up(client).await?;
            expiry::learn(plan, &about);
            identity
        }
        None => Identity::default(),
    };
    let mut reader = Reader::new(plan, parent, client, identity);
    let mut taking = Taking { allow: &plan.allow, given: Given::new() };
    for source in &plan.sources {
        let path = reader.path(source)?;
        match reader.read(source, &path, leases, &mut taking).await {
            Err(error) if source.optional && is_absence(error.kind()) => {}
            outcome => outcome?,
        }
    }
    reader.notices().iter().for_each(report);
    profiles::exclude_plain_keys(&mut taking.given)?;
    Ok(taking.given)
}

/// The configuration of the mount that contains `path`.
pub(super) fn known<'a>(plan: &'a Plan, path: &str) -> Option<&'a KnownMount> {
    plan.mounts.iter().find(|mount| mount.holds(path))
}

/// Whether an optional source may fail with this error.
pub(crate) const fn is_absence(kind: Kind) -> bool {
    matches!(kind, Kind::PathMissing | Kind::FieldMissing | Kind::VersionDeleted | Kind::VersionDestroyed)
}

struct Taking<'a> {
    allow: &'a [String],
    given: Given,
}

impl Taker for Taking<'_> {
    fn take(&mut self, name: &str, path: &str, fetched: Result<Fetched>) -> Result<()> {
        let fetched = fetched?;
        insert(&mut self.given, SecretName::new(name, self.allow, path)?, fetched);
        Ok(())
    }
}

/// A path of another engine, and the data written to it.
type Question = (String, Option<String>);

/// A secret's mount, path and, if given, version.
type Which = (Mount, String, Option<u64>);

/// Reads sources; knows the token's user and the mounts found so far.
pub(crate) struct Reader<'a> {
    plan: &'a Plan,
    parent: &'a Environment,
    client: &'a Client,
    identity: Identity,
    pub(super) mounts: Mounts,
    secrets: Vec<(Which, Rc<Secret>)>,
    answers: Vec<(Question, Rc<Generic>)>,
    notices: Vec<Error>,
}

/// The interval for a source without a lease, which the keeper reads again once a day.
fn endless(source: &SourceSpec) -> Lease {
    let source = source.path.as_written().to_owned();
    Lease { id: String::new(), seconds: 0, renewable: false, rotates: false, source }
}

/// Reports the parts of a folder that do not become variables.
fn left_out(path: &str, folder: &kv::Folder) -> impl Iterator<Item = Error> + use<> {
    let gone = (!folder.gone.is_empty()).then(|| {
        let what =
            format!("{} in {path} was removed while the folder was read, and is left out", folder.gone.join(", "));
        Error::new(Kind::PathMissing, what, "the next start reads the folder again")
    });
    let below = (!folder.below.is_empty()).then(|| {
        let what = format!("the folders in {path} are not read: {}", folder.below.join(", "));
        Error::new(Kind::Config, what, "add a [[source]] for each one you want, or set `recursive = true`")
    });
    gone.into_iter().chain(below)
}

impl<'a> Reader<'a> {
    pub(crate) fn new(plan: &'a Plan, parent: &'a Environment, client: &'a Client, identity: Identity) -> Self {
        Self {
            plan,
            parent,
            client,
            identity,
            mounts: Mounts::default(),
            secrets: Vec::new(),
            answers: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// The path of `source`, with its places filled.
    pub(crate) fn path(&self, source: &SourceSpec) -> Result<String> {
        source.path.fill(&mut |place| self.value_of(place, source))
    }

    /// Reads `source` at `path`; `leases` collects the leases that depend on the token.
    pub(crate) async fn read(
        &mut self,
        source: &SourceSpec,
        path: &str,
        leases: &mut Vec<Lease>,
        taker: &mut dyn Taker,
    ) -> Result<()> {
        let outcome = self.read_kind(source, path, leases, taker).await;
        outcome.map_err(|error| self.with_capitals(source, error))
    }

    async fn read_kind(
        &mut self,
        source: &SourceSpec,
        path: &str,
        leases: &mut Vec<Lease>,
        taker: &mut dyn Taker,
    ) -> Result<()> {
        match source.kind {
            SourceKind::Kv => {
                let secret = self.secret(source, path).await?;
                let (fields, version) = secret.fields()?;
                take_fields(source, SecretContent { fields: &fields, path, version }, taker)
            }
            SourceKind::KvFolder => {
                let mount = self.mount(source, path).await?;
                let field = source.field.as_deref().unwrap_or("value");
                let (is_configured, recursive) = (source.version.is_some(), source.folder.recursive);
                let mut folder = kv::read_folder(self.client, &mount, path, is_configured, recursive).await;
                if let Some(now) = self.moved(source, &mount, path, folder.as_ref().err()).await {
                    folder = kv::read_folder(self.client, &now, path, is_configured, recursive).await;
                }
                let folder = folder?;
                self.notices.extend(left_out(path, &folder));
                let mut names = Names::default();
                for (name, secret) in folder.secrets {
                    let path = format!("{path}/{name}");
                    if source.folder.whole {
                        let (fields, version) = secret.fields()?;
                        take_all(source, SecretContent { fields: &fields, path: &path, version }, &mut names, taker)?;
                        continue;
                    }
                    let name = names.of(source, &name, &path)?;
                    let fetched = secret.fields().and_then(|(fields, version)| {
                        let value = decoded(source, &name, &path, fields.get(field, &path)?)?;
                        Ok(Fetched { form: Form::Variable(value), path: path.clone(), version })
                    });
                    give(source, &name, &path, fetched, taker)?;
                }
                Ok(())
            }
            SourceKind::DataSources => {
                let mut gathering = data_source::Gathering::new(path);
                for (mut one, version) in self.data_sources(source, path).await? {
                    if let Some(credentials) = one.credentials.clone() {
                        let answer = self.answer(&credentials, None).await?;
                        let lease = answer.lease(source.path.as_written())?;
                        // A credential that clients get from the keeper needs a lease, even if it never ends.
                        let lease = lease.or_else(|| one.has_process().then(|| endless(source)));
                        leases.extend(lease.filter(|lease| !leases.contains(lease)));
                        data_source::complete(&mut one, &answer.fields()?, &credentials)?;
                    }
                    gathering.add(&one, (source.path.as_written(), version), taker)?;
                }
                gathering.end(taker)
            }
            SourceKind::Database | SourceKind::Read | SourceKind::Write => {
                let written = (source.kind == SourceKind::Write).then(|| self.written(source)).transpose()?;
                let answer = self.answer(path, written).await?;
                let lease = answer.lease(source.path.as_written())?;
                let lease = lease.or_else(|| source.aws_profile.as_ref().map(|_| endless(source)));
                leases.extend(lease.filter(|lease| !leases.contains(lease)));
                let fields = answer.fields()?;
                match &source.aws_profile {
                    Some(profile) => profiles::take(source, profile, &fields, path, taker),
                    None => take_fields(source, SecretContent { fields: &fields, path, version: None }, taker),
                }
            }
        }
    }

    /// The KV secret at `path`. Sources with one path share one answer, so that all their values are of one version.
    async fn secret(&mut self, source: &SourceSpec, path: &str) -> Result<Rc<Secret>> {
        let mount = self.mount(source, path).await?;
        let wanted = source.secret_version;
        let is_it = |known: &Which| known.0 == mount && known.1 == path && known.2 == wanted;
        if let Some((_, secret)) = self.secrets.iter().find(|(known, _)| is_it(known)) {
            return Ok(Rc::clone(secret));
        }
        let is_configured = source.version.is_some();
        let mut secret = kv::read_version(self.client, &mount, path, is_configured, wanted).await;
        if let Some(now) = self.moved(source, &mount, path, secret.as_ref().err()).await {
            secret = kv::read_version(self.client, &now, path, is_configured, wanted).await;
        }
        let secret = Rc::new(secret?);
        self.secrets.push(((mount, path.to_owned(), wanted), Rc::clone(&secret)));
        Ok(secret)
    }

    /// The answer of another engine at `path`, likewise; `written` is the body that is sent.
    async fn answer(&mut self, path: &str, written: Option<String>) -> Result<Rc<Generic>> {
        let question = (path.to_owned(), written);
        if let Some((_, answer)) = self.answers.iter().find(|(known, _)| *known == question) {
            return Ok(Rc::clone(answer));
        }
        let answer = match &question.1 {
            None => generic::read(self.client, path).await?,
            Some(body) => generic::write(self.client, path, body.clone().into_bytes()).await?,
        };
        let answer = Rc::new(answer);
        self.answers.push((question, Rc::clone(&answer)));
        Ok(answer)
    }

    /// The body that a `write` source sends, as JSON.
    fn written(&self, source: &SourceSpec) -> Result<String> {
        let mut object = serde_json::Map::new();
        for (key, with) in &source.with {
            let value = match with {
                With::Text(text) => text.clone(),
                With::Filled(template) => template.fill(&mut |place| self.value_of(place, source))?,
            };
            object.insert(key.clone(), value.into());
        }
        Ok(serde_json::Value::from(object).to_string())
    }

    /// The data sources stored in the folder at `path`; none if there is no folder yet.
    pub(crate) async fn data_sources(
        &mut self,
        source: &SourceSpec,
        path: &str,
    ) -> Result<Vec<(DataSource, Option<u64>)>> {
        let mount = self.mount(source, path).await?;
        match kv::read_folder(self.client, &mount, path, source.version.is_some(), false).await {
            Ok(folder) => data_source::of_folder(&folder, path),
            Err(none) if none.kind() == Kind::PathMissing => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Adds to a refused path that a name in it has capitals; a policy may have it in lower case.
    fn with_capitals(&self, source: &SourceSpec, error: Error) -> Error {
        let has_capitals = |place: &&Placeholder| match place {
            Placeholder::Metadata(_) => self.value_of(place, source).is_ok_and(|value| value != value.to_lowercase()),
            _ => false,
        };
        if !matches!(error.kind(), Kind::PolicyDenied | Kind::PathMissing) {
            return error;
        }
        let Some(place) = source.path.as_given().find(has_capitals) else { return error };
        let name = name_of(place);
        let advice = format!(
            "{{{name}}} has capitals, as it was typed at the login: a policy may have it in lower case, \
             which {{{name}|lower}} writes; else {}",
            error.advice()
        );
        Error::new(error.kind(), error.what(), advice)
    }

    /// Reports secrets that were left out without a failure.
    pub(crate) fn notices(self) -> Vec<Error> {
        self.notices
    }

    /// The mount that contains `path`: configured, known, or asked for.
    pub(crate) async fn mount(&mut self, source: &SourceSpec, path: &str) -> Result<Mount> {
        match (source.version, &source.mount) {
            (Some(version), Some(mount)) => Ok(Mount { path: mount.clone(), version }),
            (Some(version), None) => {
                let first = path.split('/').next().unwrap_or(path);
                Ok(Mount { path: first.to_owned(), version })
            }
            (None, _) => match known(self.plan, path) {
                Some(known) => Ok(Mount { path: known.path.clone(), version: known.version }),
                None => self.mounts.of(self.client, path).await,
            },
        }
    }

    /// Looks the mount up again, after nothing was found under the mount that was written down.
    async fn moved(&mut self, source: &SourceSpec, mount: &Mount, path: &str, error: Option<&Error>) -> Option<Mount> {
        let absent = matches!(error?.kind(), Kind::PathMissing | Kind::MountMissing);
        if !absent || source.version.is_some() || known(self.plan, path).is_none() {
            return None;
        }
        self.mounts.of(self.client, path).await.ok().filter(|now| now != mount)
    }

    fn value_of(&self, place: &Placeholder, source: &SourceSpec) -> Result<String> {
        placeholders::value_of(place, source, &self.identity, self.parent, self.plan.from_request)
    }
}
