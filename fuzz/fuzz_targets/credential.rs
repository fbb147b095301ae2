//! What is said over the socket of the process that holds leases: a client's question, and the answer to it.
#![no_main]

use jupyter_vault::internals::is_credential_talk;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    let _ = is_credential_talk(message);
});
