//! Step 4: from sources to named values.

use super::fetch::{Fetched, Form, Given};
use crate::config::env::Environment;
use crate::config::plan::Plan;
use crate::config::source::{KnownMount, SourceKind, SourceSpec};
use crate::config::template::{Place, name_of};
use crate::error::{Error, Kind, Result};
use crate::secret::{SecretName, SecretValue};
use crate::vault::auth::{self, Identity, Session};
use crate::vault::body::Fields;
use crate::vault::client::Client;
use crate::vault::mount::{Mount, Mounts};
use crate::vault::{generic, kv};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What need not be encoded in a URL's user information (RFC 3986, unreserved).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Reads every source of `plan` in order; `leased` becomes true when a lease hangs on the token.
///
/// # Errors
/// The first failure that is not a missing path of an optional source.
pub(super) async fn read_all(
    plan: &Plan,
    parent: &Environment,
    client: &Client,
    session: Option<&mut Session>,
    leased: &mut bool,
) -> Result<Given> {
    let known = session.and_then(|session| session.identity.take());
    let asks = plan.sources.iter().any(|source| source.path.needs_identity());
    let identity = match known {
        Some(identity) => identity,
        None if asks => auth::identity(client).await?,
        None => Identity::default(),
    };
    let mut reader = Reader { plan, parent, client, identity, mounts: Mounts::default(), given: Given::new() };
    for source in &plan.sources {
        match reader.read(source, leased).await {
            Err(error) if source.optional && is_absence(error.kind()) => {}
            outcome => outcome?,
        }
    }
    Ok(reader.given)
}

/// What the configuration tells of the mount that `path` lies in.
fn known<'a>(plan: &'a Plan, path: &str) -> Option<&'a KnownMount> {
    plan.mounts.iter().find(|mount| mount.holds(path))
}

/// Whether a launch would have to ask for the source's mount.
#[cfg(feature = "wrap")]
pub(super) fn is_open(plan: &Plan, source: &SourceSpec) -> bool {
    let is_kv = matches!(source.kind, SourceKind::Kv | SourceKind::KvFolder);
    is_kv && source.version.is_none() && known(plan, source.path.as_written()).is_none()
}

/// Asks for the mounts of all sources that are open; what can't be asked does not hold up the others.
///
/// # Errors
/// When whom the token is for can't be asked.
#[cfg(feature = "wrap")]
pub(super) async fn look_up(
    plan: &Plan,
    parent: &Environment,
    client: &Client,
    session: &mut Session,
) -> Result<super::look_up::Looked> {
    let open: Vec<_> = plan.sources.iter().filter(|source| is_open(plan, source)).collect();
    let identity = match session.identity.take() {
        Some(identity) => identity,
        None if open.iter().any(|source| source.path.needs_identity()) => auth::identity(client).await?,
        None => Identity::default(),
    };
    let mut reader = Reader { plan, parent, client, identity, mounts: Mounts::default(), given: Given::new() };
    let mut looked = super::look_up::Looked::default();
    for source in open {
        let asked = match source.path.fill(&mut |place| reader.value_of(place, source)) {
            Ok(path) => reader.mounts.of(client, &path).await,
            Err(error) => Err(error),
        };
        match asked {
            Ok(Mount { path, version }) => {
                let mount = KnownMount { path, version };
                if !looked.mounts.contains(&mount) {
                    looked.mounts.push(mount);
                }
            }
            Err(error) => looked.trouble = looked.trouble.or(Some(error)),
        }
    }
    Ok(looked)
}

const fn is_absence(kind: Kind) -> bool {
    matches!(kind, Kind::PathMissing | Kind::FieldMissing | Kind::VersionDeleted | Kind::VersionDestroyed)
}

struct Reader<'a> {
    plan: &'a Plan,
    parent: &'a Environment,
    client: &'a Client,
    identity: Identity,
    mounts: Mounts,
    given: Given,
}

