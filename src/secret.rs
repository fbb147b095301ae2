//! Secrets in memory: a name that can be a variable, and a value that can't be printed by accident.
//!
//! [`SecretName`] can't contain a malformed or protected name, so any code may put one in an environment.
//! [`SecretValue`] has no `Display` and no `Clone`, its `Debug` shows at most its length, and it is wiped when dropped.
//! [`SecretValue::expose`] is the only access to the bytes, so `grep expose` lists every place that uses them.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretBox};
use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};

/// A name, or a pattern with `*`, and the reason for the refusal or warning.
pub type Rule = (&'static str, &'static str);

/// Names of variables that can take over a process: refused, unless allowed by name. docs/names.md shows this table.
pub const PROTECTED: &[Rule] = &[
    ("LD_*", "the dynamic loader loads code that it names"),
    ("DYLD_*", "the dynamic loader of macOS loads code that it names"),
    ("GCONV_PATH", "the C library loads modules from it"),
    ("GLIBC_TUNABLES", "changes how the C library works"),
    ("LOCPATH", "the C library loads locales from it"),
    ("BASH_ENV", "bash runs it at startup"),
    ("ENV", "sh runs it at startup"),
    ("IFS", "changes how a shell reads every command"),
    ("BASH_FUNC_*", "defines bash functions"),
    ("PS4", "bash runs commands in it when it traces"),
    ("SHELLOPTS", "changes how bash runs"),
    ("BASHOPTS", "changes how bash runs"),
    ("PROMPT_COMMAND", "bash runs it before each prompt"),
    ("PATH", "chooses which programs run"),
    ("HOME", "chooses which configuration programs read"),
    ("SHELL", "programs run it as the user's shell"),
    ("PYTHON*", "Python runs or loads code that it names"),
    ("IPYTHON*", "chooses what IPython runs at startup"),
    ("JUPYTER*", "chooses what Jupyter loads"),
    ("JPY_*", "Jupyter passes settings to kernels in these"),
    ("R_PROFILE*", "R runs it at startup"),
    ("R_ENVIRON*", "R reads more variables from it"),
    ("R_LIBS*", "R loads packages from it"),
    ("R_HOME", "R runs from that folder"),
    ("PERL5*", "Perl runs or loads code that it names"),
    ("PERLLIB", "Perl loads modules from it"),
    ("RUBY*", "Ruby runs or loads code that it names"),
    ("JULIA_LOAD_PATH", "Julia loads code from it"),
    ("JULIA_DEPOT_PATH", "Julia loads packages and its startup file from it"),
    ("NODE_OPTIONS", "Node.js loads code that it names"),
    ("NODE_PATH", "Node.js loads modules from it"),
    ("NODE_EXTRA_CA_CERTS", "sets the CAs that Node.js trusts"),
    ("JAVA_TOOL_OPTIONS", "Java loads agents that it names"),
    ("_JAVA_OPTIONS", "Java loads agents that it names"),
    ("JDK_JAVA_OPTIONS", "Java loads agents that it names"),
    ("CLASSPATH", "Java loads classes from it"),
    ("DOTNET_STARTUP_HOOKS", ".NET runs it at startup"),
    ("DOTNET_ADDITIONAL_DEPS", ".NET loads code that it names"),
    ("CORECLR_*", ".NET loads profilers that it names"),
    ("LUA_INIT*", "Lua runs it at startup"),
    ("LUA_PATH*", "Lua loads modules from it"),
    ("LUA_CPATH*", "Lua loads libraries from it"),
    ("GIT_SSH*", "git runs it for each remote"),
    ("GIT_ASKPASS", "git runs it for each password"),
    ("SSH_ASKPASS", "ssh runs it for each password"),
    ("GIT_EXEC_PATH", "git runs its programs from it"),
    ("GIT_CONFIG*", "git's configuration runs programs"),
    ("SSL_CERT_*", "sets the CAs that OpenSSL trusts"),
    ("REQUESTS_CA_BUNDLE", "sets the CAs that Python's requests trusts"),
    ("CURL_CA_BUNDLE", "sets the CAs that curl trusts"),
    ("AWS_CA_BUNDLE", "sets the CAs that AWS clients trust"),
    ("SSLKEYLOGFILE", "TLS keys are written to it"),
    ("OPENSSL_CONF", "OpenSSL loads engines that it names"),
    ("OPENSSL_MODULES", "OpenSSL loads modules from it"),
    ("VAULT_*", "settings and credentials of Vault's clients"),
    ("BAO_*", "settings and credentials of OpenBao's clients"),
    ("OPENBAO_*", "settings and credentials of OpenBao's clients"),
    ("KERNEL_VAULT_*", "credentials of a kernel request"),
];

/// Names that are accepted, since they may contain a password, and that `doctor` warns of.
pub const DOUBTFUL: &[Rule] = &[("*_PROXY", "the network traffic of every program goes through it")];

/// Whether a variable with this name can take over a process (see [`PROTECTED`]).
#[must_use]
pub fn is_protected(name: &str) -> bool {
    PROTECTED.iter().any(|(pattern, _)| fits(pattern, name))
}

/// Why `doctor` warns of `name`, if it does (see [`DOUBTFUL`]); the case of `name` does not matter.
#[must_use]
pub fn warning_for(name: &str) -> Option<&'static str> {
    DOUBTFUL.iter().find(|(pattern, _)| fits(pattern, &name.to_uppercase())).map(|(_, why)| *why)
}

