//! `--secrets` SPECs: what is taken has a path that stays below its mount.
#![no_main]
use jupyter_vault::internals::Origin;
use jupyter_vault::internals::SourceSpec;

libfuzzer_sys::fuzz_target!(|spec: &str| {
    if let Ok(source) = SourceSpec::from_spec(spec, &Origin::Flag("--secrets")) {
        assert!(source.path.as_written().split('/').all(|segment| !matches!(segment, "" | "." | "..")));
    }
});
