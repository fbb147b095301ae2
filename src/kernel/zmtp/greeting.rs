//! The first 64 bytes of a connection: a signature, the version, the security mechanism.

use super::Violation;

/// The length of a greeting, in bytes.
pub const LENGTH: usize = 64;
/// The length of the part that identifies the protocol.
pub const SIGNATURE: usize = 10;

/// The supported security mechanisms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// No encryption; the connection file's key signs.
    Null,
    /// Encrypted; the kernel proves its identity with its key.
    Curve,
}

impl Mechanism {
    const fn name(self) -> &'static [u8] {
        match self {
            Self::Null => b"NULL",
            Self::Curve => b"CURVE",
        }
    }
}

/// The bytes of this side's greeting.
pub fn compose(mechanism: Mechanism, as_server: bool) -> [u8; LENGTH] {
    let mut greeting = [0; LENGTH];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[11] = 1;
    let name = mechanism.name();
    greeting[12..12 + name.len()].copy_from_slice(name);
    greeting[32] = u8::from(as_server && mechanism == Mechanism::Curve);
    greeting
}

/// Checks the other side's greeting against this side's mechanism.
pub fn check(greeting: &[u8; LENGTH], mechanism: Mechanism) -> Result<(), Violation> {
    if greeting[0] != 0xff || greeting[9] & 1 != 1 {
        return Err(Violation("the signature is not ZMTP's"));
    }
    if greeting[10] < 3 {
        return Err(Violation("the version is older than ZMTP 3"));
    }
    let named = &greeting[12..32];
    let length = named.iter().position(|byte| *byte == 0).unwrap_or(named.len());
    if &named[..length] != mechanism.name() {
        return Err(Violation("the other side uses another security mechanism"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_understood_by_its_own_mechanism_alone() {
        let curve = compose(Mechanism::Curve, true);
        assert_eq!(check(&curve, Mechanism::Curve), Ok(()));
        assert!(check(&curve, Mechanism::Null).is_err());
        let mut old = compose(Mechanism::Null, false);
        old[10] = 1;
        assert!(check(&old, Mechanism::Null).is_err());
        assert!(check(&[b'G'; 64], Mechanism::Null).is_err());
    }
}
