//! CURVE: the listening side proves its identity with its long-term key, and messages are encrypted with keys for one
//! connection. This is the kernel's side of the handshake; the client's is [`super::curve_client`].
//!
//! HELLO shows that the client knows the kernel's public key; WELCOME contains the kernel's short-term key; INITIATE
//! contains the client's long-term key with a vouch for its short-term one; READY ends the handshake. Any client that
//! knows the kernel's public key may connect, as with libzmq without an authenticator: the message signature decides
//! what a client may do. Specification: <https://rfc.zeromq.org/spec/26/>.

use std::rc::Rc;

use crypto_box::aead::Aead;
use crypto_box::{PublicKey, SalsaBox, SecretKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::Violation;
use super::command::{Properties, compose, split};

pub(super) const HELLO_LENGTH: usize = 200;
pub(super) const COOKIE: usize = 96;
/// C', the vouch's nonce and box: what INITIATE's box begins with.
const VOUCH: usize = 32 + 16 + 80;

pub(super) const UNOPENED: Violation = Violation("a box of the handshake can't be opened");
const NO_RANDOMNESS: Violation = Violation("the system provides no random bytes");

/// Random bytes from the system.
pub(super) fn random<const N: usize>() -> Result<Zeroizing<[u8; N]>, Violation> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new().fill(bytes.as_mut()).map_err(|_| NO_RANDOMNESS)?;
    Ok(bytes)
}

pub(super) fn nonce(prefix: &[u8], rest: &[u8]) -> Result<crypto_box::Nonce, Violation> {
    let mut nonce = crypto_box::Nonce::default();
    if prefix.len() + rest.len() != nonce.len() {
        return Err(Violation("a nonce has a wrong length"));
    }
    nonce[..prefix.len()].copy_from_slice(prefix);
    nonce[prefix.len()..].copy_from_slice(rest);
    Ok(nonce)
}

pub(super) fn key(bytes: &[u8]) -> Result<PublicKey, Violation> {
    PublicKey::from_slice(bytes).map_err(|_| Violation("a key has a wrong length"))
}

/// The state after HELLO: the kernel's short-term key and the client's, and the cookie that must come back.
pub struct Welcomed {
    short: SecretKey,
    client_short: PublicKey,
    cookie: Zeroizing<[u8; COOKIE]>,
}

/// Answers HELLO: returns the next state, and the body of WELCOME.
pub fn welcome(secret: &SecretKey, hello: &[u8]) -> Result<(Welcomed, Vec<u8>), Violation> {
    let (b"HELLO", rest) = split(hello)? else { return Err(Violation("a command other than HELLO")) };
    if hello.len() != HELLO_LENGTH || rest[..2] != [1, 0] {
        return Err(Violation("a HELLO of another version"));
    }
    let client_short = key(&rest[74..106])?;
    let long = SalsaBox::new(&client_short, secret);
    let signature = long.decrypt(&nonce(b"CurveZMQHELLO---", &rest[106..114])?, &rest[114..]).map_err(|_| UNOPENED)?;
    if signature != [0; 64] {
        return Err(UNOPENED);
    }
    let short = SecretKey::from_bytes(*random::<32>()?);
    let cookie = random::<COOKIE>()?;
    let number = random::<16>()?;
    let mut plain = Zeroizing::new(short.public_key().as_bytes().to_vec());
    plain.extend_from_slice(cookie.as_ref());
    let sealed = long.encrypt(&nonce(b"WELCOME-", number.as_ref())?, plain.as_slice()).map_err(|_| UNOPENED)?;
    let body = compose(b"WELCOME", &[number.as_slice(), &sealed].concat());
    Ok((Welcomed { short, client_short, cookie }, body))
}

