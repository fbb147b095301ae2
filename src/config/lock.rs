//! Which setting takes precedence if several places make it, and which settings no variable may change.
//!
//! The order is flags, variables, then files, the nearest first. But if a gateway starts kernels, its clients choose
//! variables, and a variable with another address would send the login of a service's vault.toml there. So a vault.toml
//! can be locked (`[vault] locked = true`; automatically if it belongs to root and not to this user, or takes its
//! credential from the request): its settings for Vault, the login and the sources are then final. The login of a file
//! that is not locked is never sent to an address that a variable sets in place of the file's own.

use super::layer::Layer;
use super::origin::Origin;
use crate::error::{Error, Kind, Result};

/// Settings of `[vault]` that do not affect where a credential is sent.
const ALWAYS_OVERRIDABLE: [&str; 2] = ["vault.timeout", "vault.max_retries"];

/// Merges `layers`, the first on top, as far as the locked ones allow.
pub fn merge(layers: Vec<Layer>) -> Result<Layer> {
    check_address(&layers)?;
    let (locked, open): (Vec<_>, Vec<_>) = layers.into_iter().partition(Layer::is_locked);
    let open = open.into_iter().reduce(Layer::over).unwrap_or_default();
    let Some(locked) = locked.into_iter().reduce(Layer::over) else { return Ok(open) };
    merge_open(locked, open)
}

/// Adds to `locked` the settings that it leaves open.
fn merge_open(mut locked: Layer, open: Layer) -> Result<Layer> {
    let has_login = locked.has_table("auth");
    let has_address = address(&locked).is_some();
    if has_credential(&locked) && !has_address {
        let what = "a locked vault.toml has a login but no address";
        return Err(Error::new(Kind::Config, what, "set `address` under [vault] in the same file"));
    }
    let is_open = |key: &str| match key.split_once('.') {
        _ if ALWAYS_OVERRIDABLE.contains(&key) => true,
        Some(("vault", _)) => !has_address,
        Some(("auth", _)) => !has_login,
        _ => true,
    };
    // A file with its own login reads only its own sources.
    let takes_sources = locked.sources().is_none() && (!has_login || locked.flag("auth.from_request") == Some(true));
    if !takes_sources && open.sources().into_iter().flatten().any(|source| source.origin.is_flag()) {
        let what = format!("--secrets has no effect: {} is locked", file_of(&locked));
        return Err(Error::new(
            Kind::Config,
            what,
            "add the source to that file, or choose another file with --config",
        ));
    }
    locked.merge_lower(open, is_open, takes_sources);
    Ok(locked)
}

/// Refuses a variable that names another address than the file whose login would be sent there.
fn check_address(layers: &[Layer]) -> Result<()> {
    let Some(winner) = layers.iter().find_map(address) else { return Ok(()) };
    let Origin::Variable(variable) = &winner.1 else { return Ok(()) };
    let Some(login) = layers.iter().find(|layer| has_credential(layer)) else { return Ok(()) };
    let other = address(login).filter(|(text, origin)| {
        let is_one_of_them = text.split(',').any(|address| address.trim().trim_end_matches('/') == winner.0);
        !origin.is_variable() && text != &winner.0 && !is_one_of_them
    });
    match other {
        Some((_, origin)) if !login.is_locked() => Err(Error::new(
            Kind::Config,
            format!("{variable} is not the address in {origin}, whose login would be sent there; nothing was sent"),
            format!("unset {variable}, or correct the file; for another Vault, choose its vault.toml with --config"),
        )),
        _ => Ok(()),
    }
}

/// Whether `layer` sets a credential.
fn has_credential(layer: &Layer) -> bool {
    credentials(layer).next().is_some()
}

/// The keys by which `layer` sets a credential.
pub(super) fn credentials(layer: &Layer) -> impl Iterator<Item = &'static str> {
    const CREDENTIALS: [&str; 7] = [
        "auth.token_file",
        "auth.wrapped_token_file",
        "auth.jwt_file",
        "auth.role_id",
        "auth.role_id_file",
        "auth.secret_id_file",
        "auth.password_file",
    ];
    // These methods need no setting for their credential.
    let finds_its_own = matches!(layer.text("auth.method"), Some("kubernetes" | "cert" | "aws" | "gcp" | "azure"));
    let own = finds_its_own.then_some("auth.method");
    own.into_iter().chain(CREDENTIALS.into_iter().filter(|key| layer.get(key).is_some()))
}

/// The address of Vault or an agent in `layer`, and its origin.
fn address(layer: &Layer) -> Option<(String, Origin)> {
    ["vault.agent_address", "vault.address"].iter().find_map(|key| {
        let text = layer.text(key)?.trim().trim_end_matches('/').to_owned();
        Some((text, layer.get(key)?.origin.clone()))
    })
}

