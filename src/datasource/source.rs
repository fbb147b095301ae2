//! One data source: a kind with a user's fields, as it is stored and as a kernel gets it.

use std::collections::BTreeMap;

use super::field::{Field, Need};
use super::kind::{KernelVariable, Kind, VariableForm};
use super::kinds::KINDS;
use super::template::ValueTemplate;
use crate::error::{Error, Kind as Cause, Result};
use crate::secret::SecretValue;

/// The keys of the stored secret that are not fields of a kind.
const KIND: &str = "kind";
const CREDENTIALS: &str = "credentials";
const PREFIX: &str = "prefix";
const DEFAULT: &str = "default";

/// One data source.
#[derive(Debug)]
pub struct DataSource {
    /// Its name.
    pub name: String,
    /// Its row of the table.
    pub kind: &'static Kind,
    /// The fields that were given.
    pub fields: BTreeMap<String, SecretValue>,
    /// The path of the engine that makes user and password, instead of stored ones.
    pub credentials: Option<String>,
    /// Whether an engine has made them already.
    pub is_made: bool,
    /// The prefix of the kind's own variables.
    pub prefix: String,
    /// Whether its URL is `DATABASE_URL` too.
    pub is_default: bool,
}

/// What a kernel gets.
#[derive(Debug)]
pub struct FilledVariable {
    pub variable: String,
    pub form: VariableForm,
    pub value: SecretValue,
}

