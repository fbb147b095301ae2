//! Adds a data source: collects, checks and tests its fields before anything is stored.

use serde_json::json;

use super::folder::{Folder, choose, folders};
use super::reach;
use crate::ask::Prompter;
use crate::config::template::Template;
use crate::datasource::DataSource;
use crate::datasource::field::Field;
use crate::datasource::kind::VariableForm;
use crate::error::{Error, Kind, Result};
use crate::manage::Outcome;
use crate::manage::secrets::common::{as_version, outcome};
use crate::manage::secrets::session::{LoggedIn, with};
use crate::manage::secrets::value::{bounded, read};
use crate::manage::secrets::{Common, Input};
use crate::secret::{SecretName, SecretValue};
use crate::vault::body::Fields;
use crate::vault::kv_store::json_value;

/// A new data source, as the command line describes it.
#[derive(Debug)]
pub(crate) struct New {
    pub(crate) name: String,
    pub(crate) kind: String,
    /// `FIELD=VALUE` each.
    pub(crate) fields: Vec<String>,
    /// `FIELD=FILE` each.
    pub(crate) files: Vec<String>,
    pub(crate) credentials: Option<String>,
    pub(crate) prefix: Option<String>,
    pub(crate) is_default: bool,
    pub(crate) replace: bool,
    pub(crate) unchecked: bool,
}

/// Turns an error about a stored data source into one about the command line.
fn as_usage_error(error: &Error) -> Error {
    Error::new(Kind::Usage, format!("{}; nothing was stored", error.what()), error.advice())
}

pub(super) fn run(common: &Common, new: &New) -> Result<Outcome> {
    let source = assemble(common, new).map_err(|error| as_usage_error(&error))?;
    if let Some(folder) = source.reach().filter(|_| !new.unchecked) {
        reach::check(&source.name, &folder)?;
    }
    with(common, async |session| {
        let folder = choose(folders(session).await?, common)?;
        check_names(session, &folder, &source).await?;
        let path = folder.path_of(&source.name);
        let stored = folder.stored(session, &path);
        let there = stored.current().await?;
        if !there.keys.is_empty() && !new.replace {
            let what = format!("there is a data source {} in {} already; nothing was stored", source.name, folder.path);
            return Err(Error::new(Kind::Usage, what, "replace it with --replace, or choose another name"));
        }
        let unwritable = || Error::new(Kind::BadValue, "a field is not UTF-8", "store it encoded, such as in base64");
        let keys = source.keys().into_iter().map(|(key, value)| Ok((key, json_value(&value).ok_or_else(unwritable)?)));
        let version = stored.write(&keys.collect::<Result<Vec<_>>>()?, there.version).await?;
        let verb = if there.keys.is_empty() { "added" } else { "replaced" };
        let names: Vec<_> = source.variables().into_iter().map(|(name, _)| name).collect();
        let sentence = format!(
            "{verb} {} ({}) in {}{}; new kernels get {}",
            source.name,
            source.kind.name,
            folder.path,
            as_version(version),
            names.join(", ")
        );
        let object = json!({
            "name": source.name, "kind": source.kind.name, "source": folder.path, "version": version,
            "variables": names, "done": verb,
        });
        Ok(outcome(common, &sentence, &object))
    })
}

/// The data source from the command line, files, prompts and standard input.
fn assemble(common: &Common, new: &New) -> Result<DataSource> {
    let mut source = DataSource::new(&new.name, &new.kind)?;
    source.credentials.clone_from(&new.credentials);
    source.is_default = new.is_default;
    source.check_credentials()?;
    if let Some(path) = &source.credentials {
        Template::parse(path).ok().filter(|path| path.placeholders().next().is_none()).ok_or_else(|| {
            let what = format!("--credentials {path} is not a path in Vault");
            Error::new(Kind::Usage, what, "write the mount and the path below it, such as database/creds/analytics")
        })?;
    }
    if let Some(prefix) = &new.prefix {
        SecretName::new(prefix, &[], "--prefix")?;
        source.prefix.clone_from(prefix);
    }
    for argument in &new.fields {
        let (name, value) = pair(argument, "FIELD=VALUE")?;
        if source.field(name)?.is_secret {
            let what = format!("the field {name} is secret, and other users can see a command line");
            let advice = "leave it out: it is prompted for, or read from standard input; or pass --file FIELD=FILE";
            return Err(Error::new(Kind::Usage, what, advice));
        }
        source.set(name, SecretValue::new(value.as_bytes().to_vec()))?;
    }
    for argument in &new.files {
        let (name, file) = pair(argument, "--file FIELD=FILE")?;
        let field = source.field(name)?;
        let content = read(&Input::File(file.into()), name, true)?;
        source.set(name, if field.is_long() { content } else { content.trimmed() })?;
    }
    ask(common, &mut source)?;
    source.check()?;
    Ok(source)
}

