//! Templates of data sources: any text is parsed or gives an error; a value is one value in a URL.
#![no_main]
use jupyter_vault::internals::DataTemplate;

libfuzzer_sys::fuzz_target!(|input: (&str, &str)| {
    let (text, value) = input;
    if let Ok(template) = DataTemplate::parse(text) {
        let filled = template.fill(&|_| Some(value)).expect("every field has a value");
        assert!(filled.expose_text().is_some());
        let _ = template.fill(&|_| None);
    }
    let url = DataTemplate::parse("x://{a|url}@h").expect("a template").fill(&|_| Some(value)).expect("it fills");
    let inner = url.expose_text().unwrap_or_default();
    let inner = &inner["x://".len()..inner.len() - "@h".len()];
    assert!(inner.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)));
    let _ = DataTemplate::of_url(text, |name| !name.is_empty()).fill(&|_| Some(value));
});
