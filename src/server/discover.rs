//! Finds this user's servers and kernels on this machine, by their files in the runtime folder.
//!
//! A running server has a `jpserver-PID.json` there, with its address and token; a kernel has a `kernel-ID.json`.
//! Both files outlive a killed process. So a server is taken to run while its process exists, and a kernel while
//! something listens on its port. These files decide where secrets go, so only files written by this user or by root
//! are read.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::Deserialize;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::address::Base;
use super::rest::is_id;
use crate::config::credential::Credential;
use crate::kernel::client::stream;
use crate::kernel::connection::{ConnectionFile, check_owner};
use crate::kernel::endpoint::{Channel, reached_at};
use crate::net::address::{Address, Tcp};
use crate::secret::SecretValue;
use crate::sys::file::{self, AllowedWriters};

/// The largest server file accepted, in bytes.
const LARGEST: u64 = 64 * 1024;
/// The time limit for connecting to a kernel's port.
const CONNECT: Duration = Duration::from_secs(2);

/// A running server, as its file describes it.
#[derive(Debug)]
pub struct RunningServer {
    /// Where it listens.
    pub base: Base,
    /// Its token, if it has one.
    pub token: Option<Credential>,
}

#[derive(Deserialize)]
struct ServerFile {
    pid: i32,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    secure: bool,
    #[serde(default)]
    base_url: String,
    #[serde(default)]
    sock: String,
    #[serde(default)]
    token: Zeroizing<String>,
}

/// Parses a server's file; `None` if it is malformed. `origin` is its path, for messages.
pub fn parse_server_file(text: &[u8], origin: &str) -> Option<(RunningServer, i32)> {
    let file: ServerFile = serde_json::from_slice(text).ok()?;
    let address = if file.sock.is_empty() {
        let host = reached_at(&file.hostname);
        let prefix = format!("/{}", file.base_url.trim_matches('/')).trim_end_matches('/').to_owned();
        if file.port == 0 || host.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            return None;
        }
        Address::Tcp(Tcp { https: file.secure, host: host.to_owned(), port: file.port, prefix })
    } else {
        Address::Unix(PathBuf::from(&file.sock))
    };
    let token = (!file.token.is_empty())
        .then(|| Credential { value: SecretValue::new(file.token.as_bytes().to_vec()), origin: origin.to_owned() });
    Some((RunningServer { base: Base::new(address, &file.base_url), token }, file.pid))
}

/// The servers that have a file in `runtime` and whose process exists.
pub fn servers(runtime: &Path) -> Vec<RunningServer> {
    let read = |path: &PathBuf| {
        let (text, metadata) = file::read_with_metadata(path, LARGEST, AllowedWriters::Anyone).ok()?;
        let text = Zeroizing::new(text);
        check_owner(&metadata, path).ok()?;
        let (found, pid) = parse_server_file(&text, &path.display().to_string())?;
        (pid > 0 && kill(Pid::from_raw(pid), None) != Err(nix::errno::Errno::ESRCH)).then_some(found)
    };
    files(runtime, "jpserver-").iter().filter_map(|(_, path)| read(path)).collect()
}

/// The connection files in `runtime` with their kernels' ids, including those of kernels that have exited.
pub fn connection_files(runtime: &Path) -> Vec<(String, PathBuf)> {
    files(runtime, "kernel-")
}

/// The id in a connection file's name, or else the file's stem.
pub fn id_of(file: &Path) -> Option<&str> {
    let stem = file.file_stem()?.to_str()?;
    Some(stem.strip_prefix("kernel-").filter(|id| is_id(id)).unwrap_or(stem))
}

fn files(runtime: &Path, prefix: &str) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(runtime).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let id = name.strip_prefix(prefix)?.strip_suffix(".json")?;
            is_id(id).then(|| (id.to_owned(), entry.path()))
        })
        .collect();
    found.sort();
    found
}

/// Whether something listens on the port of the connection file at `path`. Nothing is sent.
pub async fn listens(path: &Path) -> bool {
    let Ok(file) = ConnectionFile::read_ours(path) else { return false };
    let endpoint = file.endpoint(Channel::Heartbeat);
    timeout(CONNECT, stream(&endpoint)).await.is_ok_and(|stream| stream.is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<String> {
        parse_server_file(text.as_bytes(), "x").map(|(found, _)| found.base.to_string())
    }

    #[test]
    fn a_server_is_where_its_file_says_with_base_url_socket_and_tls() {
        for (text, shown) in [
            (r#"{"pid": 1, "port": 8888, "hostname": "localhost", "base_url": "/"}"#, "http://localhost:8888"),
            (
                r#"{"pid": 1, "port": 1, "hostname": "0.0.0.0", "base_url": "/user/ada/"}"#,
                "http://127.0.0.1:1/user/ada",
            ),
            (r#"{"pid": 1, "port": 1, "hostname": "::1", "secure": true}"#, "https://[::1]:1"),
            (r#"{"pid": 1, "port": 0, "sock": "/run/j.sock", "base_url": "/"}"#, "unix:///run/j.sock"),
            (r#"{"pid": 1, "sock": "/j.sock", "base_url": "/user/ada/"}"#, "http+unix://%2Fj%2Esock/user/ada"),
        ] {
            assert_eq!(address(text).as_deref(), Some(shown));
        }
        for none in
            ["{}", r#"{"pid": 1}"#, r#"{"pid": 1, "port": 70000}"#, "[", r#"{"pid":1,"port":1,"hostname":"a b"}"#]
        {
            assert_eq!(address(none), None, "{none}");
        }
    }

    #[tokio::test]
    async fn a_kernel_listens_at_an_address_in_brackets_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kernel-1.json");
        for (ip, address) in [("[::1]", "::1"), ("::1", "::1"), ("*", "127.0.0.1")] {
            let Ok(listener) = tokio::net::TcpListener::bind((address, 0)).await else { continue };
            let port = listener.local_addr().unwrap().port();
            let ports = ["shell", "control", "stdin", "iopub", "hb"].map(|name| format!("\"{name}_port\": {port}"));
            std::fs::write(&file, format!("{{{}, \"ip\": \"{ip}\"}}", ports.join(", "))).unwrap();
            assert!(listens(&file).await, "{ip}");
            drop(listener);
            assert!(!listens(&file).await, "{ip}");
        }
    }

    #[test]
    fn a_server_whose_process_has_exited_is_not_listed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, pid: u32| {
            std::fs::write(folder.path().join(name), format!(r#"{{"pid": {pid}, "port": 1, "token": "canary"}}"#))
                .unwrap();
        };
        write("jpserver-1.json", std::process::id());
        write("jpserver-2.json", i32::MAX as u32);
        let found = servers(folder.path());
        assert_eq!(found.len(), 1);
        assert!(!format!("{found:?}").contains("canary"));
    }
}
