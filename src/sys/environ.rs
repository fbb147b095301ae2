//! The environment as bytes, from the block that execve made.
//!
//! `std::env::vars_os` skips entries without `=`, and leaves credentials where `/proc/PID/environ` shows them. [`take`]
//! copies every entry unchanged, returns the credentials separately, and overwrites them in the original block, so that
//! afterwards only a [`SecretValue`] holds them.

use std::ffi::{CStr, CString, c_char};

use crate::secret::SecretValue;

unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

/// The process's environment, with the credentials separated.
#[derive(Default)]
pub struct SplitEnvironment {
    /// Every entry that is not a credential, byte for byte, in order.
    pub entries: Vec<CString>,
    /// The credentials: name and value. Their entries in the original block are wiped.
    pub credentials: Vec<(String, SecretValue)>,
}

/// Copies the environment; entries whose name `is_credential` are kept apart and wiped in place.
///
/// In a process with several threads nothing is wiped: another thread could be reading.
pub fn take(is_credential: impl Fn(&[u8]) -> bool) -> SplitEnvironment {
    let alone = single_threaded();
    let mut taken = SplitEnvironment::default();
    // SAFETY: `environ` is null or points to a null-terminated array of C strings that live as long as the process.
    // Only setenv and similar functions write it, and a Rust caller must not call them concurrently either; the
    // launcher has one thread.
    unsafe {
        let mut slot = environ;
        while !slot.is_null() && !(*slot).is_null() {
            let entry = CStr::from_ptr(*slot).to_bytes();
            match name_and_value(entry) {
                Some((name, value)) if is_credential(name) => {
                    let name = String::from_utf8_lossy(name).into_owned();
                    taken.credentials.push((name, SecretValue::new(value.to_vec())));
                    if alone {
                        wipe(*slot, entry.len());
                    }
                }
                _ => taken.entries.push(CStr::from_ptr(*slot).to_owned()),
            }
            slot = slot.add(1);
        }
    }
    taken
}

/// Splits `NAME=value` at the first `=` after the first byte, as the C library does.
pub fn name_and_value(entry: &[u8]) -> Option<(&[u8], &[u8])> {
    let equals = entry.iter().skip(1).position(|byte| *byte == b'=')? + 1;
    Some((&entry[..equals], &entry[equals + 1..]))
}

/// Overwrites a C string of `length` bytes in place.
///
/// # Safety
/// `start` must be valid for writes of `length` bytes, with no other thread reading them.
unsafe fn wipe(start: *mut c_char, length: usize) {
    for offset in 0..length {
        // SAFETY: the caller guarantees that the string has `length` bytes.
        unsafe { start.add(offset).write_volatile(0) };
    }
}

#[cfg(target_os = "linux")]
fn single_threaded() -> bool {
    super::process::threads() == Some(1)
}

#[cfg(not(target_os = "linux"))]
fn single_threaded() -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::name_and_value;

    #[test]
    fn an_entry_is_split_at_the_first_equals_sign_after_its_first_byte() {
        assert_eq!(name_and_value(b"A=b=c"), Some((&b"A"[..], &b"b=c"[..])));
        assert_eq!(name_and_value(b"A="), Some((&b"A"[..], &b""[..])));
        assert_eq!(name_and_value(b"=A=b"), Some((&b"=A"[..], &b"b"[..])));
        assert_eq!(name_and_value(b"A"), None);
        assert_eq!(name_and_value(b""), None);
    }
}