impl Welcomed {
    /// Processes INITIATE: returns the connection's keys, and the client's metadata.
    pub fn initiate(self, secret: &SecretKey, initiate: &[u8]) -> Result<(ConnectionKeys, Properties), Violation> {
        let (b"INITIATE", rest) = split(initiate)? else { return Err(Violation("a command other than INITIATE")) };
        let (cookie, rest) = rest.split_at_checked(COOKIE).ok_or(Violation("an INITIATE cut short"))?;
        let (number, sealed) = rest.split_first_chunk::<8>().ok_or(Violation("an INITIATE cut short"))?;
        if cookie != self.cookie.as_slice() {
            return Err(Violation("another cookie than ours"));
        }
        let cipher = SalsaBox::new(&self.client_short, &self.short);
        let plain = cipher.decrypt(&nonce(b"CurveZMQINITIATE", number)?, sealed).map_err(|_| UNOPENED)?;
        let (vouch, properties) = plain.split_at_checked(VOUCH).ok_or(Violation("an INITIATE cut short"))?;
        let client_long = key(&vouch[..32])?;
        // The vouch's box is between the client's long-term key and the kernel's short-term one.
        let vouch_box = SalsaBox::new(&client_long, &self.short);
        let vouched = vouch_box.decrypt(&nonce(b"VOUCH---", &vouch[32..48])?, &vouch[48..]).map_err(|_| UNOPENED)?;
        let expected = [self.client_short.as_bytes().as_slice(), secret.public_key().as_bytes()].concat();
        if vouched != expected {
            return Err(Violation("the vouch is for another key"));
        }
        let received = u64::from_be_bytes(*number);
        Ok((
            ConnectionKeys { cipher: Rc::new(cipher), side: Side::Kernel, sent: 0, received },
            Properties::parse(properties)?,
        ))
    }
}

/// The side that encrypts: both use the same key, each with its own nonces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Kernel,
    Client,
}

impl Side {
    const fn sealing(self) -> &'static [u8] {
        match self {
            Self::Kernel => b"CurveZMQMESSAGES",
            Self::Client => b"CurveZMQMESSAGEC",
        }
    }

    const fn opening(self) -> &'static [u8] {
        match self {
            Self::Kernel => Self::Client.sealing(),
            Self::Client => Self::Kernel.sealing(),
        }
    }
}

/// The keys of one connection. Each message has a number that is never used again.
#[derive(Clone)]
pub struct ConnectionKeys {
    pub(super) cipher: Rc<SalsaBox>,
    pub(super) side: Side,
    pub(super) sent: u64,
    pub(super) received: u64,
}

impl ConnectionKeys {
    /// The body of READY.
    pub fn ready(&mut self, properties: &Properties) -> Result<Vec<u8>, Violation> {
        self.sent += 1;
        let number = self.sent.to_be_bytes();
        let plain = properties.compose();
        let sealed = self.cipher.encrypt(&nonce(b"CurveZMQREADY---", &number)?, plain.as_slice());
        Ok(compose(b"READY", &[number.as_slice(), &sealed.map_err(|_| UNOPENED)?].concat()))
    }

    /// Seals one frame into the body of a MESSAGE.
    pub fn seal(&mut self, more: bool, command: bool, body: &[u8]) -> Result<Vec<u8>, Violation> {
        self.sent += 1;
        let number = self.sent.to_be_bytes();
        let mut plain = Zeroizing::new(Vec::with_capacity(body.len() + 1));
        plain.push(u8::from(more) | u8::from(command) << 1);
        plain.extend_from_slice(body);
        let sealed = self.cipher.encrypt(&nonce(self.side.sealing(), &number)?, plain.as_slice());
        Ok(compose(b"MESSAGE", &[number.as_slice(), &sealed.map_err(|_| UNOPENED)?].concat()))
    }

    /// Opens a MESSAGE: whether more frames follow, whether it is a command, and the body.
    pub fn open(&mut self, message: &[u8]) -> Result<(bool, bool, Vec<u8>), Violation> {
        let (b"MESSAGE", rest) = split(message)? else { return Err(Violation("a frame that is not encrypted")) };
        let (number, sealed) = rest.split_first_chunk::<8>().ok_or(Violation("a MESSAGE cut short"))?;
        let received = u64::from_be_bytes(*number);
        if received <= self.received {
            return Err(Violation("an old message again"));
        }
        let mut plain = self
            .cipher
            .decrypt(&nonce(self.side.opening(), number)?, sealed)
            .map_err(|_| Violation("a message was altered"))?;
        self.received = received;
        if plain.is_empty() {
            return Err(Violation("a MESSAGE without flags"));
        }
        let flags = plain.remove(0);
        Ok((flags & 1 != 0, flags & 2 != 0, plain))
    }
}
