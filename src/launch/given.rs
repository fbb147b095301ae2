//! The fetched secrets: each name with its value, and the form in which the kernel gets it.

use std::collections::BTreeMap;

use crate::lease::ProfileAnswer;
#[cfg(feature = "inject")]
use crate::record::{Record, Variable};
use crate::secret::{SecretName, SecretValue};

/// A secret, and the form in which the command gets it.
#[derive(Debug)]
pub enum Form {
    /// The variable holds the value.
    Variable(SecretValue),
    /// The variable names a file that holds the value.
    File(SecretValue),
    /// The variable names a folder with a file of this name, which holds the value.
    Folder(&'static str, SecretValue),
    /// The variable names an AWS configuration with these profiles, whose credentials the keeper gives.
    Profiles(Vec<Profile>),
}

/// An AWS profile, and the keeper's answer for it.
#[derive(Debug)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// The path of the source that gives it, as written in the configuration.
    pub source: String,
    /// The keys, by AWS's names for them.
    pub keys: Vec<(&'static str, SecretValue)>,
}

impl Profile {
    fn duplicate(&self) -> Self {
        let keys = self.keys.iter().map(|(name, value)| (*name, value.duplicate())).collect();
        Self { name: self.name.clone(), source: self.source.clone(), keys }
    }
}

/// The keeper's answers for the AWS profiles of `given`.
pub fn answers(given: &Given) -> Vec<ProfileAnswer> {
    let profiles = given.values().filter_map(|fetched| match &fetched.form {
        Form::Profiles(profiles) => Some(profiles),
        Form::Variable(_) | Form::File(_) | Form::Folder(..) => None,
    });
    let keys = |profile: &Profile| {
        let text =
            |(name, value): &(&'static str, SecretValue)| Some(((*name).to_owned(), value.expose_text()?.to_owned()));
        profile.keys.iter().filter_map(text).collect()
    };
    let answer = |profile: &Profile| ProfileAnswer {
        profile: profile.name.clone(),
        source: profile.source.clone(),
        keys: keys(profile),
    };
    profiles.flatten().map(answer).collect()
}

/// Adds the secret `name`, in place of an earlier one; AWS profiles are added to the earlier ones.
pub fn insert(given: &mut Given, name: SecretName, mut fetched: Fetched) {
    if let Form::Profiles(new) = &mut fetched.form
        && let Some(Fetched { form: Form::Profiles(earlier), .. }) = given.get_mut(&name)
    {
        earlier.retain(|profile| new.iter().all(|new| new.name != profile.name));
        new.splice(0..0, earlier.drain(..));
    }
    given.insert(name, fetched);
}

/// A secret and its origin.
#[derive(Debug)]
pub struct Fetched {
    /// The value.
    pub form: Form,
    /// The path that was read.
    pub path: String,
    /// Its version, if the engine has versions.
    pub version: Option<u64>,
}

/// The fetched secrets; if two sources have one name, the last takes precedence.
pub type Given = BTreeMap<SecretName, Fetched>;

/// A second copy of all secrets, for another kernel.
pub fn duplicate(given: &Given) -> Given {
    let copy = |form: &Form| match form {
        Form::Variable(value) => Form::Variable(value.duplicate()),
        Form::File(value) => Form::File(value.duplicate()),
        Form::Folder(name, value) => Form::Folder(name, value.duplicate()),
        Form::Profiles(profiles) => Form::Profiles(profiles.iter().map(Profile::duplicate).collect()),
    };
    let copied =
        |fetched: &Fetched| Fetched { form: copy(&fetched.form), path: fetched.path.clone(), version: fetched.version };
    given.iter().map(|(name, fetched)| (name.clone(), copied(fetched))).collect()
}

/// The secret that each value belongs to.
#[cfg(feature = "inject")]
pub fn origins(given: &Given) -> BTreeMap<String, Variable> {
    let origin = |path: &String, version| Variable { path: path.clone(), version };
    given.iter().map(|(name, from)| (name.as_str().to_owned(), origin(&from.path, from.version))).collect()
}

/// Whether the kernel of `record` has exactly those secrets of `given` that it `may` have, in the same versions. A
/// secret without a version may have changed.
#[cfg(feature = "inject")]
pub fn is_up_to_date(record: &Record, given: &Given, may: impl Fn(&str) -> bool) -> bool {
    let wanted = || given.iter().filter(|(name, _)| may(name.as_str()));
    record.variables.len() == wanted().count()
        && wanted().all(|(name, fetched)| {
            record.variables.get(name.as_str()).is_some_and(|known| {
                known.path == fetched.path && known.version.is_some() && known.version == fetched.version
            })
        })
}
