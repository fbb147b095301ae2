//! kernel.json: a wrapped text is a kernelspec, and unwrapping restores the original text.
#![no_main]
use jupyter_vault::internals::Spec;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(before) = Spec::parse(text) else { return };
    if before.own_command(&[]).is_some() {
        return;
    }
    let wrapped = before.wrapped(&["/bin/jupyter-vault", "exec", "--"], "/usr/bin/python3");
    let after = Spec::parse(&wrapped).expect("a kernelspec");
    assert_eq!(after.words[4..], before.words[1..]);
    assert_eq!(after.unwrapped(&before, &[]).as_deref(), Some(text));
});
