//! Frames, commands and greetings: encoding restores what was decoded.
#![no_main]
use jupyter_vault::internals::zmtp::{Properties, compose, split};
use jupyter_vault::internals::zmtp::{Decoded, decode, encode};
use jupyter_vault::internals::zmtp::{GREETING, Mechanism, check_greeting};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(Decoded::Frame(frame, length)) = decode(bytes) {
        assert!(length <= bytes.len() && frame.body.len() < length);
        let mut again = Vec::new();
        encode(frame.more, frame.command, &frame.body, &mut again);
        assert_eq!(decode(&again), Ok(Decoded::Frame(frame, again.len())));
    }
    if let Ok((name, rest)) = split(bytes) {
        assert_eq!(compose(name, rest), bytes);
    }
    if let Ok(properties) = Properties::parse(bytes) {
        assert_eq!(Properties::parse(&properties.compose()), Ok(properties));
    }
    if let Some(greeting) = bytes.first_chunk::<{ GREETING }>() {
        let _ = check_greeting(greeting, Mechanism::Null);
        let _ = check_greeting(greeting, Mechanism::Curve);
    }
});
