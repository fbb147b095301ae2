//! Path templates: whatever the values of placeholders, no segment is added and none is `..`.
#![no_main]
use jupyter_vault::internals::Template;

libfuzzer_sys::fuzz_target!(|input: (&str, &str)| {
    let (written, value) = input;
    if let Ok(template) = Template::parse(written) {
        let plain = template.fill(&mut |_| Ok("x".to_owned())).expect("a plain value fills");
        if let Ok(path) = template.fill(&mut |_| Ok(value.to_owned())) {
            assert_eq!(path.split('/').count(), plain.split('/').count());
            assert!(path.split('/').all(|segment| !matches!(segment, "" | "." | "..")));
        }
    }
});
