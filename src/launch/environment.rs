//! Builds the kernel's environment: the parent's variables without credentials, and the secrets.
//!
//! This is a pure function, since each of its rules protects a user: bytes stay as they are, even if they are not
//! UTF-8 or have no `=`; each name occurs once; what execve would refuse is found first, and the error names the
//! largest entry.

use std::collections::BTreeSet;
use std::ffi::CString;

use zeroize::Zeroize;

use crate::config::env::is_credential;
use crate::config::inheritance::{Inheritance, Winner};
use crate::error::{Error, Kind, Result};
use crate::secret::{SecretName, SecretSet, SecretValue};
use crate::sys::environ::name_and_value;
use crate::sys::exec::Space;

/// Builds the entries for execve from the `parent` entries that are kept and the `secrets`; a setting decides which
/// of two entries with one name takes precedence. The arguments already use `taken` bytes of `space`.
pub fn build(
    parent: &[CString],
    secrets: SecretSet,
    inheritance: &Inheritance,
    space: Space,
    taken: usize,
) -> Result<Vec<CString>> {
    let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
    let mut entries = Vec::with_capacity(parent.len() + secrets.len());
    for entry in parent {
        if let Some((name, _)) = name_and_value(entry.as_bytes()) {
            let replaced = inheritance.winner == Winner::Secret && secrets.contains(name);
            if is_credential(name) || replaced || !inheritance.keeps(name) || !seen.insert(name) {
                continue;
            }
        } else if !inheritance.keeps_unnamed() {
            continue;
        }
        entries.push(entry.clone());
    }
    let cost = |entry: &CString| entry.as_bytes_with_nul().len() + size_of::<usize>();
    let mut used = taken + size_of::<usize>() + entries.iter().map(cost).sum::<usize>();
    let mut largest: Option<(usize, SecretName)> = None;
    for (name, value) in secrets {
        if seen.contains(name.as_str().as_bytes()) {
            if inheritance.winner == Winner::Error {
                return Err(double(&name));
            }
            continue;
        }
        let length = name.as_str().len() + 1 + value.expose().len();
        if length > space.one {
            return Err(too_large(&name, length, "one variable", space.one));
        }
        let entry = join(&name, value)?;
        used += cost(&entry);
        entries.push(entry);
        if largest.as_ref().is_none_or(|(size, _)| length > *size) {
            largest = Some((length, name));
        }
    }
    match largest {
        Some((size, name)) if used > space.all => Err(too_large(&name, size, "all variables and arguments", space.all)),
        _ => Ok(entries),
    }
}

/// Refuses `secrets` that no environment can hold: such a kernel could start no program.
#[cfg(feature = "inject")]
pub fn fits(secrets: &SecretSet, space: Space) -> Result<()> {
    let length = |(name, value): &(&SecretName, &SecretValue)| name.as_str().len() + 1 + value.expose().len();
    let Some(largest) = secrets.iter().max_by_key(length) else { return Ok(()) };
    if length(&largest) > space.one {
        return Err(too_large(largest.0, length(&largest), "one variable", space.one));
    }
    let all: usize = secrets.iter().map(|one| length(&one) + 1 + size_of::<usize>()).sum();
    if all > space.all {
        return Err(too_large(largest.0, length(&largest), "all variables and arguments", space.all));
    }
    Ok(())
}

/// Makes `NAME=value` in one allocation, and wipes the value's own.
fn join(name: &SecretName, value: SecretValue) -> Result<CString> {
    let mut entry = Vec::with_capacity(name.as_str().len() + value.expose().len() + 2);
    entry.extend_from_slice(name.as_str().as_bytes());
    entry.push(b'=');
    entry.extend_from_slice(value.expose());
    drop(value);
    CString::new(entry).map_err(|cause| {
        cause.into_vec().zeroize();
        Error::new(
            Kind::BadValue,
            format!("the value of {} contains a NUL byte, which a variable can't hold", name.as_str()),
            "store it encoded, such as in base64",
        )
    })
}

fn double(name: &SecretName) -> Error {
    Error::new(
        Kind::Config,
        format!("the secret {0} and an inherited variable have the same name, {0}", name.as_str()),
        "rename one of them, or choose with `override` under [environment]: true for the secret, false for the other",
    )
}

