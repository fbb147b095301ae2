//! Messages on a keeper's socket: a client's request, and the answer.
#![no_main]

use jupyter_vault::internals::is_credential_message;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    let _ = is_credential_message(message);
});