impl DataSource {
    /// A data source of `kind` without fields.
    pub fn new(name: &str, kind: &str) -> Result<Self> {
        let is_name = name.starts_with(|first: char| first.is_ascii_lowercase())
            && name.len() <= 64
            && name
                .chars()
                .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '-' | '_'));
        if !is_name {
            let what = format!("\"{name}\" can't be the name of a data source");
            return Err(Error::new(
                Cause::BadName,
                what,
                "use lowercase letters, digits, - and _, starting with a letter",
            ));
        }
        let found = KINDS.iter().find(|known| known.name == kind).ok_or_else(|| {
            let names: Vec<_> = KINDS.iter().map(|known| known.name).collect();
            let near = names.iter().find(|known| strsim::jaro_winkler(known, kind) > 0.8);
            let meant = near.map_or_else(String::new, |near| format!("did you mean {near}? "));
            let what = format!("the kind of the data source {name}, \"{kind}\", is unknown");
            Error::new(Cause::BadValue, what, format!("{meant}there are: {}", names.join(", ")))
        })?;
        Ok(Self {
            name: name.to_owned(),
            kind: found,
            fields: BTreeMap::new(),
            credentials: None,
            is_made: false,
            prefix: String::new(),
            is_default: false,
        })
    }

    /// Parses the keys of the secret at `path`, which ends with the name.
    pub fn parse(path: &str, mut keys: Vec<(String, SecretValue)>) -> Result<Self> {
        let name = path.rsplit('/').next().unwrap_or(path);
        let mut take = |wanted: &str| {
            let at = keys.iter().position(|(key, _)| key == wanted)?;
            keys.swap_remove(at).1.expose_text().map(str::to_owned)
        };
        let kind = take(KIND).ok_or_else(|| {
            let what = format!("{path} is not a data source: it has no field {KIND}");
            Error::new(Cause::FieldMissing, what, "store it with `jupyter-vault sources add`, or move it elsewhere")
        })?;
        let mut source = Self::new(name, &kind)?;
        source.credentials = take(CREDENTIALS);
        source.prefix = take(PREFIX).unwrap_or_default();
        source.is_default = take(DEFAULT).is_some_and(|text| text == "true");
        for (key, value) in keys {
            source.set(&key, value)?;
        }
        Ok(source)
    }

    /// The keys and values of the secret in which it is stored.
    pub fn keys(&self) -> Vec<(String, SecretValue)> {
        let text = |value: &str| SecretValue::new(value.as_bytes().to_vec());
        let mut keys = vec![(KIND.to_owned(), text(self.kind.name))];
        keys.extend(self.credentials.iter().map(|path| (CREDENTIALS.to_owned(), text(path))));
        keys.extend((!self.prefix.is_empty()).then(|| (PREFIX.to_owned(), text(&self.prefix))));
        keys.extend(self.is_default.then(|| (DEFAULT.to_owned(), text("true"))));
        keys.extend(self.fields.iter().map(|(name, value)| (name.clone(), value.duplicate())));
        keys
    }

    /// The field of that name in its kind.
    pub fn field(&self, name: &str) -> Result<&'static Field> {
        self.kind.fields.iter().find(|field| field.name == name).ok_or_else(|| {
            let known: Vec<_> = self.kind.fields.iter().map(|field| field.name).collect();
            let what = format!("the data source {} of kind {} has no field \"{name}\"", self.name, self.kind.name);
            Error::new(Cause::BadValue, what, format!("its fields are: {}", known.join(", ")))
        })
    }

    /// Sets a field, after a check.
    pub fn set(&mut self, name: &str, value: SecretValue) -> Result<()> {
        let field = self.field(name)?;
        let wrong = value.expose_text().map_or_else(|| Some("UTF-8".to_owned()), |text| field.wrong(text));
        if let Some(wanted) = wrong {
            let what = format!("the field {name} of the data source {} has an invalid value", self.name);
            return Err(Error::new(Cause::BadValue, what, format!("it is {}: give {wanted}", field.about)));
        }
        self.fields.insert(name.to_owned(), field.kept(value));
        Ok(())
    }

    /// Whether the credential engine fills that field.
    pub fn is_dynamic(&self, field: &str) -> bool {
        self.credentials.is_some() && self.kind.dynamic.iter().any(|(_, to)| *to == field)
    }

    /// The required fields that are missing. Of alternative groups, the first one with a field set counts, or else the
    /// first one.
    pub fn missing(&self) -> Vec<&'static Field> {
        let has = |name: &str| self.fields.contains_key(name) || self.is_dynamic(name);
        let mut missing: Vec<_> =
            self.kind.fields.iter().filter(|field| field.need == Need::Required && !has(field.name)).collect();
        let is_whole = |group: &&&[&str]| group.iter().all(|name| has(name));
        if !self.kind.either.is_empty() && !self.kind.either.iter().any(|group| is_whole(&group)) {
            let begun = self.kind.either.iter().find(|group| group.iter().any(|name| has(name)));
            let wanted = begun.or(self.kind.either.first()).copied().unwrap_or_default();
            missing.extend(self.kind.fields.iter().filter(|field| wanted.contains(&field.name) && !has(field.name)));
        }
        missing
    }

    /// Checks that an engine can make credentials of this kind, if one is named.
    pub fn check_credentials(&self) -> Result<()> {
        if self.credentials.is_none() || !self.kind.dynamic.is_empty() {
            return Ok(());
        }
        let what = format!("no engine makes credentials for the kind {} of {}", self.kind.name, self.name);
        Err(Error::new(Cause::BadValue, what, "store the credential itself: leave out --credentials"))
    }

    /// Checks that nothing is missing, and that no field comes both from the engine and from the store.
    pub fn check(&self) -> Result<()> {
        self.check_credentials()?;
        if let Some(twice) = self.fields.keys().find(|name| self.is_dynamic(name)) {
            let what = format!("the field {twice} of the data source {} is given twice", self.name);
            return Err(Error::new(Cause::BadValue, what, "it comes with --credentials: leave one of them out"));
        }
        let missing = self.missing();
        if missing.is_empty() {
            return Ok(());
        }
        let names: Vec<_> = missing.iter().map(|field| field.name).collect();
        let what =
            format!("the data source {} of kind {} has no {}", self.name, self.kind.name, names.join(" and no "));
        let file =
            |field: &Field| if field.is_long() { format!(", with --file {}=FILE", field.name) } else { String::new() };
        let about: Vec<_> =
            missing.iter().map(|field| format!("{} ({}){}", field.name, field.about, file(field))).collect();
        Err(Error::new(Cause::FieldMissing, what, format!("give {}", about.join(", "))))
    }

    /// Whether clients ask the keeper for the credential that an engine makes.
    pub fn has_process(&self) -> bool {
        let is_made = self.is_made || self.credentials.is_some();
        is_made && self.kind.gives.iter().any(|given| given.form == VariableForm::Process)
    }

    /// The variables of its kind: a profile if an engine makes the credential, sections if it is stored.
    fn gives(&self) -> impl Iterator<Item = &'static KernelVariable> {
        let has_process = self.has_process();
        self.kind.gives.iter().filter(move |given| match given.form {
            VariableForm::Process => has_process,
            VariableForm::Section | VariableForm::SectionIn(_) => !has_process,
            VariableForm::Variable | VariableForm::File => true,
        })
    }

    /// The variables that a kernel gets, by name; fields of the engine are filled later.
    pub fn variables(&self) -> Vec<(String, VariableForm)> {
        let gives = self.gives().filter(|given| {
            let template = ValueTemplate::parse(given.template);
            let has = |name: &str| self.value(name).is_some() || self.is_dynamic(name);
            template.is_ok_and(|template| template.fields().all(|(name, may_miss)| may_miss || has(name)))
        });
        let mut names: Vec<_> = gives.map(|given| (self.called(given.variable, given.form), given.form)).collect();
        let url = names.iter().any(|(name, _)| *name == self.called("_URL", VariableForm::Variable));
        names.extend((self.is_default && url).then(|| ("DATABASE_URL".to_owned(), VariableForm::Variable)));
        names
    }

    /// What a kernel gets.
    pub fn filled_variables(&self) -> Vec<FilledVariable> {
        let mut filled_variables = Vec::new();
        for given in self.gives() {
            let filled =
                ValueTemplate::parse(given.template).ok().and_then(|template| template.fill(&|name| self.value(name)));
            let Some(value) = filled else { continue };
            if given.variable == "_URL" && self.is_default {
                let (variable, value) = ("DATABASE_URL".to_owned(), value.duplicate());
                filled_variables.push(FilledVariable { variable, form: VariableForm::Variable, value });
            }
            filled_variables.push(FilledVariable {
                variable: self.called(given.variable, given.form),
                form: given.form,
                value,
            });
        }
        filled_variables
    }

    /// The service's address, `HOST:PORT`.
    pub fn reach(&self) -> Option<String> {
        let filled = ValueTemplate::parse(self.kind.reach).ok()?.fill(&|name| self.value(name))?;
        filled.expose_text().map(str::to_owned)
    }

    /// The prefix of the variables named after it: `WAREHOUSE` for `warehouse`.
    pub fn stem(&self) -> String {
        self.name.to_ascii_uppercase().replace('-', "_")
    }

    fn called(&self, variable: &str, form: VariableForm) -> String {
        match form {
            _ if variable.starts_with('_') => format!("{}{variable}", self.stem()),
            // All data sources share the file; its sections have their names.
            VariableForm::Section | VariableForm::SectionIn(_) | VariableForm::Process => variable.to_owned(),
            VariableForm::Variable | VariableForm::File => format!("{}{variable}", self.prefix),
        }
    }

    fn value(&self, name: &str) -> Option<&str> {
        if name == "name" {
            return Some(&self.name);
        }
        let usual = || match self.kind.fields.iter().find(|field| field.name == name)?.need {
            Need::Usual(value) => Some(value),
            Need::Required | Need::Optional => None,
        };
        self.fields.get(name).and_then(SecretValue::expose_text).or_else(usual)
    }
}
