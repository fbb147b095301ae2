//! kernel.json, with its text changed in one place: the words of its argv.
//!
//! The file belongs to a package or a user, and its order, indentation and unknown keys must survive. So it is not
//! serialised again: the JSON library gives the position of argv's first word in the text, and only that word is
//! replaced, with the separators of its neighbours.

use std::ops::Range;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::words;

/// The parts of a kernel.json that `wrap` uses.
#[derive(Debug)]
pub struct Spec<'a> {
    text: &'a str,
    /// The position of each word of argv in the text, quotes included.
    spans: Vec<Range<usize>>,
    /// The words of argv.
    pub words: Vec<String>,
    /// Whether the kernelspec sets its kernel's `PATH`.
    pub sets_path: bool,
    /// The program that starts the kernel, if the kernelspec names one.
    pub starter: Option<Starter>,
}

/// A program other than Jupyter that a kernelspec names to start its kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Starter {
    /// A kernel provisioner of Jupyter, by its entry point.
    Provisioner(String),
    /// A process proxy of Enterprise Gateway, by its class.
    ProcessProxy(String),
}

/// The value of a key. If a key occurs twice, Python takes the last, and so do we; a value that Python accepts and a
/// strict parser does not (a number out of range, half a surrogate) is only skipped.
struct Member<'k>(&'k str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a kernelspec")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == self.0 {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

/// The value of `key`, as it is written in `text`.
pub(super) fn member<'a>(text: &'a str, key: &str) -> serde_json::Result<Option<&'a RawValue>> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let found = Member(key).deserialize(&mut reader)?;
    reader.end().map(|()| found)
}

/// The value below these keys, if there is one.
fn below<'a>(text: &'a str, keys: &[&str]) -> Option<&'a str> {
    keys.iter().try_fold(text, |text, key| member(text, key).ok()?.map(RawValue::get))
}

impl<'a> Spec<'a> {
    /// Reads the text of a kernel.json.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        if text.starts_with('\u{feff}') {
            return Err("it begins with a byte order mark, which Jupyter does not read: save it as UTF-8 without one"
                .to_owned());
        }
        let argv = member(text, "argv").map_err(|cause| parse_error(&cause))?;
        let argv = argv.ok_or_else(|| "it has no argv".to_owned())?;
        let raw: Vec<&'a RawValue> =
            serde_json::from_str(argv.get()).map_err(|_| "its argv is not a list".to_owned())?;
        let words = raw.iter().map(|word| serde_json::from_str(word.get())).collect::<Result<Vec<String>, _>>();
        let words = words.map_err(|_| "its argv contains a value that is not text".to_owned())?;
        if words.first().is_none_or(String::is_empty) {
            return Err("its argv names no program".to_owned());
        }
        // Each word is borrowed from the text, so its address gives its position.
        let span = |word: &&RawValue| {
            let start = word.get().as_ptr().addr() - text.as_ptr().addr();
            start..start + word.get().len()
        };
        let named = |keys: &[&str]| serde_json::from_str::<String>(below(text, keys)?).ok();
        let provisioner = named(&["metadata", "kernel_provisioner", "provisioner_name"]).map(Starter::Provisioner);
        let proxy = || named(&["metadata", "process_proxy", "class_name"]).map(Starter::ProcessProxy);
        let starter = provisioner.or_else(proxy);
        Ok(Self {
            text,
            spans: raw.iter().map(span).collect(),
            words,
            sets_path: below(text, &["env", "PATH"]).is_some(),
            starter,
        })
    }

    /// Whether it contains a launcher: as a word, as `jupyter vault`, as a Python module, in a shell's line, or as this
    /// program under another name.
    pub fn has_launcher(&self) -> bool {
        let words: Vec<_> = self.words.iter().flat_map(|word| word.split_whitespace()).collect();
        words::launcher_in(&words).is_some()
    }

    /// The position of the first word of the kernel's own command, if a launcher precedes it. `written` is what
    /// `wrap` inserted, according to its record; the record decides, not the program's name.
    pub fn own_command(&self, written: &[String]) -> Option<usize> {
        let words: Vec<_> = self.words.iter().map(String::as_str).collect();
        words::own_command(&words, written)
    }

    /// The program that runs the kernel on another host or in a container, if argv shows one.
    pub fn carrier(&self) -> Option<String> {
        words::carrier(&self.words)
    }

    /// The text with `words` before the command, whose program becomes `program`.
    pub fn wrapped(&self, words: &[&str], program: &str) -> String {
        let first = &self.spans[0];
        let between = self.spans.get(1).map_or(", ", |second| &self.text[first.end..second.start]);
        let words: Vec<_> = words.iter().chain([&program]).map(|word| Value::from(*word).to_string()).collect();
        format!("{}{}{}", &self.text[..first.start], words.join(between), &self.text[first.end..])
    }

    /// The text without the words before the kernel's own command, whose program is `program` again, as in the text
    /// of `before`; `None` if it contains no launcher.
    pub fn unwrapped(&self, before: &Spec<'_>, written: &[String]) -> Option<String> {
        let own = &self.spans[self.own_command(written)?];
        let program = &before.text[before.spans[0].clone()];
        Some(format!("{}{program}{}", &self.text[..self.spans[0].start], &self.text[own.end..]))
    }
}

