//! The questions about where the secrets are.

use super::answers::Chosen;
use super::attempt::Depth;
use super::{Flags, Setup};
use crate::config::origin::Origin;
use crate::config::source::{SourceKind, SourceSpec};
use crate::config::template::Template;
use crate::error::{Error, Kind, Result};
use crate::vault::error::LEAVE_DATA_OUT;

impl Setup<'_> {
    pub(super) fn sources(&mut self, flags: &Flags) -> Result<()> {
        for spec in &flags.secrets {
            let source = source(spec, Origin::Flag("--secrets"))?;
            self.answers.sources.push(Chosen { source, mount: None });
        }
        if !self.answers.sources.is_empty() {
            return self.attempt(Depth::Sources(0));
        }
        if !self.prompter.is_there() {
            return self.prompter.text("", None, "--secrets").map(drop);
        }
        loop {
            let first = self.answers.sources.is_empty();
            let question = if first {
                "Where the secrets are (MOUNT/PATH, MOUNT/PATH#FIELD=NAME, MOUNT/FOLDER/)"
            } else {
                "More secrets (empty: that is all)"
            };
            let spec = self.prompter.text(question, Some("").filter(|_| !first), "--secrets")?;
            if spec.is_empty() {
                return Ok(());
            }
            let before = self.answers.sources.len();
            let outcome = source(&spec, Origin::Answer).and_then(|source| {
                self.answers.sources.push(Chosen { source, mount: None });
                self.attempt(Depth::Sources(before))
            });
            if let Err(error) = outcome {
                let is_denied = error.kind() == Kind::PolicyDenied && error.advice() != LEAVE_DATA_OUT;
                let is_empty = error.kind() == Kind::PathMissing;
                self.retry_or_fail(error)?;
                let is_kept = match (is_denied, is_empty) {
                    (true, _) => self.prompter.agrees("Keep it anyway, for when it is allowed?", false)?,
                    // A new user's path is empty at first; kernels then start without secrets.
                    (_, true) => self.prompter.agrees("Keep it, for secrets to be stored there later?", true)?,
                    _ => false,
                };
                match self.answers.sources.get_mut(before).filter(|_| is_kept) {
                    Some(chosen) => chosen.source.optional = is_empty,
                    None => self.answers.sources.truncate(before),
                }
            }
        }
    }
}

/// A SPEC as in `exec`, or a folder, which ends with a slash.
fn source(spec: &str, origin: Origin) -> Result<SourceSpec> {
    let Some(folder) = spec.strip_suffix('/') else { return SourceSpec::from_spec(spec, &origin) };
    let path = Template::parse_folder(folder).map_err(|why| {
        Error::new(Kind::Usage, format!("the folder \"{spec}\" {why}"), "write MOUNT/FOLDER/, such as secret/team/")
    })?;
    Ok(SourceSpec::new(SourceKind::KvFolder, path, origin))
}
