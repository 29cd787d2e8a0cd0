//! The keyed index under which a person or a card is known, and by which nobody is.

use std::{fmt, str::FromStr};

use crate::{id::IdRefusal, text::stored_as_text};

/// 64 lower-case hexadecimal digits, as the vault makes them: a number, an address or a name read as none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlindIndex(String);

impl BlindIndex {
    const DIGITS: usize = 64;

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BlindIndex {
    type Err = IdRefusal;

    fn from_str(text: &str) -> Result<Self, IdRefusal> {
        let is_hex = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if is_hex && text.len() == Self::DIGITS { Ok(Self(text.to_owned())) } else { Err(IdRefusal::IdMalformed) }
    }
}

impl fmt::Display for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

stored_as_text!(BlindIndex);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_personal_reads_as_a_blind_index() {
        let index = "0123456789abcdef".repeat(4);
        assert_eq!(index.parse::<BlindIndex>().unwrap().as_str(), index);
        let (short, long) = ("a".repeat(63), "a".repeat(65));
        for text in ["", "ann@example.com", "4111111111111111", &short, &long, &index.to_uppercase()] {
            assert_eq!(text.parse::<BlindIndex>(), Err(IdRefusal::IdMalformed), "{text}");
        }
    }
}
