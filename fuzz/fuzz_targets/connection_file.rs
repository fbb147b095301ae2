//! Connection files: any text is parsed, or gives an error of two lines that quotes nothing.
#![no_main]
use std::path::Path;

use jupyter_vault::error::Kind;
use jupyter_vault::internals::ConnectionFile;
use jupyter_vault::internals::{Channel, Endpoint};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    match ConnectionFile::parse(Path::new("fuzz.json"), text) {
        Ok(file) => {
            for channel in Channel::ALL {
                if let Endpoint::Tcp(_, port) = file.endpoint(channel) {
                    assert_ne!(port, 0);
                }
            }
            assert_eq!(format!("{file:?}"), "ConnectionFile(fuzz.json)");
        }
        Err(error) => {
            assert_eq!(error.kind(), Kind::ConnectionFile);
            assert_eq!(error.to_string().lines().count(), 2);
        }
    }
});
