//! AWS profiles whose credentials a client gets from the keeper.
//!
//! A client that has read a variable does not see it change, and a key of AWS's STS lives for an hour. So the kernel
//! gets a configuration file with a profile that names a program (`credential_process`): the client runs it, and runs
//! it again before the credential ends. AWS clients prefer plain keys and a web identity to such a program, so
//! neither may be in the same environment.

use std::path::Path;

use super::given::{Fetched, Form, Given, Profile};
use super::naming::{Taker, give};
use crate::config::source::{AWS_KEYS, AWS_PROFILE_VARIABLES, SourceSpec};
use crate::error::{Error, Kind, Result};
use crate::secret::{SecretName, SecretValue};
use crate::vault::body::Fields;

/// The variables that an AWS client prefers to a profile's program, and the variable that selects another profile.
pub(crate) const OVERRIDING_VARIABLES: [&str; 7] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_DEFAULT_PROFILE",
];
/// The file of plain keys by profile, which clients also prefer.
const SHARED: &str = "AWS_SHARED_CREDENTIALS_FILE";
/// The names of the three keys in answers of Vault's AWS engine; the newer name of the session token comes first.
const FIELDS: [(&str, &[&str]); 3] = [
    (AWS_KEYS[0], &["access_key"]),
    (AWS_KEYS[1], &["secret_key"]),
    (AWS_KEYS[2], &["session_token", "security_token"]),
];

