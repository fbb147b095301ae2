//! The keeper's socket: a client's request, and the answer.
//!
//! The request is the name of an AWS profile in one line. The answer is one JSON object: the output of a
//! `credential_process` as AWS defines it, or an error. The socket is 0600 in a folder of 0700; both sides also ask
//! the system for the other side's user, and talk only to their own. A path in a runtime folder may be longer than a
//! socket's address may be, so the socket is reached through a descriptor of its folder.

use std::fs::{File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::libc;
use nix::unistd::geteuid;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, sleep, timeout};
use zeroize::Zeroizing;

use crate::config::source::is_aws_profile;
use crate::error::{Error, Kind, Result, why};

/// The longest request, in bytes, and the longest answer.
const LONGEST: usize = 128;
const LARGEST: u64 = 64 << 10;
/// How long one side waits for the other: a keeper may have to read the sources again before it answers.
const PATIENCE: Duration = Duration::from_secs(5);
const WAIT: Duration = Duration::from_secs(20);
/// How long a keeper that was just started may take to open its socket.
const START: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// The answer if there is no credential.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// What is wrong.
    pub(crate) error: String,
    /// What to do.
    pub(crate) advice: String,
}

/// The profile that a request names; `None` if it is not a request.
pub(crate) fn requested_profile(message: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(message).ok()?.strip_suffix('\n')?;
    is_aws_profile(line).then_some(line)
}

/// Whether these bytes are a request, and whether they are an answer without a credential.
#[cfg(feature = "internals")]
pub fn is_protocol(message: &[u8]) -> (bool, bool) {
    (requested_profile(message).is_some(), serde_json::from_slice::<Refusal>(message).is_ok())
}

/// The folder of `path`, and a short name for the file in it that is valid while the folder is open.
fn short(path: &Path) -> std::io::Result<(File, PathBuf)> {
    let (folder, name) = path.parent().zip(path.file_name()).ok_or(ErrorKind::InvalidInput)?;
    let folder = OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(folder)?;
    let short = Path::new("/proc/self/fd").join(folder.as_raw_fd().to_string()).join(name);
    Ok((folder, short))
}

/// Listens at `path`, in place of an earlier socket there.
pub(crate) fn listen(path: &Path) -> std::io::Result<UnixListener> {
    // Created under another name first, so that the socket never has another mode at `path`.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{:x}", fastrand::u64(..)));
    let own = path.with_file_name(name);
    let (_folder, short) = short(&own)?;
    let listener = UnixListener::bind(&short)?;
    let placed =
        std::fs::set_permissions(&own, Permissions::from_mode(0o600)).and_then(|()| std::fs::rename(&own, path));
    placed.map(|()| listener).inspect_err(|_| drop(std::fs::remove_file(&own)))
}

/// Whether the other side of a connection is this user.
pub(crate) fn is_same_user(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|peer| peer.uid() == geteuid().as_raw())
}

/// Reads the request of a client; `None` if it can't be answered.
pub(crate) async fn read(stream: &mut UnixStream) -> Option<String> {
    let mut message = Vec::new();
    let reading = async {
        while !message.ends_with(b"\n") && message.len() <= LONGEST {
            if stream.read_buf(&mut message).await.ok()? == 0 {
                return None;
            }
        }
        requested_profile(&message).map(str::to_owned)
    };
    timeout(PATIENCE, reading).await.ok()?
}

/// Sends a client its answer.
pub(crate) async fn answer(mut stream: UnixStream, text: Zeroizing<Vec<u8>>) {
    // The client may have disconnected.
    let _ = timeout(PATIENCE, async { stream.write_all(&text).await.and(stream.shutdown().await) }).await;
}

/// Asks the keeper at `path` for the credential of `profile`: a JSON object. The error is [`Kind::Unreachable`] if
/// there is no keeper, or else the keeper's own.
pub(crate) async fn ask(path: &Path, profile: &str) -> Result<Zeroizing<Vec<u8>>> {
    let gone = |why: &str| {
        Error::new(
            Kind::Unreachable,
            format!("the keeper of the AWS profile {profile} {why}"),
            "`jupyter-vault kernels` shows its state; a restart of the kernel starts a new one",
        )
    };
    let mut stream = connect(path).await.map_err(|cause| match cause.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => gone("no longer runs"),
        other => gone(&format!("can't be reached: {}", why(other))),
    })?;
    if !is_same_user(&stream) {
        return Err(gone("belongs to another user"));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(8 << 10));
    let asking = async {
        stream.write_all(format!("{profile}\n").as_bytes()).await?;
        (&mut stream).take(LARGEST).read_to_end(&mut text).await
    };
    match timeout(WAIT, asking).await {
        Err(_) => return Err(gone("does not answer")),
        Ok(Err(cause)) => return Err(gone(&format!("closed the connection: {}", why(cause.kind())))),
        Ok(Ok(0)) => return Err(gone("did not answer: its kernel may have exited")),
        Ok(Ok(_)) => {}
    }
    if let Ok(Refusal { error, advice }) = serde_json::from_slice(&text) {
        return Err(Error::new(Kind::Credential, error, advice));
    }
    Ok(text)
}

/// Connects; waits for a keeper that was just started.
async fn connect(path: &Path) -> std::io::Result<UnixStream> {
    let end = Instant::now() + START;
    loop {
        let tried = match short(path) {
            Ok((_folder, short)) => UnixStream::connect(short).await,
            Err(cause) => Err(cause),
        };
        match tried {
            Err(absent) if absent.kind() == ErrorKind::NotFound && Instant::now() < end => sleep(PAUSE).await,
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_one_profile_in_one_line() {
        assert_eq!(requested_profile(b"lake-1.a_B\n"), Some("lake-1.a_B"));
        let long = [&[b'a'; 65][..], b"\n"].concat();
        for wrong in
            [&b""[..], b"\n", b"lake", b"la ke\n", b"lake\nlake\n", b"-x\n", b"\xff\n", b"a/b\n", b"a\0\n", &long]
        {
            assert_eq!(requested_profile(wrong), None, "{wrong:?}");
        }
    }
}