impl Reader<'_> {
    async fn read(&mut self, source: &SourceSpec, leased: &mut bool) -> Result<()> {
        let path = source.path.fill(&mut |place| self.value_of(place, source))?;
        match source.kind {
            SourceKind::Kv => {
                let mount = self.mount(source, &path).await?;
                let said = source.version.is_some();
                let mut secret = kv::read(self.client, &mount, &path, said).await;
                if let Some(now) = self.moved(source, &mount, &path, secret.as_ref().err()).await {
                    secret = kv::read(self.client, &now, &path, said).await;
                }
                let secret = secret?;
                let (fields, version) = secret.fields()?;
                self.take_fields(source, &fields, &path, version)
            }
            SourceKind::KvFolder => {
                let mount = self.mount(source, &path).await?;
                let field = source.field.as_deref().unwrap_or("value");
                let said = source.version.is_some();
                let mut folder = kv::read_folder(self.client, &mount, &path, said).await;
                if let Some(now) = self.moved(source, &mount, &path, folder.as_ref().err()).await {
                    folder = kv::read_folder(self.client, &now, &path, said).await;
                }
                for (name, secret) in folder? {
                    let path = format!("{path}/{name}");
                    let (fields, version) = secret.fields()?;
                    let form = Form::Variable(fields.get(field, &path)?);
                    self.give(source, &name, Fetched { form, path, version })?;
                }
                Ok(())
            }
            SourceKind::Database | SourceKind::Read => {
                let answer = generic::read(self.client, &path).await?;
                *leased |= answer.is_leased()?;
                self.take_fields(source, &answer.fields()?, &path, None)
            }
        }
    }

    async fn mount(&mut self, source: &SourceSpec, path: &str) -> Result<Mount> {
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

    /// The mount as it is now, when nothing was found under what was written down of it.
    async fn moved(&mut self, source: &SourceSpec, mount: &Mount, path: &str, error: Option<&Error>) -> Option<Mount> {
        let absent = matches!(error?.kind(), Kind::PathMissing | Kind::MountMissing);
        if !absent || source.version.is_some() || known(self.plan, path).is_none() {
            return None;
        }
        self.mounts.of(self.client, path).await.ok().filter(|now| now != mount)
    }

    fn take_fields(
        &mut self,
        source: &SourceSpec,
        fields: &Fields<'_>,
        path: &str,
        version: Option<u64>,
    ) -> Result<()> {
        let fetched = |form| Fetched { form, path: path.to_owned(), version };
        if let Some(url) = &source.url {
            let name = source.name.as_deref().or(source.file.as_deref()).unwrap_or_default();
            let value = fill_url(url, fields, path)?;
            let form = if source.file.is_some() { Form::File(value) } else { Form::Variable(value) };
            return self.give(source, name, fetched(form));
        }
        if let Some(field) = &source.field {
            let value = fields.get(field, path)?;
            return match &source.file {
                Some(file) => self.give(source, file, fetched(Form::File(value))),
                None => self.give(source, source.name.as_ref().unwrap_or(field), fetched(Form::Variable(value))),
            };
        }
        if let Some(renamed) = &source.fields {
            for (field, name) in renamed {
                self.give(source, name, fetched(Form::Variable(fields.get(field, path)?)))?;
            }
            return Ok(());
        }
        for name in fields.names() {
            self.give(source, name, fetched(Form::Variable(fields.get(name, path)?)))?;
        }
        Ok(())
    }

    fn give(&mut self, source: &SourceSpec, name: &str, fetched: Fetched) -> Result<()> {
        let name = format!("{}{name}", source.prefix.as_deref().unwrap_or_default());
        let name = SecretName::new(&name, &self.plan.allow, &fetched.path)?;
        self.given.insert(name, fetched);
        Ok(())
    }

    fn value_of(&self, place: &Place, source: &SourceSpec) -> Result<String> {
        let absent = |why: &str, advice: &str| {
            let what = format!(
                "{{{}}} in the path {} ({}) has no value: {why}",
                name_of(place),
                source.path.as_written(),
                source.origin
            );
            Error::new(Kind::Config, what, advice)
        };
        match place {
            Place::EntityId => self.identity.entity_id.clone().ok_or_else(|| {
                absent(
                    "the token belongs to no entity",
                    "log in with a method that has identities; a root token has none",
                )
            }),
            Place::Metadata(key) => self.identity.metadata.get(key).cloned().ok_or_else(|| {
                let known: Vec<_> = self.identity.metadata.keys().map(String::as_str).collect();
                absent("the login does not give it", &format!("it gives: {}", known.join(", ")))
            }),
            Place::Env(name) => {
                if name.starts_with("KERNEL_") && !self.plan.from_request {
                    return Err(absent(
                        "any client of a gateway may set KERNEL_* variables, they are no proof of who a user is",
                        "let the login decide, as in {metadata.username}, or take each user's own credential: from_request",
                    ));
                }
                let value = self.parent.bytes(name).and_then(|value| value.to_str()).map(str::to_owned);
                value.ok_or_else(|| {
                    absent("the variable is not set, or is no text", "set it where the kernel is started")
                })
            }
            Place::Notebook => {
                let session = self.parent.bytes("JPY_SESSION_NAME").and_then(|name| name.to_str());
                let file = session.and_then(|path| path.rsplit('/').next()).unwrap_or_default();
                let stem = file.strip_suffix(".ipynb").unwrap_or(file);
                if stem.is_empty() {
                    return Err(absent(
                        "JPY_SESSION_NAME is not set",
                        "only a Jupyter server that starts a notebook sets it",
                    ));
                }
                Ok(stem.to_owned())
            }
        }
    }
}

/// Puts user name and password in a URL, encoded as a URL wants them.
fn fill_url(url: &str, fields: &Fields<'_>, path: &str) -> Result<SecretValue> {
    let username = fields.get("username", path)?;
    let password = fields.get("password", path)?;
    let mut filled = Vec::with_capacity(url.len() + 3 * (username.expose().len() + password.expose().len()));
    let mut rest = url;
    while let Some(open) = rest.find('{') {
        let (before, from) = rest.split_at(open);
        filled.extend_from_slice(before.as_bytes());
        let (value, length) = if from.starts_with("{username}") {
            (&username, "{username}".len())
        } else if from.starts_with("{password}") {
            (&password, "{password}".len())
        } else {
            filled.push(b'{');
            rest = &from[1..];
            continue;
        };
        for part in utf8_percent_encode(value.expose_text().unwrap_or_default(), UNRESERVED) {
            filled.extend_from_slice(part.as_bytes());
        }
        rest = &from[length..];
    }
    filled.extend_from_slice(rest.as_bytes());
    Ok(SecretValue::new(filled))
}
