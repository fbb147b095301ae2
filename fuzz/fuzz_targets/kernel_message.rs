//! Messages to the diagnostic kernel: without the key's signature they get no answer, and they never cause a panic.
#![no_main]
use jupyter_vault::internals::{Answer, answer};
use jupyter_vault::error::{Error, Kind};
use jupyter_vault::internals::KernelRequest as Request;
use jupyter_vault::internals::{Scheme, Signer};

libfuzzer_sys::fuzz_target!(|input: (Vec<Vec<u8>>, String, Vec<u8>)| {
    let (frames, kind, content) = input;
    assert!(Request::parse(frames.clone(), &Signer::new(Scheme::Sha256, b"a key that nobody guesses")).is_err());
    let unsigned = Signer::new(Scheme::Sha256, b"");
    let _ = Request::parse(frames, &unsigned);
    let header = serde_json::json!({"msg_id": "1", "msg_type": kind}).to_string().into_bytes();
    let frames = vec![b"<IDS|MSG>".to_vec(), Vec::new(), header, b"{}".to_vec(), b"{}".to_vec(), content];
    let Ok(request) = Request::parse(frames, &unsigned) else { return };
    let error = Error::new(Kind::Refused, "what", "advice");
    if let Answer::Reply(kind, content) | Answer::Interrupt(kind, content) | Answer::ShutDown(kind, content) =
        answer(&request, "python", &error)
    {
        assert!(kind.ends_with("_reply") && content.is_object());
    }
});
