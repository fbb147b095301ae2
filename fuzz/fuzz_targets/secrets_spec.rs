//! `--secrets` SPECs: an accepted one has a path below its mount.
#![no_main]
use jupyter_vault::internals::Origin;
use jupyter_vault::internals::SourceSpec;

libfuzzer_sys::fuzz_target!(|spec: &str| {
    if let Ok(source) = SourceSpec::from_spec(spec, &Origin::Flag("--secrets")) {
        assert!(source.path.as_written().split('/').all(|segment| !matches!(segment, "" | "." | "..")));
    }
});
