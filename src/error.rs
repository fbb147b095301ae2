//! One error type for the whole program, with one printer. The first line says what failed and where, the second what
//! to do.
//!
//! A launcher runs where a kernel was expected. A user sees its error in a server's log or a front end's "kernel died"
//! box, without a debugger and often without access to Vault. So every [`Kind`] is one cause that a user can act on,
//! with the exit code of its class (sysexits.h).
//!
//! The text consists of fixed words, paths, names, hosts and numbers. It never contains a response body, a header, a
//! token or a value. Control characters are escaped, so that a secret's name can't add a line.

use std::fmt;

use crate::mask::masked;

/// A cause of failure. [`Kind::exit_code`] gives its class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// The command line is wrong.
    Usage,
    /// Configuration is missing, malformed or contradictory.
    Config,
    /// A file of the program can't be read, or other users can write it.
    ConfigFile,
    /// No credential to log in with, or an invalid one.
    Credential,
    /// Nothing listens at the address.
    Refused,
    /// The connection broke before an answer came.
    Reset,
    /// No answer within the time allowed.
    TimedOut,
    /// The host name does not resolve.
    Dns,
    /// No route, no socket file, no permission on it.
    Unreachable,
    /// The certificate comes from an issuer that is not trusted here.
    TlsUnknownIssuer,
    /// The certificate is for another host.
    TlsWrongHost,
    /// The certificate is expired or not valid yet.
    TlsExpired,
    /// Any other failure of TLS.
    Tls,
    /// `https://` for a port that speaks plain HTTP.
    TlsToPlainHttp,
    /// `http://` for a port that speaks TLS.
    PlainHttpToTls,
    /// The proxy refused or failed.
    Proxy,
    /// A redirect that is not followed: another host.
    RedirectOtherHost,
    /// A redirect that is not followed: from https to http.
    RedirectDowngrade,
    /// More than one redirect.
    RedirectLoop,
    /// A redirect with a status that Vault does not use.
    RedirectUnexpected,
    /// Vault (or a proxy before it) failed: 500, 502, 504 and the like.
    ServerError,
    /// Vault is sealed or not initialised (503).
    Sealed,
    /// A standby that can't answer the request (472, 473, 412).
    Standby,
    /// Too many requests (429).
    RateLimited,
    /// Vault does not know the token: mistyped, expired or revoked.
    BadToken,
    /// The token was valid earlier in this launch and no longer is: it expired, or has no uses left.
    TokenSpent,
    /// The token is valid, but its policies don't allow this.
    PolicyDenied,
    /// The login was refused.
    LoginRefused,
    /// The login requires a second factor.
    MfaRequired,
    /// The wrapping token was used already, has expired, or was altered.
    WrappedTokenUsed,
    /// The namespace does not exist.
    NamespaceMissing,
    /// Nothing is mounted at the path.
    MountMissing,
    /// The mount exists, the path does not.
    PathMissing,
    /// The field is not in the secret.
    FieldMissing,
    /// The current version is deleted (and can be restored).
    VersionDeleted,
    /// The current version is destroyed.
    VersionDestroyed,
    /// The mount has the other KV version, or is not KV.
    KvVersionMismatch,
    /// Another client changed the secret between this program's read and its write.
    Conflict,
    /// The value to replace has changed since the user saw it.
    Changed,
    /// Vault does not accept this path or request (400, 405).
    BadRequest,
    /// The answer is truncated.
    Truncated,
    /// The answer is larger than the limit.
    Oversized,
    /// The answer is not JSON.
    NotVault,
    /// The answer is JSON, but not of the expected shape.
    Malformed,
    /// A secret has the same key twice.
    DuplicateKey,
    /// A notebook that can't be read.
    BadNotebook,
    /// A value that a variable can't hold: null, or with a NUL.
    BadValue,
    /// A name that a variable can't have.
    BadName,
    /// A protected name: a variable that can take over a process.
    ProtectedName,
    /// The environment is larger than the system allows.
    EnvironmentTooLarge,
    /// The operating system refused an operation.
    Os,
    /// The kernel's connection file is malformed.
    ConnectionFile,
    /// A port of the connection file can't be bound.
    PortTaken,
    /// A client, or the kernel, signs with a key other than the connection file's.
    WrongSignature,
    /// No running kernel has that name, or several do.
    NoSuchKernel,
    /// Nothing listens at the connection file's ports.
    KernelGone,
    /// The kernel exited or restarted meanwhile.
    KernelDied,
    /// The process that listens at the kernel's port does not speak Jupyter's protocol.
    NotAKernel,
    /// The kernel was busy until the deadline.
    KernelBusy,
    /// The kernel is alive but does not answer.
    KernelSilent,
    /// The kernel reported an error.
    KernelFailed,
    /// Variables can't be set in a running kernel of this language.
    KernelCannot,
    /// A Jupyter server requires a token, or a different one.
    ServerDenied,
    /// A Jupyter server is unreachable, or fails.
    ServerDown,
    /// The server at that address is not a Jupyter server.
    NotJupyter,
    /// A bug in this program.
    Internal,
    /// The command exists and can't be executed.
    CommandNotExecutable,
    /// The command does not exist.
    CommandNotFound,
}