/// The file of a locked layer, for messages.
fn file_of(layer: &Layer) -> String {
    let of_settings = layer.origins().find_map(Origin::file);
    of_settings.map_or_else(|| "the vault.toml".to_owned(), |path| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::merge;
    use crate::config::env::Environment;
    use crate::config::file::parse;
    use crate::config::layer::Layer;

    const SERVICE: &str = "[vault]\nlocked = true\naddress = \"https://vault:8200\"\n[auth]\ntoken_file = \"t\"\n\
                           [[source]]\nkv = \"secret/service\"\n";

    fn file(text: &str) -> Layer {
        parse(text, Path::new("/etc/jupyter/vault.toml")).unwrap()
    }

    fn variables(entries: &[&str]) -> Layer {
        let entries = entries.iter().map(|entry| std::ffi::CString::new(*entry).unwrap());
        Environment::from_entries(entries).layer().unwrap()
    }

    #[test]
    fn no_variable_changes_what_a_locked_file_says() {
        for variable in [
            "VAULT_ADDR=http://evil:1",
            "BAO_ADDR=http://evil:1",
            "JUPYTER_VAULT_ADDRESS=http://evil:1",
            "VAULT_AGENT_ADDR=http://evil:1",
            "JUPYTER_VAULT_PROXY=http://evil:1",
            "VAULT_CACERT=/tmp/evil.pem",
            "VAULT_SKIP_VERIFY=true",
            "VAULT_NAMESPACE=evil",
            "JUPYTER_VAULT_TOKEN_FILE=/etc/shadow",
            "JUPYTER_VAULT_AUTH_METHOD=jwt",
            "JUPYTER_VAULT_SECRETS=secret/evil",
        ] {
            let merged = merge(vec![variables(&[variable]), file(SERVICE)]).unwrap();
            assert_eq!(merged.text("vault.address"), Some("https://vault:8200"), "{variable}");
            assert_eq!(merged.text("auth.token_file"), Some("t"), "{variable}");
            assert_eq!(merged.sources().unwrap().len(), 1);
            assert_eq!(merged.sources().unwrap()[0].path.as_written(), "secret/service");
            for key in ["vault.agent_address", "vault.proxy", "vault.ca_cert", "vault.namespace", "auth.method"] {
                assert!(merged.get(key).is_none(), "{variable}: {key}");
            }
            assert_ne!(merged.flag("vault.skip_verify"), Some(true));
        }
    }

    #[test]
    fn a_file_before_a_locked_one_changes_nothing_of_it_either() {
        let evil = parse("[vault]\naddress = \"http://evil\"\n", Path::new("/tmp/vault.toml")).unwrap();
        let merged = merge(vec![evil, file(SERVICE)]).unwrap();
        assert_eq!(merged.text("vault.address"), Some("https://vault:8200"));
    }

    #[test]
    fn what_a_locked_file_does_not_say_is_open() {
        let central = "[vault]\nlocked = true\naddress = \"https://vault:8200\"\n";
        let own = variables(&["JUPYTER_VAULT_TOKEN_FILE=/home/ada/token", "JUPYTER_VAULT_SECRETS=secret/ada"]);
        let merged = merge(vec![own, file(central)]).unwrap();
        assert_eq!(merged.text("auth.token_file"), Some("/home/ada/token"));
        assert_eq!(merged.sources().unwrap()[0].path.as_written(), "secret/ada");
        let merged = merge(vec![variables(&["VAULT_CLIENT_TIMEOUT=3"]), file(SERVICE)]).unwrap();
        assert!(merged.duration("vault.timeout").is_some());
    }

    #[test]
    fn a_login_of_a_file_goes_to_no_other_address_of_a_variable() {
        let open = SERVICE.replace("locked = true\n", "");
        assert!(merge(vec![variables(&["VAULT_ADDR=http://evil:1"]), file(&open)]).is_err());
        assert!(merge(vec![variables(&["VAULT_ADDR=https://vault:8200/"]), file(&open)]).is_ok());
        let without_login = "[vault]\naddress = \"https://vault:8200\"\n";
        assert!(merge(vec![variables(&["VAULT_ADDR=http://other:1"]), file(without_login)]).is_ok());
    }

    #[test]
    fn a_locked_login_without_an_address_goes_nowhere() {
        let text = "[vault]\nlocked = true\n[auth]\ntoken_file = \"t\"\n";
        assert!(merge(vec![variables(&["VAULT_ADDR=http://evil:1"]), file(text)]).is_err());
    }
}
