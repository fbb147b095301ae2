//! Notebooks: no file makes the reader fail in another way than by an error, and what comes out of a scrub is a
//! notebook without the value, in which nothing is found any more.
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
