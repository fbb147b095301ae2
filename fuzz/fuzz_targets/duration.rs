//! Durations: positive and at most a day, or rejected.
#![no_main]
use std::time::Duration;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Some(time) = jupyter_vault::internals::parse_duration(text) {
        assert!(!time.is_zero() && time <= Duration::from_secs(86_400));
    }
});
