//! Connection files: the addresses where a kernel listens, and the keys that sign and encrypt its messages.
//!
//! Jupyter writes the file before it starts the kernel, and passes its path: see [`super::argument`].
//!
//! Source: "Connection files" in jupyter_client's documentation; CURVE keys since jupyter_client 8.9.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use super::endpoint::{Channel, Endpoint};
use super::signature::Scheme;
use crate::error::{Error, Kind, Result};
use crate::sys::file::{self, AllowedWriters};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 64 * 1024;

/// A CURVE key pair: 32 bytes each.
#[derive(Clone)]
pub struct CurveKeys {
    /// The public key, by which a client knows the kernel.
    pub public: [u8; 32],
    /// The secret key, by which the kernel proves that it owns the public one.
    pub secret: Zeroizing<[u8; 32]>,
}

/// A kernel's connection file. Debug output shows no key.
#[derive(Clone)]
pub struct ConnectionFile {
    path: PathBuf,
    ip: String,
    ipc: bool,
    ports: [u16; 5],
    key: Zeroizing<Vec<u8>>,
    scheme: Scheme,
    curve: Option<CurveKeys>,
    kernel_name: Option<String>,
    #[cfg(feature = "inject")]
    session: Option<String>,
}

impl std::fmt::Debug for ConnectionFile {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "ConnectionFile({})", self.path.display())
    }
}

#[derive(Deserialize)]
struct Raw {
    #[serde(default)]
    transport: Option<String>,
    #[serde(default)]
    ip: Option<String>,
    shell_port: i64,
    control_port: i64,
    stdin_port: i64,
    iopub_port: i64,
    hb_port: i64,
    #[serde(default)]
    key: String,
    #[serde(default)]
    signature_scheme: Option<String>,
    #[serde(default)]
    curve_publickey: Option<String>,
    #[serde(default)]
    curve_secretkey: Option<String>,
    #[serde(default)]
    kernel_name: Option<String>,
    #[cfg(feature = "inject")]
    #[serde(default)]
    jupyter_session: Option<String>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.key.zeroize();
        self.curve_secretkey.zeroize();
    }
}

impl ConnectionFile {
    /// Reads the file at `path`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = content(path, |_| Ok(())).map_err(|why| malformed(path, &why))?;
        Self::parse(path, &text)
    }

    /// Reads the file at `path`, if this user or root owns it: the file decides where secrets go.
    pub fn read_ours(path: &Path) -> Result<Self> {
        let text = content(path, |metadata| check_owner(metadata, path)).map_err(|why| malformed(path, &why))?;
        Self::parse(path, &text)
    }

    /// Parses `text`, the content of the file at `path`.
    pub fn parse(path: &Path, text: &[u8]) -> Result<Self> {
        let wrong = |why: &str| malformed(path, why);
        let mut raw: Raw = serde_json::from_slice(text).map_err(|cause| {
            // serde's own words may quote a value.
            wrong(&format!("it is not valid JSON (line {}, column {})", cause.line(), cause.column()))
        })?;
        let ipc = match raw.transport.as_deref() {
            None | Some("tcp") => false,
            Some("ipc") => true,
            Some(_) => return Err(wrong("its transport is neither tcp nor ipc")),
        };
        let mut ports = [0; 5];
        let given = [raw.shell_port, raw.control_port, raw.stdin_port, raw.iopub_port, raw.hb_port];
        for ((place, port), channel) in ports.iter_mut().zip(given).zip(Channel::ALL) {
            let number = u16::try_from(port).ok().filter(|port| *port != 0);
            *place = number.ok_or_else(|| wrong(&format!("its {} is not a port", channel.key())))?;
        }
        let ip = raw.ip.take().filter(|ip| !ip.is_empty());
        let ip = ip.unwrap_or_else(|| if ipc { "kernel-ipc".to_owned() } else { "127.0.0.1".to_owned() });
        if ip.contains('\0') {
            return Err(wrong("its ip contains a NUL"));
        }
        let scheme = Scheme::named(raw.signature_scheme.as_deref().unwrap_or("hmac-sha256"))
            .ok_or_else(|| wrong("its signature_scheme is unknown (such as hmac-sha256)"))?;
        let curve = match (raw.curve_publickey.as_deref(), raw.curve_secretkey.as_deref()) {
            (None | Some(""), None | Some("")) => None,
            (Some(public), Some(secret)) => Some(CurveKeys {
                public: *curve_key(public).ok_or_else(|| wrong("its curve_publickey is not a Z85 key"))?,
                secret: curve_key(secret).ok_or_else(|| wrong("its curve_secretkey is not a Z85 key"))?,
            }),
            _ => return Err(wrong("it has only one of curve_publickey and curve_secretkey")),
        };
        Ok(Self {
            path: path.to_owned(),
            ip,
            ipc,
            ports,
            key: Zeroizing::new(std::mem::take(&mut raw.key).into_bytes()),
            scheme,
            curve,
            kernel_name: raw.kernel_name.take(),
            #[cfg(feature = "inject")]
            session: raw.jupyter_session.take(),
        })
    }

    /// The file's own path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The endpoint of `channel`.
    pub fn endpoint(&self, channel: Channel) -> Endpoint {
        let port = self.ports[channel as usize];
        if self.ipc { Endpoint::Ipc(format!("{}-{port}", self.ip).into()) } else { Endpoint::tcp(&self.ip, port) }
    }

    /// The key that signs messages; empty if they are not signed.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The signature scheme.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The keys of the encryption, if connections are encrypted.
    pub const fn curve(&self) -> Option<&CurveKeys> {
        self.curve.as_ref()
    }

    /// The name of the kernelspec, if the file has it.
    pub fn kernel_name(&self) -> Option<&str> {
        self.kernel_name.as_deref()
    }

    /// The notebook that the kernel was started for, as in `JPY_SESSION_NAME`; older clients do not write it.
    #[cfg(feature = "inject")]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }
}

