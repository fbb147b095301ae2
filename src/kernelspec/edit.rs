//! kernel.json, its text changed in one place: the words of its argv.
//!
//! The file is somebody's: its order, its indentation, its keys that we have never heard of. So it is not
//! written anew from what was understood of it. The JSON library tells where the first word of argv
//! stands in the text, and only that word is replaced, in the way the words beside it are set apart.

use std::ops::Range;
use std::path::Path;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// What `wrap` must know of a kernel.json.
#[derive(Debug)]
pub struct Spec<'a> {
    text: &'a str,
    /// Where each word of argv stands in the text, quotes included.
    spans: Vec<Range<usize>>,
    /// The words of argv.
    pub words: Vec<String>,
    /// Whether the kernelspec sets its kernel's `PATH`.
    pub sets_path: bool,
    /// The provisioner or process proxy that starts the kernel, if one is named.
    pub starter: Option<String>,
}

/// The keys that count here. Of a key that stands there twice Python takes the last, and so do we.
#[derive(Default)]
struct KernelJson<'a> {
    argv: Option<&'a RawValue>,
    env: Value,
    metadata: Value,
}

impl<'de: 'a, 'a> Deserialize<'de> for KernelJson<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = KernelJson<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a kernelspec")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut found = KernelJson::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "argv" => found.argv = Some(map.next_value()?),
                        "env" => found.env = map.next_value()?,
                        "metadata" => found.metadata = map.next_value()?,
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

impl<'a> Spec<'a> {
    /// Reads the text of a kernel.json.
    ///
    /// # Errors
    /// What is wrong with it, as half a sentence.
    pub fn parse(text: &'a str) -> Result<Self, String> {
        let parsed: KernelJson<'a> = serde_json::from_str(text).map_err(|cause| said(&cause))?;
        let argv = parsed.argv.ok_or_else(|| "it has no argv".to_owned())?;
        let raw: Vec<&'a RawValue> =
            serde_json::from_str(argv.get()).map_err(|_| "its argv is not a list".to_owned())?;
        let words = raw.iter().map(|word| serde_json::from_str(word.get())).collect::<Result<Vec<String>, _>>();
        let words = words.map_err(|_| "its argv holds what is no text".to_owned())?;
        if words.first().is_none_or(String::is_empty) {
            return Err("its argv names no program".to_owned());
        }
        // Each word is borrowed from the text, so its address tells where it stands.
        let span = |word: &&RawValue| {
            let start = word.get().as_ptr().addr() - text.as_ptr().addr();
            start..start + word.get().len()
        };
        let starter = ["/kernel_provisioner/provisioner_name", "/process_proxy/class_name"]
            .iter()
            .find_map(|place| parsed.metadata.pointer(place)?.as_str());
        Ok(Self {
            text,
            spans: raw.iter().map(span).collect(),
            words,
            sets_path: parsed.env.get("PATH").is_some(),
            starter: starter.map(str::to_owned),
        })
    }

    /// The place of the first word of the kernel's own command, if a launcher stands before it.
    #[must_use]
    pub fn own_command(&self) -> Option<usize> {
        let is_launcher = |word: &String| {
            Path::new(word).file_name().is_some_and(|name| name.to_string_lossy().starts_with("jupyter-vault"))
        };
        let launcher = self.words.windows(2).position(|pair| is_launcher(&pair[0]) && pair[1] == "exec")?;
        let end = self.words.iter().skip(launcher).position(|word| word == "--")?;
        Some(launcher + end + 1).filter(|own| *own < self.words.len())
    }

    /// The text with `words` before the command, whose program becomes `program`.
    #[must_use]
    pub fn wrapped(&self, words: &[&str], program: &str) -> String {
        let first = &self.spans[0];
        let between = self.spans.get(1).map_or(", ", |second| &self.text[first.end..second.start]);
        let words: Vec<_> = words.iter().chain([&program]).map(|word| Value::from(*word).to_string()).collect();
        format!("{}{}{}", &self.text[..first.start], words.join(between), &self.text[first.end..])
    }

    /// The text without what stands before the kernel's own command, whose program is `program` again,
    /// as it stood in the text of `before`; `None` when there is no launcher in it.
    #[must_use]
    pub fn unwrapped(&self, before: &Spec<'_>) -> Option<String> {
        let own = &self.spans[self.own_command()?];
        let program = &before.text[before.spans[0].clone()];
        Some(format!("{}{program}{}", &self.text[..self.spans[0].start], &self.text[own.end..]))
    }
}

fn said(cause: &serde_json::Error) -> String {
    let what = match cause.classify() {
        serde_json::error::Category::Data => "it is no kernelspec",
        _ => "it is not JSON",
    };
    format!("line {}: {what}", cause.line())
}

#[cfg(test)]
mod tests {
    use super::Spec;

    const LAUNCHER: &[&str] = &["/bin/jupyter-vault", "exec", "--config", "{resource_dir}/vault.toml", "--"];

    fn wrapped(text: &str) -> String {
        Spec::parse(text).unwrap().wrapped(LAUNCHER, "/usr/bin/python3")
    }

    #[test]
    fn only_the_words_before_the_second_change_and_they_stand_as_the_others_do() {
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
    fn of_a_key_that_stands_there_twice_the_last_counts_as_it_does_for_jupyter() {
        let text = "{\"argv\": [\"k\"], \"env\": {\"PATH\": \"x\"}, \"argv\": [\"l\", \"m\"], \"env\": {}}";
        let spec = Spec::parse(text).unwrap();
        assert_eq!((spec.words.join(" "), spec.sets_path), ("l m".to_owned(), false));
        let wrapped = spec.wrapped(LAUNCHER, "/bin/l");
        assert!(wrapped.starts_with("{\"argv\": [\"k\"], ") && wrapped.contains("\"/bin/l\", \"m\"]"), "{wrapped}");
        assert_eq!(Spec::parse(&wrapped).unwrap().unwrapped(&spec), Some(text.to_owned()));
    }

    #[test]
    fn what_was_wrapped_is_unwrapped_with_later_edits_kept() {
        let text = "{\"argv\": [\"pyth\\u006fn\", \"-m\", \"k\"], \"display_name\": \"Old\"}";
        let edited = wrapped(text).replace("Old", "New");
        let back = Spec::parse(&edited).unwrap().unwrapped(&Spec::parse(text).unwrap());
        assert_eq!(back, Some(text.replace("Old", "New")));
        assert_eq!(Spec::parse(text).unwrap().unwrapped(&Spec::parse(text).unwrap()), None);
    }

    #[test]
    fn what_jupyter_would_not_start_is_told_apart() {
        for (text, why) in [
            ("", "not JSON"),
            ("{\"argv\": [\"k\"", "not JSON"),
            ("[]", "no kernelspec"),
            ("\u{feff}{\"argv\": [\"k\"]}", "not JSON"),
            ("{\"argv\": [\"k\"]} // comment", "not JSON"),
            ("{\"argv\": [\"k\",]}", "not JSON"),
            ("{}", "no argv"),
            ("{\"argv\": \"k\"}", "not a list"),
            ("{\"argv\": []}", "names no program"),
            ("{\"argv\": [\"\"]}", "names no program"),
            ("{\"argv\": [\"k\", 1]}", "no text"),
        ] {
            let said = Spec::parse(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
