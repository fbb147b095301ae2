//! Addresses: a displayed address parses to the same address, and no password is displayed.
#![no_main]
use jupyter_vault::internals::Address;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(address) = Address::parse(text, "VAULT_ADDR") {
        if let Address::Tcp(_) = address {
            assert_eq!(Address::parse(&address.to_string(), "VAULT_ADDR"), Ok(address));
        }
    }
});
