//! Fills the placeholders in a source's path: from the login's identity, variables, or the notebook's name.

use crate::config::env::Environment;
use crate::config::source::SourceSpec;
use crate::config::template::{Placeholder, name_of};
use crate::error::{Error, Kind, Result};
use crate::vault::auth::Identity;

/// The text for `placeholder`, in a text of `source`.
pub(super) fn value_of(
    placeholder: &Placeholder,
    source: &SourceSpec,
    identity: &Identity,
    parent: &Environment,
    from_request: bool,
) -> Result<String> {
    let absent = |why: &str, advice: &str| {
        let what = format!(
            "{{{}}} in the path {} ({}) has no value: {why}",
            name_of(placeholder),
            source.path.as_written(),
            source.origin
        );
        Error::new(Kind::Config, what, advice)
    };
    match placeholder {
        Placeholder::EntityId => identity.entity_id.clone().ok_or_else(|| {
            absent("the token belongs to no entity", "log in with a method that has entities; a root token has none")
        }),
        Placeholder::Metadata(key) => identity.metadata.get(key).cloned().ok_or_else(|| {
            let known: Vec<_> = identity.metadata.keys().map(String::as_str).collect();
            absent("the login's metadata does not contain it", &format!("it contains: {}", known.join(", ")))
        }),
        Placeholder::Env(name) => {
            if name.starts_with("KERNEL_") && !from_request {
                return Err(absent(
                    "any client of a gateway can set KERNEL_* variables, so they do not prove who a user is",
                    "use the login's metadata, such as {metadata.username}, or each user's own credential: from_request",
                ));
            }
            let value = parent.bytes(name).and_then(|value| value.to_str()).map(str::to_owned);
            value
                .ok_or_else(|| absent("the variable is not set, or is not UTF-8", "set it where the kernel is started"))
        }
        Placeholder::Notebook => {
            let session = parent.bytes("JPY_SESSION_NAME").and_then(|name| name.to_str());
            let file = session.and_then(|path| path.rsplit('/').next()).unwrap_or_default();
            let stem = file.strip_suffix(".ipynb").unwrap_or(file);
            if stem.is_empty() {
                return Err(absent(
                    "JPY_SESSION_NAME is not set",
                    "only a Jupyter server sets it, when it starts a notebook's kernel",
                ));
            }
            Ok(stem.to_owned())
        }
    }
}
