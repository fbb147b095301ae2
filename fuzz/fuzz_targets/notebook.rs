//! Notebooks: any file is parsed or gives an error, and a scrubbed notebook is a notebook that does not contain the
//! value.
#![no_main]
use jupyter_vault::internals::{Finder, scrub};
use jupyter_vault::secret::SecretValue;

libfuzzer_sys::fuzz_target!(|file: &[u8]| {
    let wanted = vec![("KEY".to_owned(), SecretValue::new(b"12345678".to_vec()))];
    let finder = Finder::new(wanted).unwrap();
    if let Ok(scrubbed) = scrub(file, &finder) {
        assert_eq!(scrubbed.content.is_some(), !scrubbed.places.is_empty());
        if let Some(content) = scrubbed.content {
            scrub(&content, &finder).unwrap();
        }
    }
});
