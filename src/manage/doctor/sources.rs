//! Checks each source: whether it can be read, which names it gives, and what to ask for if it is denied.
//!
//! KV secrets are read, since their names are not known otherwise. Reading other engines creates a lease, so only the
//! token's capabilities are checked.

use std::collections::BTreeMap;

use super::super::report::{Finding, Report, Status};
use super::permission::{may, policy};
use super::revocation;
use crate::config::env::Environment;
use crate::config::origin::Origin;
use crate::config::plan::Plan;
use crate::config::source::{AWS_PROFILE_VARIABLES, KvVersion, SourceKind, SourceSpec};
use crate::error::{Error, Kind, Result};
use crate::launch::given::{Fetched, Form};
use crate::launch::naming::Taker;
use crate::launch::source::{Reader, is_absence};
use crate::secret::SecretName;
use crate::vault::auth::Identity;
use crate::vault::client::Client;
use crate::vault::error::{IF_RIGHT, LEAVE_DATA_OUT};
use crate::vault::mount::Mount;

/// The variable of one name.
pub(in super::super) struct Named {
    /// The path of its secret.
    pub(in super::super) path: String,
    /// The version of that secret, if it has versions.
    pub(in super::super) version: Option<u64>,
    /// The value's length in bytes; `None` if it becomes a file or was not read.
    pub(in super::super) length: Option<usize>,
}

/// What all sources give, as far as that is known without creating a lease.
#[derive(Default)]
pub(in super::super) struct Found {
    /// By name; the last source wins.
    pub(in super::super) names: BTreeMap<SecretName, Named>,
    /// The mount of each source, in order, if it is KV and known.
    pub(in super::super) mounts: Vec<Option<Mount>>,
}

/// Tries each source in order.
pub(in super::super) async fn check(
    plan: &Plan,
    parent: &Environment,
    client: &Client,
    identity: Identity,
    report: &mut Report,
) -> Found {
    report.section("sources");
    let mut reader = Reader::new(plan, parent, client, identity);
    let mut found = Found::default();
    for (number, source) in plan.sources.iter().enumerate() {
        let mut taking =
            Taking { allow: &plan.allow, taken: Vec::new(), problems: Vec::new(), credentials: Vec::new() };
        let path = match reader.path(source) {
            Ok(path) => path,
            Err(error) => {
                about(report.fail(&error), number, source, source.path.as_written());
                found.mounts.push(None);
                continue;
            }
        };
        let (mount, outcome) = match source.kind {
            SourceKind::Kv | SourceKind::KvFolder => match reader.mount(source, &path).await {
                Ok(mount) => {
                    let outcome = reader.read(source, &path, &mut Vec::new(), &mut taking).await;
                    (Some(mount), outcome.map(|()| true))
                }
                Err(error) => (None, Err(error)),
            },
            SourceKind::DataSources => {
                let mount = reader.mount(source, &path).await.ok();
                (mount, data_sources(&mut reader, client, source, &path, &mut taking).await.map(|()| true))
            }
            SourceKind::Database | SourceKind::Read => {
                (None, dynamic(client, "read", source, &path, &mut taking).await)
            }
            SourceKind::Write => (None, dynamic(client, "update", source, &path, &mut taking).await),
        };
        let read = Read { number, source, path: &path, mount: mount.as_ref(), outcome };
        report_read(read, &taking, report);
        for role in taking.credentials.iter().filter_map(|path| revocation::role_of(path)) {
            // A refused read would be in Vault's audit log, so the token's capabilities are checked first.
            if may(client, "read", &role).await.is_ok() {
                revocation::check(client, &role, report).await;
            }
        }
        found.mounts.push(mount);
        for problem in &taking.problems {
            about(report.fail(problem), number, source, &path);
        }
        for (name, named) in taking.taken {
            if let Some(earlier) = found.names.insert(name.clone(), named) {
                let name = name.as_str();
                let what = if earlier.path == path {
                    format!("{name} is given twice by {path}: the later one wins")
                } else {
                    format!("{name} is given by {} and by {path}: the later one, {path}, wins", earlier.path)
                };
                report.add(Status::Warning, what).fact("name", name).fact("wins", path.clone());
            }
        }
    }
    for notice in reader.notices() {
        report.add(Status::Warning, notice.what()).advise(notice.advice());
    }
    found
}

/// Checks each value as a launch does; one error does not hide the others.
struct Taking<'a> {
    allow: &'a [String],
    taken: Vec<(SecretName, Named)>,
    problems: Vec<Error>,
    /// The paths that create credentials.
    credentials: Vec<String>,
}

impl Taker for Taking<'_> {
    fn take(&mut self, name: &str, path: &str, fetched: Result<Fetched>) -> Result<()> {
        let named = fetched.map(|Fetched { form, version, .. }| {
            let length = match form {
                Form::Variable(value) => Some(value.expose().len()),
                Form::File(_) | Form::Folder(..) | Form::Profiles(_) => None,
            };
            Named { path: path.to_owned(), version, length }
        });
        match (SecretName::new(name, self.allow, path), named) {
            (Ok(name), Ok(named)) => self.taken.push((name, named)),
            (name, named) => self.problems.extend(name.err().into_iter().chain(named.err())),
        }
        Ok(())
    }
}

fn about<'a>(finding: &'a mut Finding, number: usize, source: &SourceSpec, path: &str) -> &'a mut Finding {
    finding
        .fact("source", number + 1)
        .fact("path", path)
        .fact("kind", source.kind.key())
        .fact("origin", source.origin.to_string())
}