/// Checks that the owner of a file in the runtime folder is trusted: the user or root, and for root the folder's owner.
/// Another user's file would lead secrets to that user.
pub fn check_owner(metadata: &Metadata, path: &Path) -> Result<(), String> {
    let us = nix::unistd::geteuid().as_raw();
    let folders_owner = || {
        let folder = std::fs::metadata(path.parent()?).ok()?;
        (us == 0 && folder.mode() & 0o002 == 0).then_some(folder.uid())
    };
    let owner = metadata.uid();
    if ![0, us].contains(&owner) && folders_owner() != Some(owner) {
        return Err(format!("it belongs to another user (uid {owner})"));
    }
    if metadata.mode() & 0o002 != 0 {
        return Err("every user can write it".to_owned());
    }
    Ok(())
}

/// The text of the file at `path`, if `check` accepts it; otherwise the reason, as the end of a sentence.
pub(super) fn content(
    path: &Path,
    check: impl Fn(&Metadata) -> Result<(), String>,
) -> Result<Zeroizing<Vec<u8>>, String> {
    let (text, metadata) =
        file::read_with_metadata(path, LARGEST, AllowedWriters::Anyone).map_err(|why| format!("it {why}"))?;
    check(&metadata)?;
    Ok(Zeroizing::new(text))
}

fn curve_key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    // The crate also accepts padded text and longer keys.
    let decoded = Zeroizing::new((text.len() == 40).then(|| z85::decode(text).ok()).flatten()?);
    Some(Zeroizing::new(decoded.as_slice().try_into().ok()?))
}

pub(super) fn malformed(path: &Path, why: &str) -> Error {
    Error::new(
        Kind::ConnectionFile,
        format!("the connection file {} can't be used: {why}", path.display()),
        "start the kernel again from Jupyter, which writes a new one",
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::kernel) const GOOD: &str = r#"{"shell_port": 1, "control_port": 2, "stdin_port": 3, "iopub_port": 4, "hb_port": 65535,
        "ip": "127.0.0.1", "key": "k", "transport": "tcp", "signature_scheme": "hmac-sha256", "kernel_name": "x"}"#;

    fn parse(text: &str) -> Result<ConnectionFile> {
        ConnectionFile::parse(Path::new("c.json"), text.as_bytes())
    }

    #[test]
    fn each_channel_has_the_port_of_its_own_key() {
        let file = parse(GOOD).unwrap();
        let endpoint = |channel| file.endpoint(channel).to_string();
        assert_eq!(Channel::ALL.map(endpoint).map(|end| end.replace("127.0.0.1:", "")), ["1", "2", "3", "4", "65535"]);
        let ipc = parse(&GOOD.replace("tcp", "ipc").replace("127.0.0.1", "/run/x-ipc")).unwrap();
        assert_eq!(ipc.endpoint(Channel::Stdin), Endpoint::Ipc("/run/x-ipc-3".into()));
    }

    #[test]
    fn a_malformed_file_is_refused_and_no_key_is_quoted() {
        for (from, to) in [
            ("65535", "65536"),
            ("\"shell_port\": 1", "\"shell_port\": 0"),
            ("\"shell_port\": 1", "\"shell_port\": \"canary\""),
            ("\"shell_port\": 1", "\"shell_prot\": 1"),
            ("\"tcp\"", "\"canary\""),
            ("hmac-sha256", "hmac-canary"),
            ("\"kernel_name\"", "\"curve_publickey\": \"canary\", \"kernel_name\""),
            ("\"kernel_name\"", "\"curve_publickey\": \"canary\", \"curve_secretkey\": \"canary\", \"kernel_name\""),
            ("\"k\"", "canary"),
            // Jupyter rejects a byte order mark too.
            ("{", "\u{feff}{"),
        ] {
            let error = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert_eq!(error.kind(), Kind::ConnectionFile, "{to}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn debug_output_shows_no_key() {
        assert_eq!(format!("{:?}", parse(GOOD).unwrap()), "ConnectionFile(c.json)");
    }
}