fn fits(pattern: &str, name: &str) -> bool {
    match (pattern.strip_suffix('*'), pattern.strip_prefix('*')) {
        (Some(stem), _) => name.starts_with(stem),
        (None, Some(ending)) => name.ends_with(ending),
        (None, None) => name == pattern,
    }
}

/// The name of a secret that can be a variable: not empty, no `=`, no control character, and not protected unless it
/// was allowed by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName(String);

impl SecretName {
    /// Checks `name`, which came from `origin` (a path in Vault, for the message).
    ///
    /// # Errors
    /// [`Kind::BadName`] if it can't be a variable, [`Kind::ProtectedName`] if it is protected and `allowed` does not
    /// list it.
    pub fn new(name: &str, allowed: &[String], origin: &str) -> Result<Self> {
        if name.is_empty() || name.contains('=') || name.chars().any(char::is_control) {
            return Err(Error::new(
                Kind::BadName,
                format!(
                    "the name \"{name}\" from {origin} can't be a variable: it is empty, or contains '=' or a control character"
                ),
                "rename the key in Vault, or give it another name with `name` (or `fields`) in vault.toml",
            ));
        }
        if is_protected(name) && !allowed.iter().any(|allowed| allowed == name) {
            return Err(Error::new(
                Kind::ProtectedName,
                format!(
                    "the secret {name} from {origin} is refused: a variable of that name can take over the process"
                ),
                format!("rename it in Vault, or accept it with --allow {name} (or `allow` under [environment])"),
            ));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The bytes of a secret; wiped when dropped, and never shown.
pub struct SecretValue(SecretBox<Vec<u8>>);

impl SecretValue {
    /// Takes ownership of the bytes, without copying the buffer.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(SecretBox::new(Box::new(bytes)))
    }

    /// The bytes themselves.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// The bytes as text, if they are UTF-8.
    #[must_use]
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(self.expose()).ok()
    }

    /// The value without surrounding ASCII white space, which files of tokens may have.
    #[must_use]
    pub fn trimmed(&self) -> Self {
        Self::new(self.expose().trim_ascii().to_vec())
    }

    /// The value without one final line end, which an editor or `echo` adds to a password.
    #[must_use]
    pub fn without_line_end(&self) -> Self {
        let bytes = self.expose();
        let bytes = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
        Self::new(bytes.to_vec())
    }

    /// An explicit copy.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::new(self.expose().to_vec())
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SecretValue({} bytes)", self.expose().len())
    }
}

impl From<Zeroizing<String>> for SecretValue {
    fn from(mut text: Zeroizing<String>) -> Self {
        Self::new(std::mem::take(&mut *text).into_bytes())
    }
}

/// The variables that a launch sets: one value per name; a later one replaces an earlier one.
#[derive(Debug, Default)]
pub struct SecretSet(BTreeMap<SecretName, SecretValue>);

impl SecretSet {
    /// Adds `value` under `name`, replacing an earlier one.
    pub fn insert(&mut self, name: SecretName, value: SecretValue) {
        self.0.insert(name, value);
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.0.keys()
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&SecretName, &SecretValue)> {
        self.0.iter()
    }

    /// Whether `name` is among them.
    #[must_use]
    pub fn contains(&self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(|name| self.0.contains_key(&SecretName(name.to_owned())))
    }
}

impl IntoIterator for SecretSet {
    type Item = (SecretName, SecretValue);
    type IntoIter = std::collections::btree_map::IntoIter<SecretName, SecretValue>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::{SecretName, SecretValue, is_protected};
    use crate::error::Kind;

    #[test]
    fn names_that_take_over_a_process_are_protected_and_their_neighbours_are_not() {
        for name in [
            "LD_PRELOAD",
            "LD_audit",
            "PATH",
            "PYTHONSTARTUP",
            "PYTHONx",
            "BASH_FUNC_ls%%",
            "VAULT_TOKEN",
            "JULIA_LOAD_PATH",
            "LUA_INIT_5_4",
            "GIT_SSH_COMMAND",
            "SSL_CERT_FILE",
            "OPENBAO_X",
        ] {
            assert!(is_protected(name), "{name}");
        }
        for name in [
            "LDAP_URL",
            "PATHS",
            "path",
            "MY_PYTHONPATH",
            "ENVIRONMENT",
            "RUB",
            "VAULT",
            "HOMEPAGE",
            "HTTP_PROXY",
            "GIT_TOKEN",
            "SSL_KEY",
        ] {
            assert!(!is_protected(name), "{name}");
        }
    }

    #[test]
    fn an_allowed_name_is_accepted_and_only_that_one() {
        let allowed = vec!["PYTHONPATH".to_owned()];
        assert!(SecretName::new("PYTHONPATH", &allowed, "kv/a").is_ok());
        let refused = SecretName::new("PYTHONHOME", &allowed, "kv/a").unwrap_err();
        assert_eq!(refused.kind(), Kind::ProtectedName);
    }

    #[test]
    fn what_execve_cannot_take_is_refused_even_when_allowed() {
        for name in ["", "A=B", "A\0B", "A\nB", "A\u{7f}"] {
            let refused = SecretName::new(name, &[name.to_owned()], "kv/a").unwrap_err();
            assert_eq!(refused.kind(), Kind::BadName);
        }
    }

    #[test]
    fn debug_output_shows_a_length_and_no_byte() {
        let shown = format!("{:?}", SecretValue::new(b"canary".to_vec()));
        assert_eq!(shown, "SecretValue(6 bytes)");
    }
}