fn too_large(name: &SecretName, size: usize, what: &str, limit: usize) -> Error {
    Error::new(
        Kind::EnvironmentTooLarge,
        format!(
            "the secret {} ({size} bytes) is too large: the system's limit is {limit} bytes for {what}",
            name.as_str()
        ),
        "deliver it as a file: set `field` and `file` in a [[source]] of vault.toml",
    )
}

#[cfg(test)]
mod tests {
    use super::{CString, Inheritance, SecretName, SecretSet, SecretValue, Space, Winner, build};
    use crate::error::Kind;

    const SPACE: Space = Space { one: 131_071, all: 2 << 20 };

    fn secrets(pairs: &[(&str, &str)]) -> SecretSet {
        let mut set = SecretSet::default();
        for (name, value) in pairs {
            let name = SecretName::new(name, &[], "kv/test").unwrap();
            set.insert(name, SecretValue::new(value.as_bytes().to_vec()));
        }
        set
    }

    fn built(parent: &[&[u8]], pairs: &[(&str, &str)], override_inherited: bool) -> Vec<Vec<u8>> {
        let parent: Vec<_> = parent.iter().map(|entry| CString::new(*entry).unwrap()).collect();
        let winner = if override_inherited { Winner::Secret } else { Winner::Inherited };
        let mut inheritance = Inheritance::default();
        inheritance.winner = winner;
        let entries = build(&parent, secrets(pairs), &inheritance, SPACE, 0).unwrap();
        entries.into_iter().map(CString::into_bytes).collect()
    }

    #[test]
    fn cases() {
        type Case<'a> = (&'a str, &'a [&'a [u8]], &'a [(&'a str, &'a str)], bool, &'a [&'a [u8]]);
        let table: &[Case<'_>] = &[
            ("a secret is added", &[b"A=1"], &[("B", "2")], true, &[b"A=1", b"B=2"]),
            ("a secret wins", &[b"A=1", b"C=3"], &[("A", "2")], true, &[b"C=3", b"A=2"]),
            ("or the inherited one does", &[b"A=1"], &[("A", "2")], false, &[b"A=1"]),
            ("the first of two entries stays", &[b"A=1", b"A=2"], &[], true, &[b"A=1"]),
            ("bytes stay", &[b"A=\xff\xfe\n=", b"\xff=1"], &[], true, &[b"A=\xff\xfe\n=", b"\xff=1"]),
            ("entries without = stay", &[b"odd", b"", b"odd"], &[], true, &[b"odd", b"", b"odd"]),
            ("credentials go", &[b"VAULT_TOKEN=x", b"KERNEL_VAULT_JWT=x", b"A=1"], &[], true, &[b"A=1"]),
            ("settings stay", &[b"VAULT_ADDR=x"], &[], true, &[b"VAULT_ADDR=x"]),
            ("values keep their = and lines", &[], &[("K", "a=b\nc")], true, &[b"K=a=b\nc"]),
        ];
        for (case, parent, pairs, override_inherited, expected) in table {
            assert_eq!(built(parent, pairs, *override_inherited), *expected, "{case}");
        }
    }

    #[test]
    fn what_is_too_large_is_named() {
        let long = "x".repeat(SPACE.one);
        let refused =
            build(&[], secrets(&[("BIG", &long), ("S", "1")]), &Inheritance::default(), SPACE, 0).unwrap_err();
        assert_eq!(refused.kind(), Kind::EnvironmentTooLarge);
        assert!(refused.what().contains("BIG") && !refused.what().contains("xxx"));
        let fits = "x".repeat(SPACE.one - "BIG=".len());
        assert!(build(&[], secrets(&[("BIG", &fits)]), &Inheritance::default(), SPACE, 0).is_ok());
        let many: Vec<_> = (0..20).map(|number| (format!("N{number:02}"), fits[..120_000].to_owned())).collect();
        let mut pairs: Vec<_> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        pairs.push(("LARGEST", &fits[..130_000]));
        let refused = build(&[], secrets(&pairs), &Inheritance::default(), SPACE, 0).unwrap_err();
        assert!(refused.what().contains("LARGEST"));
    }
}
