//! Messages from a kernel: without the key's signature they have no effect, and they never cause a panic.
#![no_main]
use jupyter_vault::internals::Channel;
use jupyter_vault::internals::KernelMessage;
use jupyter_vault::internals::KernelRequest as Request;
use jupyter_vault::internals::{Scheme, Signer};

libfuzzer_sys::fuzz_target!(|input: (u8, Vec<u8>, Vec<u8>, Vec<u8>, bool)| {
    let (channel, header, parent, content, topic) = input;
    let channel = Channel::ALL[usize::from(channel) % Channel::ALL.len()];
    let mut frames = vec![b"<IDS|MSG>".to_vec(), Vec::new(), header, parent, b"{}".to_vec(), content];
    if topic {
        frames.insert(0, b"kernel.status".to_vec());
    }
    assert!(Request::parse(frames.clone(), &Signer::new(Scheme::Sha256, b"a key that nobody guesses")).is_err());
    let Ok(message) = Request::parse(frames, &Signer::new(Scheme::Sha256, b"")) else { return };
    let arrived = KernelMessage::new(channel, message);
    let id = arrived.parent.as_ref().map_or("", |parent| parent.msg_id.as_str());
    assert_eq!(arrived.is(&arrived.header.msg_type, id), arrived.parent.is_some());
    assert!(arrived.content.is_object());
});
