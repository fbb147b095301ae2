//! The questions that `setup` and `login` ask for a login method.

/// A question of `setup`.
#[derive(Debug, Clone, Copy)]
pub enum Ask {
    /// Where the method is mounted.
    Mount,
    /// The user's name.
    Username,
    /// A text under `[auth]`; `usual` is the default.
    Text { key: &'static str, question: &'static str, usual: Option<&'static str> },
    /// The path of a file that already exists, under `[auth]` or `[vault]`.
    File { key: &'static str, question: &'static str, usual: Option<&'static str> },
    /// A credential, from a file or typed.
    Credential(&'static Wanted),
    /// As [`Ask::Credential`], if the role has one.
    CredentialIfAny(&'static Wanted, &'static str),
    /// The token that `vault login` stored; if there is none, the user is asked for one.
    StoredToken,
    /// A sign-in with a browser, if there is no token yet.
    SignIn,
}

/// A credential to ask for: the setting that names its file, its question, and where a typed one is stored.
#[derive(Debug)]
pub struct Wanted {
    pub key: &'static str,
    pub what: &'static str,
    pub file: &'static str,
    pub variable: &'static str,
}

/// How `login` gets a user's token.
#[cfg(feature = "manage")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForUsers {
    /// The user has a token.
    Token,
    /// The user signs in with a browser.
    Browser,
    /// The user types a password.
    Password,
}

#[cfg(feature = "manage")]
impl Ask {
    /// How `login` gets a token, if this question tells.
    pub fn for_users(&self) -> Option<ForUsers> {
        match self {
            Self::StoredToken => Some(ForUsers::Token),
            Self::SignIn => Some(ForUsers::Browser),
            Self::Username => Some(ForUsers::Password),
            Self::Mount | Self::Text { .. } | Self::File { .. } | Self::Credential(_) | Self::CredentialIfAny(..) => {
                None
            }
        }
    }

    /// Whether it asks for the setting `key`.
    pub fn is_for(&self, key: &str) -> bool {
        match self {
            Self::Mount => key == "mount",
            Self::Username => key == "username",
            Self::Text { key: asked, .. } | Self::File { key: asked, .. } => key == *asked,
            Self::Credential(wanted) | Self::CredentialIfAny(wanted, _) => key == wanted.key,
            Self::StoredToken | Self::SignIn => false,
        }
    }
}
