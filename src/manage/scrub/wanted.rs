//! The values to look for: what the configuration's KV sources and data sources hold.
//!
//! They are read as a launch reads them. What an engine makes anew for each launch is not: asking would make another
//! one. All of it has to be readable, since a notebook that was looked through for half of the secrets is not clean.

use std::collections::BTreeMap;

use super::finder::{Finder, SHORTEST};
use crate::config::source::SourceKind;
use crate::error::Result;
use crate::launch::given::{Fetched, Form};
use crate::launch::naming::Taker;
use crate::launch::source::is_absence;
use crate::manage::secrets::Common;
use crate::manage::secrets::session::with;
use crate::secret::SecretValue;

/// What is looked for, and what is not.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) finder: Finder,
    /// Names whose values are too short.
    pub(super) short: Vec<String>,
    /// Sources whose values are not known, by their paths.
    pub(super) unknown: Vec<String>,
}

/// Takes values; a name that no launch could have is looked for as well.
#[derive(Default)]
struct Taking(BTreeMap<String, SecretValue>);

impl Taker for Taking {
    fn take(&mut self, name: &str, _: &str, fetched: Result<Fetched>) -> Result<()> {
        // A value that can't be a variable, such as null, stands in no notebook.
        if let Ok(Fetched { form: Form::Variable(value) | Form::File(value) | Form::Folder(_, value), .. }) = fetched {
            self.0.insert(name.to_owned(), value);
        }
        Ok(())
    }
}

/// Reads the values of all sources, less those of the names in `except`.
pub(super) fn read(common: &Common, except: &[String]) -> Result<Wanted> {
    let (values, unknown) = with(common, async |session| {
        let mut unknown = Vec::new();
        // A name of two sources has two values, and a launch gives one of them.
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
    Ok(Wanted { finder: Finder::new(wanted)?, short, unknown })
}