/// Passes on the credential of a source with `aws_profile = profile`.
pub(super) fn take(
    source: &SourceSpec,
    profile: &str,
    fields: &Fields<'_>,
    path: &str,
    taker: &mut dyn Taker,
) -> Result<()> {
    let keys = match &source.fields {
        None => FIELDS.iter().map(|(key, names)| key_of(key, names, fields, path)).collect(),
        Some(chosen) => {
            let field_of =
                |key: &'static str| chosen.iter().find(|(_, name)| *name == key).map(|(field, _)| (key, field));
            let chosen = AWS_KEYS.iter().filter_map(|key| field_of(key));
            chosen.map(|(key, field)| Ok(Some((key, fields.get(field, path)?)))).collect()
        }
    };
    let keys: Result<Vec<Option<(&'static str, SecretValue)>>> = keys;
    let [file, name] = AWS_PROFILE_VARIABLES;
    let keys: Vec<_> = keys?.into_iter().flatten().collect();
    if let Some((key, _)) = keys.iter().find(|(_, value)| value.expose_text().is_none()) {
        let what = format!("{key} of the AWS profile {profile} at {path} is not UTF-8");
        return Err(Error::new(Kind::BadValue, what, "check the engine's answer"));
    }
    let form =
        Form::Profiles(vec![Profile { name: profile.to_owned(), source: source.path.as_written().to_owned(), keys }]);
    let mut hand = |variable, form| {
        give(source, variable, path, Ok(Fetched { form, path: path.to_owned(), version: None }), taker)
    };
    hand(file, form)?;
    hand(name, Form::Variable(SecretValue::new(profile.as_bytes().to_vec())))
}

/// The value of the first of `names` that exists; the session token may be missing.
fn key_of(
    key: &'static str,
    names: &[&str],
    fields: &Fields<'_>,
    path: &str,
) -> Result<Option<(&'static str, SecretValue)>> {
    let is_optional = key == AWS_KEYS[2];
    for name in names.iter().filter(|name| fields.names().any(|known| known == **name)) {
        match fields.get(name, path) {
            // An engine leaves some fields out, such as the session token of a long-lived key.
            Err(null) if is_optional && null.kind() == Kind::BadValue => {}
            value => return Ok(Some((key, value?))),
        }
    }
    let Some(name) = names.first().filter(|_| !is_optional) else { return Ok(None) };
    fields.get(name, path).map(|value| Some((key, value))).map_err(|error| {
        let advice = format!("{}; map the fields with fields = {{ FIELD = \"{key}\", … }}", error.advice());
        Error::new(error.kind(), error.what(), advice)
    })
}

/// The profile of a data source, whose lines map AWS's names to its fields.
pub(super) fn of_lines(name: &str, source: &str, lines: &SecretValue) -> Form {
    let pairs = lines.expose_text().unwrap_or_default().lines().filter_map(|line| line.split_once('='));
    let key = |(name, value): (&str, &str)| {
        let name = AWS_KEYS.into_iter().find(|key| *key == name)?;
        Some((name, SecretValue::new(value.as_bytes().to_vec())))
    };
    Form::Profiles(vec![Profile {
        name: name.to_owned(),
        source: source.to_owned(),
        keys: pairs.filter_map(key).collect(),
    }])
}

fn profiles_of(given: &Given) -> Option<&Vec<Profile>> {
    given.values().find_map(|fetched| match &fetched.form {
        Form::Profiles(profiles) => Some(profiles),
        Form::Variable(_) | Form::File(_) | Form::Folder(..) => None,
    })
}

/// Whether the keeper gives credentials for any AWS profile.
pub(crate) fn has_profiles(given: &Given) -> bool {
    profiles_of(given).is_some()
}

/// Refuses variables that an AWS client would prefer to a profile's program, and hides the user's own file of plain
/// keys.
pub(super) fn exclude_plain_keys(given: &mut Given) -> Result<()> {
    let Some(profiles) = profiles_of(given) else { return Ok(()) };
    let twice = |what: String| {
        let advice = "remove one of the two sources: clients prefer plain keys, which are not renewed";
        Err(Error::new(Kind::Config, what, advice))
    };
    let names: Vec<_> = profiles.iter().map(|profile| profile.name.as_str()).collect();
    if let Some((name, fetched)) = given.iter().find(|(name, _)| OVERRIDING_VARIABLES.contains(&name.as_str())) {
        let shown = names.join(", ");
        return twice(format!("{} from {} would win over the AWS profile {shown}", name.as_str(), fetched.path));
    }
    let shared = given.iter().find(|(name, _)| name.as_str() == SHARED);
    let content = shared.and_then(|(_, fetched)| match &fetched.form {
        Form::File(content) => content.expose_text(),
        Form::Variable(_) | Form::Folder(..) | Form::Profiles(_) => None,
    });
    let has_section =
        |name: &&&str| content.is_some_and(|text| text.lines().any(|line| line.trim() == format!("[{name}]")));
    if let Some(name) = names.iter().find(has_section) {
        return twice(format!("the AWS profile {name} has plain keys in {SHARED} too"));
    }
    if shared.is_none() {
        let empty = Form::File(SecretValue::new(Vec::new()));
        let path = profiles.first().map(|profile| profile.source.clone()).unwrap_or_default();
        given.insert(SecretName::new(SHARED, &[], &path)?, Fetched { form: empty, path, version: None });
    }
    Ok(())
}

/// The configuration file: each profile runs this program, which asks the keeper at `socket`.
pub(super) fn configuration(profiles: &[Profile], socket: Option<&Path>) -> Result<SecretValue> {
    let program = std::env::current_exe().ok();
    let both = program.as_deref().zip(socket);
    let words = both.and_then(|(program, socket)| Some((quoted(program)?, quoted(socket)?)));
    let (program, socket) = words.ok_or_else(|| {
        Error::new(
            Kind::Os,
            "an AWS profile can't name this program: a path contains a character that shells interpret",
            "install jupyter-vault, and set JUPYTER_RUNTIME_DIR, to paths without quotes, $, ` and \\",
        )
    })?;
    let section = |profile: &Profile| {
        let name = &profile.name;
        format!("[profile {name}]\ncredential_process = {program} credential --socket {socket} {name}\n")
    };
    Ok(SecretValue::new(profiles.iter().map(section).collect::<Vec<_>>().join("\n").into_bytes()))
}

/// Quotes a path so that shells and the clients' own parsers read it in the same way.
fn quoted(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let is_plain = |letter: char| !letter.is_control() && !matches!(letter, '"' | '\'' | '\\' | '$' | '`');
    text.chars().all(is_plain).then(|| format!("\"{text}\""))
}