fn parse_error(cause: &serde_json::Error) -> String {
    let what = match cause.classify() {
        serde_json::error::Category::Data => "it is not a kernelspec",
        _ => "it is not JSON",
    };
    format!("line {}: {what}", cause.line())
}

#[cfg(test)]
mod tests {
    use super::{Spec, Starter};

    const LAUNCHER: &[&str] = &["/bin/jupyter-vault", "exec", "--config", "{resource_dir}/vault.toml", "--"];

    fn wrapped(text: &str) -> String {
        Spec::parse(text).unwrap().wrapped(LAUNCHER, "/usr/bin/python3")
    }

    #[test]
    fn wrap_inserts_words_in_the_argv_style() {
        let text =
            "{\n \"x\": [1e5, \"\\u00e9\"],\n \"argv\": [\n  \"python\",\n  \"-m\",\n  \"k\"\n ],\n\t\"env\": {}\n}";
        let expected = text.replace(
            "\"python\",",
            "\"/bin/jupyter-vault\",\n  \"exec\",\n  \"--config\",\n  \"{resource_dir}/vault.toml\",\n  \"--\",\n  \"/usr/bin/python3\",",
        );
        assert_eq!(wrapped(text), expected);
        assert_eq!(
            wrapped("{\"argv\":[\"k\"]}"),
            "{\"argv\":[\"/bin/jupyter-vault\", \"exec\", \"--config\", \"{resource_dir}/vault.toml\", \"--\", \"/usr/bin/python3\"]}"
        );
    }

    #[test]
    fn the_last_duplicate_key_wins() {
        let text = "{\"argv\": [\"k\"], \"env\": {\"PATH\": \"x\"}, \"argv\": [\"l\", \"m\"], \"env\": {}}";
        let spec = Spec::parse(text).unwrap();
        assert_eq!((spec.words.join(" "), spec.sets_path), ("l m".to_owned(), false));
        let wrapped = spec.wrapped(LAUNCHER, "/bin/l");
        assert!(wrapped.starts_with("{\"argv\": [\"k\"], ") && wrapped.contains("\"/bin/l\", \"m\"]"), "{wrapped}");
        assert_eq!(Spec::parse(&wrapped).unwrap().unwrapped(&spec, &[]), Some(text.to_owned()));
    }

    #[test]
    fn unwrapping_keeps_later_edits() {
        let text = "{\"argv\": [\"pyth\\u006fn\", \"-m\", \"k\"], \"display_name\": \"Old\"}";
        let edited = wrapped(text).replace("Old", "New");
        let back = Spec::parse(&edited).unwrap().unwrapped(&Spec::parse(text).unwrap(), &[]);
        assert_eq!(back, Some(text.replace("Old", "New")));
        assert_eq!(Spec::parse(text).unwrap().unwrapped(&Spec::parse(text).unwrap(), &[]), None);
    }

    #[test]
    fn values_that_only_python_reads_are_ignored() {
        let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
        for odd in ["1e999", "\"\\ud800\"", deep.as_str()] {
            let text = format!(
                "{{\"argv\": [\"k\"], \"env\": {{\"PATH\": \"x\", \"a\": {odd}}}, \"x\": {odd}, \
                 \"metadata\": {{\"x\": {odd}, \"process_proxy\": {{\"x\": {odd}, \"class_name\": \"P\"}}}}}}"
            );
            let spec = Spec::parse(&text).unwrap();
            assert_eq!((spec.sets_path, spec.starter), (true, Some(Starter::ProcessProxy("P".to_owned()))), "{odd}");
        }
        for none in ["null", "3", "[]", "{\"process_proxy\": []}", "{\"process_proxy\": {\"class_name\": 5}}"] {
            let text = format!("{{\"argv\": [\"k\"], \"env\": {none}, \"metadata\": {none}}}");
            let spec = Spec::parse(&text).unwrap();
            assert_eq!((spec.sets_path, spec.starter), (false, None), "{none}");
        }
    }

    #[test]
    fn what_jupyter_would_not_start_is_told_apart() {
        for (text, why) in [
            ("", "not JSON"),
            ("{\"argv\": [\"k\"", "not JSON"),
            ("[]", "not a kernelspec"),
            ("\u{feff}{\"argv\": [\"k\"]}", "byte order mark"),
            ("{\"argv\": [\"k\"]} // comment", "not JSON"),
            ("{\"argv\": [\"k\",]}", "not JSON"),
            ("{}", "no argv"),
            ("{\"argv\": \"k\"}", "not a list"),
            ("{\"argv\": []}", "names no program"),
            ("{\"argv\": [\"\"]}", "names no program"),
            ("{\"argv\": [\"k\", 1]}", "not text"),
        ] {
            let error = Spec::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
