//! vault.toml: any text is parsed or gives an error of two lines, never a panic.
#![no_main]
use std::path::Path;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Err(error) = jupyter_vault::internals::parse_config(text, Path::new("vault.toml")) {
        assert_eq!(error.to_string().lines().count(), 2);
    }
});
