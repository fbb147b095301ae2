//! Refusals: any status and body give one error of two lines.
#![no_main]
use jupyter_vault::internals::Address;
use jupyter_vault::internals::{Operation, Sender, refusal};
use jupyter_vault::internals::Reply;

libfuzzer_sys::fuzz_target!(|input: (u16, Vec<u8>)| {
    let (status, body) = input;
    let Some(reply) = Reply::new(400 + status % 200, true, body) else { return };
    let address = Address::parse("http://127.0.0.1:8200", "fuzz").expect("an address");
    let asker = Sender { address: &address, namespace: None, token_origin: "VAULT_TOKEN", token_worked: false };
    let error = refusal(&reply, Operation::Read("secret/fuzz", "secret/data/fuzz"), asker);
    assert_eq!(error.to_string().lines().count(), 2);
});
