//! The provider's answer, in the query of the address that the browser is redirected to.

use percent_encoding::percent_decode_str;

/// The longest error code of a provider that is shown.
const LONGEST: usize = 60;

/// What a provider answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Callback {
    /// A code, which works once.
    Code(String),
    /// A refusal, with the provider's error code.
    Denied(String),
}

/// The value of `name` in a query.
fn value(query: &str, name: &str) -> Option<String> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, text) = pairs.into_iter().find(|(key, _)| *key == name)?;
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// The state in an address to sign in at.
pub(super) fn state_of(address: &str) -> Option<String> {
    value(address.split_once('?')?.1, "state").filter(|state| !state.is_empty())
}

/// The answer in a query; `None` if it does not have this `state`.
pub(super) fn of_query(query: &str, state: &str) -> Option<Callback> {
    if value(query, "state").as_deref() != Some(state) {
        return None;
    }
    if let Some(word) = value(query, "error") {
        // One of the protocol's error codes, such as access_denied; other texts are not shown.
        let is_word = word.len() <= LONGEST && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        return Some(Callback::Denied(if is_word { word } else { String::new() }));
    }
    value(query, "code").filter(|code| !code.is_empty()).map(Callback::Code)
}

/// The answer in a whole address, as a browser shows it.
pub(super) fn of_address(address: &str, state: &str) -> Option<Callback> {
    let (_, query) = address.trim().split_once('?')?;
    of_query(query.split('#').next().unwrap_or(query), state)
}

#[cfg(test)]
mod tests {
    use super::{Callback, of_address, of_query, state_of};

    #[test]
    fn only_the_answer_to_this_sign_in_counts() {
        let code = |code: &str| Some(Callback::Code(code.to_owned()));
        assert_eq!(of_query("code=a%2Bb+c&state=st", "st"), code("a+b c"));
        assert_eq!(of_query("state=st&iss=x&code=1", "st"), code("1"));
        for other in
            ["code=1", "code=1&state=", "code=1&state=ST", "state=st", "state=st&code=", "", "&&=&", "state=%ff"]
        {
            assert_eq!(of_query(other, "st"), None, "{other}");
        }
        assert_eq!(of_address(" http://localhost:8250/oidc/callback?code=1&state=st#x\n", "st"), code("1"));
        assert_eq!(of_address("code=1&state=st", "st"), None);
    }

    #[test]
    fn a_refusal_is_told_by_the_protocols_own_word_alone() {
        let denied = |word: &str| Some(Callback::Denied(word.to_owned()));
        assert_eq!(of_query("error=access_denied&error_description=x&state=s", "s"), denied("access_denied"));
        assert_eq!(of_query("error=%1b%5B2J+hvs.token&state=s", "s"), denied(""));
    }

    #[test]
    fn the_state_is_read_from_the_address_to_sign_in_at() {
        assert_eq!(state_of("https://p/authorize?client_id=1&state=st_A%2B&nonce=2").as_deref(), Some("st_A+"));
        assert_eq!(state_of("https://p/authorize?client_id=1"), None);
    }
}
