//! Values in a file, for kernels whose code can't read from stdin.
//!
//! The file is in this program's own folder, which only this user can enter, and the code removes the file as soon as
//! it has opened it. This process removes it too, also after an error. If this process is killed first, the next
//! launch or injection sees from the file's name that the process no longer exists, and removes the file.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde_json::json;
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::attempt::{ANSWER, CodeOutcome, not_begun, request};
use super::code::CodeChange;
use super::wait::Wait;
use crate::error::{Error, Kind, Result};
use crate::inject::link::Link;
use crate::launch::files::one_shot;
use crate::secret::{SecretSet, SecretValue};
use crate::sys::file::{self, AllowedWriters};

/// The longest list of kept names that is read, in bytes.
const LARGEST_KEPT: u64 = 4 * 1024 * 1024;

/// The files that the code creates beside it; removed when dropped.
struct Companions([PathBuf; 2]);

impl Companions {
    fn of(file: &str) -> Self {
        Self([format!("{file}.done").into(), format!("{file}.part").into()])
    }
}

impl Drop for Companions {
    fn drop(&mut self) {
        for path in &self.0 {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The values, and the code that reads them.
pub(super) struct Values<'a> {
    /// Gives the code, for a file's path.
    pub(super) code: fn(&str, &CodeChange<'_>) -> String,
    /// The variables.
    pub(super) wanted: &'a SecretSet,
    /// The folder in which the file is made.
    pub(super) folder: &'a Path,
}

/// Sends the code once.
pub(super) async fn attempt(
    link: &mut Link,
    &Values { code, wanted, folder }: &Values<'_>,
    change: &CodeChange<'_>,
    patience: &mut Wait<'_>,
) -> Result<CodeOutcome> {
    let file = one_shot(&content(change, wanted), folder)?;
    let path = file.to_str().ok_or_else(|| {
        let what = format!("the path of the folder {} is not UTF-8, so code can't name it", folder.display());
        Error::new(Kind::KernelCannot, what, "set JUPYTER_RUNTIME_DIR to another folder")
    })?;
    let beside = Companions::of(path);
    let id = patience.execute(link, &request(&code(path, change), &json!({}))).await?;
    let mut replies = |message: &crate::kernel::message::KernelMessage| message.is("execute_reply", &id);
    let mut reply = patience.next(link, &mut replies).await?;
    if reply.is_none() && !file.exists() {
        patience.extend(Instant::now() + ANSWER);
        reply = patience.next(link, &mut replies).await?;
    }
    let Some(reply) = reply else { return Err(patience.verdict(link).await) };
    if let Ok(kept) = file::read(&beside.0[0], LARGEST_KEPT, AllowedWriters::Anyone) {
        let kept = String::from_utf8_lossy(&kept);
        return Ok(CodeOutcome::All { kept: kept.split_terminator('\0').map(str::to_owned).collect() });
    }
    if !file.exists() {
        return Err(failed("the kernel could not set the variables"));
    }
    if not_begun(&reply) || SystemTime::now() >= change.until {
        return Ok(CodeOutcome::Late);
    }
    Err(failed("the kernel could not read the file with the values: it runs as another user, or on another machine"))
}

/// Three texts for each variable, each with a NUL at its end.
fn content(change: &CodeChange<'_>, wanted: &SecretSet) -> SecretValue {
    let size = wanted.iter().map(|(name, value)| name.as_str().len() + value.expose().len() + 4).sum();
    let mut content = Zeroizing::new(Vec::with_capacity(size));
    let mut add = |kind: &str, name: &str, value: &[u8]| {
        for part in [kind.as_bytes(), name.as_bytes(), value] {
            content.extend_from_slice(part);
            content.push(0);
        }
    };
    for (name, value) in wanted.iter() {
        let name = name.as_str();
        if change.set.contains(&name) {
            add(if change.keep.contains(&name) { "?" } else { "=" }, name, value.expose());
        }
    }
    for name in &change.unset {
        add("-", name, b"");
    }
    SecretValue::new(std::mem::take(&mut content))
}

fn failed(what: &str) -> Error {
    Error::new(
        Kind::KernelFailed,
        what,
        "restart the kernel: a launch by jupyter-vault sets them before the kernel starts",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::SecretName;

    #[test]
    fn the_file_has_three_texts_for_each_variable() {
        let mut wanted = SecretSet::default();
        for (name, value) in [("A", "1\n2"), ("B", ""), ("no name in a shell", "x")] {
            wanted.insert(SecretName::new(name, &[], "kv/a").unwrap(), SecretValue::new(value.into()));
        }
        let change = CodeChange { set: vec!["A", "B"], keep: vec!["B"], unset: vec!["C"], until: SystemTime::now() };
        assert_eq!(content(&change, &wanted).expose(), b"=\0A\x001\n2\0?\0B\0\0-\0C\0\0");
    }
}