/// The result of reading one source.
struct Read<'a> {
    /// Its number in the configuration.
    number: usize,
    source: &'a SourceSpec,
    path: &'a str,
    mount: Option<&'a Mount>,
    /// Whether it was read, or only checked for permission.
    outcome: Result<bool>,
}

fn report_read(read: Read<'_>, taking: &Taking<'_>, report: &mut Report) {
    let Read { number, source, path, mount, outcome: was_read } = read;
    let names: Vec<_> = taking.taken.iter().map(|(name, _)| name.as_str().to_owned()).collect();
    let both = |(name, named): &(SecretName, Named)| {
        // The key in Vault is shown too, if it differs.
        let is_by_path = source.kind == SourceKind::KvFolder && !source.folder.whole;
        let own = match named.path.strip_prefix(path).and_then(|below| below.strip_prefix('/')) {
            Some(below) if is_by_path => Some(below),
            _ => named.path.rsplit_once('#').map(|(_, key)| key),
        };
        let renamed = own.filter(|own| source.shell_names && *own != name.as_str());
        renamed.map_or_else(|| name.as_str().to_owned(), |own| format!("{} (from {own})", name.as_str()))
    };
    let shown: Vec<_> = taking.taken.iter().map(both).collect();
    let place = format!("{} {path} ({})", source.kind.key(), source.origin);
    match was_read {
        Ok(was_read) => {
            let counted = match names.len() {
                1 => "1 variable: ".to_owned(),
                0 => "no variable".to_owned(),
                number => format!("{number} variables: "),
            };
            let what = if was_read {
                format!("{place} is readable, and gives {counted}{}", shown.join(", "))
            } else {
                let (verb, why) = match source.kind {
                    SourceKind::Write => ("written to", "each launch creates a new one"),
                    _ => ("read", "that would create a lease"),
                };
                format!("{place} may be {verb}; it was not, as {why}")
            };
            let finding = about(report.add(Status::Ok, what), number, source, path);
            finding.fact("names", names).fact("count", taking.taken.len()).fact("read", was_read);
            if let (SourceKind::Kv, Some((_, Named { version: Some(version), .. }))) =
                (&source.kind, taking.taken.first())
            {
                finding.fact("secret_version", *version);
            }
            if let Some(mount) = mount {
                finding
                    .fact("mount", mount.path.clone())
                    .fact("kv_version", if mount.version == KvVersion::V1 { 1 } else { 2 });
                if source.version.is_none() && matches!(source.origin, Origin::File { .. }) {
                    let version = if mount.version == KvVersion::V1 { 1 } else { 2 };
                    finding.advise(format!("each launch looks up the mount: `version = {version}` saves that request"));
                }
            }
        }
        Err(error) if source.optional && is_absence(error.kind()) => {
            let what = format!("{place} is missing, but optional: {}", error.what());
            about(report.add(Status::Note, what), number, source, path).fact("optional", true);
        }
        Err(error) => {
            let denied = error.kind() == Kind::PolicyDenied;
            let finding = about(report.fail(&error), number, source, path);
            if denied && error.advice() != LEAVE_DATA_OUT {
                let lines = policy(source, path, mount);
                finding
                    .advise(format!("{IF_RIGHT}ask for this policy line: {}", lines.join(" ")))
                    .fact("policy", lines);
            }
        }
    }
}

/// Data sources: their names as stored, and whether the engines that make their credentials may be read.
async fn data_sources(
    reader: &mut Reader<'_>,
    client: &Client,
    source: &SourceSpec,
    path: &str,
    taking: &mut Taking<'_>,
) -> Result<()> {
    for (one, version) in reader.data_sources(source, path).await? {
        if let Some(credentials) = &one.credentials {
            match may(client, "read", credentials).await {
                Ok(()) => taking.credentials.push(credentials.clone()),
                Err(error) => taking.problems.push(error),
            }
        }
        let path = format!("{path}/{}", one.name);
        let shared: Vec<_> = taking.taken.iter().map(|(name, _)| name.as_str().to_owned()).collect();
        for (name, form) in one.variables() {
            if form.is_shared() && shared.contains(&name) {
                continue;
            }
            match SecretName::new(&name, taking.allow, &path) {
                Ok(name) => taking.taken.push((name, Named { path: path.clone(), version, length: None })),
                Err(error) => taking.problems.push(error),
            }
        }
    }
    Ok(())
}

/// A source that creates a lease: the token's capabilities on it, and the names that the configuration gives.
async fn dynamic(
    client: &Client,
    capability: &str,
    source: &SourceSpec,
    path: &str,
    taking: &mut Taking<'_>,
) -> Result<bool> {
    may(client, capability, path).await?;
    taking.credentials.push(path.to_owned());
    let configured = [source.name.as_ref(), source.file.as_ref(), source.field.as_ref()].into_iter().flatten().next();
    let of_profile = AWS_PROFILE_VARIABLES.iter().filter(|_| source.aws_profile.is_some()).copied();
    for name in source.renamed().chain(configured).map(String::as_str).chain(of_profile) {
        let name = format!("{}{name}", source.prefix.as_deref().unwrap_or_default());
        match SecretName::new(&name, taking.allow, path) {
            Ok(name) => taking.taken.push((name, Named { path: path.to_owned(), version: None, length: None })),
            Err(error) => taking.problems.push(error),
        }
    }
    Ok(false)
}
