//! A login in a plan: the method, and what it sends.

#[cfg(feature = "cloud")]
use super::cloud::Cloud;
use super::credential::Credential;

/// How to get a token.
#[derive(Debug)]
pub enum Login {
    /// A given token.
    Token(Credential),
    /// A token that was wrapped for this launch.
    Wrapped(Credential),
    /// A JWT, such as that of a service account.
    Jwt {
        /// `jwt` or `kubernetes`.
        method: &'static str,
        /// Under `auth/`.
        mount: String,
        /// The role, if not the mount's default.
        role: Option<String>,
        /// The JWT.
        jwt: Credential,
    },
    /// A role id and a secret id.
    AppRole {
        /// Under `auth/`.
        mount: String,
        /// The role id.
        role_id: Credential,
        /// The secret id, if the role requires one.
        secret_id: Option<Credential>,
        /// Whether the secret id is a wrapping token.
        wrapped: bool,
    },
    /// A user's name and password.
    Password {
        /// `userpass` or `ldap`, whose requests are the same.
        method: &'static str,
        /// Under `auth/`.
        mount: String,
        /// The name.
        username: String,
        /// The password.
        password: Credential,
    },
    /// The client certificate of the connection.
    Cert {
        /// Under `auth/`.
        mount: String,
        /// The certificate role to match.
        role: Option<String>,
    },
    /// The identity that a cloud gives the machine.
    #[cfg(feature = "cloud")]
    Cloud {
        /// `aws`, `gcp` or `azure`.
        method: &'static str,
        /// Under `auth/`.
        mount: String,
        /// The role, if the method has a usual one.
        role: Option<String>,
        /// The identity.
        identity: Cloud,
        /// The origin of the identity, for messages.
        origin: String,
    },
    /// No login: an agent adds the token.
    Agent,
}

impl Login {
    /// Whether the token comes from a login, so that this program revokes it.
    pub const fn makes_token(&self) -> bool {
        !matches!(self, Self::Token(_) | Self::Agent)
    }

    /// The method's name, the path of its mount below `auth/`, and the origin of its credential.
    pub fn parts(&self) -> (&'static str, Option<&str>, Option<&str>) {
        match self {
            Self::Token(token) => ("token", None, Some(&token.origin)),
            Self::Wrapped(token) => ("wrapped", None, Some(&token.origin)),
            Self::Jwt { method, mount, jwt, .. } => (method, Some(mount), Some(&jwt.origin)),
            Self::AppRole { mount, secret_id, role_id, .. } => {
                ("approle", Some(mount), Some(&secret_id.as_ref().unwrap_or(role_id).origin))
            }
            Self::Password { method, mount, password, .. } => (method, Some(mount), Some(&password.origin)),
            #[cfg(feature = "cloud")]
            Self::Cloud { method, mount, origin, .. } => (method, Some(mount), Some(origin)),
            Self::Cert { mount, .. } => ("cert", Some(mount), None),
            Self::Agent => ("agent", None, None),
        }
    }
}