impl Kind {
    /// The exit code of the class, from sysexits.h; 126 and 127 have the meaning that they have in a shell.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 64,
            Self::Truncated
            | Self::Oversized
            | Self::NotVault
            | Self::Malformed
            | Self::DuplicateKey
            | Self::BadNotebook
            | Self::BadValue
            | Self::BadName
            | Self::ProtectedName
            | Self::EnvironmentTooLarge => 65,
            Self::MountMissing
            | Self::PathMissing
            | Self::FieldMissing
            | Self::VersionDeleted
            | Self::VersionDestroyed => 66,
            Self::Refused
            | Self::Reset
            | Self::TimedOut
            | Self::Dns
            | Self::Unreachable
            | Self::TlsUnknownIssuer
            | Self::TlsWrongHost
            | Self::TlsExpired
            | Self::Tls
            | Self::TlsToPlainHttp
            | Self::PlainHttpToTls
            | Self::Proxy
            | Self::RedirectOtherHost
            | Self::RedirectDowngrade
            | Self::RedirectLoop
            | Self::RedirectUnexpected
            | Self::ServerError => 69,
            Self::Internal => 70,
            Self::Os => 71,
            Self::ConnectionFile => 72,
            Self::NoSuchKernel => 67,
            Self::KernelGone => 68,
            Self::PortTaken => 73,
            Self::KernelDied => 74,
            Self::WrongSignature => 76,
            Self::NotAKernel => 79,
            Self::KernelBusy => 80,
            Self::KernelSilent => 81,
            Self::KernelFailed => 82,
            Self::KernelCannot => 83,
            Self::ServerDenied => 84,
            Self::ServerDown => 85,
            Self::NotJupyter => 86,
            Self::Changed => 87,
            Self::Sealed | Self::Standby | Self::RateLimited | Self::Conflict => 75,
            Self::BadToken
            | Self::TokenSpent
            | Self::PolicyDenied
            | Self::LoginRefused
            | Self::MfaRequired
            | Self::WrappedTokenUsed => 77,
            Self::Config
            | Self::ConfigFile
            | Self::Credential
            | Self::NamespaceMissing
            | Self::KvVersionMismatch
            | Self::BadRequest => 78,
            Self::CommandNotExecutable => 126,
            Self::CommandNotFound => 127,
        }
    }

    /// Whether the same request may succeed a moment later, so that a retry makes sense.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Refused | Self::Reset | Self::Sealed | Self::Standby | Self::RateLimited)
    }
}

/// A failure: its [`Kind`], what failed and where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: Kind,
    what: String,
    advice: String,
}

/// Why the system refused an operation, in words that users know.
pub(crate) fn why(kind: std::io::ErrorKind) -> String {
    match kind {
        std::io::ErrorKind::NotFound => "no such file or folder".to_owned(),
        kind => kind.to_string(),
    }
}

/// The result of an operation of this program.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Builds an error from its two lines; control characters in them are escaped.
    #[must_use]
    pub fn new(kind: Kind, what: impl AsRef<str>, advice: impl AsRef<str>) -> Self {
        Self { kind, what: one_line(what.as_ref()), advice: one_line(advice.as_ref()) }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What failed and where: the first line.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// What to do: the second line.
    #[must_use]
    pub fn advice(&self) -> &str {
        &self.advice
    }

    /// The same text with another kind.
    #[cfg(feature = "inject")]
    #[must_use]
    pub(crate) const fn with_kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Adds a remark to the first line, such as "(gave up after 3 attempts)".
    #[must_use]
    pub fn remark(mut self, remark: &str) -> Self {
        self.what = format!("{} ({})", self.what, one_line(remark));
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}\n  {}", self.what, self.advice)
    }
}

impl std::error::Error for Error {}

/// The longest line, in characters; the middle of a longer one is left out.
const LONGEST: usize = 1000;

/// Hides what looks like a credential, escapes characters that would break the line, move the cursor or change the
/// reading direction, and shortens the text in its middle: a name in Vault or a kernel's message may have any length.
pub(crate) fn one_line(text: &str) -> String {
    let text = &*masked(text);
    let text = &*shortened(text);
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        let harmful = character.is_control()
            || matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}')
            || matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if harmful {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line
}

fn shortened(text: &str) -> std::borrow::Cow<'_, str> {
    // A text has no more characters than bytes.
    let count = if text.len() <= LONGEST { 0 } else { text.chars().count() };
    if count <= LONGEST {
        return text.into();
    }
    let half = LONGEST / 2;
    let at = |place: usize| text.char_indices().nth(place).map_or(text.len(), |(at, _)| at);
    format!("{} … ({} characters) … {}", &text[..at(half)], count - 2 * half, &text[at(count - half)..]).into()
}

#[cfg(test)]
mod tests {
    use super::{Error, Kind, one_line};

    #[test]
    fn a_long_text_is_shortened_in_its_middle() {
        let long = format!("begin{}ü{}end", "x".repeat(50_000), "y".repeat(50_000));
        let line = one_line(&long);
        assert!(line.len() < 1100 && line.starts_with("begin") && line.ends_with("end"), "{line}");
        assert!(line.contains("… (99009 characters) …"), "{line}");
        assert_eq!(one_line(&"é".repeat(1000)), "é".repeat(1000));
    }

    #[test]
    fn a_name_with_a_line_feed_does_not_add_a_line() {
        let error = Error::new(Kind::BadName, "the name \"A\nB\u{1b}[2J\" is refused", "rename it");
        assert_eq!(error.to_string().lines().count(), 2);
        assert!(!error.to_string().contains('\u{1b}'));
    }
}
