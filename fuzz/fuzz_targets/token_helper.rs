//! The configuration of Vault's client, in HCL or JSON: any text gives a helper, none, or an error, never a panic.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    let _ = jupyter_vault::internals::parse_token_helper(text);
});
