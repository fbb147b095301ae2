//! CURVE, the client's side: shows that it knows the kernel's public key, and trusts a peer that can answer.
//!
//! The kernel does not check the client's identity, so the client's long-term key is new each time.
//! Specification: <https://rfc.zeromq.org/spec/26/>.

use std::rc::Rc;

use crypto_box::aead::Aead;
use crypto_box::{PublicKey, SalsaBox, SecretKey};
use zeroize::Zeroizing;

use super::Violation;
use super::command::{Properties, compose, split};
use super::curve::{COOKIE, ConnectionKeys, HELLO_LENGTH, Side, UNOPENED, key, nonce, random};

/// The length of WELCOME's box: a short-term key and a cookie, sealed.
const WELCOME_BOX: usize = 32 + COOKIE + 16;

/// The client's key pair, for the lifetime of a client or a connection.
pub struct Pair {
    secret: SecretKey,
    public: PublicKey,
}

impl Pair {
    /// A new key pair.
    pub fn new() -> Result<Self, Violation> {
        let secret = SecretKey::from_bytes(*random::<32>()?);
        Ok(Self { public: secret.public_key(), secret })
    }
}

/// The state after HELLO: the client's short-term key, and its shared key with the kernel's long-term one.
pub struct HelloSent {
    short: Pair,
    cipher: SalsaBox,
}

/// The next state, and the body of HELLO for the owner of the key `kernel`.
pub fn hello(kernel: &PublicKey) -> Result<(HelloSent, Vec<u8>), Violation> {
    let short = Pair::new()?;
    let number = 1_u64.to_be_bytes();
    let cipher = SalsaBox::new(kernel, &short.secret);
    let sealed = cipher.encrypt(&nonce(b"CurveZMQHELLO---", &number)?, [0; 64].as_slice());
    let mut body = compose(b"HELLO", &[1, 0]);
    body.resize(HELLO_LENGTH - 80 - 8 - 32, 0);
    body.extend_from_slice(short.public.as_bytes());
    body.extend_from_slice(&number);
    body.extend_from_slice(&sealed.map_err(|_| UNOPENED)?);
    Ok((HelloSent { short, cipher }, body))
}

/// The state after INITIATE.
pub struct Initiated(ConnectionKeys);

impl HelloSent {
    /// Processes WELCOME: returns the body of INITIATE, and the next state. `ours` is the client's long-term key.
    pub fn initiate(
        self,
        kernel: &PublicKey,
        ours: &Pair,
        properties: &Properties,
        welcome: &[u8],
    ) -> Result<(Initiated, Vec<u8>), Violation> {
        let (b"WELCOME", rest) = split(welcome)? else { return Err(Violation("a command other than WELCOME")) };
        let (number, sealed) = rest.split_first_chunk::<16>().ok_or(Violation("a WELCOME cut short"))?;
        if sealed.len() != WELCOME_BOX {
            return Err(Violation("a WELCOME of another length"));
        }
        let welcomed = self.cipher.decrypt(&nonce(b"WELCOME-", number)?, sealed);
        let welcomed = Zeroizing::new(welcomed.map_err(|_| UNOPENED)?);
        let (kernel_short, cookie) = welcomed.split_at_checked(32).ok_or(UNOPENED)?;
        let kernel_short = key(kernel_short)?;

        let vouch_number = random::<16>()?;
        let vouched = [self.short.public.as_bytes().as_slice(), kernel.as_bytes()].concat();
        let vouch = SalsaBox::new(&kernel_short, &ours.secret)
            .encrypt(&nonce(b"VOUCH---", vouch_number.as_ref())?, vouched.as_slice());
        let mut plain = ours.public.as_bytes().to_vec();
        plain.extend_from_slice(vouch_number.as_ref());
        plain.extend_from_slice(&vouch.map_err(|_| UNOPENED)?);
        plain.extend_from_slice(&properties.compose());

        let cipher = SalsaBox::new(&kernel_short, &self.short.secret);
        let number = 2_u64.to_be_bytes();
        let sealed = cipher.encrypt(&nonce(b"CurveZMQINITIATE", &number)?, plain.as_slice()).map_err(|_| UNOPENED)?;
        let body = compose(b"INITIATE", &[cookie, &number, &sealed].concat());
        Ok((Initiated(ConnectionKeys { cipher: Rc::new(cipher), side: Side::Client, sent: 2, received: 0 }), body))
    }
}

impl Initiated {
    /// Processes READY: returns the connection's keys, and the kernel's metadata.
    pub fn ready(mut self, ready: &[u8]) -> Result<(ConnectionKeys, Properties), Violation> {
        let (b"READY", rest) = split(ready)? else { return Err(Violation("a command other than READY")) };
        let (number, sealed) = rest.split_first_chunk::<8>().ok_or(Violation("a READY cut short"))?;
        let properties = self.0.cipher.decrypt(&nonce(b"CurveZMQREADY---", number)?, sealed).map_err(|_| UNOPENED)?;
        self.0.received = u64::from_be_bytes(*number);
        Ok((self.0, Properties::parse(&properties)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::zmtp::curve::welcome;

    fn properties(socket_type: &[u8]) -> Properties {
        Properties { socket_type: socket_type.to_vec(), identity: b"me".to_vec() }
    }

    fn shaken() -> (ConnectionKeys, ConnectionKeys) {
        let (kernel, client) = (Pair::new().unwrap(), Pair::new().unwrap());
        let (kernel, public) = (kernel.secret, kernel.public);
        let (greeted, body) = hello(&public).unwrap();
        assert_eq!(body.len(), HELLO_LENGTH);
        let (welcomed, body) = welcome(&kernel, &body).unwrap();
        let (initiated, body) = greeted.initiate(&public, &client, &properties(b"DEALER"), &body).unwrap();
        let (mut theirs, seen) = welcomed.initiate(&kernel, &body).unwrap();
        assert_eq!(seen, properties(b"DEALER"));
        let (ours, seen) = initiated.ready(&theirs.ready(&properties(b"ROUTER")).unwrap()).unwrap();
        assert_eq!(seen, properties(b"ROUTER"));
        (ours, theirs)
    }

    #[test]
    fn both_sides_of_a_handshake_understand_each_other_and_refuse_an_old_message() {
        let (mut ours, mut theirs) = shaken();
        for text in [&b""[..], b"x", &vec![7; 70_000]] {
            let sealed = ours.seal(true, false, text).unwrap();
            assert_eq!(theirs.open(&sealed).unwrap(), (true, false, text.to_vec()));
            assert!(theirs.open(&sealed).is_err(), "again");
            assert!(ours.open(&sealed).is_err(), "by its own side");
            let back = theirs.seal(false, true, text).unwrap();
            assert_eq!(ours.open(&back).unwrap(), (false, true, text.to_vec()));
        }
    }

    #[test]
    fn a_peer_with_another_key_is_refused() {
        let (kernel, stranger) = (Pair::new().unwrap(), Pair::new().unwrap());
        let (_, body) = hello(&kernel.public).unwrap();
        assert!(welcome(&stranger.secret, &body).is_err(), "a stranger can't open HELLO");
        for place in [10, 24, 60, 150] {
            let (greeted, body) = hello(&kernel.public).unwrap();
            let (_, mut body) = welcome(&kernel.secret, &body).unwrap();
            body[place] ^= 1;
            assert!(greeted.initiate(&kernel.public, &stranger, &Properties::default(), &body).is_err());
        }
    }
}
