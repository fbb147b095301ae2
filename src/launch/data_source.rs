//! From stored data sources to variables and files.
//!
//! Each lies in a folder under its own name. What several of one kind put into one file, such as the sections of
//! libpq's service file, is gathered until all of them are read.

use super::given::{Fetched, Form};
use super::naming::Taker;
use super::profiles;
use crate::datasource::DataSource;
use crate::datasource::kind::Form as Wanted;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;
use crate::vault::body::Fields;
use crate::vault::kv;

/// The data sources of a folder, each with its version, where the engine counts them.
pub(super) fn of_folder(folder: &kv::Folder, path: &str) -> Result<Vec<(DataSource, Option<u64>)>> {
    let secrets = folder.secrets.iter();
    secrets.map(|(name, secret)| parse(secret, &format!("{path}/{name}"))).collect()
}

/// The data source that the secret at `path` is.
pub(crate) fn parse(secret: &kv::Secret, path: &str) -> Result<(DataSource, Option<u64>)> {
    let (fields, version) = secret.fields()?;
    let keys = fields.names().map(|name| Ok((name.to_owned(), fields.get(name, path)?))).collect::<Result<_>>()?;
    let source = DataSource::parse(path, keys).and_then(|source| source.check().map(|()| source));
    source.map(|source| (source, version)).map_err(|error| {
        let advice = format!(
            "{}; it is stored at {path}: `jupyter-vault sources add NAME KIND --replace` mends it",
            error.advice()
        );
        Error::new(error.kind(), error.what(), advice)
    })
}

/// Puts what the engine at `credentials` made into the fields of `source`.
pub(crate) fn complete(source: &mut DataSource, made: &Fields<'_>, credentials: &str) -> Result<()> {
    for (from, to) in source.kind.dynamic {
        if made.names().any(|name| name == *from) {
            match made.get(from, credentials) {
                // What an engine leaves open, as the session token of a lasting key.
                Err(null) if null.kind() == Kind::BadValue => {}
                value => source.set(to, value?)?,
            }
        }
    }
    // From here on all of it has to be there.
    (source.credentials, source.is_made) = (None, true);
    match source.missing().first() {
        None => Ok(()),
        Some(field) => {
            let what = format!("{credentials} gives no {} for the data source {}", field.name, source.name);
            Err(Error::new(Kind::FieldMissing, what, "name a path that makes credentials of its kind"))
        }
    }
}

/// What data sources of one folder give, until it is whole.
pub(crate) struct Gathering {
    path: String,
    sections: Vec<(String, Option<&'static str>, SecretValue)>,
}

impl Gathering {
    /// For the folder at `path`.
    pub(crate) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), sections: Vec::new() }
    }

    /// Hands on what `source` gives by itself, and keeps its sections. `written` is the folder as the configuration
    /// has it.
    pub(crate) fn add(
        &mut self,
        source: &DataSource,
        (written, version): (&str, Option<u64>),
        taker: &mut dyn Taker,
    ) -> Result<()> {
        let path = format!("{}/{}", self.path, source.name);
        for gift in source.gifts() {
            let folder = match gift.form {
                Wanted::Section => None,
                Wanted::SectionIn(file) => Some(file),
                Wanted::Process => {
                    let form = profiles::of_lines(&source.name, written, &gift.value);
                    taker.take(&gift.variable, &path, Ok(Fetched { form, path: path.clone(), version }))?;
                    continue;
                }
                Wanted::Variable | Wanted::File => {
                    let form = if gift.form == Wanted::File { Form::File } else { Form::Variable };
                    let fetched = Fetched { form: form(gift.value), path: path.clone(), version };
                    taker.take(&gift.variable, &path, Ok(fetched))?;
                    continue;
                }
            };
            match self.sections.iter_mut().find(|(variable, _, _)| *variable == gift.variable) {
                None => self.sections.push((gift.variable, folder, gift.value)),
                Some((_, _, content)) => {
                    *content = SecretValue::new([content.expose(), b"\n", gift.value.expose()].concat());
                }
            }
        }
        Ok(())
    }

    /// Hands on the files that they share.
    pub(crate) fn end(self, taker: &mut dyn Taker) -> Result<()> {
        for (variable, folder, content) in self.sections {
            let form = match folder {
                Some(file) => Form::Folder(file, content),
                None => Form::File(content),
            };
            let fetched = Fetched { form, path: self.path.clone(), version: None };
            taker.take(&variable, &self.path, Ok(fetched))?;
        }
        Ok(())
    }
}
