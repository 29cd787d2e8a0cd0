//! A secret that opens something of this process: compared in constant time, never shown.

use std::fmt;

use subtle::ConstantTimeEq as _;

use crate::failure::{Failure, Result};

/// Shorter ones can be guessed.
const CHARACTERS_MIN: usize = 24;

/// What a bearer has to show.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

impl Token {
    /// # Errors
    /// It is too plain to be one; it is not repeated.
    pub(crate) fn parse(text: &str, what: &str) -> Result<Self> {
        let text = text.trim();
        let is_long = text.chars().count() >= CHARACTERS_MIN;
        let is_of_one_line = text.bytes().all(|byte| byte.is_ascii_graphic());
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters.dedup();
        if is_long && is_of_one_line && letters.len() >= CHARACTERS_MIN / 3 {
            return Ok(Self(text.to_owned()));
        }
        Err(Failure::WeakToken { what: what.to_owned(), least: CHARACTERS_MIN })
    }

    pub(crate) fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_plain_is_no_token_and_is_not_repeated() {
        for plain in [
            "",
            "short",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "abcabcabcabcabcabcabcabcabc",
            "with a b c d e f g h i j",
        ] {
            let refused = Token::parse(plain, "the token of /metrics").unwrap_err().to_string();
            assert!(plain.is_empty() || !refused.contains(plain), "{refused}");
        }
        let token = Token::parse("3f9c1b7de05a48268bd17c64\n", "it").unwrap();
        assert!(token.is("3f9c1b7de05a48268bd17c64"));
        assert!(!token.is("3f9c1b7de05a48268bd17c65") && !token.is("") && !token.is("3f9c"));
        assert_eq!(format!("{token:?}"), "[token]");
    }
}
