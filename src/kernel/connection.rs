//! Connection files: where a kernel listens, what signs its messages, what encrypts them.
//!
//! Jupyter writes the file before it starts the kernel and passes its path in argv, each kernel with
//! an option of its own (`-f FILE`, `--connection-file=FILE`, `--conn FILE`, a bare `FILE`). So a file is
//! known by what is in it, and, when it can't be read as one, by how it is passed.
//!
//! Source: "Connection files" in jupyter_client's documentation; CURVE keys since jupyter_client 8.9.

use std::ffi::{OsStr, OsString};
use std::fs::{Metadata, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc;
use serde::Deserialize;
use zeroize::{Zeroize, Zeroizing};

use super::signature::Scheme;
use crate::error::{Error, Kind, Result};

/// The largest file taken, in bytes.
const LARGEST: u64 = 64 * 1024;

/// One of a kernel's five sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Requests in order.
    Shell,
    /// Requests that do not wait: shutdown, interrupt.
    Control,
    /// What a kernel asks its user.
    Stdin,
    /// What every client sees.
    IoPub,
    /// Bytes that come back.
    Heartbeat,
}

impl Channel {
    /// All five.
    pub const ALL: [Self; 5] = [Self::Shell, Self::Control, Self::Stdin, Self::IoPub, Self::Heartbeat];

    /// The name of its port in a connection file.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Shell => "shell_port",
            Self::Control => "control_port",
            Self::Stdin => "stdin_port",
            Self::IoPub => "iopub_port",
            Self::Heartbeat => "hb_port",
        }
    }
}

/// Where one channel listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A host (a name, an address, or `*` for all) and a port.
    Tcp(String, u16),
    /// A socket file.
    Ipc(PathBuf),
}

impl Endpoint {
    /// The port, where it has one.
    #[must_use]
    pub const fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(_, port) => Some(*port),
            Self::Ipc(_) => None,
        }
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(host, port) => write!(out, "{host}:{port}"),
            Self::Ipc(path) => write!(out, "{}", path.display()),
        }
    }
}

/// A CURVE key pair: 32 bytes each.
#[derive(Clone)]
pub struct CurveKeys {
    /// What a client knows the kernel by.
    pub public: [u8; 32],
    /// What proves it.
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
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.key.zeroize();
        self.curve_secretkey.zeroize();
    }
}

