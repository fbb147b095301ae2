//! Hides what looks like a credential in displayed text.
//!
//! Users paste tokens where a path, a name or an argument is expected, and an error would repeat it. A password looks
//! like any other text and can't be recognised; a Vault token and a JWT can.

use std::borrow::Cow;

/// The text shown instead.
pub const HIDDEN: &str = "(a credential, not shown)";
/// The prefixes of tokens, with the shortest length of the rest.
const TOKENS: [(&str, usize); 6] = [("hvs.", 16), ("hvb.", 16), ("hvr.", 16), ("s.", 24), ("b.", 24), ("r.", 24)];

/// `text` with each word hidden that looks like a credential.
pub fn masked(text: &str) -> Cow<'_, str> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    let mut shown = String::new();
    let mut kept = 0;
    let mut rest = 0;
    while let Some(begin) = text[rest..].find(is_part).map(|at| rest + at) {
        let end = text[begin..].find(|character| !is_part(character)).map_or(text.len(), |length| begin + length);
        if is_credential(&text[begin..end]) {
            shown.push_str(&text[kept..begin]);
            shown.push_str(HIDDEN);
            kept = end;
        }
        rest = end;
    }
    if kept == 0 {
        return text.into();
    }
    shown.push_str(&text[kept..]);
    shown.into()
}

fn is_credential(word: &str) -> bool {
    let word = word.trim_start_matches('-');
    let is_random = |rest: &str, least: usize| {
        let rest = rest.split('.').next().unwrap_or_default();
        rest.len() >= least
            && rest.contains(|character: char| character.is_ascii_digit() || character.is_ascii_uppercase())
    };
    let token =
        TOKENS.iter().any(|(begin, least)| word.strip_prefix(begin).is_some_and(|rest| is_random(rest, *least)));
    token || (word.starts_with("eyJ") && word.len() > 40 && word.matches('.').count() >= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_hidden_and_the_words_beside_them_stay() {
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJlLW9mLWl0";
        for token in ["hvs.CAESIJx3rQnVbT0aM4zq", "s.iyNUhq8Ov4hIAx6snw5mB2nL", "s.iyNUhq8Ov4hIAx6snw5mB2nL.nsid1", jwt]
        {
            let text = format!("no file /home/ada/{token}: \"{token}\"");
            assert_eq!(masked(&text), format!("no file /home/ada/{HIDDEN}: \"{HIDDEN}\""));
        }
        for text in [
            "",
            "vaults.example.org:8200",
            "secret/users.d/ada",
            "s.short",
            "é hvs. s.",
            "b.of-a-very-long-host-name-of-words",
        ] {
            assert!(matches!(masked(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }
}
