//! Files of names and values: any text is parsed or gives an error.
#![no_main]
use jupyter_vault::internals::{Format, parse_secrets};

libfuzzer_sys::fuzz_target!(|input: (u8, &str)| {
    let format = [Format::Dotenv, Format::Json, Format::Yaml][usize::from(input.0 % 3)];
    if let Ok(entries) = parse_secrets(input.1, format, "file") {
        assert!(entries.iter().all(|(_, value)| value.expose_text().is_some()));
    }
});