fn pair<'s>(argument: &'s str, form: &str) -> Result<(&'s str, &'s str)> {
    argument.split_once('=').ok_or_else(|| {
        // The argument may be a value, so it is not shown.
        Error::new(
            Kind::Usage,
            format!("an argument is not {form}"),
            format!("write {form}, such as host=db.example.org"),
        )
    })
}

/// Asks for missing fields: one by one on a terminal; otherwise the secret ones are read from standard input.
fn ask(common: &Common, source: &mut DataSource) -> Result<()> {
    let prompter = Prompter::new(common.yes);
    let open: Vec<&Field> = source.missing();
    let secrets: Vec<_> = open.iter().filter(|field| field.is_secret).collect();
    if prompter.is_there() && std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        for field in &open {
            if field.is_secret && !field.is_long() {
                source.set(field.name, prompter.unseen(&format!("{} (not shown)", field.about))?)?;
            } else if !field.is_secret {
                let answer = prompter.text(field.about, None, field.name)?;
                source.set(field.name, SecretValue::new(answer.into_bytes()))?;
            }
        }
        return Ok(());
    }
    // A missing field that is not secret is reported first, before standard input is read.
    if open.iter().any(|field| !field.is_secret) {
        return Ok(());
    }
    match secrets[..] {
        [] => Ok(()),
        [one] => {
            let value = read(&Input::Standard, one.name, true)?;
            source.set(one.name, value)
        }
        _ => {
            let names: Vec<_> = secrets.iter().map(|field| field.name).collect();
            let text = bounded(std::io::stdin(), "standard input")?;
            let malformed = || {
                let what =
                    format!("standard input is not a JSON object with the secret fields {}", names.join(" and "));
                Error::new(
                    Kind::Usage,
                    what,
                    "write them as {\"FIELD\": \"VALUE\", …}, or pass each with --file FIELD=FILE",
                )
            };
            let raw: &serde_json::value::RawValue = serde_json::from_slice(&text).map_err(|_| malformed())?;
            let fields = Fields::parse(raw, "standard input").map_err(|_| malformed())?;
            for name in fields.names() {
                source.set(name, fields.get(name, "standard input")?)?;
            }
            Ok(())
        }
    }
}

/// Checks that no other data source gives a variable with the same name.
pub(super) async fn check_names(session: &LoggedIn<'_>, folder: &Folder, source: &DataSource) -> Result<()> {
    let own = source.variables();
    for (name, _) in &own {
        SecretName::new(name, &session.plan.allow, &folder.path).map_err(|error| as_usage_error(&error))?;
    }
    for name in folder.names(session).await?.iter().filter(|name| **name != source.name) {
        // Another data source that is broken does not prevent this one.
        let Ok(Some((other, _))) = folder.read(session, name).await else { continue };
        let theirs = other.variables();
        let is_own =
            |(name, form): &&(String, VariableForm)| !form.is_shared() && theirs.iter().any(|(their, _)| their == name);
        let Some((twice, _)) = own.iter().find(is_own) else { continue };
        let what = format!("{} and {name} would both give {twice}; nothing was stored", source.name);
        let advice = if twice == "DATABASE_URL" {
            "pass --default for only one of them".to_owned()
        } else {
            format!("prefix its variables: --prefix {}_", source.stem())
        };
        return Err(Error::new(Kind::Usage, what, advice));
    }
    Ok(())
}
