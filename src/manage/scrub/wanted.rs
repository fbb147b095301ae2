//! The values to search for: those of the configured KV sources and data sources.
//!
//! They are read like in a launch. Credentials that an engine creates for each launch are left out, as a request would
//! create a new one. All sources must be readable: a notebook that was searched for half of the secrets is not clean.

use std::collections::BTreeMap;

use super::finder::{Finder, SHORTEST};
use crate::config::source::{KvVersion, SourceKind, SourceSpec};
use crate::error::Result;
use crate::launch::given::{Fetched, Form};
use crate::launch::naming::Taker;
use crate::launch::source::{Reader, is_absence};
use crate::manage::secrets::Common;
use crate::manage::secrets::session::{LoggedIn, with};
use crate::secret::SecretValue;
use crate::vault::kv::list;
use crate::vault::kv_store::Stored;

/// The number of notebooks from which a faster search is worth building.
const MANY: usize = 16;

/// What is searched for, and what is not.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) finder: Finder,
    /// Names whose values are too short.
    pub(super) short: Vec<String>,
    /// The paths of sources whose values are unknown.
    pub(super) unknown: Vec<String>,
}

/// Collects values; a value with an invalid name is searched for as well.
#[derive(Default)]
struct Taking(BTreeMap<String, SecretValue>);

impl Taker for Taking {
    fn take(&mut self, name: &str, _: &str, fetched: Result<Fetched>) -> Result<()> {
        // A value that can't be a variable, such as null, is not searched for.
        if let Ok(Fetched { form: Form::Variable(value) | Form::File(value) | Form::Folder(_, value), .. }) = fetched {
            self.0.insert(name.to_owned(), value);
        }
        Ok(())
    }
}

/// Reads the values of all sources except those in `except`, with that many earlier `versions` of each, to search that
/// many notebooks.
pub(super) fn read(common: &Common, except: &[String], versions: u32, notebooks: usize) -> Result<Wanted> {
    let (values, unknown) = with(common, async |session| {
        let mut unknown = Vec::new();
        // If two sources have the same name, both values are searched for.
        let mut values: Vec<(String, SecretValue)> = Vec::new();
        let mut reader = session.reader();
        for source in &session.plan.sources {
            let path = reader.path(source)?;
            let mut taking = Taking::default();
            let outcome = match source.kind {
                SourceKind::Kv | SourceKind::KvFolder => reader.read(source, &path, &mut Vec::new(), &mut taking).await,
                SourceKind::DataSources => match reader.data_sources(source, &path).await {
                    Ok(stored) => {
                        for (one, _) in &stored {
                            let secret = one.kind.fields.iter().filter(|field| field.is_secret);
                            let given = secret.filter_map(|field| one.fields.get_key_value(field.name));
                            let named = |(field, value): (&String, &SecretValue)| {
                                (format!("{}.{field}", one.name), value.duplicate())
                            };
                            taking.0.extend(given.map(named));
                        }
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
                SourceKind::Database | SourceKind::Read | SourceKind::Write => {
                    unknown.push(path.clone());
                    Ok(())
                }
            };
            match outcome {
                Err(error) if source.optional && is_absence(error.kind()) => {}
                outcome => outcome?,
            }
            values.extend(taking.0);
            if versions > 0 && matches!(source.kind, SourceKind::Kv | SourceKind::KvFolder) {
                for (earlier, path) in earlier(session, &mut reader, source, &path, versions).await? {
                    let mut taking = Taking::default();
                    match reader.read(&earlier, &path, &mut Vec::new(), &mut taking).await {
                        // It had other keys then, or has been removed.
                        Err(error) if is_absence(error.kind()) => {}
                        outcome => outcome?,
                    }
                    values.extend(taking.0);
                }
            }
        }
        Ok((values, unknown))
    })?;
    let (mut wanted, mut short) = (Vec::new(), Vec::new());
    for (name, value) in values {
        match value.expose().trim_ascii().len() {
            _ if except.contains(&name) => {}
            0..SHORTEST => short.push(name),
            _ => wanted.push((name, value)),
        }
    }
    short.sort();
    short.dedup();
    let finder = if notebooks >= MANY { Finder::for_many(wanted)? } else { Finder::new(wanted)? };
    Ok(Wanted { finder, short, unknown })
}

/// The last readable earlier versions of each secret of a source: each as a separate source, with its path.
async fn earlier(
    session: &LoggedIn<'_>,
    reader: &mut Reader<'_>,
    source: &SourceSpec,
    path: &str,
    versions: u32,
) -> Result<Vec<(SourceSpec, String)>> {
    let mount = reader.mount(source, path).await?;
    if mount.version == KvVersion::V1 || source.secret_version.is_some() {
        return Ok(Vec::new());
    }
    let one = SourceSpec { kind: SourceKind::Kv, ..source.clone() };
    let secrets = match source.kind {
        SourceKind::KvFolder => {
            let names = match list(session.client, &mount, path, source.folder.recursive).await {
                Err(none) if is_absence(none.kind()) => Vec::new(),
                names => names?,
            };
            let each = names.into_iter().map(|name| {
                let field = source.field.clone().unwrap_or_else(|| "value".to_owned());
                let called = source.called(&name).into_owned();
                let only = SourceSpec { field: Some(field), name: Some(called), ..one.clone() };
                (if source.folder.whole { one.clone() } else { only }, format!("{path}/{name}"))
            });
            each.collect()
        }
        _ => vec![(one, path.to_owned())],
    };
    let mut earlier = Vec::new();
    for (source, path) in secrets {
        let metadata = match Stored::new(session.client, &mount, &path).metadata().await {
            Err(none) if is_absence(none.kind()) => continue,
            metadata => metadata?,
        };
        let readable = metadata
            .versions
            .iter()
            .rev()
            .filter(|(number, state)| **number != metadata.current_version && state.is_readable());
        for (number, _) in readable.take(versions as usize) {
            earlier.push((SourceSpec { secret_version: Some(*number), ..source.clone() }, path.clone()));
        }
    }
    Ok(earlier)
}
