//! The message of a launch to its keeper.
#![no_main]

use jupyter_vault::internals::is_hand_over;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    let _ = is_hand_over(message);
});
