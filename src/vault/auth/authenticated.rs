//! What Vault says about a login: the user, and the token without its text.

use std::collections::BTreeMap;
use std::time::Duration;

/// The token's user, as the login's response describes it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The identity's id, if there is one.
    pub entity_id: Option<String>,
    /// The login method's metadata of the user.
    pub metadata: BTreeMap<String, String>,
}

impl Identity {
    pub(super) fn new(entity_id: Option<String>, metadata: Option<BTreeMap<String, Option<String>>>) -> Self {
        let known = metadata.unwrap_or_default().into_iter().filter_map(|(key, value)| Some((key, value?)));
        Self { entity_id: entity_id.filter(|id| !id.is_empty()), metadata: known.collect() }
    }
}

#[cfg(feature = "manage")]
impl Identity {
    /// The user's name, if the method provides it.
    pub(crate) fn user(&self) -> Option<&str> {
        let names = ["username", "name", "service_account_name"];
        names.iter().find_map(|key| self.metadata.get(*key)).map(String::as_str)
    }
}

/// Vault's description of a token, without the token.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct About {
    /// Its policies, including those of its entity.
    pub policies: Vec<String>,
    /// The remaining lifetime; `None` if it never expires.
    pub ttl: Option<Duration>,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// Whether it has a period, and lives as long as it is renewed.
    pub periodic: bool,
    /// The number of requests left; `None` if unlimited.
    pub uses: Option<u64>,
    /// Its display name, which begins with the method's name.
    pub display_name: Option<String>,
    /// The path of the login that made it, as in `auth/userpass/login/ada`.
    pub path: Option<String>,
}

impl About {
    /// The user's name in the display name, which begins with the method's mount.
    #[cfg(feature = "manage")]
    pub(crate) fn user(&self) -> Option<String> {
        let name = self.display_name.as_deref().filter(|name| !name.is_empty())?;
        let mount = self.path.as_deref().and_then(|path| path.strip_prefix("auth/")).unwrap_or_default();
        let ends = mount.match_indices('/').map(|(at, _)| format!("{}-", mount[..at].replace('/', "-")));
        let longest = ends.filter_map(|end| name.strip_prefix(&end)).min_by_key(|rest| rest.len());
        Some(longest.filter(|rest| !rest.is_empty()).unwrap_or(name).to_owned())
    }

    pub(super) fn new(policies: Option<Vec<String>>, ttl: u64, renewable: bool, uses: i64) -> Self {
        Self {
            policies: policies.unwrap_or_default(),
            ttl: (ttl > 0).then(|| Duration::from_secs(ttl)),
            renewable,
            periodic: false,
            uses: u64::try_from(uses).ok().filter(|uses| *uses > 0),
            display_name: None,
            path: None,
        }
    }
}

/// The result of a login.
#[derive(Debug)]
pub struct Authenticated {
    /// The token's user; `None` if unknown (a token from the configuration, an agent).
    pub identity: Option<Identity>,
    /// What the login says about the token; `None` in the same cases.
    pub about: Option<About>,
    /// Whether the token comes from a login, so that it is revoked.
    pub revocable: bool,
}

impl Authenticated {
    pub(super) const fn given() -> Self {
        Self { identity: None, about: None, revocable: false }
    }
}