impl ConnectionFile {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`Kind::ConnectionFile`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = content(path, |_| Ok(())).map_err(|why| malformed(path, &why))?;
        Self::parse(path, &text)
    }

    /// Reads the file at `path`, if it is one of ours: it says where secrets go.
    ///
    /// # Errors
    /// [`Kind::ConnectionFile`].
    pub fn read_ours(path: &Path) -> Result<Self> {
        let text = content(path, |metadata| is_ours(metadata, path)).map_err(|why| malformed(path, &why))?;
        Self::parse(path, &text)
    }

    /// Reads the file at `path` for a kernel that is to listen there, on five ports.
    fn read_to_listen(path: &Path) -> Result<Self> {
        let file = Self::read(path)?;
        for (at, channel) in Channel::ALL.into_iter().enumerate() {
            if let Some(before) = file.ports[..at].iter().position(|port| *port == file.ports[at]) {
                let why = format!("its {} and {} are the same", Channel::ALL[before].key(), channel.key());
                return Err(malformed(path, &why));
            }
        }
        Ok(file)
    }

    /// Takes `text` for the content of the file at `path`.
    ///
    /// # Errors
    /// [`Kind::ConnectionFile`], saying which key is wrong; never what it holds.
    pub fn parse(path: &Path, text: &[u8]) -> Result<Self> {
        let wrong = |why: &str| malformed(path, why);
        let mut raw: Raw = serde_json::from_slice(text).map_err(|cause| {
            // serde's own words may quote a value.
            wrong(&format!("it is not the JSON of one (line {}, column {})", cause.line(), cause.column()))
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
            *place = number.ok_or_else(|| wrong(&format!("its {} is no port", channel.key())))?;
        }
        let ip = raw.ip.take().filter(|ip| !ip.is_empty());
        let ip = ip.unwrap_or_else(|| if ipc { "kernel-ipc".to_owned() } else { "127.0.0.1".to_owned() });
        if ip.contains('\0') {
            return Err(wrong("its ip holds a NUL"));
        }
        let scheme = Scheme::named(raw.signature_scheme.as_deref().unwrap_or("hmac-sha256"))
            .ok_or_else(|| wrong("its signature_scheme is none that we know (hmac-sha256 and its kin)"))?;
        let curve = match (raw.curve_publickey.as_deref(), raw.curve_secretkey.as_deref()) {
            (None | Some(""), None | Some("")) => None,
            (Some(public), Some(secret)) => Some(CurveKeys {
                public: *curve_key(public).ok_or_else(|| wrong("its curve_publickey is no key in Z85"))?,
                secret: curve_key(secret).ok_or_else(|| wrong("its curve_secretkey is no key in Z85"))?,
            }),
            _ => return Err(wrong("it has one of curve_publickey and curve_secretkey, and not the other")),
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
        })
    }

    /// The connection file that a kernel's command line names, if it names one that exists.
    ///
    /// # Errors
    /// [`Kind::ConnectionFile`] for an argument that is passed as one and can't be read as one.
    pub fn in_command(command: &[OsString]) -> Result<Option<Self>> {
        let mut passed = None;
        let mut option: &OsStr = OsStr::new("");
        for argument in command.iter().skip(1) {
            let (name, value) = split(argument).unwrap_or((option, argument));
            option = argument;
            let path = Path::new(value);
            if !path.is_file() {
                // A shell that is to start the kernel has its whole command as one argument.
                if let Some(path) = words(argument).find(|path| path.is_file() && holds_one(path)) {
                    return Self::read_to_listen(path).map(Some);
                }
                continue;
            }
            if holds_one(path) {
                return Self::read_to_listen(path).map(Some);
            }
            if value.as_bytes().ends_with(b".json") && passed_as_one(name, path) {
                passed = Some(path);
            }
        }
        passed.map(Self::read_to_listen).transpose()
    }

    /// The path of the connection file that a kernel's command line names. What is passed as one, or is
    /// called as one, is taken for one without a look.
    #[must_use]
    pub fn path_in_command(command: &[OsString]) -> Option<&Path> {
        let mut option: &OsStr = OsStr::new("");
        command.iter().skip(1).find_map(|argument| {
            let (name, value) = split(argument).unwrap_or((option, argument));
            option = argument;
            let path = Path::new(value);
            let is_one = || passed_as_one(name, path) || holds_one(path);
            (value.as_bytes().ends_with(b".json") && is_one()).then_some(path)
        })
    }

    /// The file's own path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where `channel` listens.
    #[must_use]
    pub fn endpoint(&self, channel: Channel) -> Endpoint {
        let port = self.ports[channel as usize];
        if self.ipc {
            Endpoint::Ipc(format!("{}-{port}", self.ip).into())
        } else {
            Endpoint::Tcp(self.ip.clone(), port)
        }
    }

    /// What messages are signed with; empty: they are not.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// How they are signed.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The keys of the encryption, if there is one.
    #[must_use]
    pub const fn curve(&self) -> Option<&CurveKeys> {
        self.curve.as_ref()
    }

    /// The name of the kernelspec, if the file tells it.
    #[must_use]
    pub fn kernel_name(&self) -> Option<&str> {
        self.kernel_name.as_deref()
    }
}

/// The options that kernels take a connection file by.
const OPTIONS: &[&str] = &[
    "-f",
    "--f",
    "--connection-file",
    "--connection_file",
    "--conn",
    "--control_file",
    "--config-path",
    "--IPKernelApp.connection_file",
];

/// Whether the file at `path` is a connection file by how it is passed.
fn passed_as_one(option: &OsStr, path: &Path) -> bool {
    let file = path.file_name().unwrap_or_default().as_bytes();
    OPTIONS.iter().any(|known| option == *known) || file.starts_with(b"kernel-")
}

/// `--option=value`, taken apart.
fn split(argument: &OsStr) -> Option<(&OsStr, &OsStr)> {
    let bytes = argument.as_bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=').filter(|_| bytes.starts_with(b"-"))?;
    Some((OsStr::from_bytes(&bytes[..equals]), OsStr::from_bytes(&bytes[equals + 1..])))
}

/// The words of a shell's command, and what stands in quotes there.
fn words(argument: &OsStr) -> impl Iterator<Item = &Path> {
    let has_words = argument.as_bytes().contains(&b' ');
    let quoted = argument.as_bytes().split(|byte| matches!(byte, b'\'' | b'"')).filter(move |_| has_words);
    let pieces = quoted.flat_map(|text| [text].into_iter().chain(text.split(u8::is_ascii_whitespace)));
    pieces
        .filter(|word| !word.is_empty())
        .map(|word| Path::new(split(OsStr::from_bytes(word)).map_or(OsStr::from_bytes(word), |(_, value)| value)))
}

