//! Turns stored data sources into variables and files.
//!
//! Each data source is a secret in a folder; the secret's name is the data source's name. Sections that several data
//! sources put into one file, such as libpq's service file, are collected until all of them have been read.

use super::given::{Fetched, Form};
use super::naming::Taker;
use super::profiles;
use crate::datasource::DataSource;
use crate::datasource::kind::VariableForm as Wanted;
use crate::error::{Error, Kind, Result};
use crate::secret::SecretValue;
use crate::vault::body::Fields;
use crate::vault::kv;

/// Reads the data sources of a folder, each with its version if the engine counts versions.
pub(super) fn of_folder(folder: &kv::Folder, path: &str) -> Result<Vec<(DataSource, Option<u64>)>> {
    let secrets = folder.secrets.iter();
    secrets.map(|(name, secret)| parse(secret, &format!("{path}/{name}"))).collect()
}

/// Parses the secret at `path` as a data source.
pub(crate) fn parse(secret: &kv::Secret, path: &str) -> Result<(DataSource, Option<u64>)> {
    let (fields, version) = secret.fields()?;
    let keys = fields.names().map(|name| Ok((name.to_owned(), fields.get(name, path)?))).collect::<Result<_>>()?;
    let source = DataSource::parse(path, keys).and_then(|source| source.check().map(|()| source));
    source.map(|source| (source, version)).map_err(|error| {
        let advice = format!(
            "{}; it is stored at {path}: correct it with `jupyter-vault sources add NAME KIND --replace`",
            error.advice()
        );
        Error::new(error.kind(), error.what(), advice)
    })
}

/// Fills the fields of `source` with the credential that the engine at `credentials` created.
pub(crate) fn complete(source: &mut DataSource, made: &Fields<'_>, credentials: &str) -> Result<()> {
    for (from, to) in source.kind.dynamic {
        if made.names().any(|name| name == *from) {
            match made.get(from, credentials) {
                // An engine leaves some fields out, such as the session token of a long-lived key.
                Err(null) if null.kind() == Kind::BadValue => {}
                value => source.set(to, value?)?,
            }
        }
    }
    // All other fields are required.
    (source.credentials, source.is_made) = (None, true);
    match source.missing().first() {
        None => Ok(()),
        Some(field) => {
            let what = format!("{credentials} gives no {} for the data source {}", field.name, source.name);
            Err(Error::new(Kind::FieldMissing, what, "name a path that creates credentials for this kind"))
        }
    }
}

/// The variables and files of one folder's data sources. Shared files are written once all data sources are known.
pub(crate) struct Gathering {
    path: String,
    sections: Vec<(String, Option<&'static str>, SecretValue)>,
}

impl Gathering {
    /// Starts with nothing, for the folder at `path`.
    pub(crate) fn new(path: &str) -> Self {
        Self { path: path.to_owned(), sections: Vec::new() }
    }

    /// Passes on what belongs to `source` alone, and collects its sections of shared files. `written` is the folder's
    /// path as the configuration has it.
    pub(crate) fn add(
        &mut self,
        source: &DataSource,
        (written, version): (&str, Option<u64>),
        taker: &mut dyn Taker,
    ) -> Result<()> {
        let path = format!("{}/{}", self.path, source.name);
        for filled in source.filled_variables() {
            let folder = match filled.form {
                Wanted::Section => None,
                Wanted::SectionIn(file) => Some(file),
                Wanted::Process => {
                    let form = profiles::of_lines(&source.name, written, &filled.value);
                    taker.take(&filled.variable, &path, Ok(Fetched { form, path: path.clone(), version }))?;
                    continue;
                }
                Wanted::Variable | Wanted::File => {
                    let form = if filled.form == Wanted::File { Form::File } else { Form::Variable };
                    let fetched = Fetched { form: form(filled.value), path: path.clone(), version };
                    taker.take(&filled.variable, &path, Ok(fetched))?;
                    continue;
                }
            };
            match self.sections.iter_mut().find(|(variable, _, _)| *variable == filled.variable) {
                None => self.sections.push((filled.variable, folder, filled.value)),
                Some((_, _, content)) => {
                    *content = SecretValue::new([content.expose(), b"\n", filled.value.expose()].concat());
                }
            }
        }
        Ok(())
    }

    /// Passes on the shared files.
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