fn holds_one(path: &Path) -> bool {
    content(path, |_| Ok(())).is_ok_and(|text| is_one(&text))
}

/// Whether a JSON object speaks of a kernel's ports, whatever else is wrong with it.
fn is_one(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Telltale {
        #[serde(default)]
        shell_port: Option<serde::de::IgnoredAny>,
        #[serde(default)]
        iopub_port: Option<serde::de::IgnoredAny>,
    }
    serde_json::from_slice::<Telltale>(text).is_ok_and(|file| file.shell_port.is_some() || file.iopub_port.is_some())
}

/// Whether a file of the runtime folder was written by whom that may be: the user or root, and for root the
/// folder's owner. Somebody else's would lead secrets to somebody else.
///
/// # Errors
/// What is wrong, as the end of a sentence.
pub fn is_ours(metadata: &Metadata, path: &Path) -> Result<(), String> {
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
        return Err("it can be written by everybody".to_owned());
    }
    Ok(())
}

fn content(path: &Path, check: impl Fn(&Metadata) -> Result<(), String>) -> Result<Zeroizing<Vec<u8>>, String> {
    let unreadable = |cause: std::io::Error| format!("it can't be read: {}", cause.kind());
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if !metadata.is_file() || metadata.len() > LARGEST {
        return Err("it is not a plain file of at most 64 KiB".to_owned());
    }
    check(&metadata)?;
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1));
    file.take(LARGEST).read_to_end(&mut text).map_err(unreadable)?;
    Ok(text)
}

fn curve_key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    // The crate takes padded text too, and longer keys.
    let decoded = Zeroizing::new((text.len() == 40).then(|| z85::decode(text).ok()).flatten()?);
    Some(Zeroizing::new(decoded.as_slice().try_into().ok()?))
}

fn malformed(path: &Path, why: &str) -> Error {
    Error::new(
        Kind::ConnectionFile,
        format!("the connection file {} can't be used: {why}", path.display()),
        "start the kernel again from Jupyter, which writes a new one",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"shell_port": 1, "control_port": 2, "stdin_port": 3, "iopub_port": 4, "hb_port": 65535,
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
            // Jupyter reads none with a byte order mark either.
            ("{", "\u{feff}{"),
        ] {
            let error = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert_eq!(error.kind(), Kind::ConnectionFile, "{to}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn it_is_found_in_a_command_however_it_is_passed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.display().to_string()
        };
        let good = write("it's a kernel.json", GOOD);
        let (plain, other) = (write("connection", GOOD), write("settings.json", "{}"));
        let (malformed, same) = (write("kernel-1.json", "{"), write("same", &GOOD.replace("65535", "1")));
        let find = |words: &[&str]| {
            let command: Vec<OsString> = ["k"].iter().chain(words).map(Into::into).collect();
            ConnectionFile::in_command(&command).map(|found| found.map(|file| file.path.display().to_string()))
        };
        let line = |option: &str, path: &str| format!("{option}{path}");
        assert_eq!(find(&["-m", "x", "-f", &good]).unwrap().as_ref(), Some(&good));
        assert_eq!(find(&[&other, &line("--conn=", &good)]).unwrap().as_ref(), Some(&good));
        for shell in [
            format!("source activate && exec python -m x -f {plain}"),
            format!("exec x --conn={plain} >/dev/null"),
            format!("exec x -f '{plain}'"),
        ] {
            assert_eq!(find(&["-c", &shell]).unwrap().as_ref(), Some(&plain), "{shell}");
        }
        for none in [&["-f", other.trim_end_matches("json")], &[other.as_str(), "x"], &["-c", "exec x -f nowhere.json"]]
        {
            assert_eq!(find(none).unwrap(), None, "{none:?}");
        }
        let wrong = |words: &[&str]| find(words).unwrap_err().to_string();
        assert!(wrong(&["-f", &malformed]).contains("not the JSON"));
        assert!(wrong(&["-f", &same]).contains("its shell_port and hb_port are the same"), "{}", wrong(&["-f", &same]));
    }

    #[test]
    fn debug_output_shows_no_key() {
        assert_eq!(format!("{:?}", parse(GOOD).unwrap()), "ConnectionFile(c.json)");
    }
}
